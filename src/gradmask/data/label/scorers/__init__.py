"""Ways to score a text: one file each, found by itself. See `scorer.Scorer` for what a file holds."""
