"""LaTeX that compiles whatever names contain, a protocol that says what was done, CSV that reads back."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest

from steepest.compare.estimates import Difference
from steepest.compare.result import Fact
from steepest.export import latex, tex, tidy
from steepest.export.bibliography import bibliography
from steepest.export.protocol import protocol, to_text
from tests.export.cases import rent_comparison, rent_experiment, rent_records
from tests.report.example import EXAMPLES, arms, crimes, folds

GOLDEN = Path(__file__).parent / "golden"


def check_latex(text: str) -> None:
    """Read LaTeX strictly: ASCII, braces, mathematics and environments balanced, nothing special left unescaped."""
    assert text.isascii()
    body = re.sub(r"(?<!\\)%.*", "", text)
    depth, mathematics, opened = 0, False, []
    for token in re.findall(r"\\begin\{\w+\}|\\end\{\w+\}|\\[a-zA-Z]+|\\.|[{}$&#_^~<>|\"]|\n\n", body):
        if token.startswith("\\begin"):
            opened.append(token[7:-1])
        elif token.startswith("\\end{"):
            assert opened.pop() == token[5:-1]
        elif token == "$":
            mathematics = not mathematics
        elif token in "{}":
            depth += 1 if token == "{" else -1
            assert depth >= 0
        elif token in ("^", "_"):
            assert mathematics, body
        elif token in ("#", "~", "<", ">", "|", '"'):
            assert token == "~", f"{token} is not escaped"
        elif token == "&":
            assert opened[-1] == "tabular"
            assert not mathematics
        elif token == "\n\n":
            assert not mathematics
    assert depth == 0
    assert not mathematics
    assert opened == []


def rows_of(text: str) -> list[list[str]]:
    inside = text.split(r"\begin{tabular}")[1].split(r"\end{tabular}")[0]
    lines = [each for each in inside.splitlines()[1:] if each.endswith(r"\\")]
    return [re.split(r" (?<!\\)& ", each.removesuffix(r" \\")) for each in lines]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_table_is_whole_whatever_the_names_are(name):
    result = EXAMPLES[name]()
    text = latex.table(result)
    check_latex(text)
    columns = re.search(r"\\begin\{tabular\}\{@\{\}(l+r+)@\{\}\}", text)
    assert columns
    rows = rows_of(text)
    assert {len(row) for row in rows} == {len(columns[1])}
    shown = [row for row in result.rows if row.kind in ("arm", "baseline")]
    assert len(rows) == 1 + len(shown)


def test_every_column_has_its_best_bold():
    text = latex.table(crimes())
    bold = [[place for place, cell in enumerate(row) if r"\mathbf" in cell] for row in rows_of(text)]
    assert [(place, *cells) for place, cells in enumerate(bold) if cells] == [(1, 2, 4)], (
        "adam in both metrics"
    )
    assert rows_of(text)[9][0].startswith("quickprop (diverged 2 of 5)")


ESCAPED = [
    ("a_b", r"a\_b"),
    ("100 % & more #1", r"100 \% \& more \#1"),
    ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
    ("$x^2$ ~ <b>", r"\$x\textasciicircum{}2\$ \textasciitilde{} \textless{}b\textgreater{}"),
    ("|`\"", r"\textbar{}\textasciigrave{}\textquotedbl{}"),
    ("Erdős, Dvořák, façade", r"Erd\H{o}s, Dvo\v{r}\'{a}k, fa\c{c}ade"),
    ("β ± 1e-3 × 2", r"$\beta$ $\pm$ 1e-3 $\times$ 2"),
    ("“so” – it’s…", r"``so'' -- it's\dots{}"),
    ("漢🦊", r"\texttt{U+6F22}\texttt{U+1F98A}"),
    ("two\nlines\x1b[31m", r"two lines\texttt{U+001B}[31m"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ESCAPED)
def test_escape(text, expected):
    assert tex.escape(text) == expected
    check_latex(expected)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_document_is_whole(name):
    check_latex(latex.document(EXAMPLES[name](), [("curves-step", "50 % of {x}_1 at 1e-3")], cites=True))


def test_the_protocol_in_latex_is_whole():
    sections = protocol(rent_comparison(), rent_experiment(), rent_records())
    check_latex(latex.paragraphs(sections))


GOLDENS = {
    "table.tex": lambda: latex.table(rent_comparison()),
    "protocol.txt": lambda: to_text(
        rent_comparison(), protocol(rent_comparison(), rent_experiment(), rent_records())
    ),
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name):
    assert GOLDENS[name]() == (GOLDEN / name).read_text(encoding="utf-8")


CHANGES = [
    ({"data": {"split": "time:year"}}, "by year: the latest rows are the test rows"),
    ({"data": {"split": "group:house"}}, "all rows of one house are in one part"),
    ({"data": {"split": "folds:5"}}, "The split was 5-fold, random (seed"),
    (
        {"data": {"split": "repeats:3,group:house"}},
        "was repeated 3 times, random by house: all rows of one house are",
    ),
    ({"data": {"test": "late.csv"}}, "The test rows came from late.csv."),
    ({"data": {"source": None}}, "the other columns of a table in memory"),
    ({"data": {"prepare": [{"use": "drop"}, {"use": "fill-mode"}]}}, "prepared by drop and fill-mode"),
    ({"protocol": {"clip": None}}, "Gradients were not clipped."),
    ({"protocol": {"clip": 0.5}}, "clipped to a norm of 0.5"),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_the_protocol_follows_the_configuration(change, expected):
    tree = rent_experiment().model_dump()
    for section, values in change.items():
        tree[section] |= values
    experiment = type(rent_experiment()).model_validate(tree)
    found = to_text(rent_comparison(), protocol(rent_comparison(), experiment, rent_records()), width=100_000)
    assert expected in found
    before = to_text(
        rent_comparison(), protocol(rent_comparison(), rent_experiment(), rent_records()), width=100_000
    )
    assert expected not in before


def test_a_difference_without_an_interval_is_not_said_to_have_one():
    result = rent_comparison()
    without = {**Difference.lacking(), "reason": "34 test rows, fewer than 100"}
    bare = result.model_copy(
        update={"differences": [each.model_copy(update=without) for each in result.differences]}
    )
    found = {each.title: each.text for each in protocol(bare, rent_experiment(), rent_records())}[
        "Statistics"
    ]
    assert "The differences of adamw to sgd have no interval (34 test rows, fewer than 100)." in found
    assert "paired" not in found
    lines = list(csv.DictReader(io.StringIO(tidy.differences(bare))))
    assert {(each["low"], each["high"], each["p"], each["reason"]) for each in lines} == {
        ("", "", "", "34 test rows, fewer than 100")
    }
    assert "[" not in re.sub(r"\\begin\{table\}\[\w+\]", "", latex.table(bare))


def test_what_was_not_done_has_no_sentence():
    found = rent_comparison()
    bare = found.model_copy(
        update={"rows": [row for row in found.rows if row.kind == "arm"], "differences": []}
    )
    titles = [each.title for each in protocol(bare, rent_experiment(), [])]
    assert "Baselines" not in titles
    assert "run seeds (" not in str(protocol(bare, rent_experiment(), []))


@pytest.mark.parametrize(
    "make", [tidy.results, tidy.runs, tidy.rates, tidy.differences, tidy.effects, tidy.levels]
)
@pytest.mark.parametrize("name", EXAMPLES)
def test_csv_files_are_rectangular_and_their_numbers_are_numbers(name, make):
    rows = list(csv.reader(io.StringIO(make(EXAMPLES[name]()))))
    assert {len(row) for row in rows} == {len(rows[0])}
    for column in ("mean", "low", "high", "value", "lr"):
        if column in rows[0]:
            for row in rows[1:]:
                cell = row[rows[0].index(column)]
                assert cell == "" or abs(float(cell)) < float("inf")


def test_csv_values_are_the_results_own():
    rows = list(csv.DictReader(io.StringIO(tidy.runs(crimes()))))
    adam = [
        float(row["value"])
        for row in rows
        if (row["kind"], row["name"], row["metric"]) == ("arm", "adam", "log_loss")
    ]
    assert adam == crimes().rows[0].values["log_loss"]
    rates = list(csv.DictReader(io.StringIO(tidy.rates(crimes()))))
    assert {row["name"]: float(row["lr"]) for row in rates if row["chosen"] == "true"} == pytest.approx(
        {each.name: each.chosen for each in crimes().rates}
    )


def test_a_strangers_optimizer_is_never_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("raise SystemExit('it ran')\n")
    text = bibliography(["mine.py:MyOpt(lr=1)", "os:system", "adam", "not (an optimizer"])
    assert text.count("no reference is known") == 3
    assert text.count("@") == 1


def test_a_table_of_several_factors_has_a_column_for_each():
    head, first, *_ = rows_of(latex.table(arms()))
    assert head[:4] == ["optimizer", "model", "batch size", "rate"]
    assert first[:4] == ["adam", "embedding-mlp(hidden=(64, 32))", "16", r"$1\times 10^{-3}$"]
    assert r"Means over 5 test sets $\times$ 2 seeds" in latex.table(folds())


@pytest.mark.parametrize("make", [tidy.results, tidy.runs, tidy.rates])
def test_values_have_a_column_for_each_factor_that_varies(make):
    rows = list(csv.DictReader(io.StringIO(make(arms()))))
    assert {"optimizer", "model", "batch_size"} <= rows[0].keys()
    levels = {each.title: each for each in arms().arms}
    for row in rows:
        arm = levels.get(row["name"])
        assert row["batch_size"] == (arm.factors["batch_size"] if arm else "")
        assert row["optimizer"] == (arm.levels["optimizer"] if arm else "")
    assert not {"optimizer", "batch_size"} & csv.DictReader(io.StringIO(make(crimes()))).__next__().keys()


def test_runs_of_several_test_sets_name_their_set():
    rows = [row for row in csv.DictReader(io.StringIO(tidy.runs(folds()))) if row["name"] == "adam"]
    assert [(row["test_set"], row["run"]) for row in rows] == [
        (str(k), str(s)) for k in range(5) for s in range(2)
    ]


def test_effects_are_those_of_the_result():
    found = arms().factorial
    assert found
    rows = list(csv.DictReader(io.StringIO(tidy.effects(arms()))))
    main = [row for row in rows if row["kind"] == "main"]
    assert [float(row["mean"]) for row in main] == [
        pair.mean for each in found.effects for pair in each.pairs
    ]
    assert len(rows) - len(main) == len(found.interactions)
    means = {row["level"]: float(row["mean"]) for row in csv.DictReader(io.StringIO(tidy.levels(arms())))}
    assert means == {level.level: level.mean for each in found.effects for level in each.levels}


def test_the_protocol_describes_arms_and_main_effects():
    sections = {each.title: each.text for each in protocol(arms(), rent_experiment(), [])}
    assert sections["Arms"].startswith(
        "12 arms were compared, all combinations of optimizer (adam, momentum(lr=0.1), sgd), model (linear, "
        "embedding-mlp(hidden=(64, 32))) and batch size (16, 64). All of them had runs of equal length in epochs."
    )
    assert "corrected for all 5 pairs of levels (Holm)" in sections["Statistics"]
    assert "Largest interaction, " in sections["Statistics"]
    assert "Arms" not in [each.title for each in protocol(crimes(), rent_experiment(), [])]


def test_the_protocol_of_several_test_sets_names_them():
    sections = {each.title: each.text for each in protocol(folds(), rent_experiment(), [])}
    assert "The 5 test sets have runs of their own" in sections["Data"]
    assert "on the training and validation rows of the first test set" in sections["Tuning"]
    assert "over the test sets, corrected for the overlap" in sections["Statistics"]


def test_the_protocol_counts_runs_that_stopped_early():
    stopped, texts = [], []
    for each in rent_records():
        first = each.key.phase == "final" and not stopped
        update = {"outcome": "stopped early", "curve": each.curve[:3]} if first else {}
        texts.append(each.model_copy(update=update))
        stopped += [texts[-1]] if first else []
    final = sum(each.key.phase == "final" for each in texts)
    comparison = rent_comparison()
    facts = [*comparison.recipe, Fact(label="callbacks", value="Plateau")]
    comparison = comparison.model_copy(update={"recipe": facts})
    found = to_text(comparison, protocol(comparison, rent_experiment(), texts), width=100_000)
    last = stopped[0].curve[-1].step
    assert f"; 1 of {final} stopped early, with their last evaluation after {last} steps." in found
    assert "Callbacks during runs: Plateau." in found
