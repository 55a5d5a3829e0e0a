"""From data labels to routes: policy tables, rehearsal, self-labeling."""
