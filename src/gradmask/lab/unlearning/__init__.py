"""Post-hoc unlearning, the rivals that start from a finished model: each method, its grid, and the rule it is tuned by."""
