"""The run that follows a recipe: its folder, its arms, their checkpoints."""
