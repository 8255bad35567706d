"""``st.landscape``: a slice of the training loss, or the kept path of a run in three of its parameters."""

from __future__ import annotations

from pathlib import Path

from steepest.errors import OptionError
from steepest.landscape import POINTS, ROWS
from steepest.landscape.losses import Statistics
from steepest.landscape.making import Landscape, make_landscape
from steepest.landscape.plane import Plane
from steepest.landscape.space import ParameterPath, make_parameter_path, three_parameters
from steepest.models import ModelBuilder
from steepest.sweep.observer import Observer


def landscape(
    folder: str | Path,
    *,
    arm: str | None = None,
    seed: int | None = None,
    to: str | Path | None = None,
    to_arm: str | None = None,
    to_seed: int | None = None,
    plane: str | Plane | None = None,
    points: int = POINTS,
    span: float | None = None,
    rows: int = ROWS,
    part: str = "train",
    statistics: Statistics | None = None,
    direction_seed: int = 0,
    model: str | ModelBuilder | None = None,
    source: str | None = None,
    loss: str | None = None,
    observer: Observer | None = None,
) -> Landscape | ParameterPath:
    """Return the training loss over a plane through a run's weights, on a line to another run, or along its path.

    With three parameters, ``plane='parameters("NAME[i]", "NAME[j]", "NAME[k]")'``, it is the path in them that the run
    kept, as :func:`steepest.landscape.space.make_parameter_path` returns it, whose losses are at the kept points alone;
    else a slice, see :func:`steepest.landscape.making.make_landscape`, which has the arguments, too.

    Raises:
        FolderError, ModelError: there is no finished comparison, no network of the arm, no weights of the seed, or no
            exact path where one is needed.
        OptionError: options exclude each other, have no effect, or do not fit the network.
        UnknownNameError: there is no such plane or parameter.
    """
    three = three_parameters(plane)
    if three is None:
        return make_landscape(
            folder, arm=arm, seed=seed, to=to, to_arm=to_arm, to_seed=to_seed, plane=plane, points=points, span=span,
            rows=rows, part=part, statistics=statistics, direction_seed=direction_seed, model=model, source=source,
            loss=loss, observer=observer,
        )  # fmt: skip
    unused = {
        "to": to, "to-arm": to_arm, "to-seed": to_seed, "points": points if points != POINTS else None, "span": span,
        "statistics": statistics, "direction-seed": direction_seed or None,
    }  # fmt: skip
    if given := [name for name, each in unused.items() if each is not None]:
        raise OptionError(
            f"--{given[0]} has no effect on a path in three parameters, which has no grid",
            hint="leave it out.",
        )
    return make_parameter_path(
        folder, three, arm=arm, seed=seed, rows=rows, part=part, model=model, source=source, loss=loss,
        observer=observer,
    )  # fmt: skip
