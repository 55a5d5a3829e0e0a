"""Words of many texts at once, as numbers: NumPy on code points, no loop over words."""
