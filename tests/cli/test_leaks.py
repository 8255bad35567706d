"""A column that gives the target away is named in the advice, wherever it is printed."""

from __future__ import annotations

import numpy as np
import polars as pl

import steepest as st

QUICK = ("--epochs", "1", "--seeds", "2", "--compile", "off", "--device", "cpu", "--baseline", "none")


def leaking(path):
    draw = np.random.default_rng(0)
    answer = draw.integers(0, 2, 240)
    pl.DataFrame({"x": draw.normal(size=240), "closed": 1 - answer, "left": answer}).write_csv(path)
    return path


def test_the_advice_names_the_column_in_terminal_report_and_protocol(steepest, tmp_path):
    run = tmp_path / "run"
    table = leaking(tmp_path / "t.csv")
    said = steepest("compare", table, "--target", "left", "-o", "adam(lr=0.01)", *QUICK, "--out", run)
    assert said.status == 0
    unless = ", unless closed would not be known at prediction."
    assert unless in said.out
    assert unless in st.Result.load(run).comparison.sentence
    assert "unless closed would not be known at prediction" in (run / "report.html").read_text()
    assert steepest("export", run, "--format", "text", "--out", tmp_path / "paper").status == 0
    protocol = " ".join((tmp_path / "paper" / "protocol.txt").read_text().split())
    assert "unless closed would not be known at prediction" in protocol
    without = steepest(
        "compare", table, "--target", "left", "--drop", "closed", "-o", "adam(lr=0.01)", *QUICK, "--out", tmp_path / "o"
    )  # fmt: skip
    assert "unless" not in without.out


def test_where_a_curve_runs_and_who_rates_what_is_always_known():
    x = np.linspace(0, 1, 500)
    curve, _ = st.open_source({"x": x, "y": 2 * x}, x="x", y="y").make(0)
    rows = {
        "u": [i % 20 for i in range(300)],
        "i": [i // 20 for i in range(300)],
        "r": [float(i % 20) for i in range(300)],
    }
    ratings, _ = st.open_source(rows, user="u", item="i", rating="r").make(0)
    assert not [each.text for each in (*curve.notes, *ratings.notes) if "alone" in each.text]
    table = st.read_table({"x": x, "y": 2 * x}, target="y").dataset()
    assert [each.giveaway for each in table.notes if each.giveaway] == ["x"]


def test_describe_names_the_same_leaks_as_compare(steepest, tmp_path):
    table = leaking(tmp_path / "t.csv")
    rows = pl.read_csv(table).with_columns(z=pl.col("x") ** 2)
    pl.concat([rows, rows.head(60)]).write_csv(table)
    opened = st.read_table(table, target="left")
    compared = [each for each in opened.dataset().notes if each.giveaway or "identical" in each.text]
    assert len(compared) == 2
    described = st.describe(table, target="left").notes
    assert [each for each in described if each in compared] == compared
    assert not [each for each in st.describe(table).notes if each.giveaway]
    assert "closed alone predicts" in " ".join(steepest("describe", table, "--target", "left").out.split())
