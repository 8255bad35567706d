"""The table of results for a paper, and a document that shows everything exported."""

from __future__ import annotations

import re
from collections.abc import Sequence

from steepest.compare.result import Comparison, Metric, Row, better_first
from steepest.export import tex
from steepest.export.protocol import Section
from steepest.report import format as show
from steepest.report.digits import digits_of, from_winner
from steepest.report.factors import subject
from steepest.report.results import names_of
from steepest.report.sentences import notes
from steepest.report.view import finite, metric_of

FURTHER_METRICS = 1
"""How many metrics stand beside the deciding one; all of them are in the CSV files."""


def table(comparison: Comparison) -> str:
    r"""Return the results as a ``table`` float in the style of booktabs.

    A line for each arm and each baseline, best first, with columns for
    the factors where several vary; the best value of a column is bold; ±
    gives the larger arm of the 95 % interval. It needs ``\usepackage{booktabs}``.

    Args:
        comparison: the result; its names may contain anything.

    Example:
        >>> from steepest.compare.estimates import Estimate
        >>> loss = Estimate(mean=1.464, low=1.462, high=1.466, n=5)
        >>> row = Row(kind="arm", name="my_opt", lr=3e-4, seeds=5, metrics={"log_loss": loss})
        >>> shown = Metric(name="log_loss", title="log loss", higher_is_better=False)
        >>> text = table(Comparison(title="t", sentence="It wins.", metric="log_loss", winner="my_opt",
        ...                         rows=[row], metrics=[shown]))
        >>> [line for line in text.splitlines() if "my" in line]
        ['my\\_opt & $3\\times 10^{-4}$ & $\\mathbf{1.464} \\pm .002$ & 0 ms \\\\']
    """
    deciding = metric_of(comparison, comparison.metric)
    shown = [deciding, *[each for each in comparison.metrics if each.name != deciding.name][:FURTHER_METRICS]]
    optimizers = better_first((row for row in comparison.rows if row.kind == "arm"), deciding)
    baselines = better_first((row for row in comparison.rows if row.kind == "baseline"), deciding)
    rows = [*optimizers, *baselines]
    compared = any(from_winner(comparison, row.name, deciding.name) for row in rows)
    names = names_of(comparison)
    head = [
        "" if not names.factors else tex.escape(names.first),
        *map(tex.escape, names.titles),
        "rate",
        _head(deciding),
        *(["difference"] if compared else []),
        *map(_head, shown[1:]),
        "training",
    ]
    left = 1 + len(names.factors)
    columns = {each.name: _cells(comparison, rows, each) for each in shown}

    def line(place: int) -> str:
        row = rows[place]
        first, levels = names.of(row)
        cells = [_name(row, first), *(tex.escape(show.shorten(show.printable(each), 60)) for each in levels)]
        cells += [tex.number(show.rate(row.lr)), columns[deciding.name][place]]
        cells += [_difference(comparison, row, deciding)] if compared else []
        cells += [columns[each.name][place] for each in shown[1:]]
        return " & ".join([*cells, tex.escape(show.seconds(row.train_seconds))]) + r" \\"

    body = [line(place) for place in range(len(optimizers))]
    if baselines:
        body += [r"\midrule"] if optimizers else []
        body += [line(place) for place in range(len(optimizers), len(rows))]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            r"\small",
            rf"\caption{{{_caption(comparison, deciding, compared=compared)}}}",
            rf"\label{{tab:{slug(comparison.title)}}}",
            r"\medskip",
            "",
            rf"\begin{{tabular}}{{@{{}}{'l' * left}{'r' * (len(head) - left)}@{{}}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def paragraphs(sections: Sequence[Section]) -> str:
    """Return the protocol as LaTeX paragraphs with run-in headings."""
    return (
        "\n\n".join(rf"\paragraph{{{tex.escape(each.title)}.}} {tex.prose(each.text)}" for each in sections)
        + "\n"
    )


def document(comparison: Comparison, figures: Sequence[tuple[str, str]], *, cites: bool) -> str:
    """Return a document that inputs the table, the protocol and the figures beside it, ready to compile.

    Args:
        comparison: the result.
        figures: name of the PDF file without its ending, and its caption.
        cites: whether there is a ``references.bib`` with at least one entry.
    """
    lines = [
        r"\documentclass{article}",
        r"\usepackage[T1]{fontenc}",
        r"\usepackage[margin=2.2cm]{geometry}",
        r"\usepackage{booktabs}",
        r"\usepackage{graphicx}",
        rf"\title{{{tex.escape(comparison.title)}}}",
        r"\author{}",
        r"\date{}",
        r"\begin{document}",
        r"\maketitle",
        r"\input{table}",
    ]
    for name, caption in figures:
        lines += [
            r"\begin{figure}",
            r"\centering",
            rf"\includegraphics[width=\linewidth]{{{name}}}",
            rf"\caption{{{tex.prose(caption)}}}",
            r"\end{figure}",
        ]
    lines += [r"\clearpage", r"\appendix", r"\section{Protocol}", r"\input{protocol}"]
    if cites:
        lines += [r"\nocite{*}", r"\bibliographystyle{plain}", r"\bibliography{references}"]
    return "\n".join([*lines, r"\end{document}", ""])


def slug(title: str) -> str:
    """Return a name that is safe in labels and file names.

    Example:
        >>> slug("Crimes 2018 (é)")
        'crimes-2018'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "comparison"


def _head(metric: Metric) -> str:
    unit = r", \%" if metric.percent else ""
    arrow = r"\uparrow" if metric.higher_is_better else r"\downarrow"
    return f"{tex.escape(metric.title)}{unit} ${arrow}$"


def _name(row: Row, shown: str) -> str:
    notes = [] if row.outcome == "finished" else [row.outcome]
    notes += [row.untuned] if row.kind == "arm" and row.untuned else []
    name = tex.escape(show.shorten(show.printable(shown), 60))
    return f"{name} ({', '.join(map(tex.escape, notes))})" if notes else name


def _cells(comparison: Comparison, rows: Sequence[Row], metric: Metric) -> list[str]:
    found = [row.metrics.get(metric.name) for row in rows]
    means = [each.mean for each in found if each is not None and finite(each.mean)]
    best = (max if metric.higher_is_better else min)(means) if means else None
    written = digits_of(comparison, metric)
    return [
        tex.escape(show.MISSING)
        if each is None or not finite(each.mean)
        else tex.number(written.value(each), bold=each.mean == best)
        for each in found
    ]


def _difference(comparison: Comparison, row: Row, metric: Metric) -> str:
    found = from_winner(comparison, row.name, metric.name)
    if found is None or not finite(found.mean):
        return tex.escape(show.MISSING)
    mean, ends = digits_of(comparison, metric).gap(found, sign=True)
    numbers = [tex.number(each)[1:-1] for each in (mean, *ends.strip("[]").split(", ")) if each]
    return f"${numbers[0]}\\ [{', '.join(numbers[1:])}]$" if numbers[1:] else f"${numbers[0]}$"


def _caption(comparison: Comparison, metric: Metric, *, compared: bool) -> str:
    seeds = max((row.seeds for row in comparison.rows), default=1)
    where = tex.escape(comparison.results_on)
    said = [tex.prose(show.printable(comparison.sentence))]
    if seeds * comparison.test_sets > 1:
        runs = subject(comparison).runs(seeds).replace("×", r"$\times$")
        said.append(rf"Means over {runs} on {where}; $\pm$ and brackets are 95\,\% intervals.")
    else:
        said.append(f"One run each on {where}.")
    said.append("The best of a column is bold.")
    if compared:
        winner = tex.escape(show.printable(comparison.winner))
        said.append(f"The difference is paired: a row's {tex.escape(metric.title)} minus that of {winner}.")
        said += [tex.prose(each) for each in notes(comparison)]
    return " ".join(said)
