"""Attempts to bring back what was removed."""
