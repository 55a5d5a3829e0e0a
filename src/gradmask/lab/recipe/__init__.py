"""Recipes: what a run is, read from YAML and checked as a whole."""
