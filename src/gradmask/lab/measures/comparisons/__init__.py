"""Measures that compare the models of a run with each other. One file each, named after the measure."""
