"""The page of a labeling: how good the labels are, what they cost, and what to look at."""
