"""The plane of the first two principal components of a run's path."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from steepest.data.dataset import Part
from steepest.errors import ModelError, OptionError
from steepest.landscape.choosing import PlaneChoice
from steepest.landscape.losses import batches_of
from steepest.landscape.plane import Plane, Trail, flat
from steepest.landscape.stored import StoredRun
from steepest.paths.components import principal_components
from steepest.paths.kept import KeptPath
from steepest.paths.walk import expected_shares
from steepest.record.schema import RunKey
from steepest.record.store import Folder
from steepest.sweep.paths import read_path

COMPONENTS = {
    "pca": {"object": "PathPlane", "what": "the two directions in which the run's path varies most"}
}

ALL = "all"


class PathPlane(PlaneChoice):
    r"""The first two principal components of the weights that a run had on its way, through those of the run itself.

    Of the n kept points of the path, less their mean, the eigenvectors of the n × n matrix of inner products give the
    directions, and the share of the variance that these explain. One unit along an axis is the farthest that the path
    goes from the run's own weights along it, so both axes have their own scale. Off the plane the losses are others:
    how far every point of the path lies from it, and its loss, are said beside it. The components of a random walk
    explain much, too, 76 % by two (Antognini & Sohl-Dickstein, NeurIPS 2018); a plane that explains less than those of
    a walk as long shows less of the path than it would of noise.

    Source: Lorch, Visualizing Deep Network Training Trajectories with PCA, ICML workshop 2016; Li, Xu, Taylor, Studer
    & Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018.
    """

    name: ClassVar[str] = "pca"
    by_name: ClassVar[tuple[str, ...]] = ("arms",)
    span: ClassVar[float] = 1.25

    arms: str = Field(
        default="", description="further arms whose paths with the same seed are in the plane: a name, or all"
    )

    def choose(self, run: StoredRun, part: Part, seed: int) -> Plane:
        """Return the plane, with the paths."""
        del seed
        paths = kept_paths(run, self.arms)
        points = {name: each.points() for name, each in paths.items()}
        found = principal_components(list(points.values()))
        weights = run.parameters
        origin = flat(weights).double().cpu()
        unit = torch.stack([found.direction(0), found.direction(1)])
        along = {name: (each - origin) @ unit.T for name, each in points.items()}
        scale = torch.cat(list(along.values())).abs().amax(0).clamp(min=1e-12)
        trails: list[Trail] = []
        for name, path in paths.items():
            off = (points[name] - origin - along[name] @ unit).norm(dim=1)
            texts = [
                f"{name}, step {step:,}: loss {loss_at(run, path, place, part):.4g}"
                for place, step in enumerate(path.steps)
            ]
            trails.append(Trail(name, (along[name] / scale).numpy(), off.numpy(), tuple(texts)))
        first, second = (unit * scale[:, None]).to(flat(weights))
        lengths = [len(each.steps) for each in paths.values()]
        walk = float(expected_shares(lengths, len(origin))[:2].sum())
        how = f"along the first two principal components of the {_whose(paths)}, {explained(found.explained(), walk)}"
        axes = tuple(f"component {k + 1} ({found.shares[k]:.1%})" for k in (0, 1))
        return Plane.through(weights, first, second, how=how, axes=(axes[0], axes[1]), trails=trails)


def explained(share: float, walk: float) -> str:
    """Return how much of a path a plane shows, beside a random walk.

    Args:
        share: of the variance that the plane explains.
        walk: that which one of a random walk explains.

    Example:
        >>> explained(0.95, 0.76)
        "which explain 95.0% of its variance (a random walk's: 76.0%)"
    """
    said = f"which explain {share:.1%} of its variance (a random walk's: {walk:.1%})"
    if share >= walk:
        return said
    return f"{said}, less than of a random walk: most of the path is not in this plane"


def _whose(paths: dict[str, KeptPath]) -> str:
    return "run's path" if len(paths) == 1 else f"paths of {' and '.join(paths)} together"


def kept_paths(run: StoredRun, arms: str = "") -> dict[str, KeptPath]:
    """Return the exact paths of a run, and of other arms with its seed, by the arms' names.

    Args:
        run: whose path comes first.
        arms: name of a further arm, or all.

    Raises:
        ModelError: no path was kept, or not exactly.
        OptionError: there is no such arm with a path of the same parameters.
    """
    folder = Folder(run.folder)
    own = read_path(folder, RunKey(name=run.arm, recipe=run.recipe, seed=run.seed, phase="final"))
    if own is None and run.record is not None and run.record.key.phase == "refit":
        raise ModelError(
            f"no path was kept of {run.title}: it is the network that was trained on the rows of all folds, and the "
            "paths are those of the folds, whose networks are not kept",
            hint="compare again with --keep-path 50, without --split folds and with another --out.",
        )
    if own is None:
        raise ModelError(
            f"no path was kept of {run.title}",
            hint="compare again with --keep-path 50 and another --out; finished runs are not made again.",
        )
    own.at(0)
    found = {run.arm: own}
    if not arms:
        return found
    others = {
        record.key.name: record.key
        for record in folder.records()
        if record.key.phase == "final" and record.key.seed == run.seed and record.key.recipe != run.recipe
    }
    if arms != ALL and arms not in others:
        raise OptionError(
            f"no other arm {arms!r} has a final run of seed {run.seed}",
            hint=f"choose from {', '.join([*others, ALL])}.",
        )
    for name, key in others.items():
        path = read_path(folder, key) if arms in (ALL, name) else None
        if path is not None and path.exact and (path.names, path.shapes) == (own.names, own.shapes):
            found[name] = path
    if len(found) == 1:
        raise OptionError(
            f"no other arm has kept the path of a model like that of {run.title}",
            hint="leave the option out: --plane pca.",
        )
    return found


def loss_at(run: StoredRun, path: KeptPath, place: int, part: Part) -> float:
    """Return the loss of the kept weights themselves, not of their place in the plane."""
    weights = {name: each.to(part.target.device) for name, each in path.at(place).items()}
    with torch.no_grad():
        losses = [
            share * float(run.problem.batch_loss(run.problem.outputs_at(batch, weights), batch))
            for batch, share in batches_of(run.problem, part)
        ]
    return float(np.sum(losses))
