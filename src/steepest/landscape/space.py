"""The path of a run in three of its parameters, coloured by step."""

from __future__ import annotations

import contextlib
import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steepest.components import grammar
from steepest.errors import OptionError
from steepest.landscape import ROWS
from steepest.landscape.choosing import make_plane
from steepest.landscape.path_numbers import PathNumbers
from steepest.landscape.plane import Plane
from steepest.landscape.planes.parameters import ParameterPlane, place_of
from steepest.landscape.planes.pca import kept_paths, loss_at
from steepest.landscape.said import PARTS
from steepest.landscape.space_drawn import save_path
from steepest.landscape.stored import open_run
from steepest.models import ModelBuilder
from steepest.report.console import ProgressObserver
from steepest.sweep.observer import Observer


@dataclass(frozen=True, repr=False)
class ParameterPath(PathNumbers):
    """Where a run came along in three of its parameters; see :class:`PathNumbers`."""

    def save(self, *paths: str | Path) -> list[Path]:
        """Write a page, a picture or the numbers, as :meth:`steepest.landscape.making.Landscape.save`."""
        return save_path(self, *paths)

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.lines])

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(each)}</p>" for each in [self.sentence, *self.lines])


def three_parameters(plane: str | Plane | None) -> ParameterPlane | None:
    """Return the three parameters that a plane's text names, or None where it says something else.

    Example:
        >>> three_parameters("parameters('a[0]', 'a[1]', 'b[0]')").third, three_parameters("filter")
        ('b[0]', None)
    """
    if not isinstance(plane, str) or grammar.parse(plane).name != "parameters":
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
