"""Reports: figures and tables made from a comparison, and from nothing else."""

from steepest.report.html import render_html, write_report
from steepest.report.text import comparison_table, to_csv

__all__ = ["comparison_table", "render_html", "to_csv", "write_report"]
