"""What was tuned reaches the results, the figures, the tables and the folder that goes on."""

from __future__ import annotations

import csv
import io
import json
import statistics

import pytest

import steepest as st
from steepest.cli import main
from steepest.export import tidy
from steepest.record.store import Folder
from steepest.report import rate_figures
from steepest.sweep.observer import Observer

OPTIONS = {"epochs": 1, "batch_size": 64, "hidden": (4,), "device": "cpu", "compile": "off"}
SEVERAL = {"eps": st.Range(1e-8, 1e-2), "betas": [(0.9, 0.999), (0.8, 0.9)]}


@pytest.fixture(scope="module")
def several(churn_csv, tmp_path_factory):
    """Return the folder of a comparison in which one optimizer has three axes."""
    out = tmp_path_factory.mktemp("several") / "run"
    made = st.plan(
        churn_csv, target="churned", optimizers=["sgd", st.tune("adam", **SEVERAL)], seeds=2, **OPTIONS
    )
    made.run(out, observer=Observer())
    return out


def test_every_trial_is_in_the_results(several) -> None:
    comparison = st.Result.load(several).comparison
    curves = {each.name: each for each in comparison.rates}
    adam = curves["adam"]
    assert len(curves["sgd"].scan) == len(adam.scan) == len(adam.scan_at) == 14
    assert not curves["sgd"].scan_at
    assert [each.keys() for each in [*adam.full_at, adam.chosen_at]] == [{"eps", "betas"}] * 4
    row = next(row for row in comparison.rows if (row.kind, row.name) == ("arm", "adam"))
    assert f"eps={adam.chosen_at['eps']}" in row.settings
    assert (row.trials, row.good_range) == (17, None)
    lines = [each for each in csv.DictReader(io.StringIO(tidy.rates(comparison))) if each["name"] == "adam"]
    assert [json.loads(each["beside"]) for each in lines if each["length"] == "scan"] == adam.scan_at
    taken = [(float(each["lr"]), json.loads(each["beside"])) for each in lines if each["chosen"] == "true"]
    assert taken == [(adam.chosen, adam.chosen_at)] * 2  # in the scan and at full length


def test_trials_of_several_hyperparameters_are_not_joined(several) -> None:
    comparison = st.Result.load(several).comparison
    traces = [each for each in rate_figures.rates(comparison)["data"] if each["name"] == "adam"]
    scan = traces[0]
    assert scan["mode"] == "markers"
    assert len(scan["x"]) == len(scan["marker"]["size"]) == 14
    adam = next(each for each in comparison.rates if each.name == "adam")
    eps = {f"{rate:.2g}": at["eps"] for (rate, _), at in zip(adam.scan, adam.scan_at, strict=True)}
    largest = scan["customdata"][scan["marker"]["size"].index(max(scan["marker"]["size"]))]
    assert f"eps {max(eps.values())}," in largest
    assert "several hyperparameters were tuned" in (several / "report.html").read_text(encoding="utf-8")


def test_a_folder_from_python_goes_on_with_what_is_tuned(several) -> None:
    before = len(Folder(several).records())
    assert main(["resume", str(several), "--quiet"]) == 0
    assert len(Folder(several).records()) == before


def test_an_optimizer_with_several_axes_joins_a_folder(churn, tmp_path) -> None:
    out = tmp_path / "run"
    st.plan(churn, target="churned", optimizers=["sgd"], seeds=2, **OPTIONS).run(out, observer=Observer())
    before = {(each.key.recipe, each.key.seed) for each in Folder(out).records()}
    said: list[str] = []

    class Watch(Observer):
        def say(self, text: str) -> None:
            said.append(text)

    st.plan(churn, target="churned", optimizers=[st.tune("adam", **SEVERAL)], seeds=2, **OPTIONS).run(
        out, observer=Watch()
    )
    assert any("sgd: already in this folder, kept in the comparison" in text for text in said)
    new = [each for each in Folder(out).records() if (each.key.recipe, each.key.seed) not in before]
    scans = [each for each in new if each.key.phase == "scan"]
    assert [each.key.name for each in scans].count("sgd") == 7
    assert [each.key.name for each in scans].count("adam") == 14


def test_a_sweep_has_a_mean_and_an_interval_for_every_rate(churn, tmp_path) -> None:
    out = tmp_path / "run"
    made = st.plan(churn, target="churned", optimizers=["sgd"], learning_rates=(0.01, 0.1, 1.0), seeds=3, sweep=True,
                   **OPTIONS)  # fmt: skip
    comparison = made.run(out, observer=Observer()).comparison
    curve = comparison.rates[0]
    assert [each.lr for each in curve.sweep] == [0.01, 0.1, 1.0]
    swept = {each.lr: [] for each in curve.sweep}
    for record in Folder(out).records():
        if record.lr in swept and record.key.phase in ("sweep", "final"):
            swept[record.lr].append(record.best["log_loss"])
    for each in curve.sweep:
        assert sorted(each.values) == sorted(swept[each.lr])
        assert each.mean == pytest.approx(statistics.fmean(swept[each.lr]))
        half = 4.302653 * statistics.stdev(swept[each.lr]) / 3**0.5  # Student's t with two degrees of freedom
        assert each.ends == pytest.approx((each.mean - half, each.mean + half))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "every learning rate at full length" in page
    assert "several hyperparameters were tuned" not in page
    full = rate_figures.rates(comparison)["data"][1]
    assert full["y"] == [each.mean for each in curve.sweep]
    assert full["error_y"]["array"] == pytest.approx([each.ends[1] - each.mean for each in curve.sweep])
    lines = [
        each for each in csv.DictReader(io.StringIO(tidy.rates(comparison))) if each["length"] == "sweep"
    ]
    assert [float(each["low"]) for each in lines] == pytest.approx([each.ends[0] for each in curve.sweep])
    assert [each["n"] for each in lines] == ["3"] * 3


def test_a_stage_between_the_scan_and_the_full_length_is_in_figure_caption_and_table(churn, tmp_path) -> None:
    made = st.plan(churn, target="churned", optimizers=["sgd"], seeds=1, planner="halving(3)", references=False,
                   baseline="none", **(OPTIONS | {"epochs": 3}))  # fmt: skip
    comparison = made.run(tmp_path / "run", observer=Observer()).comparison
    [curve], [search] = comparison.rates, comparison.searches
    [stage] = curve.between
    third = {trial.lr: each.value for trial in search.trials for each in trial.results if each.length < 0.5}
    middle = {
        trial.lr: each.value
        for trial in search.trials
        for each in trial.results
        if each.length == pytest.approx(1 / 3)
    }
    assert len(stage.points) < len(third)
    assert dict(stage.points) == middle
    drawn = next(
        each for each in rate_figures.rates(comparison)["data"] if "open-dot" in str(each["marker"]["symbol"])
    )
    assert (drawn["x"], drawn["y"]) == ([*sorted(middle)], [middle[rate] for rate in sorted(middle)])
    assert "With a dot, dashed: ⅓ length." in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    lines = [
        each for each in csv.DictReader(io.StringIO(tidy.rates(comparison))) if each["length"] == "0.3333"
    ]
    assert {float(each["lr"]): float(each["value"]) for each in lines} == middle
