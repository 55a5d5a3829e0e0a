"""Conformance: a partitioned model's promises, proved on the model itself."""

from gradmask.conformance.check import check as check
from gradmask.conformance.report import Finding as Finding, Report as Report
