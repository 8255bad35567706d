"""What a range test is shown as: sentences, a table for the terminal, and a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from rich import box
from rich.table import Table

from steepest.report import format as show
from steepest.report import rate_figures, theme
from steepest.report.html import embedded_json, own, plotly_script, policy, style, template
from steepest.train.range_test import BELOW, RangeTest
from steepest.wording import counted

WHY = (
    f"Suggested: the lower of two rates, 1/{BELOW:g} of that with the lowest running loss (there, a step's gain has "
    "come to an end, and the running loss lags behind) and that of its steepest fall (on a plateau, the lowest point "
    "says little)."
)
LIMITS = (
    "A range test is one short run with one seed, judged on its training batches; it has diverged where the running "
    "loss is above its start and four times its lowest. steepest compare chooses the rate on validation rows, at "
    "full length."
)


@dataclass(frozen=True)
class ShownTest:
    """A range test as texts."""

    name: str
    suggested: str
    steepest: str
    lowest: str
    steps: str
    ended: str
    colour: str
    dash: str


def lines(tests: Sequence[RangeTest]) -> list[ShownTest]:
    """Return the rows of the table."""
    return [
        ShownTest(
            test.name,
            show.rate(test.suggested),
            show.rate(test.steepest),
            show.rate(test.lowest),
            show.count(len(test.rates)),
            test.ended or "highest rate",
            f"series-{slot % len(theme.SERIES)}",
            theme.dash(slot),
        )
        for slot, test in enumerate(tests)
    ]


def sentence(tests: Sequence[RangeTest]) -> str:
    """Return what to do.

    Example:
        >>> sentence([RangeTest("sgd", (0.001, 0.01, 0.1), (0.7, 0.7, 0.7))])
        'No learning rate lowers the training loss of sgd by more than its noise.'
    """
    found = [(test.name, test.suggested) for test in tests if test.suggested is not None]
    without = [test.name for test in tests if test.suggested is None]
    said: list[str] = []
    if found:
        said.append(
            f"Suggested learning rate: {', '.join(f'{show.rate(rate)} for {n}' for n, rate in found)}."
        )
    if without:
        said.append(
            f"No learning rate lowers the training loss of {', '.join(without)} by more than its noise."
        )
    return " ".join(said)


def remarks(tests: Sequence[RangeTest]) -> list[str]:
    """Return why it is so, and what limits the tests."""
    said = [WHY] if any(test.suggested is not None for test in tests) else []
    if any(test.suggested is None for test in tests):
        said.append(
            "More steps, a larger batch or a higher last rate may show a fall (--steps, --batch-size, --to)."
        )
    said += [
        f"The loss of {test.name} is still falling at the highest rate, {show.rate(test.rates[-1])}: go on to a higher "
        "one (--to)."
        for test in tests
        if test.still_falling
    ]
    return said


def table(tests: Sequence[RangeTest]) -> Table:
    """Return the rates for the terminal."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    made.add_column("")
    for head in ("suggested", "steepest\nfall", "lowest\nloss", "steps"):
        made.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    made.add_column("ended", vertical="bottom")
    for line in lines(tests):
        made.add_row(
            show.printable(line.name), line.suggested, line.steepest, line.lowest, line.steps, line.ended
        )
    return made


def render(tests: Sequence[RangeTest], title: str, first: str = "optimizer") -> str:
    """Return the page of some range tests, its figure and the figure's library included."""
    data = {"figures": {"range-tests": rate_figures.range_tests(tests)}, "dark": theme.dark_for_light()}
    library, script = plotly_script(), own("report.js")
    return template("range_test.html.j2").render(
        title=title,
        sentence=sentence(tests),
        remarks=remarks(tests),
        lines=lines(tests),
        first=first,
        about=LIMITS,
        style=Markup(style()),
        library=Markup(library),
        script=Markup(script),
        policy=policy([library, script]),
        data=Markup(embedded_json(data)),
    )


def title_of(tests: Sequence[RangeTest], data: str) -> str:
    """Return what the page is called.

    Example:
        >>> title_of([RangeTest("sgd", (), ())], "flights")
        'learning rate range test of sgd on flights'
    """
    who = " and ".join(test.name for test in tests) if len(tests) < 3 else counted(len(tests), "arm")
    return f"learning rate range test of {who}" + (f" on {data}" if data else "")
