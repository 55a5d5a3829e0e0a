"""Attacks under one budget: cheap looks first, then the fine-tuning attacks that recover most, deeper and deeper."""
