"""What training stacks need so that data labels arrive: a collator, and a check that Trainer runs by itself."""
