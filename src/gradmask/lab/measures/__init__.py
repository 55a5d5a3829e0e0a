"""Evidence: what a model knows of each domain, before and after removal."""
