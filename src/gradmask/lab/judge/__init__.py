"""One verdict of a run: did it work, at what price, or why not and what to try."""
