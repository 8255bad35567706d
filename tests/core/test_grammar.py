"""Specifications are read as written, and what cannot be read is said."""

from __future__ import annotations

import pytest

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.errors import OptionError

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
