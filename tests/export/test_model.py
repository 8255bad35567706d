"""Exported models: what programs without steepest get predicts what ``steepest predict`` predicts."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import steepest as st
from steepest.components.references import load_reference
from steepest.data.dataset import InputField, Shape
from steepest.data.labels import as_label
from steepest.data.preparation import STEPS
from steepest.data.table import read_table
from steepest.data.variants import Variant
from steepest.errors import MissingExtraError, ModelError, PreparationError, UnknownNameError
from steepest.evaluate import baselines
from steepest.export import FORMATS, encoders, export_folder, networks
from steepest.export.model import Files, as_onnx, as_torch
from steepest.export.portable.encoding import Encoding
from steepest.models import build_model, registry
from steepest.prediction.about import BASELINE, About
from steepest.prediction.model import TrainedModel

N = 300
ALONE = """
import importlib.abc, os, runpy, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("steepest", "polars"):
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Refuse())
_, table, *folders = sys.argv
for folder in folders:
    before = set(sys.modules)
    sys.path.insert(0, folder)
    sys.argv = ["predict.py", table, os.path.join(folder, "predictions.csv")]
    runpy.run_path(os.path.join(folder, "predict.py"), run_name="__main__")
    sys.path.remove(folder)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]
"""
"""Runs the ``predict.py`` of folders where steepest cannot be imported."""


def rows(seed: int = 0) -> pl.DataFrame:
    """Return rows with every kind of column: gaps, truth values, dates, prices as people write them."""
    draw = np.random.default_rng(seed)
    gap = draw.random(N) < 0.1
    began = datetime(2024, 1, 1)
    when = [began + timedelta(hours=int(each)) for each in draw.integers(0, 9000, N)]
    price = draw.gamma(2, 800, N)
    return pl.DataFrame(
        {
            "plan": [
                None if gone else str(each)
                for gone, each in zip(gap, draw.choice(["basic", "plus"], N), strict=True)
            ],
            "age": draw.integers(18, 80, N),
            "minutes": [
                None if gone else float(x)
                for gone, x in zip(gap[::-1], draw.gamma(2, 100, N).round(1), strict=True)
            ],
            "rooms": draw.integers(1, 6, N),
            "member": draw.random(N) < 0.3,
            "price": [f"{each:,.2f} €".translate(str.maketrans(",.", ".,")) for each in price],
            "when": [f"{each:%m/%d/%Y %I:%M %p}" for each in when],
            "left": np.where(price + 9 * draw.normal(0, 50, N) > 1500, "yes", "no"),
            "income": draw.normal(50_000, 9_000, N),
        }
    )


def fitted(
    target: str,
    model: str,
    table: pl.DataFrame | Path | None = None,
    *,
    numbers: str = "standard",
    **options: Any,
) -> TrainedModel:
    """Return a model with random weights, or a fitted baseline, and statistics that batch norm has seen."""
    source = read_table(rows() if table is None else table, target=target, **options)
    data, pipeline = source.vary(Variant(numbers=numbers))
    if model.startswith(BASELINE):
        names = [model.removeprefix(BASELINE)]
        net = baselines.run_baselines(data, names=names, seed=0)[0].model
    else:
        net = build_model(model, data.shape, seed=1)
        for parameter in net.parameters():
            parameter.data += 0.3 * np.float32(1) * parameter.data.new_empty(parameter.shape).normal_()
        net.train()
        for _ in range(3):
            net(*data.train.inputs)
    about = About(model, data.shape, data.classes, target, data.target_scale, {})
    return TrainedModel(net, about, pipeline)


def put(files: Files, folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def new_rows(path: Path) -> Path:
    """Write rows with values that training did not have."""
    new = rows(1)
    odd = pl.int_range(pl.len())
    new = new.with_columns(
        plan=pl.when(odd == 3).then(pl.lit("gold")).otherwise("plan"),
        age=pl.when(odd == 4).then(None).otherwise("age"),
        rooms=pl.when(odd == 5).then(77).otherwise("rooms"),
        minutes=pl.when(odd == 6).then(None).otherwise("minutes"),
        when=pl.when(odd == 7).then(pl.lit("soon")).otherwise("when"),
    )
    new.write_csv(path)
    return path


def predict_alone(folders: Iterable[Path], table: Path) -> str:
    """Let folders predict in a process of their own, each into its ``predictions.csv``; return what it warned of."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, table, *folders], capture_output=True, text=True, cwd=table.parent
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def check_same(folder: Path, model: TrainedModel, table: Path) -> None:
    found = pl.read_csv(
        folder / "predictions.csv",
        schema_overrides={"prediction": pl.String} if model.classes else {},
        infer_schema_length=None,
    )
    wanted = model.predict(table).table
    assert found.columns == wanted.columns
    assert found.height == wanted.height
    for name, values in wanted.to_dict().items():
        if name == "prediction" and model.classes:
            assert found[name].to_list() == as_label(values).to_list()
        else:
            assert np.allclose(found[name].to_numpy(), values.to_numpy(), rtol=1e-6, atol=1e-6), name


MODELS = {
    "network": ("left", "embedding-mlp(hidden=[8, 4], dropout=0.2, hidden_dropout=0.1)"),
    "network of a number": ("income", "embedding-mlp(hidden=[8])"),
    "no hidden layer": ("left", "embedding-mlp(hidden=[])"),
    "multilayer perceptron": ("left", "mlp(hidden=[8, 4], norm=batch, activation=gelu, dropout=[0.2, 0.1])"),
    "shortcuts": ("rooms", "residual-mlp(hidden=[8, 8, 4], norm=layer, activation=silu, dropout=0.2)"),
    "crosses": (
        "left",
        "wide-deep(hidden=[4], crosses=[[plan, rooms], [plan, member, rooms]], hidden_dropout=0.2)",
    ),
    "hashed crosses": ("income", "wide-deep(hidden=[], crosses=[[plan, rooms]], buckets=7, wide=3)"),
    "cross layers": ("left", "deep-cross(hidden=[4], layers=3, cross=vector, norm=batch)"),
    "stacked cross layers": ("income", "deep-cross(hidden=[4], rank=2, structure=stacked)"),
    "cross layers alone": ("rooms", "deep-cross(hidden=[])"),
    "members": ("rooms", "tabm(k=3, hidden=[8, 4], dropout=[0.2, 0.0])"),
    "members of a number": ("income", "tabm(k=3, hidden=[8])"),
    "one member": ("left", "tabm(k=1, hidden=[8])"),
    "numbers in pieces": ("left", "embedding-mlp(hidden=[8])", "piecewise(bins=9)"),
    "numbers in waves": ("income", "linear", "periodic(width=3)"),
    "linear": ("rooms", "linear"),
    "true or false": ("member", "linear"),
    "majority": ("left", BASELINE + "majority"),
    "mean": ("income", BASELINE + "mean"),
    "logistic": ("rooms", BASELINE + "logistic-regression"),
    "ridge": ("income", BASELINE + "linear-regression"),
    "trees of two classes": ("left", BASELINE + "gradient-boosting"),
    "trees of five classes": ("rooms", BASELINE + "gradient-boosting"),
    "trees of a number": ("income", BASELINE + "gradient-boosting"),
}


IN_ONNX = ["network", "hashed crosses", "members of a number", "numbers in pieces", "trees of five classes"]
"""Some, because each takes seconds."""
MORE_IN_ONNX = [
    "network of a number",
    "cross layers",
    "members",
    "numbers in waves",
    "linear",
    "mean",
    "logistic",
    "ridge",
]


@pytest.fixture(scope="module")
def models() -> dict[str, TrainedModel]:
    """Every model and baseline."""
    return {
        name: fitted(target, model, numbers="".join(numbers) or "standard")
        for name, (target, model, *numbers) in MODELS.items()
    }


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows with values that training did not have."""
    return new_rows(tmp_path_factory.mktemp("rows") / "new.csv")


@pytest.fixture(scope="module")
def in_torch(models: dict[str, TrainedModel], table: Path) -> Path:
    """A folder with the predictions of each model as plain PyTorch."""
    folders = {
        name: put(as_torch(each, None), table.parent / "torch" / name) for name, each in models.items()
    }
    predict_alone(folders.values(), table)
    return table.parent / "torch"


@pytest.mark.parametrize("name", MODELS)
def test_plain_torch_predicts_the_same(
    name: str, in_torch: Path, models: dict[str, TrainedModel], table: Path
) -> None:
    check_same(in_torch / name, models[name], table)
    for each in (in_torch / name).glob("*.py"):
        assert "steepest" not in "".join(re.findall(r"^\s*(?:from|import) .*", each.read_text(), re.M))


@pytest.mark.parametrize("names", [IN_ONNX, pytest.param(MORE_IN_ONNX, marks=pytest.mark.slow)])
def test_onnx_predicts_the_same(names: list[str], models: dict[str, TrainedModel], table: Path) -> None:
    folders = {name: put(as_onnx(models[name]), table.parent / "onnx" / name) for name in names}
    predict_alone(folders.values(), table)
    for name, folder in folders.items():
        check_same(folder, models[name], table)


def test_every_model_baseline_and_step_can_be_exported() -> None:
    # export refuses the pipelines of ratings, images and texts
    of_other_kinds = {
        "dot",
        "dot-bias",
        "embedding-net",
        "biases",
        "item-knn",
        "mean-image",
        "pca",
        "pixel-logistic",
        "uniform",
        "unigram",
        "bigram",
    }
    nets = [
        load_reference(f"{each.module}:{each.object}")
        for each in registry.entries.values()
        if each.name not in of_other_kinds
        and {"codes, values", "values"} & {*each.more.get("takes", ("codes, values",))}
    ]
    kept = [
        baselines.registry.load(name).model
        for name in baselines.registry.names()
        if name not in of_other_kinds and baselines.registry.load(name).model is not None
    ]
    assert set(networks.DESCRIBED) == {*nets, *kept}
    assert set(encoders.FOLLOWED) == {STEPS.load(name) for name in STEPS.names()}


@pytest.mark.parametrize(
    "text",
    [
        "linear", "polynomial(3)", "mlp(hidden=[5,4],activation=gelu)", "mlp(hidden=[5,4],dropout=0.5)",
        "mlp(hidden=[])",
        "mlp(hidden=[5,4],norm=batch,activation=leaky-relu,dropout=[0.5,0.0])",
        "residual-mlp(hidden=[5,5,4])", "residual-mlp(hidden=[4],shortcut=false)",
        "deep-cross(hidden=[5],layers=2)", "tabm(k=3,hidden=[5,4])",
        "residual-mlp(hidden=[5,4],norm=layer,activation=elu,dropout=0.2)",
    ],
)  # fmt: skip
def test_a_model_of_numbers_is_the_same_in_plain_torch(text: str) -> None:
    shape = Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),))
    net = build_model(text, shape, seed=3).eval()
    found = networks.portable(net)
    assert found is not None
    module = importlib.import_module(f"steepest.export.portable.{found.module}")
    about = json.loads(json.dumps(found.about))
    alone = module.network(about, found.weights).eval()
    values = torch.linspace(-2, 2, 9)[:, None]
    assert torch.equal(alone(torch.zeros(9, 0, dtype=torch.long), values), net(values))


STEPPED: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "names": [
        {"use": "rename", "columns": {"plan": "tariff", "age": "years"}},
        {"use": "drop", "columns": ["rooms"]},
        {"use": "select", "columns": ["tariff", "years", "member"]},
    ],
    "groups": [
        {"use": "group", "column": "plan", "groups": {"OTHER": ["gold", "plus"]}, "upper": True},
        {"use": "group", "column": "rooms", "groups": {"many": ["4", "5"]}},
    ],
    "fills": [
        {"use": "fill-constant", "columns": ["plan"], "value": "none"},
        {"use": "fill-mode", "columns": ["rooms", "member"]},
        {"use": "fill-from", "column": "minutes", "keys": ["age", "plan", "rooms"]},
    ],
    "a rename between": [
        {"use": "fill-mode", "columns": ["plan"]},
        {"use": "rename", "columns": {"plan": "tariff"}},
        {"use": "fill-from", "column": "minutes", "keys": ["tariff"]},
        {"use": "drop", "columns": ["tariff"]},
    ],
    "types": [
        {
            "use": "cast",
            "types": {"age": "text", "member": "integer", "minutes": "integer", "rooms": "number"},
        },
        {"use": "cast", "types": {"when": "datetime"}, "formats": {"when": "%m/%d/%Y %I:%M %p"}},
    ],
    "dates as numbers": [
        {"use": "cast", "types": {"when": "date"}, "formats": {"when": "%m/%d/%Y %I:%M %p"}},
        {"use": "cast", "types": {"when": "number", "price": "boolean"}},
    ],
    "what only the target is made of": [
        {"use": "derive", "columns": {"left": 'upper("left")'}},
        {"use": "group", "column": "left", "groups": {"GONE": ["YES"]}},
    ],
}


def encoded_alike(model: TrainedModel, table: Any, rows: Iterable[dict[str, Any]]) -> None:
    """Hold what the plain code makes of rows against what the pipeline makes of them."""
    known = json.loads(json.dumps(encoders.encoders(model.pipeline)))
    found, wanted = Encoding(known).encode(rows), model.pipeline.transform(table)
    assert found.categorical.tolist() == wanted.inputs[0].tolist()
    assert np.array_equal(found.continuous, wanted.inputs[1].numpy())


@pytest.mark.parametrize("name", STEPPED)
def test_the_steps_of_a_preparation_are_followed(name: str, table: Path) -> None:
    model = fitted("left", "linear", prepare=STEPPED[name])
    texts = pl.read_csv(table, infer_schema=False).to_dicts()
    encoded_alike(model, table, texts)


def test_one_hot_columns_are_decoded_alike(table: Path) -> None:
    codes = pl.Series([i * i % 3 for i in range(N)])
    one_hot = [(codes == i).cast(pl.Int64).alias(f"size {i}") for i in range(3)]
    frame = pl.read_csv(table).with_columns(one_hot)
    model = fitted("left", "linear", frame)
    assert "size" in model.pipeline.encoder.vocabularies
    new = frame.with_columns(pl.Series("size 1", [1, 0, None, *one_hot[1][3:]]))
    encoded_alike(model, new, new.select(pl.all().cast(pl.String)).to_dicts())


def test_words_are_weighed_alike(table: Path) -> None:
    words = ["good", "Bad", "good good", "so-so bad", "über gut", None, "!"]
    frame = pl.read_csv(table).with_columns(pl.Series("said", [words[i % 7] for i in range(N)]))
    model = fitted("left", "linear", frame, text="said")
    assert "said 1" in model.pipeline.encoder.scales
    encoded_alike(model, frame, frame.select(pl.all().cast(pl.String)).to_dicts())
    step = {"use": "text", "columns": ["said"], "method": "hashed", "size": 4}
    with pytest.raises(PreparationError, match="hashes the words of 'said'"):
        encoders.encoders(fitted("left", "linear", frame, prepare=[step]).pipeline)


KINDS: dict[str, pl.Series] = {
    "fractions as categories": pl.Series(np.resize([0.1, 2.5, 1e-7, 3.0, 123456.75], N)),
    "truth values with gaps": pl.Series(np.resize([True, False, False], N)).set(
        pl.arange(N, eager=True) < 9, None
    ),
    "whole numbers with gaps": pl.Series(np.resize([1.0, 2.0, 3.0, np.nan], N)).fill_nan(None),
    "large codes": pl.Series([(1 << 60) + 7 * i * i for i in range(N)]),
    "days": pl.Series([date(2024, 1, 1) + timedelta(days=i) for i in range(N)]),
    "moments": pl.Series([datetime(2024, 1, 1) + timedelta(minutes=37 * i) for i in range(N)]),
    "moments in a zone": pl.Series(
        [datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=7 * i) for i in range(N)]
    ).dt.convert_time_zone("Europe/Berlin"),
    "times of day": pl.Series([(datetime(2024, 1, 1) + timedelta(minutes=7 * i)).time() for i in range(N)]),
    "texts with offsets": pl.Series(
        [f"{datetime(2024, 3, 1) + timedelta(hours=7 * i):%Y-%m-%dT%H:%M:%S}.250+05:30" for i in range(N)]
    ),
    "texts in UTC": pl.Series(
        [f"{datetime(2024, 3, 1) + timedelta(hours=7 * i):%Y-%m-%d %H:%M} UTC" for i in range(N)]
    ),
    "short years": pl.Series([f"{datetime(1990, 3, 1) + timedelta(days=70 * i):%d.%m.%y}" for i in range(N)]),
    "lakhs": pl.Series([f"₹ {i % 99 + 1},23,456.5" for i in range(N)]),
    "brackets": pl.Series([f"({i}%)" if i % 3 else f"{i},5 %" for i in range(N)]),
    "marks among numbers": pl.Series(["-" if i % 7 == 0 else f"{i * i}.5" for i in range(N)]),
    "categories": pl.Series(np.resize(["a ", "b", "c"], N)).cast(pl.Categorical),
}


@pytest.mark.parametrize(
    "options", [{}, {"categorical": ["x"]}, {"continuous": ["x"]}], ids=["", "codes", "numbers"]
)
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_column_is_encoded_alike(name: str, options: dict[str, Any], table: Path) -> None:
    values = KINDS[name].alias("x")
    if options == {"continuous": ["x"]} and name == "categories":
        pytest.skip("these are no numbers")
    source = pl.DataFrame(
        [values, pl.Series("other", np.arange(N) % 5), pl.Series("y", np.resize(["p", "q"], N))]
    )
    temporal = values.dtype.is_temporal()
    model = fitted("y", "linear", source, **options)
    if temporal and "categorical" in options:
        with pytest.raises(PreparationError, match="dates that are used as categories"):
            encoders.encoders(model.pipeline)
        return
    encoded_alike(model, source, source.to_dicts())
    encoded_alike(model, source, source.to_pandas().to_dict("records"))
    path = table.parent / "kind.csv"
    with_text = source.with_columns(
        pl.col("x").cast(pl.String) if isinstance(values.dtype, pl.Categorical) else "x"
    )
    with_text.write_csv(path)
    if values.dtype != pl.Datetime(
        "us", "Europe/Berlin"
    ):  # its text has no offset that says which zone it is
        encoded_alike(model, path, pl.read_csv(path, infer_schema=False).to_dicts())


def test_what_sql_derives_is_asked_for_and_rows_that_a_filter_leaves_out_are_said(table: Path) -> None:
    steps = [
        {"use": "derive", "columns": {"a_year": "minutes * 12"}},
        {"use": "drop", "columns": ["minutes"]},
        {"use": "filter", "where": "age < 70"},
    ]
    model = fitted("left", "linear", prepare=steps)
    rows = pl.read_csv(table).with_columns(a_year=pl.col("minutes") * 12).filter(pl.col("age") < 70)
    wanted = model.pipeline.transform(rows)
    known = encoders.encoders(model.pipeline)
    found = Encoding(known).encode(rows.drop("minutes").to_dicts())
    assert np.array_equal(found.continuous, wanted.inputs[1].numpy())
    with pytest.raises(ValueError, match="row 1 lacks the column 'a_year'"):
        Encoding(known).encode(rows.drop("a_year").to_dicts())
    page = " ".join(str(as_torch(model, None)["README.md"]).split())
    assert "the rows must have the column a_year, which is `minutes * 12`" in page
    assert "rows for which `age < 70` does not hold are predicted too" in page


@pytest.mark.parametrize(
    ("steps", "fact"),
    [
        ([{"use": "derive", "columns": {"minutes": "minutes * 12"}}], "replaces the column 'minutes'"),
        ([{"use": "cast", "types": {"on": "text"}}], "texts of the dates in 'on'"),
        ([{"use": "fill-mode", "columns": ["on"]}], "fills 'on' with datetime"),
    ],
)
def test_a_step_that_plain_code_cannot_follow_is_refused(steps: list[dict[str, Any]], fact: str) -> None:
    source = rows().with_columns(on=pl.lit(datetime(2024, 1, 1)) + pl.duration(hours=pl.int_range(N) % 50))
    model = fitted("left", "linear", source, prepare=steps)
    with pytest.raises(PreparationError, match=fact) as raised:
        encoders.encoders(model.pipeline)
    assert "train again" in str(raised.value)


@pytest.mark.parametrize(
    ("row", "fact"),
    [
        ({"x": "12 apples", "c": "a"}, "column 'x' holds '12 apples' in row 2, which is no number"),
        ({"x": float("inf"), "c": "a"}, "column 'x' holds inf in row 2"),
        ({"x": 1e200, "c": "a"}, "column 'x' holds 1e\\+200 in row 2, too far"),
        ({"c": "a"}, "row 2 lacks the column 'x'"),
    ],
)
def test_a_row_that_cannot_be_encoded_is_named(row: dict[str, Any], fact: str) -> None:
    source = pl.DataFrame({"x": np.arange(60) / 7, "c": ["a", "b", "c"] * 20, "y": ["p", "q"] * 30})
    encoding = Encoding(encoders.encoders(fitted("y", "linear", source).pipeline))
    with pytest.raises(ValueError, match=fact):
        encoding.encode([{"x": 1, "c": "b"}, row])


def test_a_column_that_had_gaps_in_training_may_be_absent() -> None:
    source = pl.DataFrame(
        {"x": [None, *(np.arange(59) / 7)], "c": ["a", "b", "c"] * 20, "y": ["p", "q"] * 30}
    )
    pipeline = fitted("y", "linear", source).pipeline
    found = Encoding(encoders.encoders(pipeline)).encode([{"c": "b"}, {"x": 3, "c": "a"}])
    wanted = pipeline.transform(pl.DataFrame({"x": [None, 3], "c": ["b", "a"]}))
    assert np.array_equal(found.continuous, wanted.inputs[1].numpy())
    assert found.notes == (
        "x: 1 value missing, because rows lack the column; some values were missing in training",
    )


def test_classes_are_those_of_the_table(table: Path) -> None:
    for target, wanted in (("rooms", {1, 2, 3, 4, 5}), ("member", {True, False}), ("left", {"yes", "no"})):
        found = Encoding(encoders.encoders(fitted(target, "linear").pipeline))
        share = np.eye(len(wanted))
        assert {each["prediction"] for each in found.table(share)} == wanted
        assert set(found.table(share)[0]) == {
            "prediction",
            "probability",
            *(f"p_{each}".lower() for each in wanted),
        }


def test_what_training_did_not_have_is_counted_once_for_a_column(table: Path) -> None:
    encoding = Encoding(encoders.encoders(fitted("left", "linear").pipeline))
    found = encoding.encode(pl.read_csv(table, infer_schema=False).to_dicts())
    assert found.notes == (
        "age: 1 value missing; none was missing in training",
        "plan: 1 value not seen in training",
        "rooms: 1 value not seen in training",
        "when: 1 value not written as a date and counted as missing",
    )


NETS = """
import torch
from torch import nn

from parts import Embedded
from steepest.data.dataset import Shape


class Net(nn.Module):
    def __init__(self, shape: Shape, width: int = 3, name="it's"):
        super().__init__()
        self.first = Embedded(shape, width)
        self.head = nn.Linear(self.first.width, shape.outputs)
        self.again = nn.Linear(self.first.width, shape.outputs)
        self.again.weight = self.head.weight

    def forward(self, categorical, continuous):
        h = self.first(categorical, continuous)
        return self.head(h) + self.again(torch.tanh(h))


class Counting(Net):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous) * len(continuous)


class Odd(Net):
    def forward(self, categorical, continuous):
        return super().forward(categorical, continuous) if continuous.sum() > 0 else self.no


class Mine(Net):
    from steepest.models import build_model
"""
PARTS = """
import torch
from torch import nn


class Embedded(nn.Module):
    def __init__(self, shape, width):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(codes, width) for codes in shape.cardinalities.values())
        self.width = width * len(shape.cardinalities) + len(shape.continuous)

    def forward(self, categorical, continuous):
        return torch.cat([*(each(categorical[:, i]) for i, each in enumerate(self.tables)), continuous], 1)
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """A file with networks of the user's own, and one that it imports."""
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "nets.py").write_text(
        NETS.replace("class Mine(Net):\n    from steepest.models import build_model\n", "")
    )
    return tmp_path / "nets.py"


def test_a_network_of_the_users_own(nets: Path, table: Path, tmp_path: Path) -> None:
    reference = f'{nets}:Net(width=4, name="it\'s")'
    model = fitted("left", reference)
    folder = put(as_torch(model, reference), tmp_path / "torch")
    other = put(as_onnx(model), tmp_path / "onnx")
    assert {"nets.py", "parts.py", "model.py", "shape.py"} <= {each.name for each in folder.iterdir()}
    predict_alone([folder, other], table)
    check_same(folder, model, table)
    check_same(other, model, table)


def test_a_network_that_cannot_stand_alone_is_refused_with_the_cure(nets: Path) -> None:
    model = fitted("left", f"{nets}:Net")
    with pytest.raises(ModelError, match="built by a callable"):
        as_torch(model, type(model.net))
    nets.write_text(NETS)
    with pytest.raises(ModelError, match=r"nets.py imports steepest in line 33, so it cannot stand alone"):
        as_torch(model, f"{nets}:Net")
    nets.rename(nets.with_name("model.py"))
    with pytest.raises(ModelError, match=r"'model.py' has a name of ours"):
        as_torch(model, f"{nets.with_name('model.py')}:Net")


@pytest.mark.parametrize(("name", "fact"), [("Odd", "cannot write"), ("Counting", "does not predict what")])
def test_a_network_that_cannot_be_traced_is_refused_with_the_cure(nets: Path, name: str, fact: str) -> None:
    with pytest.raises(ModelError, match=fact) as raised:
        as_onnx(fitted("left", f"{nets}:{name}"))
    assert "format torch" in str(raised.value)


def test_onnx_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"'\.\[onnx\]'"):
        as_onnx(fitted("left", "linear"))


def test_the_command_writes_a_model_only_if_it_is_named(steepest: Any, copied: Path, churn_csv: Path) -> None:
    said = steepest("export", copied, "--format", "torch,csv")
    assert said.status == 0, said.err
    folder = copied / "export"
    assert {each.name for each in folder.iterdir()} == {"torch", "results.csv", "runs.csv", "curves.csv", "rates.csv",
                                                        "differences.csv", "calibration.csv",
                                                        "reliability.csv"}  # fmt: skip
    assert {each.name for each in (folder / "torch").iterdir()} == {
        "README.md", "model.py", "number_columns.py", "encoding.py", "reading.py", "dates.py", "predict.py",
        "encoders.json", "weights.safetensors",
    }  # fmt: skip
    assert "torch" not in FORMATS
    predict_alone([folder / "torch"], churn_csv)
    check_same(folder / "torch", st.load(copied), churn_csv)


def test_a_model_in_the_folder_is_exported_by_its_own_path(
    steepest: Any, copied: Path, tmp_path: Path
) -> None:
    said = steepest("export", copied / "baselines" / "majority", "--format", "torch", "--out", tmp_path)
    assert said.status == 0, said.err
    assert "majority class (baseline)" in (tmp_path / "torch" / "README.md").read_text()


def test_wrong_options_are_refused(steepest: Any, copied: Path) -> None:
    said = steepest("export", copied, "--model", "nets.py:Net")
    assert (said.status, "Hint: leave it out, or choose the format torch, onnx or adapter" in said.err) == (
        2,
        True,
    )
    with pytest.raises(UnknownNameError, match="unknown format 'troch'"):
        export_folder(copied, formats=["troch"])
