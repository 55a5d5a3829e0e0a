"""A recipe, and the run that follows it."""
