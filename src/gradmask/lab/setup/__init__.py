"""Before the first run: what is installed, what the machine has, what the data is, and a recipe for all of it."""
