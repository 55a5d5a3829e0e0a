"""Cutting a model into groups, and putting it together again."""
