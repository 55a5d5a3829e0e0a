"""The documentation site: gathers pages, draws pictures, builds (`make docs`)."""
