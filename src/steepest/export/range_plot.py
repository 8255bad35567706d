"""The picture of range tests on paper, drawn by matplotlib from the figure of the page."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.export.plots import CARD, WIDTH, drawing, finish, labelled, legend_beside, saved
from steepest.report import rate_figures, theme
from steepest.train.range_test import RangeTest


def draw_range_tests(tests: Sequence[RangeTest], form: str) -> bytes:
    """Return the content of a picture: ``png``, ``svg`` or ``pdf``.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    layout = rate_figures.range_tests(tests)["layout"]
    with drawing() as figure:
        made = figure(figsize=(WIDTH, 3.0), layout="constrained", dpi=200)
        ax = made.add_subplot()
        for slot, test in enumerate(tests):
            colour = theme.colour(slot)
            ax.plot(test.rates, test.losses, ".", markersize=3, color=colour, alpha=2 * theme.BAND_OPACITY,
                    markeredgewidth=0)  # fmt: skip
            ax.plot(test.rates, test.smoothed, color=colour, linewidth=1.3, label=labelled(test.name))
            for rate, marker, size, face in (
                (test.lowest, "o", 7.5, CARD),
                (test.steepest, "o", 4.5, colour),
                (test.suggested, "D", 6, colour),
            ):
                if rate is not None:
                    ax.plot(
                        rate,
                        test.at(rate),
                        marker,
                        markersize=size,
                        color=colour,
                        markerfacecolor=face,
                        zorder=4,
                    )
        ax.set_xscale("log")
        finish(ax, layout)
        ax.set_xticks(layout["xaxis"]["tickvals"], layout["xaxis"]["ticktext"])
        low, high = layout["xaxis"].get("range", [-3, 0])
        ax.set_xlim(10**low, 10**high)
        ax.minorticks_off()
        legend_beside(made, ax, [])
        return saved(made, form)
