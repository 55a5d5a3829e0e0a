"""The figures, one function and one file each: results in, a Matplotlib figure out, or None without its data."""

from gradmask.report.figures.curves import curves as curves
from gradmask.report.figures.distribution import distribution as distribution
from gradmask.report.figures.domains import domains as domains
from gradmask.report.figures.tradeoff import tradeoff as tradeoff
