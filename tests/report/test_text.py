"""The terminal's table and results.csv."""

from __future__ import annotations

import csv
import io
import itertools
import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import steepest
from steepest.compare.effects import Factorial, Interaction, LevelMean, MainEffect
from steepest.compare.estimates import Difference, Estimate
from steepest.compare.fits import Optimum
from steepest.compare.result import Comparison, Metric, Row
from steepest.export import latex
from steepest.record.arms import ArmEntry
from steepest.report import comparison_table, to_csv
from steepest.report import format as show
from steepest.report.digits import Digits, digits, digits_of
from steepest.report.fits import gap_text
from steepest.report.html import render_html
from steepest.report.levels import effects_table
from steepest.report.text import COSTS
from steepest.report.usage import commands, usage
from steepest.report.view import metric_of, ranking
from steepest.wording import plain_text
from tests.report.example import EXAMPLES, crimes

GOLDEN = Path(__file__).parent / "table.txt"


def printed(result: Comparison, width: int = 80, **options: bool) -> str:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, **options).print(comparison_table(result))
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def small() -> Comparison:
    """The example of the documentation, written out: no number is drawn."""

    def known(mean: float, half: float) -> Estimate:
        return Estimate(mean=mean, low=mean - half, high=mean + half, n=5)

    def once(mean: float) -> Estimate:
        return Estimate(mean=mean, low=mean, high=mean, n=1)

    def minus(other: str, mean: float, low: float, high: float, **more: object) -> Difference:
        fields = {
            "first": "adam",
            "second": other,
            "metric": "log_loss",
            "mean": mean,
            "low": low,
            "high": high,
        }
        return Difference.model_validate({**fields, "told_apart": not low <= 0 <= high, **more})

    rows = [
        Row(kind="arm", name="adam", lr=1e-3, seeds=5, good_range=31.6,
            metrics={"log_loss": known(1.4641, 0.0021), "accuracy": known(0.4712, 0.0031)}),
        Row(kind="default", name="adam", lr=1e-3, seeds=5, metrics={"log_loss": known(1.4652, 0.0021)}),
        Row(kind="arm", name="sgd", lr=0.31623, seeds=5, good_range=10.0,
            metrics={"log_loss": known(1.4672, 0.0022), "accuracy": known(0.4694, 0.0029)}),
        Row(kind="arm", name="mine.py:MyOpt(rho=0.05)", lr=3.16e-4, seeds=5, tuned=False,
            outcome="diverged 5 of 5", metrics={"log_loss": Estimate(mean=math.nan, low=math.nan,
                                                                     high=math.nan, n=0)}),
        Row(kind="baseline", name="logistic", train_seconds=7.1,
            metrics={"log_loss": once(1.4709), "accuracy": once(0.467)}),
        Row(kind="baseline", name="majority", train_seconds=0.01,
            metrics={"log_loss": once(1.731), "accuracy": once(0.3927)}),
    ]  # fmt: skip
    return Comparison(
        title="crimes",
        sentence="Use adam: log loss 1.464 ± .002 (5 seeds), .003 [.002, .005] better than sgd.",
        metric="log_loss",
        metrics=[
            Metric(name="log_loss", title="log loss", higher_is_better=False),
            Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True),
        ],
        winner="adam",
        rows=rows,
        differences=[
            minus("sgd", -0.0031, -0.0054, -0.0018, over="seeds", n=5, better="adam"),
            minus("logistic", -0.007, -0.012, -0.002, over="rows", n=12559, better="adam"),
        ],
    )


def test_table_is_the_golden_one() -> None:
    assert printed(small()) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("width", "lost"), [(79, ()), (70, ("rate", "range")), (54, ("difference", "rate", "range"))]
)
def test_a_narrow_terminal_gets_fewer_columns(width: int, lost: tuple[str, ...]) -> None:
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(comparison_table(small(), width))
    above, head, first, *_ = file.getvalue().splitlines()
    if "difference" in lost:
        head, first = above, head
    assert [
        each for each in ("log loss", "difference", "accuracy", "rate", "range") if each not in above + head
    ] == [*lost]
    assert "1.464 ±.002" in first
    assert "47.1 ±.3" in first  # people look for the accuracy, before rates and before differences
    assert ("32×" in first) == ("range" not in lost)


def test_digits_that_need_room_get_that_of_further_columns() -> None:
    """Two precisions differ in the sixth digit; no cell may be broken into letters for that."""
    [close] = [each for each in small().differences if each.second == "sgd"]
    close = close.model_copy(update={"mean": -3.1e-7, "low": -6.2e-6, "high": 5.8e-6, "told_apart": False})
    far = close.model_copy(
        update={"second": "majority", "mean": -0.097842, "low": -0.191171, "high": -0.004513}
    )
    accuracy = Estimate(mean=0.713, low=0.459, high=0.967, n=2)
    rows = [
        row.model_copy(update={"metrics": {"log_loss": Estimate(mean=mean, low=mean - 0.156, high=mean + 0.156, n=2),
                                           "accuracy": accuracy}})
        for row, mean in zip([small().rows[i] for i in (0, 2, 5)], (0.5555917, 0.555592, 0.6534337), strict=True)
    ]  # fmt: skip
    result = small().model_copy(update={"rows": rows, "differences": [close, far]})
    lines = printed(result).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[-1] for line in lines[2:5]] == ["32×", "10×", "s"]  # a line for each row


def test_a_wide_terminal_has_room_for_names() -> None:
    file = io.StringIO()
    Console(file=file, width=120, color_system=None).print(comparison_table(small(), 120))
    assert "  mine.py:MyOpt(rho=0.05)  –  " in file.getvalue()


def test_a_main_effect_names_its_levels_among_all_of_the_factor() -> None:
    """Of three levels two are shown, and "noise" alone would be two of them."""
    names = ("true labels", "noise(0.1)", "noise(0.45)")
    levels = [
        LevelMean(level=name, mean=value, low=value - 0.01, high=value + 0.01, n=3)
        for name, value in zip(names, (0.5, 0.51, 0.63), strict=True)
    ]
    far = Difference(first=names[0], second=names[2], metric="log_loss", over="both", mean=-0.13, low=-0.2, high=-0.06,
                     n=3, told_apart=True)  # fmt: skip
    effect = MainEffect(factor="labels", levels=levels, pairs=[far])
    file = io.StringIO()
    table = effects_table(Factorial(metric="log_loss", seeds=3, effects=[effect]), Digits(3, percent=False))
    Console(file=file, width=100, color_system=None).print(table)
    assert "noise(0.45)" in file.getvalue()


def three_factors() -> Comparison:
    """Eight arms of three factors, the second best on the test rows chosen on validation."""
    factors = {"optimizer": ("adam", "momentum(lr=0.1)"), "batch_size": ("batch 16", "batch 256"),
               "train_rows": ("all rows", "50 % of the rows")}  # fmt: skip
    arms = [dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values())]
    entries = [
        ArmEntry(id=str(i), title=", ".join(each.values()), label="", levels=each)
        for i, each in enumerate(arms)
    ]
    names = ("log_loss", "accuracy")
    rows = [
        Row(kind="arm", name=each.title, lr=0.1, tuned=each.levels["optimizer"] == "adam", good_range=3.2,
            metrics={name: Estimate(mean=0.52 + i / 100, low=0.51 + i / 100, high=0.53 + i / 100, n=3)
                     for name in names})
        for i, each in enumerate(entries)
    ]  # fmt: skip
    rows.append(Row(kind="baseline", name="logistic regression", train_seconds=2.0,
                    metrics={name: Estimate(mean=0.517, n=1) for name in names}))  # fmt: skip

    def minus(first: str, second: str, mean: float, half: float) -> Difference:
        return Difference(first=first, second=second, metric="log_loss", over="both", mean=mean, low=mean - half,
                          high=mean + half, n=3, rows=150, told_apart=abs(mean) > half, p_adjusted=0.5)  # fmt: skip

    def effect(factor: str, mean: float, half: float) -> MainEffect:
        levels = [LevelMean(level=each, mean=0.5, n=3) for each in factors[factor]]
        return MainEffect(factor=factor, levels=levels, pairs=[minus(*factors[factor], mean, half)])

    largest = Interaction(factors=("optimizer", "batch_size"), first=factors["optimizer"],
                          second=factors["batch_size"], difference=minus("a", "b", 0.043, 0.024))  # fmt: skip
    winner = entries[1].title
    return Comparison(
        title="churn", sentence="Use it.", metric="log_loss", winner=winner, rows=rows, arms=entries,
        metrics=[Metric(name="log_loss", title="log loss", higher_is_better=False),
                 Metric(name="accuracy", title="accuracy", higher_is_better=True)],
        differences=[minus(winner, each.title, 0.01, 0.04) for each in entries if each.title != winner],
        factors=list(factors),
        factorial=Factorial(
            metric="log_loss", seeds=3, interactions=[largest],
            effects=[effect("optimizer", -0.004, 0.033), effect("batch_size", -0.031, 0.01),
                     effect("train_rows", -0.027, 0.03)],
        ),
    )  # fmt: skip


def test_each_of_several_factors_has_a_column_and_a_main_effect() -> None:
    lines = printed(three_factors()).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split("  log loss")[0].strip() for line in lines[:2]] == [
        "batch  training               difference from", "optimizer  size   rows",
    ]  # fmt: skip
    assert lines[2].startswith("  adam       16     all       0.52")
    assert lines[3].startswith("● adam       16     50 %      0.53")
    assert lines[6].startswith("  momentum(  16     all ")
    assert lines[7:9] == ["  lr=0.1)", "  not tuned"]
    after = lines.index(next(line for line in lines if line.startswith("main effect")))
    assert lines[after:] == [
        "main effect    best − worst level          difference [95 % CI]  detectable",
        "optimizer      adam − momentum             −.004 [−.037,.029]    no",
        "batch size     16 − 256                    −.031 [−.041,−.021]   yes",
        "training rows  all − 50 %                  −.027 [−.057,.003]    no",
        "interaction    adam − momentum, 16 vs 256  +.043 [.019,.067]     yes",
        "Use it.",
    ]


@pytest.mark.parametrize("width", [60, 80])
def test_many_factors_leave_room_for_the_deciding_value(width: int) -> None:
    factors = {"optimizer": ("adam", "sgd"), "model": ("embedding-mlp(hidden=(128, 64))", "linear"),
               "schedule": ("cosine schedule", "constant schedule"), "batch_size": ("batch 64", "batch 128"),
               "precision": ("float32", "float64")}  # fmt: skip
    entries = [
        ArmEntry(id=str(i), title=", ".join(each), label="", levels=dict(zip(factors, each, strict=True)))
        for i, each in enumerate(itertools.product(*factors.values()))
    ]
    rows = [
        Row(kind="arm", name=each.title, lr=0.01,
            metrics={"log_loss": Estimate(mean=0.5274, low=0.5153, high=0.5395, n=2)})
        for each in entries
    ]  # fmt: skip
    result = Comparison(
        title="churn", sentence="Use it.", metric="log_loss", winner=entries[0].title, rows=rows, arms=entries,
        metrics=[Metric(name="log_loss", title="log loss", higher_is_better=False)], factors=list(factors),
    )  # fmt: skip
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(comparison_table(result, width))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert sum("0.527 ±.012" in line for line in lines) == len(entries)


@pytest.mark.parametrize("name", EXAMPLES)
def test_table_fits_the_terminal_and_steers_nothing(name: str) -> None:
    text = printed(EXAMPLES[name]())
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert [line[0] for line in text.splitlines()].count("●") == 1
    assert text.count("  ● ") == 1, "the mark has a key"


def test_every_optimizer_and_baseline_is_in_the_table() -> None:
    text = " ".join(printed(crimes()).split())
    for row in crimes().rows:
        assert row.name.split()[0] in text
    assert "diverged 2 of 5" in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_csv_has_the_documented_rows_and_columns(name: str) -> None:
    result = EXAMPLES[name]()
    lines = list(csv.DictReader(io.StringIO(to_csv(result))))
    scores = [f"{metric.name}{end}" for metric in result.metrics for end in ("", "_low", "_high")]
    factors = result.factors if len(result.factors) > 1 else []
    expected = ["kind", "name", *factors, "lr", "seeds", "outcome", *scores, *COSTS]
    assert list(lines[0]) == expected
    rows = [row for row in result.rows if row.kind != "constant"]
    assert [(each["kind"], each["name"]) for each in lines] == [(row.kind, row.name) for row in rows]
    for line, row in zip(lines, rows, strict=True):
        assert line["lr"] == ("" if row.lr is None else repr(row.lr))
        for metric, value in row.metrics.items():
            assert (float(line[metric]) == value.mean) if math.isfinite(value.mean) else line[metric] == ""
            ends = (line[f"{metric}_low"], line[f"{metric}_high"])
            assert ends == (("", "") if value.n < 2 else (repr(value.low), repr(value.high)))
        assert "nan" not in ",".join(line.values()).lower().replace(row.name.lower(), "")


@settings(max_examples=300, deadline=None)
@given(
    mean=st.floats(),
    half=st.floats(min_value=0, allow_nan=False),
    runs=st.integers(1, 9),
    percent=st.booleans(),
)
def test_any_estimate_can_be_shown_in_few_characters(
    mean: float, half: float, runs: int, percent: bool
) -> None:
    value = Estimate(mean=mean, low=mean - half, high=mean + half, n=runs)
    text = show.estimate(value, percent=percent)
    assert text
    assert len(text) < 50
    assert "nan" not in text


@settings(max_examples=300, deadline=None)
@given(value=st.floats(min_value=1e-12, max_value=1e12))
def test_a_rate_and_a_duration_read_back_as_themselves(value: float) -> None:
    assert float(show.rate(value)) == pytest.approx(value, rel=0.051)
    assert show.seconds(value)


@pytest.mark.parametrize("name", EXAMPLES)
def test_terminal_report_and_export_show_the_same_digits(name: str) -> None:
    comparison = EXAMPLES[name]()
    metric = metric_of(comparison, comparison.metric)
    written = digits_of(comparison, metric)
    shown = [row for row in comparison.rows if row.kind in ("arm", "baseline")]
    terminal, page = printed(comparison, 200), render_html(comparison)
    exported = latex.table(comparison).replace("{,}", ",").replace(" \\pm ", " ± ").replace("\\mathbf{", "")
    for row in shown:
        value = written.value(row.metrics[metric.name])
        assert value.replace("± ", "±") in terminal
        assert value in page
        if value != show.MISSING and "×" not in value and "e" not in value:
            assert value.split(" ")[0].replace(show.MINUS, "-") in exported


@pytest.mark.parametrize(
    ("mean", "width", "shown"),
    [
        (-0.0385, 0.2324, "−0.04 ± .23"),  # the interval is wider than the value: two of its digits
        (0.2324, 0.0382, "0.232 ± .038"),
        (0.5, 0.9, "0.50 ± .90"),
        (1.234e-140, 2.2e-142, "1.23e-140 ± 2e-142"),
        (1.234e-140, 5e-140, "1.2e-140 ± 5.0e-140"),
        (2.5e-12, None, "2.50e-12"),
        (1234.5, 5000.0, "1,200 ± 5,000"),
    ],
)
def test_a_value_has_the_digits_that_its_interval_supports(
    mean: float, width: float | None, shown: str
) -> None:
    ends = {} if width is None else {"low": mean - width, "high": mean + width}
    assert show.estimate(Estimate(mean=mean, n=5, **ends)) == shown


@pytest.mark.parametrize(
    ("mean", "decimals", "shown"),
    [
        (0.24135, 4, ".24"),
        (-12.3456, 4, "−12"),
        (1234.5, 1, "1,200"),
        (0.0113, 3, ".011"),
        (0.00031, 3, ".0003"),
        (1.234e-141, 142, "1.2e-141"),
    ],
)
def test_a_difference_without_an_interval_has_two_digits_at_most(
    mean: float, decimals: int, shown: str
) -> None:
    assert show.difference(mean, None, None, decimals) == (shown, "")


def test_a_column_of_tiny_values_shows_their_intervals() -> None:
    found = [Estimate(mean=1.2e-140, low=1.1e-140, high=1.3e-140, n=5) for _ in range(3)]
    decimals = show.column_decimals(found)
    assert [show.estimate(each, decimals=decimals) for each in found] == ["1.20e-140 ± 1.0e-141"] * 3


def ends_of(mean: float, half: float | None) -> dict[str, float]:
    return {} if half is None else {"low": mean - half, "high": mean + half}


def columns_of(
    values: dict[str, tuple[float, float | None]], gaps: dict[str, tuple[float, float]]
) -> list[str]:
    """Return how values with their half-widths are written beside each other, and differences from the first."""
    metric = Metric(name="log_loss", title="log loss", higher_is_better=False)
    rows = [
        Row(kind="arm", name=name, metrics={"log_loss": Estimate(mean=mean, n=5, **ends_of(mean, half))})
        for name, (mean, half) in values.items()
    ]
    first = next(iter(values))
    differences = [
        Difference(
            first=name, second=first, metric="log_loss", over="both", mean=gap, low=gap - half, high=gap + half, n=5,
            told_apart=False,
        )
        for name, (gap, half) in gaps.items()
    ]  # fmt: skip
    written = digits(metric, rows, differences)
    shown = [written.value(row.metrics["log_loss"], tight=True) for row in rows]
    return [*shown, *(" ".join(written.gap(each)) for each in differences)]


def test_a_tiny_value_does_not_lengthen_the_others():
    found = {
        "adam": (3.956e-9, 5.027e-8), "sgd": (1.14597e-4, 1.33641e-3), "trees": (8.2645e-5, None),
        "logistic": (1.084665e-4, None), "majority": (0.43494873, None),
    }  # fmt: skip
    assert columns_of(found, {}) == ["4e-9 ±5e-8", "0.00011 ±.00134", "0.000083", "0.000108", "0.435"]
    assert columns_of(found, {"majority": (0.43494873, 0.12)})[-2:] == ["0.435", ".435 [.315, .555]"]


def test_a_large_value_with_a_tiny_interval_has_six_digits():
    assert columns_of({"a": (4.1633404, 2e-7), "b": (4.1633411, 2e-7)}, {})[0] == "4.16334 ±<.00001"


def test_more_digits_are_shown_where_a_difference_needs_them():
    found = columns_of(
        {"a": (1.46405, 0.00001), "b": (1.46409, None), "far": (2.3, None)}, {"b": (0.00004, 0.00001)}
    )
    assert found == ["1.46405 ±.00001", "1.46409", "2.30000", ".00004 [.00003, .00005]"]


@pytest.mark.parametrize(("told_apart", "expected"), [(False, ["predict", "baseline"]), (True, ["predict"])])
def test_the_command_of_a_baseline_that_may_be_as_good_is_printed(
    told_apart: bool, expected: list[str]
) -> None:
    result = small()
    rows = [row.model_copy(update={"model": f"baselines/{row.name}"}) for row in result.rows]
    differences = [each.model_copy(update={"told_apart": told_apart}) for each in result.differences]
    result = result.model_copy(update={"rows": rows, "differences": differences, "recommended": "adam"})
    found = usage(Path("runs/x"), result, "linear")
    lines = commands(result.model_copy(update={"use": found}))
    assert [line.split()[0] for line in lines] == expected
    if not told_apart:
        assert (
            lines[1]
            == "baseline steepest predict runs/x/baselines/logistic new.csv --out predictions.parquet"
        )


def test_a_large_number_is_written_out_wherever_it_stands():
    about = {"arm": "a", "loss": "squared", "solved": "", "coefficients": [], "exact": []}
    assert gap_text(Optimum(value=2834.5, least=1000.0, **about)) == "1,830"
    price = pl.Series("price", [1234567.5 + i for i in range(60)])
    [column] = [
        each for each in steepest.read_table({"price": price}).describe().columns if each.name == "price"
    ]
    assert column.values == "1,234,570 … 1,234,630, median 1,234,600"
    found = Difference(
        first="a", second="b", metric="rmse", over="seeds", mean=-45590.2, n=1, told_apart=False
    )
    assert str(found).startswith("a - b on rmse: -45,590 ")


def test_long_names_are_whole_in_the_terminal_and_in_the_ranking() -> None:
    """What distinguishes two settings of an optimizer may stand at the end of its name."""
    made = crimes()
    first = next(each.name for each in made.rows if each.kind == "arm")
    long = "adam(lr=0.01, betas=(0.9, 0.99), eps=1e-06, amsgrad=True, weight_decay=0.0123)"
    made = Comparison.model_validate_json(made.model_dump_json().replace(f'"{first}"', f'"{long}"'))
    said = plain_text(comparison_table(made), 80)
    names = "".join(line[2:30].strip() for line in said.splitlines())
    assert "eps=1e-06" in names
    assert "weight_decay=0.0123" in names
    assert max(map(len, said.splitlines())) <= 80
    assert ranking(made).wide


def test_what_rounding_leaves_of_no_difference_is_zero() -> None:
    """The mean of five equal and opposite differences of accuracy was shown as +2e-15."""
    found = Difference(
        first="a", second="b", metric="accuracy", over="both", mean=2.2e-17, low=-0.0061, high=0.0061, n=5,
        told_apart=False,
    )  # fmt: skip
    assert Digits(2, percent=True).gap(found, sign=True)[0] == ".00"
