"""Somebody edits the files of a comparison while it runs: it trains what it identified, in every process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import steepest as st
from steepest.components.held import held, holding
from steepest.components.references import load_reference
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.transfer import NotSendableError, received, sent

FILES = {
    "pieces.py": "FACTOR = 1.0\n",
    "data.py": """
from steepest.data.sources.arrays import ArraySource, Arrays

class Memory(ArraySource):
    @classmethod
    def read(cls, source):
        return Arrays({"x": source["x"]}, source.get("y"), "y")
""",
    "net.py": """
import torch
from pieces import FACTOR

class Net(torch.nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.out = torch.nn.Linear(3, shape.outputs)

    def forward(self, x):
        return FACTOR * self.out(x)
""",
    "loss.py": """
from pieces import FACTOR
from steepest.objectives import Objective

class Own(Objective):
    name = "own"
    serves = "regression"

    def losses(self, outputs, target):
        return FACTOR * (outputs.squeeze(1) - target).abs() ** 2
""",
    "penalty.py": """
from pieces import FACTOR
from steepest.regularizers import Regularizer

class Own(Regularizer):
    name = "own"
    strength: float = 0.1

    def penalty(self, weights):
        return FACTOR * self.strength * sum(each.pow(4).sum() for each in weights.values())
""",
    "schedule.py": """
from pieces import FACTOR

def waiting(steps, wait=2):
    return lambda step: 0.5 * FACTOR if step < wait else FACTOR
""",
    "rule.py": """
from pieces import FACTOR
from pydantic import Field
from steepest.optim.rule import Hyper, Rule

class OwnHyper(Hyper):
    lr: float = Field(0.1, ge=0, description="learning rate")

class Own(Rule[OwnHyper]):
    name, title, citation, Hyper, grid_centre = "own", "Own", "nobody, 2000", OwnHyper, 0.1
    idle = "still"

    def slots(self):
        return {}

    def coefficients(self, step, multiplier, carry):
        return {"lr": self.hyper.lr * multiplier}, carry

    def update(self, grad, param, slots, c):
        return param - FACTOR * grad * c["lr"], {}
""",
    "optimizer.py": """
import torch
from pieces import FACTOR

class Own(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(p.grad, alpha=-FACTOR * group["lr"])
""",
    "callback.py": """
import steepest as st
from pieces import FACTOR

class Steady(st.Callback):
    def at_evaluation(self, view):
        if FACTOR != 1.0:
            view.stop("edited")
""",
}
SMALL = {"reader": "data.py:Memory", "model": "net.py:Net", "loss": "loss.py:Own", "regularizer": "penalty.py:Own",
         "schedule": "schedule.py:waiting", "optimizers": ["optimizer.py:Own(lr=0.03)", "rule.py:Own(lr=0.03)"],
         "seeds": 2, "epochs": 2, "batch_size": 32, "compile": "off", "baseline": ("none",)}  # fmt: skip
CALLBACKS = {"callbacks": ["callback.py:Steady"]}


class Editor(Observer):
    """Edits all files when the runs are about to begin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)
        if text.startswith("plan "):
            write(self.folder, edited=True)


def write(folder: Path, *, edited: bool = False) -> None:
    """Write all files; once they are edited, they note that they are loaded and compute something else."""
    noting = f"\nwith open({str(folder / 'loaded')!r}, 'a') as file:\n    file.write(__file__ + '\\n')\n"
    for name, text in FILES.items():
        (folder / name).write_text(text.replace("= 1.0", "= 0.5") + noting if edited else text)


def loaded(folder: Path) -> set[str]:
    """Return which of the edited files were loaded."""
    path = folder / "loaded"
    return {Path(each).name for each in path.read_text().split()} if path.exists() else set()


def compare(out: str, observer: Observer, **options: object) -> dict[tuple[str, int], list[object]]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(240, 3))
    data = {"x": x, "y": x @ [1.0, -2.0, 0.5]}
    st.plan(data, **{**SMALL, **options}).run(out, observer=observer)
    return {
        key: [each.best, each.test, each.outcome, each.steps] for key, each in Folder(out).history().items()
    }


@pytest.mark.parametrize(("workers", "more"), [(1, {}), (2, {}), (1, CALLBACKS)])
def test_a_comparison_trains_the_code_that_it_identified(tmp_path, monkeypatch, workers, more) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    before = compare("before", Observer(), workers=1, **more)
    editor = Editor(tmp_path)
    during = compare("during", editor, workers=workers, **more)
    assert loaded(tmp_path) == set()
    assert during == before
    here = [each for each in editor.said if each.startswith("workers")]
    assert all(each.startswith("workers  optimizer.py:Own(lr=0.03) runs in this process") for each in here)
    if workers > 1:
        assert any(each.shared for each in Folder("during").history().values())
    for kind in ("net", "loss", "penalty", "schedule", "optimizer", "rule"):
        assert [each.read_text() for each in Path("during/source").rglob(f"{kind}.py")] == [
            FILES[f"{kind}.py"]
        ]
    if workers > 1:
        return  # what counts afterwards was decided in this process
    edited = compare("during", Observer(), workers=1, **more)
    assert len(edited) == 2 * len(before), "the edits count in the next comparison"
    assert loaded(tmp_path) == set(FILES) - ({"callback.py"} if not more else set())
    write(tmp_path)
    assert compare("during", Observer(), workers=1, **more) == edited, "nothing is trained again"


def test_a_file_that_is_gone_meanwhile_is_not_missed(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    with holding():
        before = load_reference("net.py:Net")
        for name in FILES:
            (tmp_path / name).unlink()
        assert load_reference("net.py:Net") is before
    write(tmp_path, edited=True)
    assert load_reference("net.py:Net") is not before


def test_edits_count_again_after_the_outermost_block(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    with holding():
        before = load_reference("schedule.py:waiting")
        with holding():
            write(tmp_path, edited=True)
            assert load_reference("schedule.py:waiting") is before
        assert load_reference("schedule.py:waiting") is before
        load_reference("penalty.py:Own")
        assert loaded(tmp_path) == {"penalty.py"}, "its neighbour is held, itself was not"
    assert held() is None
    assert load_reference("schedule.py:waiting")(9)(5) == 0.5


def test_a_class_of_a_file_that_was_edited_before_is_not_sent(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    before = load_reference("net.py:Net")
    with holding():
        assert received(sent(before)) is before
    write(tmp_path, edited=True)
    with holding():
        after = load_reference("net.py:Net")
        assert received(sent(after)) is after is not before
    with holding():
        write(tmp_path)
        load_reference("loss.py:Own")  # with the neighbour of both as it is now
        with pytest.raises(NotSendableError, match=r"net\.py was edited after Net was loaded from it"):
            sent(after)
