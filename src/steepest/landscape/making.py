"""Slices of a run's training loss: what is asked, measured, and handed back."""

from __future__ import annotations

import contextlib
import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steepest import forks
from steepest.data.dataset import TargetScale
from steepest.errors import OptionError
from steepest.files import reachable
from steepest.landscape import POINTS, ROWS
from steepest.landscape.choosing import between, default_plane, make_plane
from steepest.landscape.kept import kept_losses
from steepest.landscape.losses import STATISTICS, Statistics
from steepest.landscape.numbers import Slice
from steepest.landscape.plane import Plane
from steepest.landscape.said import Said
from steepest.landscape.saving import save
from steepest.landscape.stored import StoredRun, open_run
from steepest.models import ModelBuilder
from steepest.objectives import loss_title
from steepest.report.console import ProgressObserver
from steepest.sweep.observer import Observer
from steepest.train.statistics import has_statistics

BEYOND = 0.25
"""How far a line goes on beyond its two runs, as a share of the way."""

MOST = 1001
"""Points a side."""


@dataclass(frozen=True, repr=False)
class Landscape(Slice):
    """The training loss along a line or over a plane through the weights of a run; see :class:`Slice`."""

    def save(self, *paths: str | Path) -> list[Path]:
        """Write the slice: a page that works offline (``.html``), a picture, or its numbers.

        Args:
            paths: files that end in .html, .png, .svg, .pdf, .csv, .parquet or .json.

        Raises:
            OptionError: a path ends otherwise.
            FolderError: a file cannot be written.
            MissingExtraError: matplotlib, which draws pictures, is not installed.
        """
        return save(self, *paths)

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.lines])

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(each)}</p>" for each in [self.sentence, *self.lines])


def make_landscape(
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
) -> Landscape:
    r"""Return the training loss over a plane through a run's weights, or along the line between two runs.

    The loss at :math:`\theta_0 + \alpha d_1 + \beta d_2` is :math:`\sum_i w_i \ell_i / \sum_i w_i` of the training
    objective on the labels, without penalties or a teacher's part, in evaluation mode; in random and gradient planes
    pruned weights stay at zero. Losses are kept in the folder while they are measured: the same
    call goes on where an interrupted one ended.

    Args:
        folder: of a comparison, for its best network; or of one of its networks.
        arm: name, label or id of an arm, for its network.
        seed: the run seed; by default that whose weights are kept, the best on validation.
        to: another run, for the line to it: its folder, with ``to_arm`` and ``to_seed`` as above; they alone mean a run
            of the same folder.
        plane: ``filter`` (Li et al. 2018), ``gradient``, ``parameters("head.bias[0]", "head.bias[1]")``, your own as
            ``mine.py:Mine``, or a :class:`Plane`. By default ``filter``, of a network with two parameters their axes.
        points: of each side, from 3 to 1001; an odd number has the run's own weights in the middle. Of a line the two
            runs are points, too.
        span: how far it goes to each side, by default 1, along a gradient 0.25; of a line how far it goes on beyond
            the two runs, 0.25 of the way.
        rows: how many rows the loss is measured on; of more, a sample by the split seed.
        part: ``train``, ``validation`` or ``test``.
        statistics: of batch norm: ``held`` at those of the run, which is the default of a plane, ``interpolated``
            between two runs, the default of a line, or ``estimated`` anew at every point on the rows.
        direction_seed: of random directions.
        model, source, loss: the user's own, again, as for :func:`steepest.load`.
        observer: is told of the progress (default: a progress bar on the terminal).

    Raises:
        FolderError, ModelError: there is no finished comparison, no network of the arm, or no weights of the seed.
        OptionError: options exclude each other, or do not fit the network.
        UnknownNameError: there is no such plane or parameter.

    Source: Goodfellow, Vinyals & Saxe, Qualitatively Characterizing Neural Network Optimization Problems, ICLR 2015
    (lines); Li, Xu, Taylor, Studer & Goldstein, Visualizing the Loss Landscape of Neural Nets, NeurIPS 2018 (planes).
    """
    forks.check()
    line = to is not None or to_arm is not None or to_seed is not None
    _check(points, span, statistics, line=line)
    with contextlib.ExitStack() as stack:
        watching = observer or stack.enter_context(ProgressObserver())
        watching.stage("reading")
        run = open_run(folder, arm=arm, seed=seed, model=model, source=source, loss=loss)
        whole = run.rows(part)
        sample = run.rows(part, rows)
        if not line:
            wanted = default_plane(run) if plane is None else plane
            choice = None if isinstance(wanted, Plane) else make_plane(wanted)
            chosen = wanted if isinstance(wanted, Plane) else None
            if choice is not None:
                chosen = choice.choose(run, sample, direction_seed)
            assert chosen is not None
            reach = span if span is not None else choice.span if choice is not None else 1.0
            alphas = np.linspace(-reach, reach, points)
            betas = np.zeros(1) if chosen.is_line else alphas
        else:
            if plane is not None:
                raise OptionError(
                    f"--plane {plane} has no effect on a line between two runs", hint="leave it or --to out."
                )
            there = run.folder if to is None else to
            other = open_run(there, arm=to_arm, seed=to_seed, model=model, source=source, loss=loss)
            chosen = between(run, other)
            reach = BEYOND if span is None else span
            alphas = np.union1d(np.linspace(-reach, 1 + reach, points), [0.0, 1.0])
            betas = np.zeros(1)
        normed = has_statistics(run.net)
        kind: Statistics = statistics or ("interpolated" if chosen.shift and normed else "held")
        beta, alpha = np.meshgrid(betas, alphas, indexing="ij")
        places = np.stack([alpha.ravel(), beta.ravel()], 1)
        places = np.concatenate([places, np.zeros((1, 2))])
        watching.stage(f"losses at {len(places):,} points")
        watching.remaining(len(places))
        found = kept_losses(run, chosen, places, sample, kind, watching.advance)
    said = Said(
        loss_title(str(run.problem.objective)).removeprefix("the "), len(sample), len(whole), part,
        kind if normed else "", run.split_seed, run.problem.weights is not None,
        bool(run.model.about.trained.get("regularizer")), run.dataset.target_scale != TargetScale(),
        run.taught, run.pruned, _moves_pruned(run, chosen),
    )  # fmt: skip
    losses = found[:-1].reshape(len(betas), len(alphas))
    return Landscape(run.title, chosen, alphas, betas, losses, float(found[-1]), said)


def _moves_pruned(run: StoredRun, plane: Plane) -> bool:
    """Return whether a plane's directions move weights that pruning held at zero."""
    return any(
        bool((part[name][mask == 0] != 0).any())
        for part in (plane.by_name(each) for each in plane.directions)
        for name, mask in run.masks.items()
    )


def _check(points: int, span: float | None, statistics: str | None, *, line: bool) -> None:
    """Refuse what can be seen to be wrong before anything is read."""
    if not 3 <= points <= MOST:
        raise OptionError(f"--points {points} is no side of a slice", hint=f"give 3 to {MOST:,}.")
    if span is not None and not (0 < span < np.inf or (line and not span)):
        raise OptionError(f"--span {span:g} is no distance", hint="give a positive number.")
    if statistics is not None and statistics not in STATISTICS:
        raise OptionError(
            f"there are no {statistics!r} statistics", hint=f"choose from {', '.join(STATISTICS)}."
        )


def default_page(folder: str | Path, name: str = "landscape.html") -> Path:
    """Return where a page goes: into the folder of the comparison."""
    from steepest.mapping.opened import run_of

    return run_of(reachable(folder)) / name
