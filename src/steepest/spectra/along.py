"""The spectrum of a run's curvature at the kept points of its path, with gradient noise and the angles of its steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.curvature import Density, spectral_density, top_eigenvalues, trace
from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.landscape.planes.pca import kept_paths
from steepest.landscape.stored import StoredRun, open_run
from steepest.optim.stability import Stability
from steepest.paths.kept import KeptPath
from steepest.paths.movement import turn_cosines
from steepest.spectra import ROWS
from steepest.spectra.noise import NoiseScale, batch_gradients, noise_scale
from steepest.train.sharpness import curvature_of
from steepest.wording import counted

TOP = 3
"""Eigenvalues that are computed."""

SAMPLES = 30
"""Products for a trace."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SpectrumPoint:
    """What is known of a kept point.

    Attributes:
        step: taken until there.
        loss: the mean training loss of the rows, without penalties.
        gradient: the 2-norm of its gradient.
        hessian, gauss_newton: the largest eigenvalues, and how far from the true ones they are at most.
        hessian_residuals, gauss_newton_residuals: those distances.
        trace, trace_error: of the Hessian, with its standard error.
        gauss_newton_trace, gauss_newton_trace_error: of the Gauss-Newton matrix.
        noise: the gradient noise scale.
        threshold: the largest eigenvalue that the optimizer bears in the next step; NaN where none applies.
        turn: the cosine of the angle between the way from the point before and the way to the next; NaN at the ends.
        density: of the Hessian's eigenvalues, where it was asked for.
    """

    step: int
    loss: float
    gradient: float
    hessian: tuple[float, ...]
    hessian_residuals: tuple[float, ...]
    gauss_newton: tuple[float, ...]
    gauss_newton_residuals: tuple[float, ...]
    trace: float
    trace_error: float
    gauss_newton_trace: float
    gauss_newton_trace_error: float
    noise: NoiseScale
    threshold: float
    turn: float
    density: Density | None = None


@dataclass(frozen=True)
class PathSpectrum:
    """The spectrum along a path.

    Attributes:
        title: of the run.
        points: in the order of the steps.
        rows, of: how many training rows of how many.
        formula: of the threshold.
        without: why there is none.
        taught: whether the run learnt of a teacher.
        pruned: how many weights pruning held at zero; they are left out.
        free: how many numbers the curvature is by.
    """

    title: str
    points: tuple[SpectrumPoint, ...]
    rows: int
    of: int
    formula: str
    without: str
    taught: bool = False
    pruned: int = 0
    free: int = 0

    @property
    def sentence(self) -> str:
        """What is seen."""
        first, last = self.points[0], self.points[-1]
        said = (
            f"Of {self.title} the largest eigenvalue of the Hessian goes from {first.hessian[0]:.3g} at the start to "
            f"{last.hessian[0]:.3g} at step {last.step:,}"
        )
        bounded = [each for each in self.points if math.isfinite(each.threshold)]
        if not bounded:
            return f"{said}."
        most = max(bounded, key=lambda each: each.hessian[0] / each.threshold)
        share = most.hessian[0] / most.threshold
        return (
            f"{said}. It is at most {share:.2f} times what the optimizer bears, at step {most.step:,} "
            f"({self.formula} = {most.threshold:.3g})."
        )

    @property
    def lines(self) -> list[str]:
        """How it was measured, and what limits it."""
        rows = f"all {self.of:,}" if self.rows == self.of else f"{self.rows:,} of {self.of:,}"
        said = [
            f"Curvature of the training loss without penalties, on {rows} training rows; in evaluation mode."
        ]
        if self.taught:
            said.append("The teacher's part of the loss is left out, so it is that of the labels alone.")
        if self.pruned:
            held = counted(self.pruned, "pruned weight")
            verb = "is" if self.pruned == 1 else "are"
            said.append(f"{held} {verb} left out, which training holds at zero: of {self.free:,} directions.")
        if self.without:
            said.append(f"No threshold: {self.without}.")
        hidden = [each.step for each in self.points if math.isinf(each.noise.value)]
        if hidden:
            said.append(
                f"Noise hides the gradient at {len(hidden)} of {len(self.points)} points: the noise scale is beyond "
                "what so many rows can measure."
            )
        return said

    @property
    def frame(self) -> pl.DataFrame:
        """A row for each kept point."""
        return pl.DataFrame(
            [
                {
                    "step": each.step,
                    "loss": each.loss,
                    "gradient": each.gradient,
                    **{f"hessian_{i + 1}": value for i, value in enumerate(each.hessian)},
                    "hessian_residual": max(each.hessian_residuals),
                    **{f"gauss_newton_{i + 1}": value for i, value in enumerate(each.gauss_newton)},
                    "gauss_newton_residual": max(each.gauss_newton_residuals),
                    "trace": each.trace,
                    "trace_error": each.trace_error,
                    "gauss_newton_trace": each.gauss_newton_trace,
                    "gauss_newton_trace_error": each.gauss_newton_trace_error,
                    "threshold": each.threshold,
                    "noise_scale": each.noise.value,
                    "noise_scale_error": each.noise.error,
                    "turn": each.turn,
                }
                for each in self.points
            ]
        )

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *self.lines])


def make_spectrum(
    folder: str | Path,
    *,
    arm: str | None = None,
    seed: int | None = None,
    rows: int = ROWS,
    points: int | None = None,
    densities: Sequence[int] = (),
    advance: Callable[[int], object] = lambda _: None,
    **own: str | None,
) -> PathSpectrum:
    """Return the spectrum of a run at the kept points of its path.

    Args:
        folder: of a comparison whose final runs kept their paths.
        arm, seed: which run, as for :func:`steepest.landscape.stored.open_run`.
        rows: training rows that it is of; of more, a sample by the split seed.
        points: kept points at most, at least 1, evenly spaced; None for all.
        densities: steps at which the density is estimated too, at the nearest kept points, which are added to those.
        advance: is told of every point.
        own: the user's own ``model``, ``source`` and ``loss``, again.

    Raises:
        FolderError, ModelError, OptionError: as for ``open_run``; or the run kept no path, or not exactly; or there are
            fewer points than 1.

    Source: Ghorbani, Krishnan & Xiao, ICML 2019 (densities); Cohen et al., ICLR 2021 (thresholds); McCandlish et al.,
    2018 (noise scale).
    """
    if points is not None and points < 1:
        raise OptionError(f"--points {points} is no number of kept points", hint="give at least 1.")
    run = open_run(folder, arm=arm, seed=seed, **own)
    [path] = kept_paths(run).values()
    part, whole = run.rows("train", rows), run.rows("train")
    bounds, without = _bounds(path)
    if bounds and len(part) < len(whole):
        bounds = {}
        without = f"the curvature is of {len(part):,} of {len(whole):,} rows (--rows {len(whole)} takes all)"
    turns = turn_cosines(path.points())
    count = len(path.steps)
    dense = {min(range(count), key=lambda i: abs(path.steps[i] - step)) for step in densities}
    places = sorted({*_even(count, count if points is None else points), *dense})
    found: list[SpectrumPoint] = []
    for place in places:
        run.net.load_state_dict(path.at(place))
        step = path.steps[place]
        found.append(_measured(run, part, step, bounds.get(place), turns[place], place in dense))
        advance(1)
    formula = next((each.formula for each in bounds.values()), "")
    free = path.numbers - run.pruned
    return PathSpectrum(
        run.title, tuple(found), len(part), len(whole), formula, without, run.taught, run.pruned, free
    )


def _measured(
    run: StoredRun, part: Part, step: int, bound: Stability | None, turn: float, dense: bool
) -> SpectrumPoint:
    """Return what is known of the weights that the network has now."""
    at = curvature_of(run.problem, part)
    top = min(TOP, at.size - 1)
    hessian = top_eigenvalues(at, "hessian", count=top, tolerance=1e-4)
    gauss = top_eigenvalues(at, "gauss-newton", count=top, tolerance=1e-4)
    size = trace(at, "hessian", samples=SAMPLES)
    gauss_size = trace(at, "gauss-newton", samples=SAMPLES)
    gradients, rows = batch_gradients(run.problem, part, split_seed=run.split_seed)
    return SpectrumPoint(
        step=step,
        loss=float(at.value),
        gradient=float(at.gradient.norm()),
        hessian=tuple(hessian.values.tolist()),
        hessian_residuals=tuple(hessian.residuals.tolist()),
        gauss_newton=tuple(gauss.values.tolist()),
        gauss_newton_residuals=tuple(gauss.residuals.tolist()),
        trace=float(size.value),
        trace_error=float(size.error),
        gauss_newton_trace=float(gauss_size.value),
        gauss_newton_trace_error=float(gauss_size.error),
        noise=noise_scale(gradients, rows),
        threshold=math.nan if bound is None else bound.threshold,
        turn=turn,
        density=spectral_density(at, "hessian", probes=4, steps=40) if dense else None,
    )


def _bounds(path: KeptPath) -> tuple[dict[int, Stability], str]:
    """Return what the optimizer bears at the places of a path, as the run knew it, and why there is none."""
    if not path.bounds:
        return (
            {},
            "the path was kept by an earlier version, which did not keep it (--watch sharpness records it)",
        )
    known = {place: each for place, each in enumerate(path.bounds) if isinstance(each, Stability)}
    if not known:
        return {}, next(each for each in path.bounds if isinstance(each, str))
    if any(each.preconditioned for each in known.values()):
        return {}, (
            "its optimizer's is of the preconditioned Hessian, and the kept path lacks what the optimizer divides its "
            "steps by; --watch sharpness records it while the run is trained"
        )
    return known, ""


def _even(count: int, wanted: int) -> list[int]:
    """Return evenly spaced places among ``count``, the ends included."""
    return sorted({round(each) for each in np.linspace(0, count - 1, min(wanted, count))})
