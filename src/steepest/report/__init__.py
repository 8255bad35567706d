"""Reports: figures and tables made from a comparison, and from nothing else."""

from steepest.report.html import render_html, write_report

__all__ = ["render_html", "write_report"]
