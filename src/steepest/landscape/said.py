"""What a slice shows, and how it was measured, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steepest.landscape.plane import Plane
from steepest.report.format import MINUS
from steepest.wording import counted

NO_BARRIER = 0.01
"""A rise by less than this share of the loss at the ends is called none."""

PARTS = {"train": "training rows", "validation": "validation rows", "test": "test rows"}

KINDS = {
    "held": "batch norm by the running statistics of the run, held at every point",
    "interpolated": "batch norm by running statistics that are interpolated like the weights (beyond the two runs, "
    "by those of the nearer one)",
    "estimated": "batch norm by statistics that are estimated anew on these rows at every point",
}


@dataclass(frozen=True)
class Said:
    """What is measured.

    Attributes:
        loss: what the loss is called.
        rows, of: how many rows of how many.
        part: of which part.
        statistics: of batch norm; empty where the network has none.
        split_seed: by which the rows are drawn.
        weighted: whether classes have weights in the loss.
        penalised: whether the run was trained with regularizers, which are left out.
        standardised: whether the target is in standard scores.
        taught: whether the run learnt of a teacher, whose part of the loss is left out.
        pruned: how many weights pruning held at zero.
        pruned_move: whether they move along the directions.
    """

    loss: str
    rows: int
    of: int
    part: str
    statistics: str = ""
    split_seed: int = 0
    weighted: bool = False
    penalised: bool = False
    standardised: bool = False
    taught: bool = False
    pruned: int = 0
    pruned_move: bool = False

    @property
    def on(self) -> str:
        """The rows in words."""
        return f"{self.rows:,} {PARTS[self.part]}"


def value(loss: float) -> str:
    """Return a loss with four digits.

    Example:
        >>> value(0.28291905), value(1234.5), value(float("inf"))
        ('0.2829', '1,234', 'infinite')
    """
    if not np.isfinite(loss):
        return "not a number" if np.isnan(loss) else "infinite"
    text = f"{loss:,.0f}" if abs(loss) >= 1000 and abs(loss) < 1e7 else f"{loss:.4g}"
    return text.replace("-", MINUS)


def place(number: float) -> str:
    """Return a coordinate.

    Example:
        >>> place(-0.32), place(0.0)
        ('−0.32', '0')
    """
    return f"{number:.3g}".replace("-", MINUS) if number else "0"


def barrier(alphas: NDArray[np.float64], losses: NDArray[np.float64]) -> tuple[float, float]:
    """Return the highest rise between α = 0 and 1 above the straight line between the losses there, and its place.

    Example:
        >>> barrier(np.array([0.0, 0.5, 1.0]), np.array([1.0, 3.0, 2.0]))
        (1.5, 0.5)
    """
    inside = (alphas >= 0) & (alphas <= 1)
    at, some = alphas[inside], losses[inside]
    with np.errstate(invalid="ignore"):  # of losses that are infinite
        rise = some - ((1 - at) * some[0] + at * some[-1])
    known = np.where(np.isnan(rise), np.inf, rise)
    best = int(known.argmax())
    return float(known[best]), float(at[best])


def sentence(
    title: str,
    plane: Plane,
    alphas: NDArray[np.float64],
    betas: NDArray[np.float64],
    losses: NDArray[np.float64],
    centre: float,
    said: Said,
) -> str:
    """Return what is seen of a line or a plane."""
    if plane.is_line and len(plane.trails) == 2:
        ends = [float(losses[0][alphas == at][0]) for at in (0.0, 1.0)]
        to = plane.trails[1].name
        of = f"From {title} to {to} the {said.loss} on {said.on}"
        if not np.isfinite(ends).all():
            return f"{of} goes from {value(ends[0])} to {value(ends[1])}, so no barrier can be measured."
        begins = f"{of} goes from {value(ends[0])} to {value(ends[1])}"
        rise, where = barrier(alphas, losses[0])
        if rise <= NO_BARRIER * max(abs(each) for each in ends):
            return f"{begins} without a barrier between them."
        high = f"of {value(rise)}" if np.isfinite(rise) else "beyond all numbers"
        return f"{begins}, over a barrier {high} at {place(where)} of the way."
    begins = f"Around {title} the {said.loss} on {said.on} is {value(centre)} at its weights"
    finite = losses[np.isfinite(losses)]
    others = losses[(alphas[None, :] != 0) | (betas[:, None] != 0)]
    if not np.isfinite(others).any():
        return f"{begins} and not finite anywhere else on the grid: a smaller --span shows more."
    low = np.unravel_index(int(np.where(np.isfinite(losses), losses, np.inf).argmin()), losses.shape)
    lowest, top = float(finite.min()), float(finite.max())
    complete = len(finite) == losses.size
    if complete and value(lowest) == value(top) == value(centre):
        return f"{begins} and the same anywhere on the grid: a larger --span may show more."
    rises = f"rises up to {value(top)}" if complete else "rises beyond all numbers"
    if lowest >= centre or value(lowest) == value(centre):
        lower = "lower than" if lowest > centre and value(lowest) != value(centre) else "as low as"
        return f"{begins}, {lower} anywhere on the grid, and {rises}."
    at = ", ".join(
        place(float(each))
        for each in ([alphas[low[1]]] if plane.is_line else [alphas[low[1]], betas[low[0]]])
    )
    return f"{begins}, {value(lowest)} at the lowest point of the grid ({at}), and {rises}."


def remarks(plane: Plane, losses: NDArray[np.float64], said: Said) -> list[str]:
    """Return how a slice was measured, and what limits it."""
    sample = (
        f"{said.rows:,} of {said.of:,} {PARTS[said.part]}, a sample by the split seed {said.split_seed}"
        if said.rows < said.of
        else f"all {said.on}"
    )
    along = f"Losses {plane.how or 'over a plane of your own'}"
    weighted = ", weighted by class" if said.weighted else ""
    how = [f"{along}, on {sample}{weighted}; in evaluation mode"]
    how += [KINDS[said.statistics]] if said.statistics else []
    how += ["penalties are left out"] if said.penalised else []
    how += (
        ["the teacher's part of the loss is left out, so it is that of the labels alone"]
        if said.taught
        else []
    )
    how += ["the target is in standard scores, as in training"] if said.standardised else []
    found = [f"{', '.join(how)}."]
    lost = int((~np.isfinite(losses)).sum())
    if lost:
        found.append(f"At {lost:,} of {losses.size:,} points the loss is not finite; they are left blank.")
    if said.pruned:
        weights = counted(said.pruned, "pruned weight")
        found.append(
            f"The directions move {weights} off zero, where training held them."
            if said.pruned_move
            else f"Along the directions {weights} {'stays' if said.pruned == 1 else 'stay'} at zero, as in training."
        )
    if plane.is_line:
        if len(plane.trails) == 2:
            found.append(
                "A barrier is the highest rise above the straight line between the two losses. A straight line is one "
                "way of many: two runs with a barrier may be joined by a curve without one."
            )
    elif plane.origin.numel() > 2:
        free = plane.origin.numel() - (0 if said.pruned_move else said.pruned)
        found.append(f"Two of {free:,} directions: what looks flat here may be steep along others.")
    return found
