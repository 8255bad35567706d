"""Dates as texts: in which of the known formats a column is written, what a text means, and how it is written."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

OFFSET = r"\s*([zZ]|UTC|[-+](?:[01]\d|2[0-3])(?::?[0-5]\d)?)$"
_FRACTION = re.compile(r"(:\d\d)\.(\d+)")
_GAP = re.compile(r"([-/.:T])\s+(?=\d)")
_ORDERS = ("%m/%d", "%d/%m")

ALMOST_ALL, HALF = 0.99, 0.5
SAMPLE = 500
"""The first known texts decide which formats are tried at all."""


def format_of(
    name: str, texts: Sequence[str], trained: str | None, known: Mapping[str, Any], *, times: bool
) -> str | None:
    """Return the format of a column: that of training, unless it fails where another one fits; or None.

    Args:
        name: of the column.
        texts: without missing values.
        trained: the format of training.
        known: all formats: the times of day, ``times``, ``days`` and ``clocks``.
        times: the column holds times of day.

    Raises:
        ValueError: the dates can be read as month/day or as day/month.
    """
    if not texts:
        return trained
    if times:
        return _best(texts, known["times"], HALF)
    read = 0 if trained is None else _readable(texts, trained)
    if trained is not None and read >= ALMOST_ALL * len(texts):
        return trained
    found = _found(texts, known, ALMOST_ALL) or (None if read else _found(texts, known, HALF))
    if found is None:
        return trained
    other = _other_order(texts, found)
    if other is not None and (trained or "")[:5] in (found[:5], other[:5]):
        return found if (trained or "")[:5] == found[:5] else other
    if other is not None:
        raise ValueError(
            f"the dates in column {name!r} can be read as month/day or as day/month, such as {texts[0]!r}; "
            f"write them as {trained or '2018-01-31'}"
        )
    return found


def _found(texts: Sequence[str], known: Mapping[str, Any], share: float) -> str | None:
    sample = texts[:SAMPLE]
    for beginning, days in known["days"].items():
        if sum(re.match(beginning, each) is not None for each in sample) >= share * len(sample):
            return _best(texts, [day + clock for day in days for clock in known["clocks"]], share)
    return None


def _best(texts: Sequence[str], forms: Sequence[str], share: float) -> str | None:
    sample = texts[:SAMPLE]
    best, most = None, share * len(texts)
    for form in forms:
        if _readable(sample, form) < share * len(sample):
            continue
        fits = _readable(texts, form)
        if fits >= most and (best is None or fits > most):
            best, most = form, fits
    return best


def _other_order(texts: Sequence[str], form: str) -> str | None:
    """Return the format with day and month exchanged, if it reads as many texts; after the year comes the month."""
    if form.startswith("%Y"):
        return None
    for one, other in (_ORDERS, _ORDERS[::-1]):
        if one in form:
            exchanged = form.replace(one, other)
            return exchanged if _readable(texts, exchanged) >= _readable(texts, form) else None
    return None


def _readable(texts: Sequence[str], form: str) -> int:
    return sum(moment_of(each, form) is not None for each in texts)


@functools.lru_cache(1 << 16)
def moment_of(text: str, form: str) -> datetime | None:
    """Return the time that a text means, with its offset if the format has one; None if it is not written so."""
    offset = None
    if has_zone(form):
        zone = re.search(OFFSET, text)
        if zone is None or (zone.group(1) == "UTC") != form.endswith(" UTC"):
            return None
        text, offset = text[: zone.start()], zone_of(zone.group(1))
        form = _without_zone(form)
    micro = 0
    if "%.f" in form:
        fraction = _FRACTION.search(text)
        micro = int(fraction.group(2)[:6].ljust(6, "0")) if fraction else 0
        text, form = _FRACTION.sub(r"\1", text), form.replace("%.f", "")
    moment = next(_parsed(text, form), None)
    if moment is None or ("%Y" in form and moment.year < 1000):
        return None
    return moment.replace(microsecond=micro, tzinfo=offset)


def _parsed(text: str, form: str) -> Iterator[datetime]:
    """Yield what a text means; names may be short where the format has long ones, and must be those of the day."""
    if not text.isascii():
        return
    text, forms = _GAP.sub(r"\1", text), [form]
    for long, short in (("%B", "%b"), ("%A", "%a"), (" %p", "%p")):
        forms += [each.replace(long, short) for each in forms if long in each]
    for each in forms:
        try:
            moment = datetime.strptime(text, each)
        except ValueError:
            continue
        if "%y" in form and moment.year == 1969:  # two digits of the year mean 1970 to 2069
            moment = moment.replace(year=2069)
        if "%a" not in form.lower() or f"{moment:%a}".lower() == text.strip()[:3].lower():
            yield moment


def written(moment: datetime, form: str, zone: str | None) -> str:
    """Return a wall time as a text in a format, with the offset of its zone if the format has one."""
    base, offset = form, ""
    if has_zone(form):
        base, name = _without_zone(form), zone or "UTC"
        offset = " UTC" if form.endswith(" UTC") else name if name[0] in "+-" else "+00:00"
    fraction = f".{moment.microsecond:06}".removesuffix("000") if moment.microsecond else ""
    return moment.strftime(base.replace("%.f", fraction)) + offset


def wall(moment: datetime, zone: str | None) -> datetime:
    """Return the wall time in the zone of training.

    Raises:
        ValueError: the time has a zone and those of training had none, or the other way round.
    """
    if (moment.tzinfo is None) != (zone is None):
        raise ValueError(
            f"{moment} should {'have a time zone' if zone else 'have no time zone'}, as in training"
        )
    return moment if zone is None else moment.astimezone(zone_of(zone)).replace(tzinfo=None)


def has_zone(form: str) -> bool:
    """Whether texts in this format have an offset from UTC."""
    return form.endswith(("z", "Z", " UTC"))


def _without_zone(form: str) -> str:
    return re.sub(r"( UTC|%#?z)$", "", form)


def zone_of(name: str) -> Any:
    """Return the zone of a name or an offset."""
    if name in ("Z", "z", "UTC"):
        return UTC
    if name[0] in "+-":
        digits = name[1:].replace(":", "").ljust(4, "0")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return timezone(-offset if name[0] == "-" else offset)
    return ZoneInfo(name)
