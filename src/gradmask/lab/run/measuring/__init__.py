"""What a run's finished arms show: their measures, and what these say together."""
