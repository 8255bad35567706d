"""Wins, ties and losses on several data sets, held against scipy's tests and a correction written by itself."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from scipy import stats

from steepest.compare.across import (
    ArmOnSet,
    SetResults,
    SuiteResults,
    Tally,
    contests,
    factors_above_best,
    friedman,
    ranks,
)
from steepest.compare.result import Metric
from steepest.export.across import contests_csv, latex_table, markdown_table, results_csv
from steepest.report.across import result_lines, sentence
from steepest.report.suite_page import suite_page

LOSS = Metric(name="log_loss", title="log loss", higher_is_better=False)
SHARE = Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True)
ARMS = ("mine", "sgd", "adam", "lion")


def made(sets: int = 4, seeds: int = 3, arms: tuple[str, ...] = ARMS) -> SuiteResults:
    """Return drawn results, of which mine is much better than one and much worse than another."""
    draw = np.random.default_rng(3)
    found = []
    for number in range(sets):
        metric = LOSS if number % 2 == 0 else SHARE
        sign = 1 if metric.higher_is_better else -1
        common = draw.normal(0, 0.05, seeds)
        level = {"mine": 0.0, "sgd": -0.2, "adam": 0.2, "lion": 0.0}
        found.append(
            SetResults(
                name=f"set {number}",
                what="y",
                metric=metric,
                arms=[
                    ArmOnSet(
                        name=name,
                        mine=name == "mine",
                        stored=name != "mine",
                        lr=0.1,
                        seeds=[*range(seeds)],
                        test={
                            metric.name: (
                                0.6 + common + sign * level[name] + draw.normal(0, 0.004, seeds)
                            ).tolist()
                        },
                        validation={metric.name: [0.5] * seeds},
                    )
                    for name in arms
                ],
            )
        )
    others = [name for name in arms if name != "mine"]
    return SuiteResults(suite="s", version=1, size="quick", mine=["mine"], others=others, sets=found)


def changed(results: SuiteResults, place: int, of: str, **update: object) -> SuiteResults:
    """Return results in which one arm on one set is another."""
    sets = [*results.sets]
    arms = [each.model_copy(update=update) if each.name == of else each for each in sets[place].arms]
    sets[place] = sets[place].model_copy(update={"arms": arms})
    return results.model_copy(update={"sets": sets})


def test_verdicts_are_those_of_paired_t_tests_corrected_step_by_step():
    results = made()
    found = contests(results)
    own = {}
    for of in results.sets:
        for other in results.others:
            test = stats.ttest_rel(of.values("mine"), of.values(other))
            own[of.name, other] = float(test.pvalue), float(test.statistic) > 0
    smallest, corrected = 0.0, {}
    for place, pair in enumerate(sorted(own, key=lambda pair: own[pair][0])):
        smallest = max(smallest, min(1.0, own[pair][0] * (len(own) - place)))
        corrected[pair] = smallest
    assert len(found) == len(own) == 12
    higher = {of.name: of.metric.higher_is_better for of in results.sets}
    for each in found:
        p, above = own[each.set, each.second]
        assert each.p == pytest.approx(p)
        assert each.p_adjusted == pytest.approx(corrected[each.set, each.second])
        told = corrected[each.set, each.second] < 0.05
        assert each.verdict == ("tie" if not told else "win" if above == higher[each.set] else "loss")
    assert {each.verdict for each in found} == {"win", "tie", "loss"}
    assert Tally.of(found).win + Tally.of(found).tie + Tally.of(found).loss == 12


def test_ranks_and_friedman_are_those_of_the_means():
    results = made()
    means = np.array([[np.mean(of.values(name)) for of in results.sets] for name in results.names])
    signed = means * [-1 if of.metric.higher_is_better else 1 for of in results.sets]
    expected = signed.argsort(0).argsort(0) + 1
    assert np.array([ranks(results)[name] for name in results.names]).tolist() == expected.tolist()
    assert friedman(results) == pytest.approx(stats.friedmanchisquare(*signed).pvalue)
    assert math.isnan(friedman(made(sets=2)))
    best = factors_above_best(results)
    costs = np.where([of.metric.higher_is_better for of in results.sets], 1 - means, means)
    assert np.array([best[name] for name in results.names]) == pytest.approx(costs / costs.min(0))


def test_a_failed_run_loses_without_a_test_and_has_the_last_rank():
    results = changed(made(), 0, "mine", test={"log_loss": [0.1, math.nan, 0.1]}, failed="diverged 1 of 3")
    found = [each for each in contests(results) if each.set == "set 0"]
    assert [each.verdict for each in found] == ["loss"] * 3
    assert all(each.reason == "mine: failed 1 of 3" and math.isnan(each.p) for each in found)
    assert ranks(results)["mine"][0] == 4
    page = suite_page(results)
    assert "diverged 1 of 3" in page
    both = changed(results, 0, "sgd", test={}, failed="no")
    assert [each.verdict for each in contests(both) if each.set == "set 0"] == ["untested", "loss", "loss"]


def test_pairs_are_the_seeds_that_both_have():
    results = changed(made(), 0, "sgd", seeds=[2, 1, 7], test={"log_loss": [0.9, 0.8, 0.1]})
    [found] = [each for each in contests(results) if (each.set, each.second) == ("set 0", "sgd")]
    mine = results.sets[0].values("mine")
    assert found.n == 2
    assert found.mean == pytest.approx(((mine[2] - 0.9) + (mine[1] - 0.8)) / 2)


def test_one_seed_and_identical_results_are_not_tested():
    assert {each.reason for each in contests(made(seeds=1))} == {"one seed"}
    same = changed(made(), 0, "adam", test={"log_loss": made().sets[0].values("mine")})
    [found] = [each for each in contests(same) if (each.set, each.second) == ("set 0", "adam")]
    assert (found.verdict, found.reason) == ("tie", "identical results")


def test_tables_for_a_paper_say_the_same_as_the_page():
    results = made()
    text, markdown, page = latex_table(results), markdown_table(results), suite_page(results)
    lines = result_lines(results)
    assert lines[0].name == "adam"
    for line in lines:
        row = next(each for each in text.splitlines() if each.startswith(f"{line.name} &"))
        assert row.count("&") == 6
        for cell in line.cells:
            assert cell.text in page
            assert cell.text in markdown
    assert sentence(results) in markdown
    assert text.count(r"\mathbf") == 4
    assert "figure-profiles" in page
    assert "figure-profiles" not in suite_page(made(sets=2))
    rows = list(csv.DictReader(io.StringIO(results_csv(results))))
    assert len(rows) == 4 * 4 * 3 * 2
    assert len(list(csv.DictReader(io.StringIO(contests_csv(results))))) == 12


def test_names_may_contain_anything():
    results = made(arms=("mine", "sgd"))
    name = "<q7>|_%\n"
    results = changed(results, 0, "sgd", name=name)
    results = results.model_copy(update={"others": [name]})
    assert "<q7>" not in suite_page(results)
    assert r"\_\%" in latex_table(results)
    assert r"<q7>\|_%" in markdown_table(results)
