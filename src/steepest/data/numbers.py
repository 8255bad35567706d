r"""How a network sees numbers: beside its standard score, a column can be bent, cut into pieces, or made into waves.

A linear layer is a straight line in each of its inputs, and a small network bends slowly: what happens at one value, or
in a tail that standardisation presses together, it learns late or never. The encodings spread a column out over several
inputs. All that they know is from the training rows.

``standard``
    The standard score :math:`z`, and nothing else.
``quantile``
    A score whose distribution over the training rows is nearly normal: :math:`z` is interpolated between
    its quantiles, which go to the quantiles of a normal distribution.
``piecewise``
    For knots :math:`b_0 < \dots < b_T`, the quantiles of the training rows, :math:`T` inputs
    :math:`\min(1, \max(0, (z - b_{t-1}) / (b_t - b_{t-1})))` beside the score: a layer above is a piecewise-linear
    function with these knots. Where a column has few different values, there is a knot at each, so that it is a number
    and a category at the same time.
``periodic``
    :math:`\mathrm{ReLU}(W\,[\sin 2\pi c q, \cos 2\pi c q])` beside the score, with the quantile score :math:`q` and
    frequencies :math:`c` and weights that are learned; frequencies begin at normally distributed numbers with a small
    standard deviation :math:`\sigma`.
``auto``
    ``piecewise`` where there are training rows for at least eight pieces of 400, else ``standard``.

Columns of words, which a preparation step made of texts, stay scores: they are 0 in most rows. So do columns of two
values. In all but ``standard``, the score of a column with a heavy tail is that of its signed logarithm,
:math:`\mathrm{sign}(u) \log(1 + |u| / s)`, with the distance :math:`u` from the median and its typical size :math:`s`.

Source: Gorishniy, Rubachev & Babenko, On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.components import grammar
from steepest.errors import OptionError, unknown_name

AUTO, STANDARD = "auto", "standard"

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    AUTO: {},
    STANDARD: {},
    "quantile": {},
    "piecewise": {"bins": None},
    "periodic": {"frequencies": 16, "sigma": 0.1, "width": 8},
}
"""The encodings, with their options and the defaults of these."""

FEWEST_BINS, MOST_BINS, BIN_ROWS = 8, 64, 400
"""A column is cut into pieces of so many training rows, within these bounds, where their number is not given."""

MOST_PIECES = 384
"""All columns together are then cut into no more, unless each would get fewer than the least: they cost time."""

HEAVY = 8.0
"""A column has a heavy tail where a training row is farther from the mean, in standard deviations."""

SCORE_KNOTS = 65
"""Quantiles between which the quantile score is interpolated."""

FARTHEST = 3.5
"""The quantile scores of the least and the greatest training row are -3.5 and 3.5."""

NARROWEST = 1e-37
"""Knots that are closer are one: the inverse of their distance would be infinite in 32 bits."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnEncoding:
    """What becomes of one column of standard scores.

    Attributes:
        log: centre, unit, mean and standard deviation of the signed logarithm; empty where the score stays.
        knots: those of the pieces, in rising order; none without pieces.
        quantiles, scores: knots of the quantile score and its values there; none without one.
    """

    log: tuple[float, ...] = ()
    knots: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class NumberEncoding:
    """What becomes of all columns of numbers.

    Attributes:
        columns: of each column in order; missing indicators follow them, and stay.
        frequencies, width, sigma: of waves, which the quantile scores become; 0 without waves.

    Example:
        >>> found = NumberEncoding.fit("piecewise(bins=2)", np.arange(9.0)[:, None])
        >>> found.columns[0].knots, found.names(("x", "x is missing"))
        ((0.0, 4.0, 8.0), ('x', 'x is missing', 'x from 0', 'x from 4'))
    """

    columns: tuple[ColumnEncoding, ...]
    frequencies: int = 0
    width: int = 0
    sigma: float = 0.0

    @classmethod
    def fit(
        cls,
        numbers: str,
        scores: NDArray[Any],
        lacking: NDArray[np.bool_] | None = None,
        kept: Collection[int] = (),
    ) -> NumberEncoding | None:
        """Learn an encoding from the training rows; None where it would leave every column as it is.

        Args:
            numbers: what is wanted, such as ``piecewise(bins=32)``.
            scores: standard scores of the training rows, ``[N, D]``.
            lacking: which of them stand for missing values.
            kept: the columns that stay scores.
        """
        spec = grammar.parse(numbers_text(numbers))
        kind, options = spec.name, {**OPTIONS[spec.name], **spec.options}
        if kind == AUTO:
            kind = "piecewise" if len(scores) >= FEWEST_BINS * BIN_ROWS else STANDARD
        if kind == "piecewise" and options.get("bins") is None:
            most = max(FEWEST_BINS, min(MOST_BINS, MOST_PIECES // max(1, scores.shape[1] - len(kept))))
            options["bins"] = min(most, max(FEWEST_BINS, len(scores) // BIN_ROWS))
        found: list[ColumnEncoding] = []
        for i in range(scores.shape[1]):
            if i in kept:
                found.append(ColumnEncoding())
                continue
            known = scores[:, i] if lacking is None else scores[~lacking[:, i], i]
            found.append(_column(kind, options, np.asarray(known, dtype=np.float64)))
        if not any(each != ColumnEncoding() for each in found):
            return None
        if kind == "periodic" and any(each.quantiles for each in found):
            waves = int(options["frequencies"]), int(options["width"]), float(options["sigma"])
            return cls(tuple(found), *waves)
        return cls(tuple(found))

    def names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Return what the inputs of the network are called, in order.

        Args:
            columns: names of the columns of numbers, missing indicators included.
        """
        more = columns[len(self.columns) :]
        bent = [
            *(name for name, each in zip(columns, self.columns, strict=False) if not each.log),
            *more,
            *(f"log {name}" for name, each in zip(columns, self.columns, strict=False) if each.log),
        ]
        for name, each in zip(columns, self.columns, strict=False):
            bent += [f"{name} from {knot:.4g}" for knot in each.knots[:-1]]
        scored = [name for name, each in zip(columns, self.columns, strict=False) if each.quantiles]
        if self.width:
            return (*bent, *(f"{name} wave {i + 1}" for name in scored for i in range(self.width)))
        return (*bent, *(f"{name} quantile" for name in scored))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        columns = [
            {name: list(value) for name, value in asdict(each).items() if value} for each in self.columns
        ]
        return {"columns": columns, "frequencies": self.frequencies, "width": self.width, "sigma": self.sigma}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> NumberEncoding:
        """Return what ``to_dict`` stored."""
        columns = tuple(
            ColumnEncoding(**{name: tuple(map(float, value)) for name, value in each.items()})
            for each in stored["columns"]
        )
        for each in columns:
            rising = all(bool(np.all(np.diff(knots) > 0)) for knots in (each.knots, each.quantiles))
            if not rising or len(each.quantiles) != len(each.scores) or len(each.log) not in (0, 4):
                raise ValueError("the encoding of a column of numbers has knots that do not rise")
        return cls(columns, int(stored["frequencies"]), int(stored["width"]), float(stored["sigma"]))


def numbers_text(text: str) -> str:
    """Return an encoding as it is written: options that are not given have their defaults, and are left out.

    Raises:
        UnknownNameError: there is no such encoding.
        OptionError: an option does not exist or is out of range.

    Example:
        >>> numbers_text("Piecewise(bins=64)"), numbers_text("periodic(sigma=0.1)")
        ('piecewise(bins=64)', 'periodic')
    """
    spec = grammar.parse(text)
    name = spec.name.strip().lower()
    if name not in OPTIONS:
        raise unknown_name("encoding of numbers", spec.name, OPTIONS)
    known = OPTIONS[name]
    if spec.arguments:
        raise OptionError(f"{text!r} has an option without a name", hint=f"write {_example(name)}.")
    for option, value in spec.options.items():
        if option not in known:
            raise OptionError(
                f"the encoding {name!r} has no option {option!r}",
                hint=f"write {_example(name)}." if known else "leave the brackets out.",
            )
        whole = option != "sigma"
        fine = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1024
        if not fine or (whole and value != int(value)) or (option == "bins" and value < 2):
            least = {"bins": "a whole number from 2 to 1024", "sigma": "a number above 0 and up to 1024"}
            raise OptionError(
                f"{option} = {value!r} of the encoding {name!r}",
                hint=f"give {least.get(option, 'a whole number from 1 to 1024')}.",
            )
    own = {each: value for each, value in spec.options.items() if value != known[each]}
    return str(grammar.Spec(name, (), own))


def _example(name: str) -> str:
    options = ", ".join(f"{option}={value or 32:g}" for option, value in OPTIONS[name].items())
    return f"{name}({options})" if options else name


def _column(kind: str, options: Mapping[str, Any], known: Floats) -> ColumnEncoding:
    values, counts = np.unique(known, return_counts=True)
    if kind == STANDARD or len(values) < 3:
        return ColumnEncoding()
    bent = ColumnEncoding(log=_log(known) if np.abs(values).max() > HEAVY else ())
    if kind == "piecewise":
        knots = knots_of(values, counts, options["bins"]).astype(np.float32)
        return replace(bent, knots=_floats(knots[_apart(knots)]))
    quantiles, scores = _normal(values, counts)
    return replace(bent, quantiles=quantiles, scores=scores)


def knots_of(values: Floats, counts: NDArray[np.int64], bins: int) -> Floats:
    """Return up to ``bins + 1`` knots, between which there are about as many training rows.

    Values with as many rows as a piece should have are knots themselves; the others share what is left.

    Args:
        values: different ones, in rising order.
        counts: how many rows have them.
        bins: number of pieces.

    Example:
        >>> knots_of(np.arange(5.0), np.array([90, 1, 1, 1, 1]), 3), knots_of(np.arange(3.0), np.ones(3, int), 9)
        (array([0., 1., 2., 4.]), array([0., 1., 2.]))
    """
    if len(values) <= bins + 1:
        return values
    heavy = counts >= counts.sum() / bins
    rest, rows = values[~heavy], counts[~heavy]
    left = max(bins + 1 - int(heavy.sum()), 2)
    at = np.linspace(0, rows.sum() - 1, left)
    places = np.minimum(np.searchsorted(np.cumsum(rows), at, side="right"), len(rest) - 1)
    return np.unique(np.concatenate([values[heavy], rest[places]]))


def _normal(values: Floats, counts: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return knots and values of a score that is normally distributed over the training rows.

    A value that many rows have gets the middle of the quantiles that it fills.
    """
    from scipy.special import ndtr, ndtri  # slow to import

    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    wanted = ndtr(np.linspace(-FARTHEST, FARTHEST, SCORE_KNOTS))
    places = np.clip(np.searchsorted(middle, wanted), 0, len(values) - 1)
    places = np.unique(np.concatenate([[0], places, [len(values) - 1]]))
    knots = values[places].astype(np.float32)
    kept = _apart(knots)
    scores = np.clip(ndtri(middle[places][kept]), -FARTHEST, FARTHEST)
    return _floats(knots[kept]), _floats(scores)


def _log(known: Floats) -> tuple[float, ...]:
    centre = float(np.median(known))
    away = np.abs(known - centre)
    unit = float(np.median(away[away > 0]))
    if away.max() > unit / NARROWEST:  # nothing that 32 bits hold
        return ()
    bent = np.sign(known - centre) * np.log1p(away / unit)
    return _floats([centre, unit, bent.mean(), bent.std()])


def _floats(values: Any) -> tuple[float, ...]:
    """Return numbers that 32 bits hold."""
    return tuple(np.asarray(values, dtype=np.float32).tolist())


def _apart(knots: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which of the knots to keep, so that the inverse of the width of each piece is finite in 32 bits."""
    kept = np.ones(len(knots), dtype=bool)
    last = 0
    for i in range(1, len(knots)):
        kept[i] = knots[i] - knots[last] > NARROWEST
        last = i if kept[i] else last
    return kept
