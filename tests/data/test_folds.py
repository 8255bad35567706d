"""Several test sets: each row is tested once, nothing leaks, one model's classes are another's."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings

from steepest.data.dataset import Dataset
from steepest.data.split import group_fold, group_folds, random_split, repeat_seed, row_fold, row_folds
from steepest.data.split_rule import SplitRule
from steepest.data.table import Table, read_table
from steepest.errors import DataError, OptionError
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.prediction.seen import SeenRows
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train.loop import train

N = 403


def rows(n: int = N, seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    return pl.DataFrame(
        {
            "row": np.arange(n) * 1.5 + 0.25,
            "x": [None if i % 11 == 0 else value for i, value in enumerate(x.tolist())],
            "shop": [f"s{each}" for each in draw.integers(0, 40, n)],
            "color": draw.choice(["red", "blue", "green"], n),
            "kind": np.where(draw.random(n) < 0.1, "rare", np.where(x + draw.normal(size=n) > 0, "a", "b")),
            "price": np.round(x * 10 + 50 + draw.normal(size=n), 2),
        }
    )


def opened(target: str = "kind", **options: Any) -> Table:
    return read_table(rows(), target=target, drop="price" if target == "kind" else "kind", **options)


def of_parts(table: Table, data: Dataset) -> list[set[int]]:
    """The rows of training, validation and test of a dataset, read back from the tensors."""
    fold = data.provenance["test_set"]
    pipeline = table.pipeline if fold is None else table.folds().pipeline(fold)
    found: list[set[int]] = []
    for part in (data.train, data.validation, data.test):
        values = pipeline.encoder.decode(part.inputs)["row"] if len(part) else pl.Series(dtype=pl.Float64)
        numbers = ((values - 0.25) / 1.5).round().cast(pl.Int64).to_list()
        assert len(set(numbers)) == len(numbers) == len(part)
        found.append(set(numbers))
    return found


SPLITS = ["folds:5", "folds:4,random", "folds:3,stratified", "folds:7,group:shop"]


@pytest.mark.parametrize("split", SPLITS)
def test_each_row_is_tested_once(split: str) -> None:
    table = opened(split=split)
    tested: list[int] = []
    for fold, data in enumerate(table.folds()):
        train, validation, test = of_parts(table, data)
        assert sorted([*train, *validation, *test]) == list(range(N))
        assert table.folds().test_rows(fold)["row"].to_list() == sorted(test)
        assert [data.classes[int(each)] for each in data.test.target] == table.folds().test_rows(fold)[
            "target"
        ].to_list()
        tested += sorted(test)
    assert sorted(tested) == list(range(N))
    assert table.test_rows["row"].to_list() == tested
    assert table.test_rows["target"].to_list() == rows()["kind"].gather(tested).to_list()
    assert table.test_rows["fold"].n_unique() == len(table.folds()) == SplitRule.parse(split).sets


@pytest.mark.parametrize("split", ["folds:7,group:shop", "repeats:3,group:shop"])
def test_no_group_is_in_two_parts(split: str) -> None:
    table, shops = opened(split=split), rows()["shop"]
    for data in [*table.folds(), table.final()]:
        parts = [set(shops.gather(sorted(part))) for part in of_parts(table, data)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == shops.n_unique()
        assert "shop" not in data.shape.cardinalities
    if split.startswith("folds"):
        sizes = [len(data.test) for data in table.folds()]
        assert max(sizes) - min(sizes) <= shops.value_counts()["count"].min()


def test_classes_are_as_even_as_they_can_be() -> None:
    table = opened(split="folds:5")
    tests = table.test_rows.group_by("fold", "target").len()
    assert (tests.group_by("target").agg(pl.col("len").max() - pl.col("len").min())["len"] <= 1).all()
    sizes = [len(data.test) for data in table.folds()]
    assert max(sizes) - min(sizes) == 1
    shares = rows()["kind"].value_counts(sort=True)
    for data in table.folds():
        codes = torch.bincount(data.validation.target).tolist()
        for label, count in shares.iter_rows():
            assert abs(codes[data.classes.index(label)] - count * len(data.validation) / N) <= 1


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    folds=st.integers(2, 12),
    validation=st.sampled_from([0.01, 0.1, 0.3]),
)
@settings(max_examples=150, deadline=None)
def test_folds_of_any_classes_and_groups(counts: list[int], folds: int, validation: float) -> None:
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    n = len(codes)
    if n < 10:
        return
    for assign, split in ((row_folds, row_fold), (group_folds, group_fold)):
        try:
            of_row = assign(codes, folds, 3)
            splits = [split(codes, of_row, fold, validation, 3) for fold in range(folds)]
        except DataError:
            enough = n - -(-n // folds) - max(1, round(n * validation)) >= 2 and n >= folds
            assert not enough or (assign is group_folds and len(counts) <= max(folds, 8))
            continue
        assert sorted(np.concatenate([each.test for each in splits])) == list(range(n))
        for each in splits:
            assert min(len(each.train), len(each.validation), len(each.test)) >= 1
            if assign is group_folds:
                inside = [set(codes[part]) for part in (each.train, each.validation, each.test)]
                assert sum(map(len, inside)) == len(counts)
            else:
                assert len(each.validation) == max(1, round(n * validation))
        if assign is row_folds:
            for code in range(len(counts)):
                per_fold = [int((codes[each.test] == code).sum()) for each in splits]
                assert max(per_fold) - min(per_fold) <= 1


def test_groups_of_many_sizes_make_even_folds() -> None:
    groups = np.repeat(np.arange(300), np.random.default_rng(1).geometric(0.05, 300))
    sizes = np.bincount(group_folds(groups, 5, 0))
    assert sizes.max() - sizes.min() <= 2
    assert not np.array_equal(group_folds(groups, 5, 0), group_folds(groups, 5, 1))


@pytest.mark.parametrize("split", SPLITS)
def test_folds_are_pure_in_the_split_seed_and_do_not_depend_on_validation(split: str) -> None:
    first, again = opened(split=split), opened(split=split)
    assert [each.fingerprint for each in first.folds()] == [each.fingerprint for each in again.folds()]
    assert first.final().fingerprint == again.final().fingerprint
    more = opened(split=split, validation=0.25)
    assert more.test_rows.equals(first.test_rows)
    assert len(more.folds()[0].validation) > len(first.folds()[0].validation)
    assert not opened(split=split, split_seed=1).test_rows.equals(first.test_rows)
    prints = {each.fingerprint for each in first.folds()} | {first.final().fingerprint}
    assert len(prints) == len(first.folds()) + 1
    assert prints.isdisjoint(each.fingerprint for each in more.folds())


def test_repeated_splits_begin_with_the_ordinary_one() -> None:
    table, one = opened(split="repeats:3", test=0.2), opened(test=0.2)
    sets = [set(table.folds().test_rows(i)["row"]) for i in range(3)]
    assert sets[0] == set(one.test_rows["row"])
    assert len({frozenset(each) for each in sets}) == 3
    assert [len(each.test) for each in table.folds()] == [81] * 3
    assert torch.equal(table.folds()[0].train.inputs[1], one.dataset().train.inputs[1])
    other = random_split(N, 0.1, 0.2, repeat_seed(0, 2)).test.tolist()
    assert opened(split="repeats:3,random", test=0.2).folds().test_rows(2)["row"].to_list() == other


def test_the_final_dataset_has_all_rows_and_tests_none() -> None:
    for split in ("folds:5", "repeats:3,random", "folds:4,group:shop"):
        table = opened(split=split)
        data = table.final()
        train, validation, test = of_parts(table, data)
        assert train | validation == set(range(N))
        assert not test
        assert abs(len(validation) - N * 0.1) < 12
        assert table.final() is data
        assert data.classes == table.folds()[0].classes
        said = " ".join(each.text for each in data.notes)
        assert "training and" in said
        assert "not in every part" not in said
        assert not [each.text for each in data.notes if "test rows" in each.text and "folds" not in each.text]


def test_the_saved_model_trains_without_test_rows() -> None:
    data = opened(split="folds:5").final()
    rule = make_rule("adam(lr=0.01)")
    recipe = Recipe(
        data=data.fingerprint, model="linear", optimizer=whole_spec(rule), schedule="constant", steps=5,
        batch_size=32, metric="log_loss",
    )  # fmt: skip
    key = RunKey(name=rule.called, recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(rule, make_schedule(recipe.schedule, 5), recipe.clip)
    finished = train(data, recipe, key, method, evaluations=2, metrics=("accuracy",), read_test=False)
    assert not finished.record.failed
    seen = SeenRows.of(data)
    assert seen.look_up((*data.validation.inputs, data.validation.target))[:, 1].all()
    assert seen.chance == pytest.approx(1 / (len(data.validation) + 2))


def test_nothing_is_learned_from_the_rows_of_a_fold() -> None:
    steps = [{"use": "fill-mode", "columns": ["color"]}]
    clean = rows().with_columns(color=pl.when(pl.col("row") > 300).then("color"))

    def table(frame: pl.DataFrame) -> Table:
        return read_table(frame, target="price", drop="kind", split="folds:4", prepare=steps)

    before = table(clean)
    for fold in range(4):
        rest = before.folds()[fold].provenance["rows"]["train"]
        trained = of_parts(before, before.folds()[fold])[0]
        assert len(trained) == rest
        odd = ~pl.int_range(pl.len()).is_in(pl.Series(sorted(trained)).implode())
        changed = clean.with_columns(
            x=pl.when(odd).then(1e6).otherwise("x"),
            shop=pl.when(odd).then(pl.lit("elsewhere")).otherwise("shop"),
            color=pl.when(odd).then(pl.lit("purple")).otherwise("color"),
            price=pl.when(odd).then(pl.col("price") + 500).otherwise("price"),
        )
        after = table(changed)
        assert after.folds().pipeline(fold).encoder == before.folds().pipeline(fold).encoder
        assert (
            after.folds().pipeline(fold).preparation.to_dict()
            == before.folds().pipeline(fold).preparation.to_dict()
        )
        assert after.folds()[fold].target_scale == before.folds()[fold].target_scale
        assert torch.equal(after.folds()[fold].train.inputs[1], before.folds()[fold].train.inputs[1])
        assert not torch.equal(after.folds()[fold].test.inputs[1], before.folds()[fold].test.inputs[1])
    scales = {before.folds()[fold].target_scale for fold in range(4)}
    assert len(scales) == 4


def test_a_class_of_one_row_keeps_its_code() -> None:
    frame = rows().with_columns(kind=pl.when(pl.col("row") == 0.25).then(pl.lit("aa")).otherwise("kind"))
    table = read_table(frame, target="kind", drop="price", split="folds:5")
    assert {data.classes for data in table.folds()} == {("a", "aa", "b", "rare")}
    (fold,) = table.test_rows.filter(target="aa")["fold"]
    data = table.folds()[fold]
    assert 1 not in data.train.target.tolist()
    assert data.test.target.tolist().count(1) == 1
    warned = [each.text for each in data.notes if each.kind == "warning"]
    assert "1 class is not in every part: aa (1, none to train or choose)." in warned


def test_classes_are_the_same_where_a_step_leaves_out_rows_by_what_it_learned() -> None:
    frame = rows(60).with_columns(
        color=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("red")).otherwise(pl.lit("blue")),
        kind=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("odd")).otherwise("kind"),
    )
    frame = frame.with_columns(color=pl.when(pl.col("kind") != "odd").then("color"))
    steps = [{"use": "fill-mode", "columns": ["color"]}, {"use": "filter", "where": "color = 'red'"}]
    table = read_table(frame, target="kind", drop="price", split="folds:5", prepare=steps)
    heights = {len(each.train) + len(each.validation) + len(each.test) for each in table.folds()}
    assert len(heights) == 2  # in some folds blue is the mode, and all odd ones are left out
    assert {each.classes for each in table.folds()} == {("a", "b", "odd", "rare")}


def test_other_classes_in_another_fold_are_refused() -> None:
    frame = rows(60).with_columns(
        color=pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("red")).otherwise(pl.lit("blue")),
        answer=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("odd")).otherwise("kind"),
    )
    frame = frame.with_columns(color=pl.when(pl.col("answer") != "odd").then("color"))
    steps = [
        {"use": "fill-mode", "columns": ["color"]},
        {"use": "filter", "where": "color = 'red'"},
        {"use": "derive", "columns": {"kind": "concat(answer, '!')"}},
    ]
    table = read_table(frame, target="kind", drop="price", split="folds:5", prepare=steps)
    with pytest.raises(
        DataError, match=r"the steps make other classes in test set . than in . of 5"
    ) as caught:
        list(table.folds())
    assert "before the first learned step" in caught.value.hint


def test_a_dataset_is_made_when_it_is_asked_for_and_can_be_dropped() -> None:
    folds = opened(split="folds:3").folds()
    first = folds[0]
    assert folds[0] is first
    assert folds[-3] is first
    mark, gone = first.fingerprint, weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    assert folds[0].fingerprint == mark
    assert len(folds[1:]) == 2
    with pytest.raises(IndexError):
        _ = folds[3]


def test_an_ordinary_split_is_one_fold() -> None:
    table = opened()
    assert len(table.folds()) == 1
    assert table.folds()[0] is table.dataset() is table.final()
    assert table.folds().test_rows(0).equals(table.test_rows)
    assert table.test_rows.columns == ["row", "target"]
    assert "test_set" not in table.dataset().provenance


OLD: list[tuple[dict[str, Any], str]] = [
    ({"target": "kind"}, "27f03a0230db94d8c2f45adbbc4a4aa1"),
    ({"target": "kind", "split": "random", "split_seed": 3}, "f5eef9e1958a28779482dfb0dc5cda46"),
    ({"target": "kind", "split": "group:shop", "validation": 0.2}, "b6ca98ac739b5b963f2c336bad566bea"),
    ({"target": "price", "test": 0.3}, "a5d9c20a5dba4af460f8e09f52d199d5"),
    ({"target": "price", "split": "time:row"}, "c4edd981d2f361665b1ddaeb485bc4a4"),
    (
        {
            "target": "kind",
            "split": "stratified",
            "prepare": [{"use": "fill-mode", "columns": ["color"]}, {"use": "filter", "where": "row > 40"}],
        },
        "66cb3e00fac530ea2acf6eccec086a7b",
    ),
]
"""Datasets as they were before there were several test sets, but for the time of a split, which was a feature."""


@pytest.mark.parametrize(("options", "fingerprint"), OLD)
def test_ordinary_splits_keep_their_bits(options: dict[str, Any], fingerprint: str) -> None:
    assert read_table(rows(), **options).dataset().fingerprint == fingerprint


def test_the_notes_say_how_many_rows_there_are() -> None:
    table = opened(split="folds:5")
    said = "5 folds; each row is tested once; 282 or 283 training, 40 validation and 80 or 81 test rows each"
    for data in table.folds():
        assert f"{said} (stratified, split seed 0)." in [each.text for each in data.notes]
        assert not any("another split" in each.text for each in data.notes)
    assert f"{said}." in [each.text for each in table.describe().notes]
    said = [each.text for each in opened("price", split="repeats:4", test=0.2).folds()[1].notes]
    assert (
        "4 repeated splits; 282 training, 40 validation and 81 test rows each (random, split seed 0)." in said
    )
    few = read_table(rows(60), target="price", split="folds:5").folds()[0]
    assert "only 60 rows to test on: other rows can give quite different results." in [
        n.text for n in few.notes
    ]


def test_groups_are_named_for_folds_too() -> None:
    patient = [i // 4 for i in range(200)]
    frame = pl.DataFrame({"patient": patient, "x": [0.5, 0.1] * 100, "y": patient})
    noted = " ".join(each.text for each in read_table(frame, target="y", split="folds:5").folds()[0].notes)
    assert "--split folds:5,group:patient." in noted
    folds = read_table(frame, target="y", split="folds:5,group:patient").folds()
    noted = " ".join(each.text for each in folds[0].notes)
    assert (
        "5 folds; each row is tested once; 140 training, 20 validation and 40 test rows in this one" in noted
    )
    assert "--split" not in noted


def test_uneven_folds_are_said() -> None:
    frame = rows().with_columns(shop=pl.when(pl.col("row") < 300).then(pl.lit("big")).otherwise("shop"))
    table = read_table(frame, target="kind", drop="price", split="folds:5,group:shop")
    warned = [each.text for each in table.folds()[0].notes if "uneven" in each.text]
    assert warned == ["the folds are uneven, with 50 to 200 test rows: the largest shop has 200 rows."]


REFUSED: list[tuple[dict[str, Any], type[Exception], str, str]] = [
    ({"split": "folds:5", "test": 0.2}, OptionError, "--test has no effect: --split folds:5 tests every row", "leave"),
    ({"split": "folds:5,time:row"}, OptionError, "trains on later rows than it tests", "--split time:row"),
    ({"split": "repeats:5,time:row"}, OptionError, "would test the same rows each time", "--split time:row"),
    ({"split": "folds:5", "validation": "v.csv"}, OptionError, "takes the validation rows from the table", "its file"),
    ({"split": "repeats:5", "test": "t.csv"}, OptionError, "takes the test rows from the table", "leave out --split"),
    ({"split": "folds"}, OptionError, "'folds' is none of auto, none, random", "how rows are split"),
    ({"split": "folds:five"}, OptionError, "'folds:five' has no number after folds:", "such as --split folds:5"),
    ({"split": "folds:1"}, OptionError, "'folds:1' has fewer than 2 folds", "--split auto has one test set"),
    ({"split": "repeats:1,time:row"}, OptionError, "has fewer than 2 repeats", "--split time:row has one test set"),
    ({"split": "repeats:"}, OptionError, "'repeats:' has no number after repeats:", "such as --split repeats:10"),
    ({"split": "folds:1,shop"}, OptionError, "'folds:1,shop' is none of", "how rows are split"),
    ({"split": "folds:5,"}, OptionError, "'folds:5,' is none of", "how rows are split"),
    ({"split": "folds:5,folds:2"}, OptionError, "'folds:5,folds:2' is none of", "how rows are split"),
    ({"split": "folds:2", "validation": 0.5}, OptionError, "0.5 and a test on one of 2 folds leave no", "smaller"),
    ({"split": "folds:500"}, DataError, "403 rows cannot be in 500 folds", "fewer folds"),
    ({"split": "folds:2", "validation": 0.499}, DataError, "2 folds of 403 rows leave 0 for training", "smaller"),
    ({"split": "folds:41,group:shop"}, DataError, "the split column has 40 groups for 41 folds", "fewer folds"),
    ({"split": "folds:2,group:half"}, DataError, "leaves 1 group for training and validation", "more folds"),
    ({"split": "folds:5,group:shpo"}, DataError, "there is no column 'shpo'", "shop"),
    ({"split": "folds:3,stratified", "target": "price"}, OptionError, "needs classes", "--split folds:3,random"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "fact", "hint"), REFUSED)
def test_what_cannot_be_is_refused_with_the_cure(
    options: dict[str, Any], error: type[Exception], fact: str, hint: str
) -> None:
    frame = rows().with_columns(half=pl.col("row") > 300)
    with pytest.raises(error) as caught:
        _ = read_table(frame, **{"target": "kind", **options}).folds()[0]
    first, second = caught.value.fact, caught.value.hint
    assert fact in first
    assert hint in second


def test_one_dataset_of_several_is_not_guessed() -> None:
    with pytest.raises(
        OptionError, match="split='folds:5' makes 5 datasets, but one is wanted here"
    ) as caught:
        opened(split="folds:5").dataset()
    assert "Table.folds()" in caught.value.hint


def test_a_share_of_a_preparation_file_gives_way_to_folds(tmp_path: Any) -> None:
    path = tmp_path / "p.toml"
    path.write_text("[table]\ntest = 0.3\nvalidation = 0.2\n")
    data = read_table(rows(), target="price", prepare=path, split="folds:4").folds()[0]
    assert (len(data.validation), len(data.test)) == (81, 101)


@pytest.mark.parametrize(
    "text", ["auto", "group:a,b", "folds:5", "folds:5,group:a:b,c", "repeats:3,stratified", "time:t"]
)
def test_a_rule_is_written_as_it_is_read(text: str) -> None:
    assert str(SplitRule.parse(text)) == text
