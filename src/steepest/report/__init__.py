"""Reports: figures and tables made from a comparison, and from nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steepest.report.html import render_html, write_report
    from steepest.report.text import comparison_table, to_csv

__all__ = ["comparison_table", "render_html", "to_csv", "write_report"]


def __getattr__(name: str) -> Any:  # what draws pages is slow to import
    if name in ("render_html", "write_report"):
        from steepest.report import html

        return getattr(html, name)
    if name in ("comparison_table", "to_csv"):
        from steepest.report import text

        return getattr(text, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
