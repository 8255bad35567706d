"""The path of a run in three of its parameters, coloured by step."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.components import grammar
from steepest.errors import OptionError
from steepest.landscape import ROWS
from steepest.landscape.choosing import make_plane
from steepest.landscape.planes.parameters import ParameterPlane, place_of
from steepest.landscape.planes.pca import kept_paths, loss_at
from steepest.landscape.said import PARTS, value
from steepest.landscape.stored import open_run
from steepest.models import ModelBuilder
from steepest.report.console import ProgressObserver
from steepest.sweep.observer import Observer
from steepest.wording import counted


@dataclass(frozen=True)
class ParameterPath:
    """Where a run came along in three of its parameters.

    Attributes:
        title: the run.
        names: the parameters with their places, such as ``head.bias[0]``.
        steps: of the kept points, in their order.
        points: the values of the parameters, ``[n, 3]``.
        losses: the training loss at each of them, with the kept values of all parameters, ``[n]``.
        share: of the squared distance from the first point to the last one, how much lies along the three.
        parameters: how many the run has.
        rows: which rows the losses are of, in words.
    """

    title: str
    names: tuple[str, str, str]
    steps: tuple[int, ...]
    points: NDArray[np.float64]
    losses: NDArray[np.float64]
    share: float
    parameters: int
    rows: str

    @property
    def sentence(self) -> str:
        """What is seen."""
        one, two, three = self.names
        first, last = (value(float(self.losses[at])) for at in (0, -1))
        steps = counted(self.steps[-1] - self.steps[0], "step")
        return f"The path of {self.title} in {one}, {two} and {three}: the loss goes from {first} to {last} in {steps}."

    @property
    def lines(self) -> list[str]:
        """How it was measured, and what limits it."""
        kept = counted(len(self.steps), "kept point")
        found = [f"{kept}; losses at the kept values of all parameters, on {self.rows}, in evaluation mode."]
        if self.parameters > 3:
            found.append(
                f"Three of {self.parameters:,} parameters, along which {self.share:.1%} of the squared distance from "
                "the first point to the last one lies; what the others did is not seen."
            )
        return found

    @property
    def frame(self) -> pl.DataFrame:
        """A row for each kept point: ``step``, the three parameters and ``loss``."""
        values = {name: self.points[:, k] for k, name in enumerate(self.names)}
        return pl.DataFrame({"step": self.steps, **values, "loss": self.losses})

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as plain values; a loss that is not finite is None."""
        return {
            "run": self.title,
            "parameters": list(self.names),
            "step": list(self.steps),
            "points": self.points.tolist(),
            "loss": [each if np.isfinite(each) else None for each in self.losses.tolist()],
            "share": self.share,
        }

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.lines])


def three_parameters(plane: str | None) -> ParameterPlane | None:
    """Return the three parameters that ``--plane`` names, or None where it says something else.

    Example:
        >>> three_parameters("parameters('a[0]', 'a[1]', 'b[0]')").third, three_parameters("filter")
        ('b[0]', None)
    """
    if plane is None or grammar.parse(plane).name != "parameters":
        return None
    made = make_plane(plane)
    return made if isinstance(made, ParameterPlane) and made.third else None


def make_parameter_path(
    folder: str | Path,
    plane: ParameterPlane,
    *,
    arm: str | None = None,
    seed: int | None = None,
    rows: int = ROWS,
    part: str = "train",
    model: str | ModelBuilder | None = None,
    source: str | None = None,
    loss: str | None = None,
    observer: Observer | None = None,
) -> ParameterPath:
    """Return the kept path of a run in three of its parameters.

    Args:
        folder, arm, seed, model, source, loss: which run, as for :func:`steepest.landscape.stored.open_run`.
        plane: names the parameters.
        rows, part: which rows losses are of.
        observer: is told of the progress (default: a progress bar on the terminal).

    Raises:
        FolderError, ModelError: there is no such run, or it kept no path, or not exactly.
        OptionError, UnknownNameError: a parameter does not exist, or two are the same.
    """
    with contextlib.ExitStack() as stack:
        watching = observer or stack.enter_context(ProgressObserver())
        watching.stage("reading")
        run = open_run(folder, arm=arm, seed=seed, model=model, source=source, loss=loss)
        names = (plane.first, plane.second, plane.third)
        if len({*names}) < 3:
            raise OptionError(f"{plane}: three different parameters are needed", hint="name three.")
        places = [place_of(run, each) for each in names]
        [path] = kept_paths(run).values()
        sample, whole = run.rows(part, rows), run.rows(part)
        points = np.array(
            [[float(path.weights[name][step][at]) for name, at in places] for step in range(len(path.steps))]
        )
        watching.stage(f"losses at {len(path.steps):,} points")
        watching.remaining(len(path.steps))
        losses: list[float] = []
        for step in range(len(path.steps)):
            losses.append(loss_at(run, path, step, sample))
            watching.advance(1)
    way = (path.points()[-1] - path.points()[0]).square().sum()
    share = float(np.square(points[-1] - points[0]).sum() / max(float(way), 1e-300))
    amount = f"{len(sample):,} of {len(whole):,}" if len(sample) < len(whole) else f"all {len(whole):,}"
    return ParameterPath(
        run.title, names, path.steps, points, np.array(losses), share, path.numbers, f"{amount} {PARTS[part]}"
    )
