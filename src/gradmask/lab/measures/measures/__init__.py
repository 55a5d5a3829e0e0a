"""What is left of a domain in a model, and what its removal cost."""
