"""Every source keeps the contract: tables, curves, and arrays as a stranger reads them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

import steepest as st
from steepest.components import grammar
from steepest.data.sources import registry
from steepest.data.sources.arrays import Arrays, ArraySource
from steepest.data.unforeseen import Unforeseen
from steepest.errors import DataError, ModelError, OptionError
from steepest.evaluate.baselines import baseline_names
from steepest.models import build_model
from steepest.testing import SourceConformance
from tests.conftest import churn_table

SIZE = 80


def numbers(classes: bool = False) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(SIZE, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.1 * draw.normal(size=SIZE)
    return {"x": x, "y": np.where(y > 0, "up", "down") if classes else y}


class Memory(ArraySource):
    """Arrays in memory."""

    @classmethod
    def read(cls, source, *, inputs="x", target="y"):
        return Arrays({inputs: source[inputs]}, source.get(target), target)


HERE = f"{Path(__file__).as_posix()}:Memory"


class TestTable(SourceConformance):
    source = "table"
    options: ClassVar = {"target": "churned"}

    def data(self):
        return churn_table(120)


class TestCurve(SourceConformance):
    source = "curve"
    options: ClassVar = {"x": "t", "y": "v"}

    def data(self):
        return {"t": [1.7e9 + i / 7 for i in range(SIZE)], "v": [(i * 37 % 11) / 3 for i in range(SIZE)]}

    def numbers(self):
        return {"t": self.data()["t"]}


class TestImages(SourceConformance):
    source = "images"

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        draw = np.random.default_rng(0)
        self.path = tmp_path / "digits.npz"
        images = draw.integers(0, 256, (SIZE, 6, 5), dtype=np.uint8)
        np.savez(self.path, x=images, y=np.arange(SIZE) % 4)

    def data(self):
        return self.path


class TestRatings(SourceConformance):
    source = "ratings"
    options: ClassVar = {"user": "who", "item": "what", "rating": "stars"}

    def data(self):
        return {
            "who": [i % 8 for i in range(SIZE)],
            "what": [i // 8 for i in range(SIZE)],
            "stars": [1.0 + (i * 37 % 9) / 2 for i in range(SIZE)],
        }


DOCUMENTS = [
    f"Document {i} says {'so ' * (i % 5)}that {i * 37 % 11} is a number.\nAnd more." for i in range(40)
]


class TestText(SourceConformance):
    """Rows are cut behind the split, so that a row has no number in the whole text."""

    source = "text"
    options: ClassVar = {"block": 16}

    def data(self):
        return DOCUMENTS

    def test_new_rows_are_prepared_as_training_rows(self):
        opened, data, pipeline = self._made()
        texts = opened._texts[0]["test"]
        for rows in (7, 1 << 18):
            found = list(pipeline.transform_batches(texts, rows))
            assert torch.equal(torch.cat([each.inputs[0] for each in found]), data.test.inputs[0])
            assert torch.equal(torch.cat([each.wanted for each in found]), data.test.target)
            weights = np.concatenate([each.weights.to_numpy() for each in found])
            assert np.array_equal(weights, data.test.weights.numpy())

    def test_test_rows_have_their_targets(self):
        opened, _, _ = self._made()
        whole, texts = "".join(opened.test_rows["target"]), "".join(opened._texts[0]["test"])
        assert whole.replace("\n", "") == texts.replace("\n", "")

    def test_folds_test_every_row_once(self):
        with pytest.raises(OptionError, match="has no effect on a text, which is split by document"):
            self._opened(split="folds:4")


class TestNumbers(SourceConformance):
    source = HERE

    def data(self):
        return numbers()


class TestClasses(SourceConformance):
    source = f"{HERE}(inputs='x')"

    def data(self):
        return numbers(classes=True)


def test_every_source_has_its_suite():
    suites = [
        each for each in globals().values() if isinstance(each, type) and issubclass(each, SourceConformance)
    ]
    assert set(registry.entries) <= {each.source for each in suites}


def test_a_comparison_of_arrays_trains_predicts_and_asks_for_the_source_again(tmp_path):
    rows = numbers(classes=True)
    result = st.compare(
        st.open_source(rows, reader=HERE), tmp_path / "run", model=["linear", "mlp(hidden=[4])"],
        optimizers=["adam(lr=0.05)"], epochs=5, seeds=2,
    )  # fmt: skip
    assert {row.name for row in result.comparison.rows if row.kind == "arm"} == {"linear", "mlp"}
    with pytest.raises(ModelError, match="not run unasked") as error:
        st.load(result.path)
    assert str(error.value).endswith(f"Hint: give it again, if you trust it: source={HERE!r}.")
    assert error.value.hint == f"give it again, if you trust it: --source {HERE!r}."
    model = st.load(result.path / "model", source=HERE)
    found = model.predict({"x": rows["x"][:7]})
    assert set(found.table["prediction"]) <= {"up", "down"}
    scored = model.predict(rows)
    assert len(scored) == SIZE
    facts = {each.label: each.value for each in result.comparison.data}
    assert facts["inputs"] == "x (values [3])"


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"x": np.zeros((SIZE - 1, 3))}, "the source: 79 rows, but 80 targets"),
        ({"x": np.full((SIZE, 3), np.nan)}, "240 values of the array 'x' are missing or infinite"),
        ({"x": np.array(["a"] * SIZE)}, "the array 'x' holds <U1, not numbers"),
        ({"x": np.zeros((0, 3))}, "the array 'x' has no rows"),
        ({"y": None}, "there is no target 'y'"),
        ({"y": np.full(SIZE, np.nan)}, "some rows have no y"),
        ({"x": np.full((SIZE, 3), 1e39)}, "the array 'x' holds 1e+39 in row 1, too large for 32 bits"),
        ({"y": np.eye(SIZE)}, r"the targets of the source have the shape [80, 80]*argmax(1)"),
        (
            {"y": np.zeros(SIZE, "datetime64[D]")},
            "the targets of the source are dates*datetime64[D]').astype(int)",
        ),
        ({"y": np.array([None, *"ab"] * 40)[:SIZE]}, "27 targets of the source are None"),
        ({"y": np.array([1, "a"] * 40, dtype=object)}, "are objects of the type int and str"),
        ({"y": np.zeros(SIZE, complex)}, "the targets of the source are of type complex128"),
    ],
)
def test_arrays_that_cannot_be_learned_from(change, fact):
    with pytest.raises(DataError, match=re.escape(fact).replace(r"\*", "(.|\n)*")):
        st.open_source({**numbers(), **change}, reader=HERE).make(0)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y[:, None],
        lambda y: y.astype("S"),
        lambda y: y.astype(object),
        lambda y: y.tolist(),
    ],
)
def test_targets_are_the_same_however_they_are_stored(change):
    rows = numbers(classes=True)
    plain, pipeline = st.open_source(rows, reader=HERE).make(0)
    data, _ = st.open_source({**rows, "y": change(rows["y"])}, reader=HERE).make(0)
    assert data.classes == plain.classes
    assert data.test.target.tolist() == plain.test.target.tolist()
    [found] = pipeline.transform_batches({**rows, "y": change(rows["y"])}, SIZE)
    assert found.target.to_list() == rows["y"].tolist()


def test_numbers_that_32_bits_merge_are_kept_for_float64():
    x = 1e6 + np.arange(SIZE)[:, None] / 1000
    data, pipeline = st.open_source({"x": x, "y": x[:, 0] % 0.013}, reader=HERE).make(0)
    assert len(data.train.inputs[0].unique()) < 10
    wide = data.wide()
    assert len(wide.train.inputs[0].unique()) == len(data.train)
    rows = st.open_source({"x": x, "y": x[:, 0] % 0.013}, reader=HERE).test_rows
    assert wide.test.inputs[0][:, 0].tolist() == x[rows["row"].to_list(), 0].tolist()
    scale = data.target_scale
    assert (wide.test.target * scale.sd + scale.mean).tolist() == pytest.approx(
        rows["target"].to_list(), rel=1e-12
    )
    [found] = pipeline.transform_batches({"x": x}, SIZE)
    assert found.inputs_for(torch.nn.Linear(1, 1).double())[0].tolist() == x.tolist()
    assert found.inputs_for(torch.nn.Linear(1, 1))[0].dtype == torch.float32


def test_the_fingerprint_has_names_and_kinds_of_arrays(monkeypatch):
    one, two = (
        st.open_source({name: numbers()["x"], "y": numbers()["y"]}, reader=f"{HERE}(inputs={name!r})").make(
            0
        )[0]
        for name in ("x", "z")
    )
    read = Memory.read.__func__
    monkeypatch.setattr(
        Memory, "read", classmethod(lambda *a, **k: replace(read(*a, **k), kinds={"x": "sound"}))
    )
    three = Memory(numbers(), st.open_source(numbers(), reader=HERE).options).make(0)[0]
    four = st.open_source(numbers(), reader=HERE).make(0)[0]
    assert len({each.fingerprint for each in (one, two, three, four)}) >= 3


def test_new_numbers_too_large_for_32_bits():
    _, pipeline = st.open_source(numbers(), reader=HERE).make(0)
    with pytest.raises(DataError, match=r"the array 'x' holds -1e\+39 in row 2, too large"):
        list(pipeline.transform_batches({"x": np.array([[0.0] * 3, [0.0, -1e39, 0.0]])}, 10))


class Failing(ArraySource):
    """A source whose code fails on some data."""

    @classmethod
    def read(cls, source, *, inputs="x"):
        return source if source.get("odd") else Arrays({inputs: source[inputs]}, source["y"])


def test_a_source_that_fails_is_named():
    reader = f"{Path(__file__).as_posix()}:Failing"
    with pytest.raises(DataError, match="the source Failing fails: KeyError: 'z'"):
        st.open_source(numbers(), reader=f"{reader}(inputs='z')")
    with pytest.raises(DataError, match="the source Failing returned a dict"):
        st.open_source({**numbers(), "odd": True}, reader=reader)
    with pytest.raises(OptionError, match="cannot be opened: got an unexpected keyword argument 'imputs'"):
        st.open_source(numbers(), reader=f"{reader}(imputs='z')")
    _, pipeline = st.open_source(numbers(), reader=reader).make(0)
    with pytest.raises(DataError, match="the source Failing fails: KeyError: 'x'"):
        list(pipeline.transform_batches({"z": 1}, 10))


class Late(Memory):
    """A source that fails when its dataset is made."""

    def make(self, test_set):
        raise ZeroDivisionError("no rows")


def test_a_source_that_fails_later_is_named():
    source = st.open_source(numbers(), reader=f"{Path(__file__).as_posix()}:Late")
    plan = st.plan(source, optimizers=["sgd(lr=0.1)"], epochs=1, seeds=1)
    with pytest.raises(DataError, match="the source Late fails: ZeroDivisionError: no rows"):
        plan.preview()


@pytest.mark.parametrize(
    ("size", "at", "said"),
    [
        ((), (), "farthest 9000; training: 0 to 10"),
        ((3,), (2,), "farthest 9000 in x[:, 2]; training: 0 to 10"),
        ((70,), (5,), "farthest 9000; training: 0 to 10"),
        ((4, 5), (1, 1), "farthest 9000; training: 0 to 10"),
    ],
)
def test_numbers_of_arrays_far_outside_those_of_training_are_counted(size, at, said):
    """By column where rows are like those of a table, else by the range of all; saved with the model."""
    x = np.stack([np.full(size, each) for each in np.arange(101) / 10] * 4)
    if size == (3,):
        x[:, 0] *= 1000.0
    _, pipeline = st.open_source({"x": x, "y": np.arange(404.0)}, reader=HERE, split="none").make(0)
    new = np.full((5, *size), 5.0)

    def lines(one, rows):
        found = [each.unforeseen for each in one.transform_batches({"x": rows}, 2)]
        return sum(found, Unforeseen()).lines

    assert lines(pipeline, new) == ()
    for row, value in enumerate([-9.9, 19.9, -10.5, 20.5, 9000.0]):
        new[(row, *at)] = value
    line = f"3 values of x lie outside the range of training by more than its width ({said})"
    stored = json.loads(json.dumps(pipeline.to_dict()))
    assert lines(pipeline, new) == lines(Memory.stored_pipeline(stored), new) == (line,)
    del stored["ranges"]
    assert lines(Memory.stored_pipeline(stored), new) == ()


def test_new_arrays_of_another_shape(tmp_path):
    _, pipeline = st.open_source(numbers(), reader=HERE).make(0)
    with pytest.raises(DataError, match=r"had the shape \[3\] in training, and it has \[2\]"):
        list(pipeline.transform_batches({"x": np.zeros((5, 2))}, 10))


class Two(ArraySource):
    """Two arrays of each row."""

    @classmethod
    def read(cls, source):
        return Arrays({"x": source["x"], "z": source["x"][:, :1]}, source.get("y"), "y")


@pytest.mark.parametrize(
    ("suite", "model"),
    [
        (TestTable, "embedding-mlp"),
        (TestCurve, "mlp"),
        (TestRatings, "embedding-mlp"),
        (TestNumbers, "mlp"),
        (TestClasses, "mlp"),
    ],
)
def test_every_kind_of_data_has_a_model_of_its_own(suite, model, tmp_path):
    each = suite()
    source = st.open_source(each.data(), reader=each.source, **each.options)
    plan = st.plan(source, optimizers=["sgd(lr=0.1)"], epochs=1, seeds=1)
    assert {grammar.parse(arm.model).name for arm in plan.arms} == {model}
    build_model(plan.arms[0].model, source.make(0)[0].shape)
    chosen = st.plan(source, optimizers=["sgd(lr=0.1)"], model="linear", epochs=1, seeds=1)
    assert {arm.model for arm in chosen.arms} == {"linear"}
    listed = st.plan(source, arms=[st.Arm(optimizer="sgd(lr=0.1)", model="linear")], epochs=1, seeds=1)
    assert {arm.model for arm in listed.arms} == {"linear"}
    factor = st.plan(source, optimizers=["sgd(lr=0.1)"], model=["linear", "cnn"], epochs=1, seeds=1)
    assert {grammar.parse(arm.model).name for arm in factor.arms} == {"linear", "cnn"}


def test_two_arrays_are_no_table_for_baselines():
    data = st.open_source(numbers(), reader=f"{Path(__file__).as_posix()}:Two").make(0)[0]
    assert baseline_names(data) == ["mean"]


def test_a_path_that_two_sources_open_needs_its_source_named(monkeypatch):
    images = registry.entry("images")
    monkeypatch.setitem(registry.entries, "pairs", replace(images, name="pairs"))
    with pytest.raises(OptionError, match=r"digits\.npz can be opened as images or pairs"):
        st.open_source("digits.npz")
