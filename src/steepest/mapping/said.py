"""What a map is, and how much it shows, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from steepest.mapping.points import Points
from steepest.mapping.projection import Projected
from steepest.mapping.quality import FEWEST, K, Neighbours, Quality
from steepest.report.format import MINUS


@dataclass(frozen=True)
class Statement:
    """One measure of a map: its name, its value, and what that means."""

    name: str
    value: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value} ({self.meaning})"


def title(points: Points) -> str:
    """Return what is mapped, in a few words."""
    many = f"{len(points.vectors):,} {points.what}"
    return f"What the network sees in {many}" if points.learned else f"A map of {many}"


def headline(points: Points, projected: Projected) -> str:
    """Return what is mapped, and how."""
    return f"{len(points.vectors):,} {points.what}: {projected.said} of {points.by}."


def measures(points: Points, quality: Quality) -> list[Statement]:
    """Return the measures of a map."""
    found: list[Statement] = []
    if quality.explained:
        shares = " + ".join(_percent(each) for each in quality.explained)
        found.append(
            Statement("explained variance", _percent(sum(quality.explained)), f"{shares} along the two axes")
        )
    if quality.trustworthiness is not None:
        of = "" if quality.measured == len(points.vectors) else f", on {quality.measured:,} points"
        found.append(
            Statement(
                "trustworthiness",
                f"{quality.trustworthiness:.3f}",
                f"1 if the {K} nearest in the map are near among the vectors, too{of}",
            )
        )
    if quality.neighbours is not None:
        found.append(_of_neighbours(points, quality.neighbours, quality.numeric))
    return found


def _of_neighbours(points: Points, said: Neighbours, numeric: bool) -> Statement:
    """Return what the nearest other points say of a point."""
    if numeric:
        what, show, meaning = "R²", _signed, "of their mean; 0 for the mean of all points"
    else:
        what, show = "accuracy", _percent
        meaning = f"of their majority; always guessing the most frequent label: {_percent(said.chance)}"
    return Statement(
        f"{K}-nearest-neighbour {what} of {points.colour}",
        f"{show(said.original)} among the vectors, {show(said.map)} in the map",
        meaning,
    )


def notes(points: Points, quality: Quality) -> list[str]:
    """Return what else is worth knowing of a map."""
    few = (
        [f"With fewer than {FEWEST} points neighbours are not measured."]
        if quality.trustworthiness is None
        else []
    )
    return [*points.notes, *few]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS)
