"""How many hidden values come back right, by which key, and what the order of the keys is worth.

    STEEPEST_DATA=FOLDER python examples/imputation.py

One Ward in ten, and one CommunityArea in ten, of the crimes of 2018 are hidden and filled again from the
rest: from one key alone, from the finest key that knows (what ``fill-from`` does), and in the order of a
published notebook, where each coarser key overwrites the finer one. Then the crimes of 2022, which have no
Beat, District and Ward, get them from the rows of 2018.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from rich.console import Console
from rich.table import Table

from steepest.data.catalog import open_catalog
from steepest.data.preparation import Preparation, StepReport
from steepest.rng import stream

KEYS = ["Block", "Beat", "District"]
ORDERS = {
    "Block": KEYS[:1],
    "Beat": KEYS[1:2],
    "District": KEYS[2:],
    "finest wins": KEYS,
    "coarsest wins": KEYS[::-1],
}


def hide(frame: pl.DataFrame, column: str, share: float, seed: int) -> pl.Series:
    """Return which of the known values of ``column`` are hidden: one Boolean a row."""
    known = frame[column].is_not_null()
    drawn = pl.Series(stream(seed, "data").random(len(frame)) < share)
    return known & drawn


def filled(frame: pl.DataFrame, column: str, hidden: pl.Series, keys: list[str]) -> pl.Series:
    """Return ``column`` at the hidden rows as the other rows fill it."""
    steps = [{"use": "fill-from", "column": column, "keys": keys}]
    fitted = Preparation.load(steps).fit(frame.filter(~hidden), target=None)
    without = frame.filter(hidden).with_columns(pl.lit(None, frame.schema[column]).alias(column))
    rows, _ = fitted.transform(without, target=None)
    return rows[column]


def recovered(frame: pl.DataFrame, column: str, *, share: float = 0.1, seed: int = 0) -> dict[str, float]:
    """Return, for each way of filling, the share of the hidden values that come back right.

    A value that stays missing is not right. The published order, in which a coarser key overwrites a finer
    one, keeps a finer key's value only where the coarser keys know nothing.
    """
    hidden = hide(frame, column, share, seed)
    truth = frame.filter(hidden)[column]
    return {
        name: float((filled(frame, column, hidden, keys) == truth).fill_null(False).mean() or 0.0)
        for name, keys in ORDERS.items()
    }


def fill_2022() -> tuple[pl.DataFrame, list[StepReport]]:
    """Return the crimes of 2022 with Beat, District and Ward learned from the rows of 2018."""
    steps = [
        {"use": "rename", "columns": {"Community Area": "CommunityArea"}},
        *(
            {
                "use": "fill-from",
                "column": column,
                "keys": ["Block", "CommunityArea"],
                "learn_from": "crimes-2018",
                "create": True,
            }
            for column in ("Beat", "District", "Ward")
        ),
    ]
    preparation = Preparation.load(steps)
    rows, before = preparation.collect_prefix(open_catalog("crimes-2022").scan(), target="Primary Type")
    filled_rows, after = preparation.fit(rows, target="Primary Type").transform(rows, target="Primary Type")
    return filled_rows, [*before, *after]


def shown(results: dict[str, dict[str, float]]) -> Table:
    """Return a table with a row for each way of filling and a column for each filled column."""
    table = Table("filled from", *results, title="hidden values of 2018 that come back right")
    for name in ORDERS:
        table.add_row(name, *(f"{100 * each[name]:.2f} %" for each in results.values()))
    return table


def main(columns: Iterable[str] = ("Ward", "CommunityArea")) -> None:
    """Print both tables."""
    console = Console()
    frame = open_catalog("crimes-2018").scan().select(*KEYS, *columns).collect()
    console.print(shown({column: recovered(frame, column) for column in columns}))
    _, reports = fill_2022()
    for report in reports[1:]:
        console.print(f"2022: {report.text}", soft_wrap=True)


if __name__ == "__main__":
    main()
