"""Attempts to bring back what was removed. One file each, named after the attack."""
