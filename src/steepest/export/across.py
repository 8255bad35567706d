"""A suite for a paper: its results as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from steepest.compare.across import Contest, SuiteResults, contests
from steepest.export import tex
from steepest.report import format as show
from steepest.report.across import caution, contest_lines, head, rank_text, result_lines, sentence


def markdown_table(results: SuiteResults) -> str:
    """Return results and wins, ties and losses as tables in Markdown, with what they say below.

    Args:
        results: of a suite; names may contain anything.
    """
    parts = [_markdown(["arm", *map(head, results.sets), "mean rank"], _result_rows(results))]
    parts += [
        _markdown(
            [f"{name} against", *(each.name for each in results.sets), "win/tie/loss"],
            _contest_rows(results, name),
        )
        for name in results.mine
    ]
    said = [sentence(results), caution(results), rank_text(results), *results.remarks]
    return "\n\n".join([*parts, *(show.printable(each) for each in said if each)]) + "\n"


def _result_rows(results: SuiteResults) -> list[list[str]]:
    return [
        [line.name, *(f"**{cell.text}**" if cell.best else cell.text for cell in line.cells), line.rank_text]
        for line in result_lines(results)
    ]


def _contest_rows(results: SuiteResults, name: str) -> list[list[str]]:
    return [
        [
            line.second,
            *(
                " ".join(each for each in (cell.verdict, cell.amount, cell.interval) if each)
                for cell in line.cells
            ),
            f"{line.tally.win}/{line.tally.tie}/{line.tally.loss}",
        ]
        for line in contest_lines(results)[name]
    ]


def _markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    cells = ([show.printable(each).replace("|", "\\|") for each in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def latex_table(results: SuiteResults) -> str:
    r"""Return the results as a ``table`` float in the style of booktabs, with wins, ties and losses beside the means.

    The best mean of a column is bold. It needs ``\usepackage{booktabs}``.

    Args:
        results: of a suite; names may contain anything.
    """
    heads = ["", *(_latex_head(each) for each in map(head, results.sets)), "rank", *(_short(results))]
    against = {
        name: {line.second: line.tally for line in lines} for name, lines in contest_lines(results).items()
    }
    body: list[str] = []
    for line in result_lines(results):
        cells = [tex.escape(show.shorten(show.printable(line.name), 60))]
        cells += [
            tex.escape(cell.text)
            if cell.mean is None
            else tex.number(cell.text.replace("±", "± "), bold=cell.best)
            for cell in line.cells
        ]
        cells.append(line.rank_text)
        for name in results.mine:
            tally = against[name].get(line.name)
            cells.append("--" if tally is None else f"{tally.win}/{tally.tie}/{tally.loss}")
        body.append(" & ".join(cells) + r" \\")
    said = " ".join(each for each in (sentence(results), caution(results), rank_text(results)) if each)
    last = " The last column: wins, ties and losses against each."
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            r"\small",
            rf"\caption{{{tex.prose(show.printable(said + (last if len(results.mine) == 1 else '')))}}}",
            rf"\label{{tab:suite-{results.suite}}}",
            r"\medskip",
            "",
            rf"\begin{{tabular}}{{@{{}}l{'r' * (len(heads) - 1)}@{{}}}}",
            r"\toprule",
            " & ".join(heads) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_head(text: str) -> str:
    arrow = {"↑": r" $\uparrow$", "↓": r" $\downarrow$"}[text[-1]]
    return tex.escape(text[:-1].strip()) + arrow


def _short(results: SuiteResults) -> list[str]:
    if len(results.mine) == 1:
        return ["W/T/L"]
    return [f"W/T/L of {tex.escape(show.shorten(show.printable(each), 30))}" for each in results.mine]


def results_csv(results: SuiteResults) -> str:
    """Return every metric of every seed of every arm on every data set."""
    rows: list[list[Any]] = [["set", "arm", "seed", "rows", "metric", "value", "lr", "stored"]]
    for each in results.sets:
        for arm in each.arms:
            for part, metrics in (("test", arm.test), ("validation", arm.validation)):
                rows += [
                    [each.name, arm.name, seed, part, name, value, arm.lr, arm.stored]
                    for name, values in metrics.items()
                    for seed, value in zip(arm.seeds, values, strict=True)
                ]
    return _csv(rows)


def contests_csv(results: SuiteResults) -> str:
    """Return every comparison with its difference, interval, p-values and verdict."""
    names = list(Contest.model_fields)
    return _csv([names, *([getattr(each, name) for name in names] for each in contests(results))])


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
