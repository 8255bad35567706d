"""The suite for whoever writes a callback, to subclass in a test file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from steepest.data.dataset import Dataset
from steepest.data.table import read_table
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.sweep.codes import of_callbacks
from steepest.train.callback import Callback, Hooks, checked, copied, is_copied, read_callback
from steepest.train.loop import train

STEPS = 40


class CallbackConformance:
    """The suite for a callback of your own: subclass it in a test file and pytest runs every check.

    It trains a small network for a number, whose metric in ``view.values`` is ``rmse``.

    Attributes:
        callbacks: objects of it, or texts such as ``mine.py:Plateau(patience=3)``, with the values that matter.

    Example:
        >>> class Stop(Callback):
        ...     def at_batch(self, view):
        ...         if view.step == 9:
        ...             view.stop("that is enough")
        >>> class TestStop(CallbackConformance):
        ...     callbacks = (Stop(),)
        >>> TestStop().test_every_run_is_the_same()
    """

    callbacks: Sequence[Callback | str] = ()

    def _made(self) -> list[tuple[str, Callback]]:
        return [
            (each, read_callback(each)) if isinstance(each, str) else (each.name, each)
            for each in self.callbacks
        ]

    def test_is_a_callback(self) -> None:
        """It derives from ``Callback``, and a run can have a copy of it."""
        assert checked([each for _, each in self._made()]), "no callback is given"

    def test_is_identified(self) -> None:
        """What can change runs is identified by its code and values, so that finished runs are found again."""
        why = of_callbacks(self._made()).why
        assert not why, f"it cannot be identified, so its runs are made anew every time: {why}"

    def test_every_run_is_the_same(self) -> None:
        """A run with it gives the same bits again, also after another run with another seed."""
        for _, each in self._made():
            logged = is_copied(each)  # one object that sees all runs may log what it remembers
            first, _, again = (_trained((each,), seed, logged=logged) for seed in (0, 1, 0))
            assert first == again, f"two runs with {each.name} differ"

    def test_only_watches(self) -> None:
        """A callback that says so changes nothing but what is logged."""
        plain = _trained((), 0, logged=False)
        for _, each in self._made():
            if each.only_watches:
                assert _trained((each,), 0, logged=False) == plain, f"{each.name} changes a run"

    def test_by_run(self) -> None:
        """A callback that says so keeps nothing of a run: a copy of it, wherever that is, gives the same."""
        for _, each in self._made():
            if each.by_run:
                before = _held(each)
                first = _trained((each,), 0)
                assert _held(each) == before, f"{each.name} has by_run = True but keeps something of a run"
                again = _trained((copied(each),), 0)
                assert again == first, f"{each.name} has by_run = True but its copy gives another run"


def _held(callback: Callback) -> str:
    """Return what a callback and its classes hold, as text."""
    return repr(
        [
            (name, value)
            for of in (callback, *type(callback).__mro__)
            for name, value in getattr(of, "__dict__", {}).items()
            if not name.startswith("__")
        ]
    )


@functools.cache
def _data() -> Dataset:
    draw = stream(0, "data", 11)
    x, z = draw.standard_normal((2, 300))
    return read_table({"x": x, "z": z, "y": x * z + x}, target="y", task="regression").dataset()


def _trained(callbacks: Sequence[Callback], seed: int, *, logged: bool = True) -> dict[str, Any]:
    """Return what a run leaves, but for what it cost; also what is logged, or not."""
    rule, data = make_rule("adam(lr=0.03)"), _data()
    recipe = Recipe(
        data=data.fingerprint, model="embedding-mlp(hidden=(8,))", optimizer=str(rule), schedule="cosine", steps=STEPS,
        batch_size=32, metric="rmse",
    )  # fmt: skip
    hooks = Hooks(callbacks, make_schedule(recipe.schedule, STEPS))
    key = RunKey(name=rule.called, recipe=recipe.id, seed=seed, phase="final")
    made = train(
        data,
        recipe,
        key,
        GradientMethod(rule, hooks.control.rate),
        evaluations=8,
        keep_last=True,
        hooks=hooks,
    )
    left_out = {"clocks", "cpu_seconds", "peak_memory", *(() if logged else ("logged",))}
    record = made.record.model_dump(exclude=left_out)
    for point in record["curve"]:
        del point["seconds"]
    last = {name: value.numpy().tobytes() for name, value in (made.last or {}).items()}
    return {"record": repr(record), **last}
