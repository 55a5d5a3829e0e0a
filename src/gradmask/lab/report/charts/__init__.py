"""The few kinds of figures that all pages are made of: rows of numbers in, a Vega-Lite chart, its words and its SVG out."""
