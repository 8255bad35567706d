"""Specifications are read as written, and what cannot be read is said."""

from __future__ import annotations

import pytest

from steepest.components import grammar
from steepest.components.grammar import parse
from steepest.components.prefixes import prefix_of
from steepest.components.references import load_reference
from steepest.data.dataset import Shape
from steepest.errors import OptionError
from steepest.models import build_model
from steepest.objectives import read_objective
from steepest.optim import make_spec
from steepest.schedules import make_schedule

SHAPE = Shape("regression", {}, ("x",), 1)

READ = [
    ("adam", "adam", (), {}),
    ("adam(lr=1e-3)", "adam", (), {"lr": 1e-3}),
    ("l1(1e-5)", "l1", (1e-5,), {}),
    (" nesterov ( momentum = 0.9 , decay = -1 )", "nesterov", (), {"momentum": 0.9, "decay": -1}),
    ("adam(betas=(0.9, 0.99), fused=true, name='a b', kind=full)", "adam", (),
     {"betas": (0.9, 0.99), "fused": True, "name": "a b", "kind": "full"}),
    ("warmup(one-cycle, length=2)", "warmup", ("one-cycle",), {"length": 2}),
    ("warmup(inverse-sqrt(period=-1), length=2)", "warmup",
     (grammar.Spec("inverse-sqrt", (), {"period": -1}),), {"length": 2}),
    ("f(a-b-c(1), rule=delta-bar-delta)", "f", (grammar.Spec("a-b-c", (1,)),), {"rule": "delta-bar-delta"}),
    ("mine.py:MyOpt(beta=0.9)", "mine.py:MyOpt", (), {"beta": 0.9}),
    ("some/folder/mine.py:Inner.Opt", "some/folder/mine.py:Inner.Opt", (), {}),
    ("net(start=/data/my-model, r=2)", "net", (), {"start": "/data/my-model", "r": 2}),
    ("net(../a-b/c.d, ~/x)", "net", ("../a-b/c.d", "~/x"), {}),
    ("net(start='/a, b')", "net", (), {"start": "/a, b"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "arguments", "options"), READ)
def test_reads(text: str, name: str, arguments: tuple, options: dict) -> None:
    spec = grammar.parse(text)
    assert (spec.name, spec.arguments, dict(spec.options)) == (name, arguments, options)
    assert grammar.parse(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "adam(",
        "adam)",
        "adam(lr=)",
        "adam(lr=open('x'))",
        "adam(**k)",
        "a b",
        "adam(lr=1)x",
        "scale(2-one)",
    ],
)
def test_complains(text: str) -> None:
    with pytest.raises(OptionError, match="cannot read") as caught:
        grammar.parse(text)
    assert repr(text.strip()) in caught.value.fact
    assert "name(" in caught.value.hint


def test_reference(tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("class Outer:\n    value = 3\n")
    assert load_reference(f"{path}:Outer.value") == 3
    assert load_reference("math:pi") == pytest.approx(3.14159, abs=1e-4)


@pytest.mark.parametrize("name", ["nowhere.py:A", "no_such_module_at_all:A", "math:no_such_name"])
def test_reference_that_does_not_exist(name: str) -> None:
    with pytest.raises(OptionError) as caught:
        load_reference(name)
    assert name.split(":")[0] in caught.value.fact


def test_modules_of_the_package_are_not_loaded_afresh() -> None:
    """Only a user's file may have changed since it was loaded."""
    assert load_reference("steepest.errors:OptionError") is OptionError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sklearn:Ridge(alpha=2)", "sklearn:Ridge"),
        ("hf:org/model-7b", "hf:org/model-7b"),
        (r"C:\nets\x.py:Net(width=3)", r"C:\nets\x.py:Net"),
        ("C:/nets/x.py:Net", "C:/nets/x.py:Net"),
    ],
)
def test_prefixes_and_drives_are_read(text: str, name: str) -> None:
    spec = parse(text)
    assert spec.name == name
    assert spec.is_reference
    assert str(parse(str(spec))) == str(spec)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("sklearn:Ridge", "sklearn"), ("hf:a/b", "hf"), (r"C:\x.py:Net", ""), ("nets.py:Net", ""), ("adam", "")],
)
def test_only_registered_prefixes_are_prefixes(name: str, prefix: str) -> None:
    assert prefix_of(name) == prefix


@pytest.mark.parametrize(
    ("load", "fact"),
    [
        (
            lambda: build_model("sklearn:Ridge", SHAPE),
            "is no model: sklearn names classifiers and regressors",
        ),
        (lambda: make_spec("sklearn:Ridge"), "is no optimizer"),
        (lambda: read_objective("hf:org/model"), "is no loss: hf names models of Hugging Face"),
        (lambda: make_schedule("sklearn:Ridge", 9), "is no schedule"),
        (lambda: build_model("skleran:Ridge", SHAPE), "did you mean 'sklearn:Ridge'"),
    ],
)
def test_a_prefix_is_for_some_kinds_only(load, fact: str) -> None:
    with pytest.raises(OptionError, match=fact):
        load()
