"""A variant of a dataset: other training rows, labels or features, and always the same validation and test rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from steepest.data.corruptions import make_corruption, registry
from steepest.data.dataset import Dataset
from steepest.data.sources.opening import open_source
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.errors import OptionError, PreparationError, SteepestError, UnknownNameError

N = 1500


def rows() -> pl.DataFrame:
    """Rows with three classes, one of them rare, a number to predict, gaps, times and groups."""
    draw = np.random.default_rng(7)
    size = np.round(draw.normal(20.0, 5.0, N), 3)
    kind = draw.choice(["low", "mid", "top"], N, p=[0.6, 0.37, 0.03])
    return pl.DataFrame(
        {
            "size": [None if i % 11 == 0 else value for i, value in enumerate(size.tolist())],
            "shop": [f"s{each}" for each in draw.integers(0, 12, N)],
            "owner": [f"o{each:03}" for each in draw.integers(0, 150, N)],
            "day": np.sort(draw.integers(0, 400, N)),
            "price": np.round(3 * size + draw.normal(100.0, 10.0, N), 2),
            "kind": kind,
        }
    )


def classes(**options: Any) -> Table:
    return read_table(rows(), target="kind", drop="owner,price,day", **options)


def numbers(**options: Any) -> Table:
    return read_table(rows(), target="price", drop="owner,kind,day", **options)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def judged_alike(one: Dataset, other: Dataset) -> bool:
    """Whether two datasets have the same validation and test targets, classes and scale."""
    parts = [(one.validation, other.validation), (one.test, other.test)]
    return (
        all(same(a.target, b.target) for a, b in parts)
        and one.classes == other.classes
        and one.target_scale == other.target_scale
    )


def features(table: Table, variant: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return the training rows of a variant, decoded and rounded, as tuples."""
    dataset, pipeline = table.vary(Variant(**variant))
    frame = pipeline.encoder.decode(dataset.true_train.inputs)
    frame = frame.with_columns(
        pl.col("size").cast(pl.Float64, strict=False).round(3), y=dataset.true_train.target.numpy()
    )
    return frame.rows()


# --- identity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [classes, numbers])
def test_the_neutral_variant_is_the_dataset_itself(table):
    opened = table()
    for neutral in ({}, {"train_rows": 1.0}, {"labels": "none"}, {"prepare": "none"}, {"train_rows": 1200}):
        assert opened.variant(**neutral) is opened.dataset()
    assert opened.vary(Variant())[1] is opened.pipeline


def test_a_fingerprint_is_that_of_the_variant():
    names = [
        {"train_rows": 0.5},
        {"train_rows": "0.25"},
        {"labels": "noise(0.15)"},
        {"labels": "noise(0.2)"},
        {"labels": "noise(0.15, draw=run)"},
        {"labels": "shuffle"},
        {"train_rows": 0.5, "labels": "shuffle"},
        {"prepare": [{"use": "derive", "columns": {"big": "size > 20"}}]},
    ]
    table, again = classes(), classes()
    found = [table.variant(**each).fingerprint for each in names]
    assert len({table.dataset().fingerprint, *found}) == len(names) + 1
    assert [again.variant(**each).fingerprint for each in names] == found
    assert table.variant(train_rows=600).fingerprint == found[0]
    assert table.variant(labels="noise(level=0.150)").fingerprint == found[2]
    assert table.variant(train_rows=0.5) is table.vary(Variant("0.50"), 0)[0]
    assert classes(split_seed=1).variant(labels="noise(0.15)").fingerprint != found[2]


def test_a_preparation_is_known_by_its_steps(tmp_path):
    step = '[[step]]\nuse = "derive"\ncolumns = { big = "size > 20" }\n'
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(step)
    table = classes()
    one, other = (table.variant(prepare=tmp_path / name) for name in ("a.toml", "b.toml"))
    assert one.fingerprint == other.fingerprint != table.dataset().fingerprint
    own = classes(prepare=str(tmp_path / "a.toml"))
    assert own.variant(prepare=tmp_path / "b.toml") is own.dataset()
    assert one.provenance["variant"]["notes"] == [f"prepared by {tmp_path / 'a.toml'}."]


# --- training rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [classes, numbers])
def test_fewer_training_rows_are_among_more_and_the_test_is_the_same(table):
    opened = table()
    own = opened.dataset()
    before: Counter[Any] = Counter()
    for share in (0.02, 0.1, 0.2, 0.35, 0.8):
        found = opened.variant(train_rows=share)
        assert len(found.train) == round(share * len(own.train))
        assert judged_alike(found, own)
        mine = Counter(features(opened, {"train_rows": str(share)}))
        assert before < mine
        before = mine
    assert before < Counter(features(opened, {}))


def test_classes_keep_their_shares():
    table = classes()
    own = table.dataset()
    counts = torch.bincount(own.train.target).double()
    for wanted in (10, 13, 50, 123, 600, 1199):
        found = torch.bincount(table.variant(train_rows=wanted).train.target, minlength=3).double()
        ideal = counts * wanted / len(own.train)
        assert found.min() >= 1
        assert ((found - ideal).abs() <= 1).all(), (wanted, found, ideal)


def test_rows_are_those_of_the_split_seed():
    one, again, other = (features(classes(split_seed=seed), {"train_rows": "0.1"}) for seed in (0, 0, 1))
    assert one == again != other


def test_features_are_prepared_from_the_rows_that_are_left():
    table = classes()
    dataset, pipeline = table.vary(Variant(train_rows="20"))
    known = [
        value
        for *_, value in ((row[0], row[1]) for row in features(table, {"train_rows": "20"}))
        if value is not None
    ]
    assert pipeline.encoder.scales["size"].mean == pytest.approx(
        np.mean([v for v in known if isinstance(v, float)])
    )
    assert pipeline.encoder.scales["size"] != table.pipeline.encoder.scales["size"]
    assert set(pipeline.encoder.vocabularies["shop"].labels) < set(
        table.pipeline.encoder.vocabularies["shop"].labels
    )
    assert dataset.shape.cardinalities["shop"] == len(pipeline.encoder.vocabularies["shop"])


def test_a_learned_step_is_fitted_on_the_rows_that_are_left():
    frame = pl.DataFrame(
        {
            "shop": [None if i % 5 == 0 else f"s{i % 7}" for i in range(400)],
            "size": [i / 3 for i in range(400)],
            "y": [i % 2 for i in range(400)],
        }
    )
    table = read_table(frame, target="y", prepare=[{"use": "fill-mode", "columns": ["shop"]}])
    for variant in (Variant(), Variant(train_rows="12"), Variant(train_rows="40")):
        dataset, pipeline = table.vary(variant)
        shops = pipeline.encoder.decode(dataset.train.inputs)["shop"]
        (learned,) = pipeline.preparation.learned
        assert learned is not None
        filled = next(iter(learned.values())).to_series(-1)[0]
        assert filled in shops.mode().to_list()


def test_with_a_split_by_time_the_latest_rows_are_left():
    table = read_table(rows(), target="kind", drop="owner,price", split="time:day", continuous="day")
    every = features(table, {})
    few = features(table, {"train_rows": "100"})
    assert few == every[-100:]
    assert "the latest by day" in table.variant(train_rows=100).provenance["variant"]["notes"][0]


def test_a_class_without_training_rows_keeps_its_code():
    frame = rows().with_columns(kind=pl.when(pl.col("day") < 60).then(pl.lit("early")).otherwise("kind"))
    table = read_table(frame, target="kind", drop="owner,price", split="time:day", task="classification")
    found = table.variant(train_rows=100)
    assert found.classes == table.dataset().classes == ("early", "low", "mid", "top")
    assert int((found.train.target == 0).sum()) == 0
    assert same(found.test.target, table.dataset().test.target)
    assert [each.text for each in found.notes if each.kind == "warning"][-1].startswith(
        "no training row is left of early"
    )


def test_rows_of_one_class_are_refused():
    frame = rows().with_columns(
        kind=pl.when(pl.col("day") < 60).then(pl.lit("early")).otherwise(pl.lit("late"))
    )
    table = read_table(frame, target="kind", drop="owner,price", split="time:day")
    with pytest.raises(OptionError) as caught:
        table.variant(train_rows=100)
    assert caught.value.fact == "kind has one value only in the 100 rows that are left, the latest by day"
    assert table.variant(train_rows=1100).classes == ("early", "late")


def test_training_rows_that_steps_leave_out_are_said():
    table = read_table(rows(), target="kind", drop="owner,price", split="time:day")
    steps = [{"use": "filter", "where": "day > 100"}]
    few, all_of_them = table.variant(train_rows=0.9, prepare=steps), table.variant(prepare=steps)
    assert len(few.train) == len(all_of_them.train) < 1080
    assert f"; {len(few.train):,} of them are left by the steps." in few.provenance["variant"]["notes"][-1]


def test_with_a_split_by_group_rows_are_drawn():
    table = read_table(rows(), target="kind", drop="price,day", split="group:owner")
    assert len(table.variant(train_rows=200).train) == 200


@pytest.mark.parametrize(
    ("value", "fact", "hint"),
    [
        (1201, "1,201 is more than the 1,200 training rows", "give at most 1,200"),
        (9, "9 training rows are too few", "give at least 10 rows"),
        (0.005, "6 training rows, 0.005 of 1,200, are too few", "a share of at least 0.0083"),
        (0, "'0' is neither a share", "a share above 0"),
        (1.5, "'1.5' is neither a share", "or all"),
        ("half", "'half' is neither a share", "or all"),
        ("nan", "'nan' is neither a share", "or all"),
    ],
)
def test_a_number_of_rows_that_cannot_be_is_refused(value, fact, hint):
    with pytest.raises(OptionError) as caught:
        classes().variant(train_rows=value)
    assert caught.value.fact.startswith(fact)
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["1", "1.0", "run:1", "all"])
def test_one_is_a_share_all_rows(text):
    assert len(classes().variant(train_rows=text).train) == 1200


def test_fewer_rows_than_classes_are_refused():
    frame = pl.DataFrame({"x": [i / 7 for i in range(1200)], "y": [f"c{i % 15}" for i in range(1200)]})
    with pytest.raises(OptionError, match="14 training rows are too few for 15 classes"):
        read_table(frame, target="y").variant(train_rows=14)
    few = read_table(frame, target="y").variant(train_rows=15)
    assert torch.bincount(few.train.target).tolist() == [1] * 15


# --- labels -----------------------------------------------------------------------------------------------

CORRUPTIONS = [
    ("noise(0.15)", True),
    ("noise(0.15, draw='run')", True),
    ("shuffle", False),
    ("shuffle(draw='run')", False),
]
"""A corruption as it is written, and whether most labels stay as they are."""


def test_every_corruption_has_a_case():
    assert {text.partition("(")[0] for text, _ in CORRUPTIONS} == set(registry.names())


@pytest.mark.parametrize(("text", "mostly"), CORRUPTIONS)
@pytest.mark.parametrize("table", [classes, numbers])
def test_labels_are_changed_in_training_alone(table, text, mostly):
    opened = table()
    own, found = opened.dataset(), opened.variant(labels=text)
    assert judged_alike(found, own)
    for one, other in ((found.train, own.train), (found.validation, own.validation), (found.test, own.test)):
        assert all(same(a, b) for a, b in zip(one.inputs, other.inputs, strict=True))
    assert found.true_target is not None
    assert same(found.true_target, own.train.target)
    assert found.train.target.dtype == own.train.target.dtype
    assert not torch.equal(found.train.target, own.train.target)
    if opened.dataset().classes:
        alike = float((found.train.target == own.train.target).double().mean())
    else:
        alike = np.corrcoef(found.train.target.numpy(), own.train.target.numpy())[0, 1]
    assert (alike > 0.8) == mostly
    assert str(make_corruption(text)) == text
    on_device = found.to("meta")
    assert on_device.true_target is not None
    assert on_device.true_target.device.type == "meta"


def test_noise_replaces_a_fixed_number_of_labels_by_any_of_the_others():
    table = classes()
    found = table.variant(labels="noise(0.4)")
    true, labels = found.true_train.target, found.train.target
    odd = labels != true
    assert int(odd.sum()) == round(0.4 * 1200)
    assert found.provenance["variant"]["notes"] == ["labels of 480 of 1,200 training rows replaced."]
    pairs = torch.zeros(3, 3)
    for a, b in zip(true[odd].tolist(), labels[odd].tolist(), strict=True):
        pairs[a, b] += 1
    shares = odd.double().new_tensor([float(odd[true == code].double().mean()) for code in range(3)])
    deviation = (0.4 * 0.6 / torch.bincount(true)).sqrt()
    assert ((shares - 0.4).abs() < 4 * deviation).all()  # whatever the class
    for code in (0, 1):  # of a replaced label, each other class is as likely
        others = [float(pairs[code, each]) for each in range(3) if each != code]
        assert abs(others[0] - sum(others) / 2) < 2 * sum(others) ** 0.5


def test_noise_does_not_follow_the_rows():
    found = classes().variant(labels="noise(0.5)")
    odd = (found.train.target != found.true_train.target).double()
    odd -= odd.mean()
    neighbours = float((odd[1:] * odd[:-1]).mean() / odd.var())
    assert abs(neighbours) < 4 / len(odd) ** 0.5


def test_more_noise_replaces_the_same_labels_and_more():
    table = classes()
    few, many = (table.variant(labels=f"noise({level})") for level in (0.1, 0.3))
    odd = few.train.target != few.true_train.target
    assert torch.equal(many.train.target[odd], few.train.target[odd])


def test_noise_on_numbers_has_its_share_of_the_deviation():
    table = numbers()
    found = table.variant(labels="noise(0.5)")
    added = (found.train.target - found.true_train.target).double()
    n = len(added)
    assert float(added.std()) == pytest.approx(0.5, abs=4 * 0.5 / (2 * n) ** 0.5)
    assert abs(float(added.mean())) < 4 * 0.5 / n**0.5
    sd = table.dataset().target_scale.sd
    assert f"standard deviation {0.5 * sd:.3g}" in found.provenance["variant"]["notes"][0]


def test_a_shuffle_keeps_every_label_and_no_relation():
    found = classes().variant(labels="shuffle")
    assert same(found.train.target.sort().values, found.true_train.target.sort().values)
    found = numbers().variant(labels="shuffle")
    alike = np.corrcoef(found.train.target.numpy(), found.true_train.target.numpy())[0, 1]
    assert abs(alike) < 4 / 1200**0.5


@pytest.mark.parametrize("text", ["noise(0.2, draw=run)", "shuffle(draw=run)"])
def test_labels_by_the_run_seed_are_those_of_the_seed(text):
    own, other = classes().variant(labels=text), classes().variant(labels=text)
    assert same(own.training(5).target, other.training(5).target)
    assert not torch.equal(own.training(5).target, own.training(6).target)
    assert not torch.equal(own.training(5).target, own.true_train.target)
    assert all(a is b for a, b in zip(own.training(5).inputs, own.train.inputs, strict=True))
    fixed = classes().variant(labels=text.replace("run", "split"))
    assert fixed.training(5) is fixed.train


def test_without_a_draw_by_run_every_run_has_the_training_rows():
    dataset = classes().dataset()
    assert dataset.training(3) is dataset.train
    assert dataset.true_train is dataset.train


def test_common_rows_have_the_same_labels_in_arms_with_other_preparations():
    table, steps = classes(), [{"use": "derive", "columns": {"big": "size > 20"}}]
    one = table.variant(train_rows=0.5, labels="noise(0.2)")
    other = table.variant(train_rows=0.5, labels="noise(0.2)", prepare=steps)
    assert same(one.train.target, other.train.target)
    assert other.shape != one.shape


@pytest.mark.parametrize(
    ("text", "fact", "hint"),
    [
        ("nois(0.1)", "unknown corruption of labels 'nois'", "did you mean 'noise'"),
        ("noise", "noise lacks its level", "a number above 0"),
        ("noise(0)", "noise(0): level is 0", "a number above 0"),
        ("noise(-0.1)", "noise(-0.1): level is -0.1", "a number above 0"),
        ("noise(1.1)", "noise(1.1) would replace more labels than there are", "at most 1"),
        ("noise(0.0001)", "noise(0.0001) replaces the label of none of 1,200 training rows", "or none"),
        ("noise(0.1, draw=often)", "noise(0.1, draw=often): draw is 'often'", "split ("),
        ("noise(0.1, 'run', 3)", "noise(0.1, 'run', 3): noise has 2 options", "level, draw"),
        ("noise(0.1, level=0.2)", "noise(0.1, level=0.2): level is given twice", "once"),
        ("shuffle(lvl=3)", "unknown option of shuffle 'lvl'", "draw"),
        ("shuffle(0.0001)", "shuffle(share=0.0001) shuffles 0 labels of 1,200 training rows", "at least 0.0"),
    ],
)
def test_a_corruption_that_cannot_be_is_refused(text, fact, hint):
    with pytest.raises(OptionError) as caught:
        classes().variant(labels=text)
    assert caught.value.fact == fact
    assert hint in caught.value.hint


# --- another preparation ----------------------------------------------------------------------------------


def test_another_preparation_has_features_of_its_own():
    table = classes()
    steps = [{"use": "derive", "columns": {"root": "sqrt(size)"}}, {"use": "drop", "columns": ["shop"]}]
    dataset, pipeline = table.vary(Variant.of("all", "", steps))
    own = table.dataset()
    assert judged_alike(dataset, own)
    assert same(dataset.train.target, own.train.target)
    assert list(pipeline.encoder.scales) == ["size", "root"]
    assert not pipeline.encoder.vocabularies
    new = pl.DataFrame({"size": [25.0], "shop": ["s1"]})
    assert pipeline.transform(new).inputs[1].shape[1] == dataset.shape.continuous.__len__()


def test_another_preparation_may_leave_training_rows_out():
    table = read_table(rows(), target="kind", drop="owner,price", split="time:day")
    found = table.variant(prepare=[{"use": "filter", "where": "day > 100"}])
    own = table.dataset()
    assert judged_alike(found, own)
    assert 0 < len(found.train) < len(own.train)
    assert (
        f"{len(found.train):,} of {len(own.train):,} training rows are left by its steps."
        in found.provenance["variant"]["notes"]
    )


def test_rows_that_the_experiment_leaves_out_stay_out():
    table = classes(prepare=[{"use": "filter", "where": "size > 15"}])
    found = table.variant(prepare="none")
    assert judged_alike(found, table.dataset())
    assert same(found.train.target, table.dataset().train.target)
    assert (
        "rows that the experiment's own preparation leaves out stay out."
        in found.provenance["variant"]["notes"]
    )


def test_files_of_their_own_are_the_same_parts(tmp_path):
    frame = rows()
    for name, part in (("train", frame[:1000]), ("validation", frame[1000:1200]), ("test", frame[1200:])):
        part.write_csv(tmp_path / f"{name}.csv")
    table = read_table(
        tmp_path / "train.csv",
        target="kind",
        drop="owner,price,day",
        validation=str(tmp_path / "validation.csv"),
        test=str(tmp_path / "test.csv"),
    )
    for variant in ({"train_rows": 100}, {"prepare": [{"use": "derive", "columns": {"big": "size > 20"}}]}):
        found = table.variant(**variant)
        assert judged_alike(found, table.dataset())
    lost = [
        part.height - part.filter(pl.col("size") < 26).height for part in (frame[1000:1200], frame[1200:])
    ]
    with pytest.raises(
        PreparationError, match=f"leaves out {lost[0]} of 200 validation rows and {lost[1]} of 300 test rows"
    ):
        table.variant(prepare=[{"use": "filter", "where": "size < 26"}])


def test_every_fold_has_its_variant():
    table = classes(split="folds:4")
    variants = [
        Variant(train_rows="0.2", labels="noise(0.1)"),
        Variant.of("all", "", [{"use": "drop", "columns": ["shop"]}]),
    ]
    seen: set[str] = set()
    for variant in variants:
        for i, own in enumerate(table.folds()):
            found, pipeline = table.vary(variant, i)
            assert judged_alike(found, own)
            assert len(found.train) == len(own.train) * (0.2 if variant is variants[0] else 1)
            assert found.provenance["test_set"] == i
            assert pipeline.shape == found.shape
            seen.add(found.fingerprint)
    assert len(seen) == 8
    assert table.vary(Variant(), 2)[0].fingerprint == table.folds()[2].fingerprint
    final, _ = table.vary(variants[0])
    assert len(final.test) == 0
    assert len(final.train) == 0.2 * len(table.final().train)
    with pytest.raises(OptionError, match="makes 4 datasets"):
        table.variant(train_rows=0.2)


REFUSED = [
    (
        [{"use": "derive", "columns": {"a": "size * 2"}}, {"use": "filter", "where": "size > 15"}],
        "step 2 (filter) of the variant's preparation leaves out",
    ),
    (
        [{"use": "filter", "where": "size > 1000"}],
        "after step 1 (filter) of the variant's preparation, no row of",
    ),
    (
        [{"use": "rename", "columns": {"kind": "sort"}}],
        "after step 1 (rename) of the variant's preparation, there is no column 'kind'",
    ),
    (
        [
            {"use": "fill-mode", "columns": ["shop"]},
            {"use": "derive", "columns": {"kind": "CASE WHEN kind = 'top' THEN 'mid' ELSE kind END"}},
        ],
        "step 2 (derive) of the variant's preparation gives the target kind other values in 4",
    ),
    (
        [{"use": "fill-mode", "columns": ["shop"]}, {"use": "filter", "where": "shop <> 's1'"}],
        "step 2 (filter) of the variant's preparation leaves out",
    ),
    (
        [
            {"use": "group", "column": "kind", "groups": {"mid": ["top"]}},
            {"use": "derive", "columns": {"a": "size * 2"}},
        ],
        "step 1 (group) of the variant's preparation gives the target kind other values in",
    ),
]


@pytest.mark.parametrize(("steps", "fact"), REFUSED)
def test_a_step_that_would_change_the_test_is_refused_by_its_name(steps, fact):
    with pytest.raises(PreparationError) as caught:
        classes().variant(prepare=steps)
    assert caught.value.fact.startswith(fact), caught.value.fact
    assert "all arms are judged on the same rows and targets" in caught.value.hint


def test_another_unit_of_the_target_is_refused():
    with pytest.raises(
        PreparationError, match=r"step 1 \(derive\) .* gives the target price other values in 1,500 rows"
    ):
        numbers().variant(prepare=[{"use": "derive", "columns": {"price": "price / 100"}}])
    own = numbers(prepare=[{"use": "derive", "columns": {"price": "price / 100"}}])
    with pytest.raises(
        PreparationError, match="the variant's preparation gives the target price other values"
    ):
        own.variant(prepare="none")


def test_a_table_of_options_may_set_features_and_no_test(tmp_path):
    path = tmp_path / "b.toml"
    path.write_text('[table]\ndrop = ["shop"]\n')
    found = read_table(rows(), target="kind").variant(prepare=path)
    assert "shop" not in found.shape.cardinalities
    for line, fact in (
        ("split-seed = 5", "split_seed = 5 in its [table], and the experiment has 0"),
        ('split = "time:day"', "split = 'time:day' in its [table], and the experiment has 'auto'"),
        ("test = 0.3", "test = 0.3 in its [table], and the experiment has 0.1"),
    ):
        path.write_text(f"[table]\n{line}\n")
        with pytest.raises(PreparationError) as caught:
            classes().variant(prepare=path)
        assert caught.value.fact == f"{path} sets {fact}"


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(SteepestError, match="cannot be read"):
        classes().variant(prepare=Path("nowhere.toml"))


def test_a_corruption_is_a_registered_one() -> None:
    """A file's could be edited between two runs, and nothing of a variant would show that."""
    with pytest.raises(UnknownNameError, match="unknown corruption of labels"):
        make_corruption("steepest.data.corruptions.noise:Noise(0.1)")


# --- rows that are drawn by the run seed ------------------------------------------------------------------


def test_rows_drawn_by_the_run_seed_differ_by_seed_and_not_by_arm():
    table = classes()
    plain, shuffled = table.variant(train_rows="run:60"), table.variant(train_rows="run:60", labels="shuffle")
    whole = table.dataset()
    drawn = [plain.training(seed) for seed in (0, 1)]
    assert len(plain.train) == 60
    assert [len(each) for each in drawn] == [60, 60]
    assert not torch.equal(drawn[0].inputs[1], drawn[1].inputs[1])
    assert same(plain.training(0).inputs[1], shuffled.training(0).inputs[1])  # paired across arms
    assert same(plain.training(1).target, shuffled.true_training(1).target)
    assert not torch.equal(shuffled.training(1).target, shuffled.true_training(1).target)
    assert torch.bincount(shuffled.training(1).target).tolist() == torch.bincount(drawn[1].target).tolist()
    assert judged_alike(plain, whole)
    assert plain.fingerprint not in (whole.fingerprint, table.variant(train_rows=60).fingerprint)
    rows = {tuple(each) for each in whole.train.inputs[1].tolist()}
    assert {tuple(each) for each in drawn[1].inputs[1].tolist()} <= rows  # encoded as all training rows are
    assert "drawn anew for each run seed" in plain.provenance["variant"]["notes"][0]


def test_labels_of_rows_drawn_by_the_run_seed_follow_their_rows():
    """A row that two seeds share keeps its noise where that goes by the split seed, and not where by the run seed."""
    table = classes()
    for draw, alike in (("split", True), ("run", False)):
        noisy = table.variant(train_rows="run:600", labels=f"shuffle(draw={draw})")
        wrong = [noisy.training(seed).target != noisy.true_training(seed).target for seed in (0, 1)]
        assert all(100 < int(each.sum()) < 400 for each in wrong)
        level = table.variant(train_rows="run:600", labels=f"noise(0.1, draw={draw})")
        for seed in (0, 1):
            assert int((level.training(seed).target != level.true_training(seed).target).sum()) == 60
        every = table.variant(labels=f"noise(0.1, draw={draw})")
        assert torch.equal(every.training(0).target, every.training(1).target) is alike


def test_rows_drawn_by_the_run_seed_hold_for_images_and_in_64_bits():
    draw = np.random.default_rng(3)
    pixels, kinds = draw.integers(0, 256, (90, 4, 4), dtype=np.uint8), ["a", "b", "c"] * 30
    source = open_source((pixels, kinds), reader="images")
    dataset, pipeline = source.vary(Variant("run:20"))
    base, whole = source.make(0)
    assert pipeline.image == whole.image  # normalised by all training pixels
    known = {each.numpy().tobytes() for each in base.train.inputs[0]}
    for seed in (0, 1):
        part = dataset.training(seed)
        assert {each.numpy().tobytes() for each in part.inputs[0]} < known
        assert sorted(torch.bincount(part.target).tolist()) in ([6, 7, 7], [6, 6, 8])
    wide = numbers().variant(train_rows="run:40").wide()
    assert wide.training(5).target.dtype == torch.float64
    assert len(wide.training(5)) == 40
    assert Variant("run: 0.50").train_rows == "run:0.5"
    assert Variant("run:all") == Variant()
    with pytest.raises(OptionError, match="training rows are the latest"):
        read_table(rows(), target="kind", drop="owner,price", split="time:day").variant(train_rows="run:100")


def test_a_share_of_the_labels_is_shuffled():
    table = classes()
    some, more = (table.variant(labels=f"shuffle({share})") for share in (0.1, 0.3))
    wrong, further = ((each.train.target != each.true_target) for each in (some, more))
    assert 30 < int(wrong.sum()) < 120  # some of 120 get the label that they had
    assert int(wrong.sum()) < int(further.sum()) < 360
    for each in (some, more):
        assert torch.bincount(each.train.target).tolist() == torch.bincount(each.true_target).tolist()
    assert "120 of 1,200 training rows shuffled" in some.provenance["variant"]["notes"][0]
