"""Unlearning after training: baselines that start from a finished model. Each has a grid of settings; one rule picks among them."""
