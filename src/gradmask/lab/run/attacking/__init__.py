"""Campaigns of attacks: on a run's removed model, or on any plain checkpoint beside a never-trained one."""
