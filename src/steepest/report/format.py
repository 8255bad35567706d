"""Numbers as people read them: as many digits as the interval supports, and no more."""

from __future__ import annotations

import math
from collections.abc import Iterable

from steepest.compare.estimates import Estimate, Interval
from steepest.wording import two_digits

MISSING = "–"
MINUS = "−"
_MOST_DECIMALS = 6
_SMALL = 1e-3
"""Numbers below it are written in powers of ten where they have more decimals than that."""
FAR = 1000
"""Intervals that are so many times narrower than the widest one do not decide about the others' digits."""


def half_width(estimate: Interval) -> float:
    """Return the larger arm of the interval, or NaN where there is none (one run, or no number).

    Example:
        >>> round(half_width(Estimate(mean=1.0, low=0.9, high=1.2, n=5)), 6)
        0.2
    """
    if estimate.ends is None:
        return math.nan
    low, high = estimate.ends
    width = max(high - estimate.mean, estimate.mean - low)
    return width if math.isfinite(width) else math.nan


def decimals_for(spread: float) -> int:
    """Return how many decimals show ``spread`` with one significant digit, or two if the first is a 1.

    Negative means tens, hundreds, …

    Example:
        >>> [decimals_for(each) for each in (0.0021, 0.0015, 0.0096, 0.3, 4.0, 230.0)]
        [3, 4, 2, 1, 0, -2]
    """
    if not 1e-300 < spread < 1e300:  # nothing, not a number, or beyond what can be said
        return 3
    exponent = math.floor(math.log10(spread))
    if round(spread / 10.0**exponent) >= 10:
        exponent += 1
    first = spread / 10.0**exponent
    return 1 - exponent if 1.0 <= first < 1.95 else -exponent


def column_decimals(
    estimates: Iterable[Interval], gaps: Iterable[tuple[float, float]] = (), *, percent: bool = False
) -> int:
    """Return the decimals of everything that is shown of one metric: table, sentence, report and export.

    They are enough for three significant digits of the median value, or for two of its interval where that is wider
    than the value itself, for one of the median interval, and for one of the smallest difference that is shown, or of
    its interval where that is wider; at most six significant digits of the median value. A difference far below the
    median interval has digits of its own: two precisions that give the same do not lengthen every number. Nor does an
    interval of another order than the widest one, as that of a loss of 1e-9.

    Args:
        estimates: the values of all rows.
        gaps: the differences between them, each with half the width of its interval.
        percent: the values are fractions that are shown times 100.

    Example:
        >>> column_decimals([Estimate(mean=1.464, low=1.462, high=1.466, n=5)])
        3
        >>> column_decimals([Estimate(mean=27.31, n=1)])
        1
        >>> column_decimals([Estimate(mean=-0.0385, low=-0.27, high=0.19, n=5)])
        2
        >>> column_decimals([Estimate(mean=0.0136, low=0.0126, high=0.0146, n=5)], [(0.0003, 0.0001)])
        4
        >>> column_decimals([Estimate(mean=0.55, low=0.54, high=0.56, n=5)], [(2e-6, 3e-6)])
        3
        >>> tiny, usual = Estimate(mean=4e-9, low=0.0, high=5e-8, n=2), Estimate(mean=0.2, low=0.1, high=0.3, n=2)
        >>> column_decimals([tiny, usual])
        3
    """
    scale = 100.0 if percent else 1.0
    values = [each for each in estimates if math.isfinite(each.mean)]
    widths = sorted(size for each in values if 0 < (size := half_width(each) * scale) < math.inf)
    widths = [each for each in widths if each * FAR > widths[-1]]
    own = sorted(found for each in values if (found := _digits_of(each, scale)) is not None)
    usual = widths[(len(widths) - 1) // 2] if widths else 0.0
    shown = (size for each in gaps if 0 < (size := max(map(abs, each)) * scale) < math.inf)
    smallest = min((size for size in shown if size > usual / 10), default=0.0)
    middle = own[(len(own) - 1) // 2] if own else 3
    wanted = [middle]
    wanted += [-_power(usual)] if usual else []
    wanted += [-_power(smallest)] if smallest else []
    return min(max(wanted), middle + 3 if own else 9)


def decimals_for_a_fifth(size: float) -> int:
    """Return the decimals with which a step of the last digit is at most a fifth of a size.

    Example:
        >>> [decimals_for_a_fifth(each) for each in (3.0, 7.0, 0.0021, 40.0)]
        [1, 0, 4, 0]
    """
    power = _power(size)
    return -power if size >= 5 * 10.0**power else 1 - power


def _digits_of(value: Interval, scale: float) -> int | None:
    """Return the decimals of a value alone: for three of its digits, or two of its interval where that is wider."""
    size, width = abs(value.mean) * scale, half_width(value) * scale
    if size < width < math.inf:
        return 1 - _power(width)
    return 2 - _power(size) if 0 < size < math.inf else None


def number(value: float, decimals: int, *, leading_zero: bool = True, sign: bool = False) -> str:
    """Return ``value`` with so many decimals, thousands separated, or in powers of ten where it is extreme.

    Args:
        value: any float; NaN becomes a dash.
        decimals: digits after the point; negative rounds to tens, hundreds, …
        leading_zero: write ``0.002`` rather than ``.002``.
        sign: write a plus before positive values.

    Example:
        >>> number(12345.678, 1), number(0.0021, 3, leading_zero=False), number(-2.5e-9, 10), number(12345, -2)
        ('12,345.7', '.002', '−2.5e-9', '12,300')
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    before = MINUS if value < 0 else "+" if sign and value > 0 else ""
    size = abs(value)
    if size >= 1e9 or (0 < size < _SMALL and decimals > _MOST_DECIMALS):
        digits = max(0, min(decimals + math.floor(math.log10(size)), 8)) if size < 1e9 else 3
        mantissa, exponent = f"{size:.{digits}e}".split("e")
        return f"{before}{mantissa}e{int(exponent)}"
    text = f"{round(size, decimals):,.{max(decimals, 0)}f}"
    if not any(each in "123456789" for each in text):
        before = ""
    if not leading_zero and text.startswith("0."):
        text = text[1:]
    return before + text


def at_most(value: float, decimals: int) -> str:
    """Return ``value`` with at most so many decimals: a whole number has none.

    Example:
        >>> at_most(1105.0, 3), at_most(3.5, 2), at_most(10.0, 0), at_most(1e12, 2)
        ('1,105', '3.5', '10', '1.000e12')
    """
    text = number(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def estimate(
    value: Estimate,
    *,
    percent: bool = False,
    decimals: int | None = None,
    needed: int | None = None,
    space: str = " ",
) -> str:
    """Return ``mean ± half-width`` with the same decimals, or the mean alone where one run gives no interval.

    An interval that was cut to the metric's range, or is of an exponential, is not symmetric: its ends are written in
    brackets.

    A row gets more decimals than its column where its value, if its interval is not wider, would lose its second
    significant digit, and up to two more where its interval would be shown as zero; an interval that is narrower still
    is below the last digit, as is one that would take a seventh digit. A value of another order than its column has
    fewer. Where all runs gave the same, the half-width is 0: it is not the value of a single run.

    Args:
        value: the mean and its interval.
        percent: show fractions times 100.
        decimals: of the column; by default those of this value alone.
        needed: decimals that the differences beside it need; a value for which the column's decimals are far too many
            has its own, and these.
        space: what stands around the ±.

    Example:
        >>> estimate(Estimate(mean=1.46402, low=1.4619, high=1.4661, n=5))
        '1.464 ± .002'
        >>> estimate(Estimate(mean=0.4712, low=0.468, high=0.4744, n=5), percent=True)
        '47.1 ± .3'
        >>> estimate(Estimate(mean=12345.6, low=12100.0, high=12591.2, n=5))
        '12,300 ± 200'
        >>> estimate(Estimate(mean=1.4707, n=1))
        '1.47'
        >>> estimate(Estimate(mean=0.014, low=0.0137, high=0.0143, n=5), decimals=3)
        '0.0140 ± .0003'
        >>> estimate(Estimate(mean=0.014, low=0.0139999, high=0.0140001, n=5), decimals=3)
        '0.014 ± <.001'
        >>> estimate(Estimate(mean=0.7, low=0.7, high=0.7, n=5), percent=True)
        '70.0 ± 0'
        >>> estimate(Estimate(mean=0.43494873, n=1), decimals=8, needed=3)
        '0.435'
        >>> estimate(Estimate(mean=0.84375, low=0.44668, high=1.0, n=2, cut=True), percent=True)
        '84.4 [44.7, 100.0]'
    """
    if decimals is None:
        decimals = column_decimals([value], percent=percent)
    scale = 100.0 if percent else 1.0
    mean, width = value.mean * scale, half_width(value) * scale
    own = _digits_of(value, scale)
    if needed is not None and own is not None:
        wide = abs(mean) < width < math.inf
        decimals = _fewer(decimals, own + wide, width, needed, beyond=0 if wide else 2)
    if 0 < abs(mean) < math.inf and not width > abs(mean):
        decimals = max(decimals, 1 - _power(abs(mean)))
    if value.same:
        return f"{number(mean, decimals)}{space}±{space}0"
    if math.isnan(width):
        return number(mean, decimals)
    if width < 1 and round(width, decimals) == 0 and round(width, decimals + 2) > 0:
        more = min(decimals_for(width), decimals + 2)
        decimals = decimals if own is None or more > own + 3 else more
    if value.ends is not None and value.cut:
        low, high = ("0" if end == 0 else number(scale * end, decimals) for end in value.ends)
        return f"{number(mean, decimals)} [{low}, {high}]"
    return f"{number(mean, decimals)}{space}±{space if space else ''}{spread(width, decimals)}"


def _fewer(decimals: int, own: int, width: float, needed: int, *, beyond: int = 2) -> int:
    """Return the decimals of a column, or for a number of another order its own and those of its interval."""
    if decimals <= own + beyond:
        return decimals
    mine = -_power(width) if 0 < width < math.inf else own
    return min(decimals, max(own, mine, needed))


def spread(width: float, decimals: int) -> str:
    """Return a half-width, or that it is below the last digit.

    Example:
        >>> spread(0.0021, 3), spread(0.0004, 3), spread(0.0004, 0)
        ('.002', '<.001', '<1')
    """
    if width < 1e9 and round(width, decimals) == 0:
        return f"<{number(10.0**-decimals, decimals, leading_zero=False)}"
    return number(width, decimals, leading_zero=False)


def difference_decimals(mean: float, low: float | None, high: float | None, decimals: int) -> int:
    """Return the decimals of a difference: its metric's, or up to three more for one digit of what is shown.

    Where it has no interval, nothing says how many of its digits count: two are enough.

    Example:
        >>> difference_decimals(0.241, 0.2, 0.3, 3), difference_decimals(0.241, None, None, 3)
        (3, 2)
    """
    known = None if low is None or high is None else (high - low) / 2
    if known is not None and 0 < max(abs(mean), known) < math.inf:
        own = 2 - _power(abs(mean)) if abs(mean) >= known else 1 - _power(known)
        decimals = _fewer(decimals, own, known, own)
    size = abs(mean) if known is None else max(known, abs(mean) / 1000)
    if not 0 < size < math.inf:
        return decimals
    enough = max(decimals, min(-_power(size), decimals + 3))
    return min(enough, 1 - _power(size)) if known is None else enough


ROUNDING = 1e-9
"""Share of the larger end of an interval below which the other one is what rounding leaves of zero."""


def interval(
    low: float, high: float, decimals: int, *, tight: bool = False, leading_zero: bool = False
) -> str:
    """Return ``[low, high]``, without the space if ``tight`` and nothing is misread.

    An end that would be rounded to zero without being it is given one more digit or as many as it takes: its
    sign says on which side of zero it lies. What rounding leaves of a zero beside a far larger end is zero.

    Example:
        >>> interval(-4.2, -4e-15, 1)
        '[−4.2, .0]'
        >>> interval(-0.002, 0.005, 3), interval(-0.002, 0.005, 3, tight=True), interval(1e3, 2e3, 0, tight=True)
        ('[−.002, .005]', '[−.002,.005]', '[1,000, 2,000]')
        >>> interval(0.0003, 0.014, 3), interval(-0.00004, 0.014, 3), interval(0.0, 0.014, 3)
        ('[.0003, .014]', '[−.00004, .014]', '[.000, .014]')
    """
    least = ROUNDING * max(abs(low), abs(high))
    low, high = (0.0 if abs(each) < least else each for each in (low, high))
    ends = [number(each, own_decimals(each, decimals), leading_zero=leading_zero) for each in (low, high)]
    return f"[{('' if tight and ',' not in ''.join(ends) else ' ').join([ends[0] + ',', ends[1]])}]"


def difference(
    mean: float,
    low: float | None,
    high: float | None,
    decimals: int,
    *,
    sign: bool = False,
    tight: bool = False,
) -> tuple[str, str]:
    """Return a difference and its interval, which is empty where there is none.

    They have the decimals of their metric, and more where these would not show the interval or, where there is
    none, the difference.

    Args:
        mean: the difference, in the metric's unit or in percentage points.
        low, high: the ends of its interval, or None.
        decimals: of the metric.
        sign: write a plus before a positive difference.
        tight: no blank inside the brackets.

    Example:
        >>> difference(0.00712, 0.00212, 0.01212, 3), difference(0.0003, None, None, 3)
        (('.007', '[.002, .012]'), ('.0003', ''))
    """
    decimals = difference_decimals(mean, low, high, decimals)
    value = number(mean, own_decimals(mean, decimals), leading_zero=False, sign=sign)
    if low is None or high is None:
        return value, ""
    return value, interval(low, high, decimals, tight=tight)


def probability(value: float) -> str:
    """Return a p-value with two digits, or that it is below 0.001.

    Example:
        >>> [probability(each) for each in (0.0312, 0.5, 0.00002, 1.0)]
        ['= 0.031', '= 0.5', '< 0.001', '= 1']
    """
    return f"= {value:.2g}" if value >= 0.001 else "< 0.001"


def _power(size: float) -> int:
    """Return the power of ten of the first digit of a positive number, as it is when rounded to three digits."""
    return int(f"{size:.2e}".split("e")[1])


def own_decimals(value: float, decimals: int) -> int:
    """Return the decimals of a value, more than those of its metric where it would be rounded to zero.

    Example:
        >>> own_decimals(0.0123, 3), own_decimals(0.00004, 3)
        (3, 5)
    """
    if value == 0 or not abs(value) < 1e300 or round(value, decimals) != 0:
        return decimals
    return max(decimals, -math.floor(math.log10(abs(value))))


def rate(value: float | None) -> str:
    """Return a learning rate with two significant digits.

    Example:
        >>> [rate(each) for each in (1e-3, 3.1623e-4, 0.01, 0.31623, 1.0, 10.0, None)]
        ['1e-3', '3.2e-4', '0.01', '0.32', '1', '10', '–']
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 or 0.00995 <= abs(value) < 9950:
        return two_digits(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def setting(value: object) -> str:
    """Return a tuned hyperparameter's value with up to four digits, or what it is called.

    Example:
        >>> [setting(each) for each in (0.9942, 9.641e-6, 3.1623e-4, 0.05, 64, 20000, True, "relu", None, [0.9, 0.99])]
        ['0.9942', '9.64e-6', '3.16e-4', '0.05', '64', '20,000', 'true', 'relu', '', '[0.9, 0.99]']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value) or not value or 0.00995 <= abs(value) < 9950:
        return f"{value:.4g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').removesuffix('.')}e{int(exponent)}"


def seconds(value: float) -> str:
    """Return a duration.

    Example:
        >>> [seconds(each) for each in (0.004, 0.52, 7.04, 48.2, 768.0, 6137.0, 183600.0)]
        ['4 ms', '0.52 s', '7.0 s', '48 s', '12 min 48 s', '1 h 42 min', '51 h']
    """
    if not math.isfinite(value):
        return MISSING
    if value < 0.0995:
        return f"{value * 1000:.0f} ms"
    if value < 0.995:
        return f"{value:.2f} s"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(value / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    return f"{round(value / 3600):,} h"


def count(value: float) -> str:
    """Return a number of rows with its thousands separated; of weighted rows with one decimal place.

    Example:
        >>> count(125590), count(1234.56)
        ('125,590', '1,234.6')
    """
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def evaluations(value: float | None) -> str:
    """Return a mean number of evaluations in a run.

    Example:
        >>> evaluations(1200.0), evaluations(41 / 3), evaluations(None)
        ('1,200', '13.7', '–')
    """
    if value is None:
        return MISSING
    rounded = round(value, 1)
    return count(int(rounded) if rounded.is_integer() else rounded)


def factor(value: float | None) -> str:
    """Return a ratio.

    Example:
        >>> factor(31.6), factor(1000.0), factor(None)
        ('32×', '1,000×', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{float(f'{value:.2g}'):,g}×"


def shorten(text: str, most: int) -> str:
    """Return at most so many characters, the middle left out.

    Example:
        >>> shorten("CONCEALED CARRY LICENSE VIOLATION", 16)
        'CONCEALED…LATION'
    """
    if len(text) <= most:
        return text
    head = (most - 1) * 3 // 5
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def printable(text: str) -> str:
    """Return ``text`` with control characters shown as ``�``, so that a name cannot steer a terminal.

    Example:
        >>> printable("adam\\x1b[31m")
        'adam�[31m'
    """
    return "".join(each if each.isprintable() or each == " " else "�" for each in text)
