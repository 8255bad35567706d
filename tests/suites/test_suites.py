"""Suites: stored results stand for what would be computed now, and for nothing else; what is lacking is trained."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path
from statistics import median
from typing import ClassVar

import polars as pl
import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.compare.across import ArmOnSet, SetResults, SuiteResults, contests, smallest_differences
from steepest.compare.result import Metric
from steepest.data.catalog import SOURCES, places
from steepest.errors import DataError, OptionError, UnknownNameError
from steepest.experiment.given import Arm
from steepest.record.schema import Record
from steepest.report.suite_page import suite_page
from steepest.rng import stream
from steepest.suites import plan_suite, registry
from steepest.suites.base import identity, making, stored
from steepest.suites.base.result import SuiteResult
from steepest.suites.base.sets import open_set
from steepest.suites.base.stored import (
    StoredArm,
    StoredSet,
    StoredSuite,
    made_here,
    read_stored,
    stored_file,
    stored_text,
)
from steepest.suites.base.suite import SIZES, Size, Suite, SuiteSet
from steepest.suites.base.work import _first, work_on
from steepest.sweep.contestants import contestants
from steepest.sweep.machine import processor
from steepest.sweep.observer import Observer

CASES = {"standard": {"quick": 3, "default": 5}}
"""Every suite with its data sets by size."""

ORDINARY = "sgd(lr=0.1)"
"""An arm that costs nothing to tune."""
FAILS_ON_DIGITS = """
from steepest.optim.rules.sgd import SGD


class Picky(SGD):
    name = "picky"

    def update(self, grad, param, slots, c):
        if param.numel() > 300:  # a linear network of digits has about 600 weights
            raise ValueError("too many pixels")
        return super().update(grad, param, slots, c)


class Fine(SGD):
    name = "fine"
"""


class Tiny(Suite):
    """Two optimizers of which nothing is tuned, for an epoch on two data sets."""

    name = "tiny"
    version = 3
    optimizers: ClassVar = ("momentum(lr=0.02)", "adam(lr=0.01)")
    seeds = 2

    def sets(self, size: Size) -> list[SuiteSet]:
        options = {"model": "linear", "epochs": 1, "batch_size": 128, "validation": 0.2, "test": 0.3}
        return [
            SuiteSet("breast-cancer", "breast-cancer", options=options),
            SuiteSet("digits", "digits", rows=600, options=options),
        ]

    def steps(self, size: Size) -> int:
        return 4


@pytest.fixture(scope="module")
def tiny_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stored results of the tiny suite, from a run of its own."""
    folder, to = tmp_path_factory.mktemp("tiny"), tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "make_suite", lambda name: Tiny())
        planned = plan_suite(list(Tiny.optimizers), size="quick", again=True)
        planned.run(folder, observer=Observer())
        text = stored_text(making.to_store(planned, folder))
    stored_file("tiny", "quick", to).write_text(text)
    return to


@pytest.fixture
def tiny(tiny_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny suite in place of every other, with its stored results, in an empty working folder."""
    monkeypatch.setattr(making, "make_suite", lambda name: Tiny())
    monkeypatch.setattr(
        making, "read_stored", lambda suite, version, size: read_stored(suite, version, size, tiny_results)
    )
    monkeypatch.chdir(tmp_path)
    return tiny_results


class Counting(Observer):
    """Counts runs, and interrupts after some of them."""

    def __init__(self, most: int = 10**9) -> None:
        self.most, self.records = most, list[Record]()
        self.said: list[str] = []

    def run(self, record: Record) -> None:
        self.records.append(record)
        if len(self.records) >= self.most:
            raise KeyboardInterrupt

    def say(self, text: str) -> None:
        self.said.append(text)


def test_every_suite_has_its_row_and_what_it_declares():
    assert set(registry.names()) == set(CASES)
    for name, counts in CASES.items():
        made = registry.load(name)()
        assert {size: len(made.sets(size)) for size in SIZES} == counts
        assert set(registry.entry(name).more["minutes"]) == set(SIZES)
        for each in (one for size in SIZES for one in made.sets(size)):
            assert each.source in SOURCES.entries
            assert {"model", "epochs", "batch_size"} <= set(each.options)
        bundled = [SOURCES.load(each.source) for each in made.sets("quick")]
        assert all(file.embedded is not None for each in bundled for file in each.files)


@pytest.mark.parametrize(("name", "size"), [(name, size) for name in CASES for size in SIZES])
def test_stored_results_are_what_would_be_computed_now(name, size):
    """Where data, settings or code have changed: scripts/keep_suite.py NAME makes them again."""
    made = registry.load(name)()
    kept = read_stored(name, made.version, size)
    if kept is None:
        pytest.skip(f"no results of {name} are stored in the size {size}")
    for each in made.sets(size):
        if not places(SOURCES.load(each.source)):
            pytest.skip(f"{each.source} is not on this machine")
        work = work_on(made, each, open_set(each), [Arm(optimizer=ORDINARY)], stored=kept, seeds=made.seeds)
        assert work.why == {}, f"make them again: python scripts/keep_suite.py {name}"
        assert len(work.stored) == len(made.optimizers)


@pytest.mark.parametrize("of", ["breast-cancer", "flights"])
def test_stored_runs_have_the_bits_of_runs_made_now(of, tmp_path):
    made = registry.load("standard")()
    kept = read_stored("standard", made.version, "quick")
    if kept is None:
        pytest.skip("no results are stored")
    if (kept.made["torch"], kept.made["machine"]) != (torch.__version__, processor()):
        pytest.skip(
            f"stored with torch {kept.made['torch']} on {kept.made['machine']}, another machine than this"
        )
    [chosen] = [each for each in made.sets("quick") if each.name == of]
    arms = {f"{name}(lr={each.found.lr!r})": each.found for name, each in kept.sets[of].arms.items()}
    mine = [Arm(optimizer=text) for text in arms]
    work = work_on(made, chosen, open_set(chosen), mine, stored=None, seeds=1)
    result = work.plan(mine).run(tmp_path / "run", observer=Observer())
    finals = {each.key.name: each for each in result.folder.records() if each.key.phase == "final"}
    for text, stored_arm in arms.items():
        record = finals[contestants([text])[0].name]
        assert record.test == {name: values[0] for name, values in stored_arm.test.items()}
        assert record.best == {name: values[0] for name, values in stored_arm.validation.items()}


def test_only_what_is_not_stored_is_trained(tiny):
    watching = Counting()
    result = st.suite(ORDINARY, size="quick", out="out", observer=watching)
    assert {each.key.name for each in watching.records} == {ORDINARY}
    assert len(watching.records) == 2 * 2
    kept = read_stored("tiny", 3, "quick", tiny)
    for of in result.results.sets:
        assert [arm.stored for arm in of.arms] == [False, True, True]
        for arm in of.arms[1:]:
            assert arm.test == kept.sets[of.name].arms[arm.name].found.test
    assert result.table.height == 2 * 3 * 2
    assert result.wins["against"].to_list() == list(Tiny.optimizers)
    assert result.wins.select("win", "tie", "loss", "untested").sum().sum_horizontal().item() == 4
    assert result.ranks.height == 3
    assert SuiteResult.load("out").results == result.results
    for name in ("report.html", "table.md", "table.tex", "results.csv", "contests.csv", "digits/report.html"):
        assert (Path("out") / name).is_file()
    assert result.sentence in repr(result)
    again = Counting()
    st.suite(ORDINARY, size="quick", out="out", observer=again)
    assert again.records == []


def test_a_stored_result_is_that_of_a_run_made_again(tiny):
    """Bit for bit, of every seed."""
    result = st.suite(ORDINARY, size="quick", sets=["digits"], out="out", again=True, observer=Observer())
    kept = read_stored("tiny", 3, "quick", tiny)
    for arm in result.results.sets[0].arms[1:]:
        assert not arm.stored
        assert arm.test == kept.sets["digits"].arms[arm.name].found.test
        assert arm.validation == kept.sets["digits"].arms[arm.name].found.validation


def test_a_run_that_diverged_is_stored_and_counts_where_its_seed_is_asked_for():
    kept = ArmOnSet(
        name="sgd",
        seeds=[0, 1],
        test={"rmse": [1.0, nan]},
        validation={"rmse": [1.0, nan]},
        failed="diverged 1 of 2",
    )
    assert _first(kept, 1).failed == ""
    assert _first(kept, 2).failed == "diverged 1 of 2"
    text = stored_text(
        StoredSuite(
            suite="s",
            version=1,
            size="quick",
            made={},
            sets={
                "t": StoredSet(
                    fingerprint="", arms={"sgd": StoredArm(optimizer="sgd", settings="", code="", found=kept)}
                )
            },
        )
    )
    assert "null" in text
    read = StoredSuite.model_validate_json(text).sets["t"].arms["sgd"].found
    assert str(read) == str(kept)


def test_changed_code_data_settings_or_seeds_leave_stored_results_aside(tiny, monkeypatch):
    def why(**options):
        planned = plan_suite(ORDINARY, size="quick", sets=["digits"], **options)
        return planned.works[0].why, planned

    assert why()[0] == {}
    assert set(why(seeds=1)[0]) == set()
    reason, planned = why(seeds=3)
    assert set(reason.values()) == {"the stored result has 2 seeds"}
    assert [arm.optimizer for _, some in planned.lacking(Path("none")) for arm in some] == [
        ORDINARY,
        *Tiny.optimizers,
    ]
    text = identity._text
    with monkeypatch.context() as patch:
        patch.setattr(identity, "_text", lambda module: text(module) + "\n0" * module.endswith("rules.adam"))
        reason, planned = why()
        assert reason == {"adam(lr=0.01)": "its code has changed since the result was stored"}
        assert "digits: trained here because its code has changed" in str(planned)
        [(_, arms)] = planned.lacking(Path("none"))
        assert [arm.optimizer for arm in arms] == [ORDINARY, "adam(lr=0.01)"]
    with monkeypatch.context() as patch:
        patch.setattr(Tiny, "protocol", lambda self: {**Suite.protocol(self), "clip": 1.0})
        assert set(why()[0].values()) == {"its settings are not those of the stored result"}
    with monkeypatch.context() as patch:
        sets = Tiny().sets("quick")
        other = [SuiteSet("digits", "digits", rows=601, options=sets[1].options)]
        patch.setattr(Tiny, "sets", lambda self, size: other)
        assert set(why()[0].values()) == {"its data is not that of the stored result"}


def test_more_trials_for_one_are_more_for_all(tiny):
    """An optimizer with two axes gets twice as many trials, and so do the others: those stored had fewer."""
    standard = registry.load("standard")()
    [digits] = [each for each in standard.sets("quick") if each.name == "digits"]
    source = open_set(digits)
    found = [
        work_on(standard, digits, source, [Arm(optimizer=each)], stored=None, seeds=1)
        for each in ("quickprop", "adam; eps=1e-8..1e-4")
    ]
    [plain, wide] = [
        {work.name_of(arm): identity.settings_hash(work.setup, arm) for arm in work.setup.arms}
        for work in found
    ]
    assert all(plain[name] != wide[name] for name in standard.optimizers)


def test_a_folder_used_twice_gives_what_a_fresh_one_does(tiny):
    """An arm with two axes, made there before, gave the next one twice as many trials, which nobody found."""
    given = {"size": "quick", "sets": ["breast-cancer"], "observer": Observer()}
    st.suite("adam; eps=1e-8..1e-4", out="used", **given)
    used, fresh = (st.suite("quickprop", out=out, **given) for out in ("used", "fresh"))
    assert used.table.equals(fresh.table)
    assert [arm.failed for arm in used.results.sets[0].arms] == ["", "", ""]
    assert used.parts["breast-cancer"].arms["title"].to_list() == ["quickprop"]


def test_an_arm_may_have_values_of_its_own_for_what_the_suite_sets(tiny):
    arm = st.Arm(optimizer=ORDINARY, schedule="constant", batch_size=64, model="mlp(hidden=[4])")
    result = st.suite(arm, size="quick", sets=["breast-cancer"], out="out", observer=Observer())
    mine, *others = result.results.sets[0].arms
    assert mine.name == f"{ORDINARY}, mlp(hidden=[4]), constant, 64"
    assert [each.stored for each in others] == [True, True]
    assert 'schedule = "constant"' in Path("out/breast-cancer/experiment.toml").read_text()


def test_the_page_says_how_rates_were_tuned():
    plain = plan_suite("sgd", size="quick", sets=["digits"])
    wide = plan_suite("adam; eps=1e-8..1e-4", size="quick", sets=["digits"])
    [first, *_] = making._protocol(plain.works)
    assert "the same number of trials: 7 learning rates √10 apart" in first
    [first, *_] = making._protocol(wide.works)
    assert "number of trials, 14: points of a Sobol sequence of adam" in first
    assert "over its rate, eps" in first


def test_the_page_of_three_sets_has_profiles():
    metric = Metric(name="rmse", title="RMSE", higher_is_better=False)
    arms = [
        ArmOnSet(name=name, seeds=[0, 1], test={"rmse": [value, 2.0]})
        for name, value in (("a", 1.0), ("b", 3.0))
    ]
    sets = [SetResults(name=name, what="", metric=metric, arms=arms) for name in "xyz"]
    page = suite_page(SuiteResults(suite="s", version=1, size="quick", mine=["a"], others=["b"], sets=sets))
    assert "1 − value is compared" in page


def test_what_can_be_told_apart_is_that_of_the_strictest_comparison():
    """Against the definition: half of the runs of a simulation with that difference are told apart 4 times in 5."""
    draw = stream(0, "split")
    metric = Metric(name="rmse", title="RMSE", higher_is_better=False)

    def results(shift: float) -> SuiteResults:
        seeds, base = list(range(10)), draw.normal(size=10)
        arms = [
            ArmOnSet(name=name, seeds=seeds, test={"rmse": (base + more + draw.normal(size=10)).tolist()})
            for name, more in (("a", 5.0 + shift), ("b", 5.0), ("c", 5.0))
        ]
        sets = [SetResults(name="t", what="", metric=metric, arms=arms)]
        return SuiteResults(suite="s", version=1, size="quick", mine=["a"], others=["b", "c"], sets=sets)

    visible = median(smallest_differences(results(0.0))["t"] for _ in range(300))
    told = [
        each.p < 0.05 / 2 for _ in range(300) for each in contests(results(visible)) if each.second == "b"
    ]
    assert 0.74 < sum(told) / len(told) < 0.86


def test_a_set_of_ones_own_is_trained_with_all_optimizers(tiny, churn: pl.DataFrame):
    churn.write_csv("churn.csv")
    watching = Counting()
    result = st.suite(
        ORDINARY, size="quick", sets=["digits"], add=["churn.csv:churned"], out="out", observer=watching
    )
    assert [each.key.name for each in watching.records].count("adam(lr=0.01)") == 2
    own = result.results.sets[1]
    assert (own.name, own.own, own.metric.name) == ("churn", True, "log_loss")
    assert not any(arm.stored for arm in own.arms)
    assert own.facts["steps"] == "4"
    assert any(
        "Of churn no results are stored: all 2 other optimizers" in each for each in result.results.remarks
    )
    in_memory = plan_suite(ORDINARY, size="quick", sets=["digits"], add=[(churn, "churned")])
    assert in_memory.works[1].chosen.name == "churned"
    Path("again.csv").write_bytes(Path("churn.csv").read_bytes())
    with pytest.raises(OptionError, match="'again' has the data of 'churn', which would count twice"):
        plan_suite(ORDINARY, size="quick", sets=["digits"], add=["churn.csv:churned", "again.csv:churned"])


def test_an_interrupted_suite_goes_on(tiny):
    first = Counting(most=3)
    with pytest.raises(KeyboardInterrupt):
        st.suite(ORDINARY, size="quick", out="out", again=True, observer=first)
    second = Counting()
    st.suite(ORDINARY, size="quick", out="out", again=True, observer=second)
    keys = [(each.key.recipe, each.key.seed) for each in (*first.records, *second.records)]
    assert len(keys) == len(set(keys)) == 2 * 3 * 2


def test_an_optimizer_that_fails_on_one_set_is_told_and_the_others_go_on(tiny, capsys):
    Path("mine.py").write_text(FAILS_ON_DIGITS)
    given = ["suite", "-o", "mine.py:Picky(lr=0.1),mine.py:Fine(lr=0.1)", "--quick", "--out", "out"]
    assert main(given) == 1
    results = SuiteResult.load("out").results
    picky = {of.name: of.arm("mine.py:Picky(lr=0.1)") for of in results.sets}
    assert "too many pixels" in picky["digits"].failed
    assert picky["breast-cancer"].failed == ""
    assert all(of.mean("mine.py:Fine(lr=0.1)") is not None for of in results.sets)
    assert "too many pixels" in Path("out/report.html").read_text()
    assert "too many pixels" in capsys.readouterr().out


def test_the_command_line(tiny, capsys):
    assert main(["suite", "-o", ORDINARY, "--quick", "--sets", "digits", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert f"set    digits: train {ORDINARY}, 2 stored results" in told
    assert "time   about" in told
    assert main(["suite", "-o", ORDINARY, "--quick", "--sets", "digits", "--quiet", "--out", "out"]) == 0
    told = capsys.readouterr().out
    assert "against 2 optimizers on 1 data set" in told
    assert "report   out/report.html" in told
    assert main(["suite", "-o", ORDINARY, "--quick", "--sets", "digits", "-q", "--out", "out", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mine"] == [ORDINARY]


def test_the_list_of_suites(capsys):
    for command in (["suite", "--list"], ["list", "suites"]):
        assert main(command) == 0
        told = capsys.readouterr().out
        assert "standard" in told
        assert "breast-cancer, digits, flights" in told


@pytest.mark.parametrize(
    ("options", "kind", "fact"),
    [
        ({"suite": "standrad"}, UnknownNameError, "unknown suite 'standrad'"),
        ({"size": "large"}, UnknownNameError, "unknown size of a suite 'large'"),
        (
            {"sets": ["digts"]},
            UnknownNameError,
            "unknown data set of the suite standard in the size quick 'digts'",
        ),
        ({"add": ["my.csv"]}, OptionError, "'my.csv' names no target"),
        ({"add": ["nowhere.csv:y"]}, DataError, "nowhere.csv"),
        ({"seeds": 0}, OptionError, "0 seeds"),
        ({"optimizers": []}, OptionError, "no optimizer is given"),
        ({"optimizers": "adm"}, UnknownNameError, "unknown optimizer 'adm'"),
        ({"suite": "steepest:Arm"}, OptionError, "'steepest:Arm' is no suite"),
    ],
)
def test_what_cannot_be_made_is_told(options, kind, fact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=fact) as caught:
        plan_suite(**{"optimizers": ORDINARY, "size": "quick", "sets": ["digits"], **options})
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["--quick"], "no optimizer is given"),
        (["-o", "sgd", "--dry-run", "--json"], "--json has no effect with --dry-run"),
        (["-o", "sgd", "--quiet", "--verbose"], "--quiet and --verbose exclude each other"),
        (["-o", "sgd", "--sets", ","], "--sets ',' lists no data set"),
    ],
)
def test_options_that_have_no_effect_are_refused(arguments, fact, capsys):
    assert main(["suite", *arguments]) == 2
    assert fact in capsys.readouterr().err


def test_a_damaged_file_of_stored_results_is_told(tmp_path):
    stored_file("standard", "quick", tmp_path).write_text("{")
    with pytest.raises(st.SteepestError, match="cannot read"):
        read_stored("standard", 1, "quick", tmp_path)
    assert stored.differences(made_here()) == []


def test_references_can_be_left_out(churn: pl.DataFrame):
    table = st.read_table(churn, target="churned")
    options = {"optimizers": ["sgd", "adam"], "epochs": 1, "seeds": 1, "baseline": "none", "compile": "off"}
    with_them = st.plan(table, **options).preview("none")
    without = st.plan(table, **options, references=False).preview("none")
    assert "at default" in with_them
    assert "without schedule" in with_them
    assert "at default" not in without
    assert "without schedule" not in without
