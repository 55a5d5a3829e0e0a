"""Benchmarks: each module prints a table with the machine, versions and spread, and writes JSON with ``--json``."""
