"""Rivals on equal terms: every arm, with every seed and under every kind of label noise, and what they say together."""
