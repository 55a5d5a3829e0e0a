"""What ``gradmask label`` is asked for, and what it tells."""
