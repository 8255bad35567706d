"""The page of a map: points on a canvas, and on hovering what is known of each; one file without network requests."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

from steepest.data.images.pixels import resized
from steepest.data.images.png import png
from steepest.data.target import sorted_labels
from steepest.mapping.points import Points
from steepest.mapping.projection import Projected
from steepest.mapping.said import Statement
from steepest.report import format as show
from steepest.report import theme
from steepest.report.html import embedded_json, own, policy, style, template

SHAPES = 5
"""Shapes of marks: neighbours in the legend differ in colour and shape."""
ROOM = 2 * len(theme.SERIES)
"""So many labels have a mark of their own; of more labels, the remaining ones are one group."""
MISSING, OTHER = "(none)", "other"
LONGEST = 120
PICTURE = 28
"""The larger side of the pictures."""
MOST_PIXELS = 4_000_000
"""With more pixels than this in all, there are no pictures."""
ENDS = (0.01, 0.99)
"""Shares of the points between which a scale of numbers lies, where there are many points."""
MANY = 100


def render(
    points: Points,
    projected: Projected,
    title: str,
    sentence: str,
    measures: Sequence[Statement],
    notes: Sequence[str],
) -> str:
    """Return the page.

    Args:
        points: what is mapped.
        projected: its places.
        title: what is mapped, in a few words.
        sentence: what is mapped, and how.
        measures: how much the map shows.
        notes: what else is worth knowing.
    """
    groups, data = _coloured(points)
    script = own("map.js")
    data |= {
        "x": _rounded(projected.places[:, 0]),
        "y": _rounded(projected.places[:, 1]),
        "about": [_column(points.about[name]) for name in points.about.columns],
        "named": None if points.named is None else points.about.columns.index(points.named),
        "sprite": None if points.pictures is None else _sprite(points.pictures),
    }
    axes = [
        f"{way} component {i} ({show_share(share)} of the variance)"
        for i, (way, share) in enumerate(zip(("→", "↑"), projected.explained, strict=False), 1)
    ]
    return template("map.html.j2").render(
        title=title,
        sentence=sentence,
        measures=measures,
        notes=notes,
        colour=points.colour,
        groups=groups,
        scale=data.get("scale"),
        axes=axes,
        pictures=data["sprite"] is not None,
        style=Markup(style()),
        script=Markup(script),
        policy=policy([script]),
        data=Markup(embedded_json(data)),
    )


def show_share(share: float) -> str:
    """Return a share in percent.

    Example:
        >>> show_share(0.1234)
        '12.3 %'
    """
    return f"{100 * share:.1f} %"


def _coloured(points: Points) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the legend, and what the script needs to colour the points."""
    values = points.values
    if values is None:
        return [], {"groups": [{"colour": "accent", "shape": 0}], "group": [0] * len(points.vectors)}
    if points.numeric:
        return [], _scale(values)
    counts = Counter(str(each) for each in values if each is not None)
    names = [name for name, _ in counts.most_common(ROOM if len(counts) <= ROOM else ROOM - 1)]
    names = sorted_labels(names)
    slots = {name: i for i, name in enumerate(names)}
    groups: list[dict[str, Any]] = [
        {
            "name": show.shorten(show.printable(name), LONGEST),
            "colour": f"series-{slot % len(theme.SERIES)}",
            "shape": (slot + slot // len(theme.SERIES)) % SHAPES,
            "count": counts[name],
        }
        for name, slot in slots.items()
    ]
    for name, count in (
        (
            f"{OTHER} ({len(counts) - len(names)} more)",
            sum(counts.values()) - sum(counts[each] for each in names),
        ),
        (MISSING, len(values) - sum(counts.values())),
    ):
        if count:
            slots[name] = len(groups)
            groups.append({"name": name, "colour": "faint", "shape": 0, "count": count})
    rest = next((slots[name] for name in slots if name.startswith(f"{OTHER} (") and name not in counts), 0)
    group = [slots.get(MISSING, 0) if each is None else slots.get(str(each), rest) for each in values]
    return groups, {"groups": groups, "group": group}


def _scale(values: NDArray[Any]) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    least, most = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    low, high = (float(each) for each in np.quantile(known, ENDS)) if len(known) else (0.0, 0.0)
    if low == high or len(known) < MANY:
        low, high = least, most
    lower, upper = ("≤ " if least < low else ""), ("≥ " if most > high else "")
    return {
        "scale": {
            "values": [_number(each) for each in values.tolist()],
            "low": low,
            "high": high,
            "text": [f"{lower}{low:.4g}", f"{upper}{high:.4g}"],
            "stops": [list(each) for each in zip(*theme.SCALE, strict=True)],
            "missing": bool(len(known) < len(values)),
        }
    }


def _number(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _rounded(values: NDArray[np.float64]) -> list[float]:
    """Return numbers with a ten-thousandth of their span as the last digit."""
    span = float(np.ptp(values)) or 1.0
    digits = 4 - math.floor(math.log10(span))
    return [round(each, digits) for each in values.tolist()]


def _column(values: pl.Series) -> dict[str, Any]:
    """Return a column about the points: its values, or its different texts and the place of each among them."""
    name = show.shorten(show.printable(values.name), LONGEST)
    if values.dtype.is_float():
        return {"name": name, "values": [None if each is None else _number(each) for each in values]}
    if values.dtype.is_integer():
        return {"name": name, "values": values.to_list()}
    shown = [None if each is None else show.shorten(show.printable(str(each)), LONGEST) for each in values]
    texts = list(dict.fromkeys(shown))
    if len(texts) > len(shown) / 2:
        return {"name": name, "values": shown}
    places = {text: i for i, text in enumerate(texts)}
    return {"name": name, "texts": texts, "codes": [places[each] for each in shown]}


def _sprite(pictures: NDArray[np.uint8]) -> dict[str, Any] | None:
    """Return all pictures as one image, row by row; None if that would be too large."""
    count, channels, height, width = pictures.shape
    share = min(1.0, PICTURE / max(height, width))
    size = max(1, round(height * share)), max(1, round(width * share))
    if count * size[0] * size[1] > MOST_PIXELS:
        return None
    small = pictures if size == (height, width) else resized(pictures, size)
    across = math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    sheet = np.zeros((down * across, channels, *size), np.uint8)
    sheet[:count] = small
    sheet = sheet.reshape(down, across, channels, *size).transpose(2, 0, 3, 1, 4)
    image = sheet.reshape(channels, down * size[0], across * size[1])
    source = f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"
    return {"source": source, "across": across, "down": down, "height": size[0], "width": size[1]}
