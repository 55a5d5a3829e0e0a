"""Measures of one model: what is left of a domain in it. One file each, named after the measure."""
