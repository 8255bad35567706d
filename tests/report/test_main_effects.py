"""The panel of main effects, and how several factors and several test sets are shown."""

from __future__ import annotations

import re

import pytest

from steepest.compare.limits import NO_LIMITS
from steepest.compare.result import INPUTS, Fact
from steepest.data.texts.vocabulary import BEFORE
from steepest.recipe import validate_experiment
from steepest.report import contrasts, figures, glossary, main_effects, rate_figures, results, theme
from steepest.report.factors import scheme, short_names, subject
from steepest.report.html import render_html, unbroken
from steepest.report.legend import legend
from steepest.report.side_by_side import Side, why_not
from steepest.report.worded import _warnings
from steepest.report.words import Subject
from tests.report.example import arms, crimes, folds


def test_each_factor_has_its_levels_on_one_axis_and_its_verdict():
    result = arms()
    assert result.factorial
    shown = main_effects.panel(result)
    assert shown
    assert [each.title for each in shown.factors] == ["optimizer", "model", "batch size"]
    assert [dot.name for dot in shown.factors[0].dots] == ["adam", "momentum(lr=0.1)", "sgd"]
    means = {level.level: level.mean for effect in result.factorial.effects for level in effect.levels}
    dots = [dot for factor in shown.factors for dot in factor.dots]
    order = sorted(dots, key=lambda dot: dot.at)
    assert [means[dot.name] for dot in order] == sorted(means.values())
    assert all(dot.low is not None and dot.high is not None and dot.low < dot.at < dot.high for dot in dots)
    assert [each.detectable for each in shown.factors] == [
        each.told_apart for each in result.factorial.effects
    ]
    assert re.fullmatch(
        r"adam is \.0(?:3|298)\d* \[\.0\d+, \.0\d+\] better than sgd; 3 of 3 pairs differ detectably",
        shown.factors[0].verdict,
    )
    assert "with equal weights for the levels of the other factors, over 4 seeds" in shown.caption
    assert (
        "after correction for all 5 pairs of levels, the interaction for 7 interactions (Holm)"
        in shown.caption
    )


def test_an_interaction_is_drawn_only_where_it_is_detectable():
    calm, crossed = main_effects.panel(arms()), main_effects.panel(arms(interacting=True))
    assert calm
    assert crossed
    assert calm.plot is None
    assert "no detectable interaction (4 seeds)" in calm.interaction
    assert crossed.interaction.startswith("Largest interaction, model × batch size: ")
    assert crossed.interaction.endswith("; detectable.")
    assert crossed.plot
    assert {line.name for line in crossed.plot.lines} == {"linear", "embedding-mlp(hidden=(64, 32))"}
    heights = {line.name: [y for _, y in line.points] for line in crossed.plot.lines}
    falls = {name: ys[0] - ys[1] for name, ys in heights.items()}  # y grows downwards
    assert falls["linear"] > 5 * abs(falls["embedding-mlp(hidden=(64, 32))"])
    page = render_html(arms(interacting=True))
    assert 'class="crossing"' in page
    assert f'<p class="y">{crossed.plot.y}</p>' in page  # what its heights are
    assert 'class="crossing"' not in render_html(arms())


def test_colours_stand_for_one_factor_and_patterns_for_the_others():
    result = arms()
    found = scheme(result)
    assert found
    assert (found.colour, found.marks) == ("optimizer", ("model", "batch_size"))
    styles = theme.styles(result)
    assert len({(each.slot, each.pattern) for each in styles.values()}) == len(result.arms) == 12
    for arm in result.arms:
        assert found.colours[styles[arm.title].slot] == arm.levels["optimizer"]
    groups = legend(result)
    assert [(each.what, each.title, len(each.keys)) for each in groups] == [
        ("colour", "optimizer", 3),
        ("line", "model, batch size", 4),
    ]
    names = {key.id for group in groups for key in group.keys}
    for trace in figures.curves(result)["data"]:
        assert set(trace["meta"]["levels"]) <= names


def test_one_factor_is_drawn_as_ever():
    result = crimes()
    assert scheme(result) is None
    assert [(each.slot, each.pattern) for each in theme.styles(result).values()] == [
        (place, None) for place in range(9)
    ]
    assert all(set(trace["meta"]) == {"name"} for trace in figures.curves(result)["data"])
    assert results.table(result).first == "name"
    assert results.table(result).factors == []


def test_results_have_a_column_for_each_factor():
    shown = results.table(arms())
    assert (shown.first, shown.factors) == ("optimizer", ["model", "batch size"])
    [(title, lines), _] = shown.groups
    assert title == "Arms"
    best = lines[0]
    assert (best.shown, best.levels) == ("adam", ["embedding-mlp(hidden=(64, 32))", "16"])
    assert all(len(line.levels) == 2 for _, group in shown.groups for line in group)
    named = [
        each.model_copy(update={"name": f"arm {i}", "title": f"arm {i}"})
        for i, each in enumerate(arms().arms)
    ]
    given = {old.title: new.title for old, new in zip(arms().arms, named, strict=True)}
    rows = [row.model_copy(update={"name": given.get(row.name, row.name)}) for row in arms().rows]
    table = results.table(arms().model_copy(update={"arms": named, "rows": rows}))
    assert (table.first, table.factors) == ("name", ["optimizer", "model", "batch size"])
    assert table.groups[0][1][0].shown.startswith("arm ")


def test_short_names_leave_out_only_what_no_other_level_needs():
    names = short_names(arms())
    assert (
        names["momentum(lr=0.1), embedding-mlp(hidden=(64, 32)), batch 64"]
        == "momentum, embedding-mlp, batch 64"
    )
    assert len(set(names.values())) == 12
    other = "embedding-mlp(hidden=(8,))"
    both = [
        arm.model_copy(
            update={"levels": arm.levels | ({"model": other} if arm.levels["model"] == "linear" else {})}
        )
        for arm in arms().arms
    ]
    kept = short_names(arms().model_copy(update={"arms": both})).values()
    assert any("embedding-mlp(hidden=(8,))" in each for each in kept)


SUBJECTS = [
    (["optimizer"], "optimizer", "Optimizers"),
    (["model"], "model", "Models"),
    (["optimizer", "model"], "arm", "Arms"),
]


@pytest.mark.parametrize(("factors", "one", "many"), SUBJECTS)
def test_what_is_compared_is_called_by_its_name(factors, one, many):
    result = crimes().model_copy(update={"factors": factors})
    assert subject(result).one == one
    text = render_html(result)
    assert f"Than how many others each {one} is better" in text
    assert f"<span>{many}</span>" in text


def test_several_test_sets_are_named_where_seeds_were():
    result = folds()
    text = re.sub(r"\s+", " ", render_html(result))
    assert "mean of 5 test sets × 2 seeds, with 95 % interval" in text
    assert "± 95 % interval over test sets" in text
    assert "paired by test set, seed and test row" in text
    assert "training sets and seeds as well as test rows" in text
    assert "seeds and training sets" in text
    assert "mean over the seeds." not in text
    [(_, [line])] = contrasts.contrasts(result)
    assert line.alone.startswith("test rows alone [")
    assert line.over == "5 test sets × 2 seeds, 1,000 test rows"


def test_a_metric_without_rows_on_several_test_sets_says_so():
    found = folds().differences[0].model_copy(update={"over": "sets", "by_rows": None, "by_seeds": None})
    [(_, [line])] = contrasts.contrasts(folds().model_copy(update={"differences": [found]}))
    assert line.alone.startswith("test sets only: the variation over test rows is not known")


def test_terms_are_explained_where_they_are_used():
    names = {name: {each.name for each in glossary.terms(make())} for name, make in
             (("one", crimes), ("several", arms), ("sets", folds))}  # fmt: skip
    assert names["several"] - names["one"] == {"factor, level", "interaction", "main effect"}
    assert names["sets"] - names["one"] == {"test set"}
    assert "arm" in names["one"]
    assert not names["one"] & {"token", "perplexity"}
    text = crimes().model_copy(update={"data": [Fact(label=INPUTS, value=f"up to 16 {BEFORE}")]})
    assert {"token", "perplexity"} <= {each.name for each in glossary.terms(text)}


def test_a_default_that_arms_share_is_marked_once():
    marks = [
        each
        for each in rate_figures.rates(arms())["data"]
        if each["hovertemplate"].find("library default") >= 0
    ]
    assert len(marks) == 2, "of adam and of sgd; momentum has its rate"
    alone = arms().model_copy(update={"factors": ["optimizer"]})
    marks = [
        each
        for each in rate_figures.rates(alone)["data"]
        if each["hovertemplate"].find("library default") >= 0
    ]
    assert len(marks) == len(arms().rates)
    models = arms().model_copy(update={"factors": ["model"]})
    marks = [
        each
        for each in rate_figures.rates(models)["data"]
        if each["hovertemplate"].find("library default") >= 0
    ]
    assert len(marks) == 2, "models alone: adam's and sgd's again"


def test_comparisons_on_several_test_sets_are_not_held_against_each_other():
    experiment = validate_experiment({"data": {}, "optimizers": ["adam"]})
    one, other = (Side(name, folds(), experiment, "same") for name in ("a", "b"))
    assert why_not(one, other).startswith(
        "they have 5 test sets and 5 test sets: only comparisons on one test set"
    )


def test_a_level_has_the_same_colour_in_the_interaction_as_in_the_other_figures():
    result = arms()
    assert result.factorial
    one = result.factorial.interactions[0]
    both = (one.factors[0], one.factors[1])
    turned = result.model_copy(update={"arms": result.arms[::-1]})
    look = scheme(turned)
    assert look is not None
    assert look.colour == both[0]
    shown = main_effects.panel(
        turned.model_copy(
            update={
                "factorial": result.factorial.model_copy(
                    update={
                        "interactions": [
                            one.model_copy(
                                update={"difference": one.difference.model_copy(update={"told_apart": True})}
                            )
                        ]
                    }
                )
            }
        )
    )
    assert shown is not None
    assert shown.plot is not None
    assert tuple(each.name for each in shown.plot.lines) == look.colours


@pytest.mark.parametrize(
    "flag", ["out of time", "still improving", "overfitting", "best rate at the edge of the grid"]
)
def test_a_flag_of_arms_becomes_a_warning_with_an_option_that_helps(flag):
    rows = [row.model_copy(update={"flags": [flag]}) for row in crimes().rows if row.kind == "arm"]
    [warning] = _warnings([], rows[:2], NO_LIMITS, Subject(("optimizer",)))
    assert re.search(r": .*--[a-z-]+.*\.$", warning)
    whole = re.findall(r'<span class="number">(--[a-z-]+)</span>', unbroken(warning))
    assert whole == re.findall(r"--[a-z-]+", warning)
