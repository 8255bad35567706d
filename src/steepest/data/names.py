"""Names of columns: what they are called, and which are names of identifiers.

Polars takes ``*`` and ``^…$`` for patterns, so a column named so gets quotes around its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_QUOTED = re.compile(r"'[^']*'|\"([^\"]*)\"")

_IDS = {"id", "ids", "guid", "identifier", "uid", "uuid"}
_CODES = {
    "barcode", "code", "ean", "fips", "gtin", "iban", "isbn", "key", "mrn", "phone", "plz", "postal", "postcode", "sku",
    "ssn", "upc", "vin", "zip", "zipcode",
}  # fmt: skip
_NUMBERS = {"code", "hash", "index", "key", "name", "no", "nr", "num", "number"}
_PERSONS = {
    "athlete", "client", "customer", "donor", "driver", "employee", "member", "participant", "passenger", "patient",
    "person", "player", "pupil", "respondent", "reviewer", "rider", "student", "subject", "subscriber", "user",
    "worker",
}  # fmt: skip
_THINGS = {
    "account", "airline", "article", "book", "brand", "campaign", "case", "category", "city", "contract", "country",
    "county", "course", "device", "event", "film", "flight", "hotel", "invoice", "item", "listing", "location",
    "machine", "movie", "order", "plane", "policy", "post", "product", "property", "region", "room", "school", "seller",
    "sensor", "session", "shop", "site", "song", "station", "store", "ticket", "track", "transaction", "trip",
    "vehicle", "vendor",
}  # fmt: skip
_RECURRING = {
    "account", "card", "case", "device", "family", "household", "invoice", "machine", "order", "sensor", "session",
    "trip", "vehicle", "visit",
}  # fmt: skip
"""Things of which a table may have several rows each, as it has of persons."""
_TIMES = {"date", "datetime", "day", "days", "epoch", "month", "time", "timestamp", "ts", "week", "year"}
_DURATIONS = {
    "after", "ago", "between", "days", "delay", "delta", "duration", "elapsed", "hours", "interval", "lag", "length",
    "minutes", "months", "overdue", "seconds", "since", "spent", "tenure", "until", "waiting", "weeks", "years",
}  # fmt: skip
_CYCLES = {"day": 366, "week": 53, "month": 12, "time": 2400}
"""The largest number of a part of the calendar or of the clock, which starts again."""
_COUNTS = {"count", "n", "nb", "num", "sum", "total"}


def plain(name: str) -> str:
    """Return what a column is called: its own name, in quotes if it would be read as a pattern.

    Example:
        >>> plain("age"), plain("*"), plain("^a.*$")
        ('age', "'*'", "'^a.*$'")
    """
    pattern = name == "*" or (len(name) > 1 and name.startswith("^") and name.endswith("$"))
    return f"'{name}'" if pattern else name


def called(names: Iterable[str]) -> list[str]:
    """Return what the columns of a table are called; one without a name has its number.

    Example:
        >>> called(["", "age", "*"])
        ['column_1', 'age', "'*'"]
    """
    return [plain(name) if name.strip() else f"column_{i}" for i, name in enumerate(names, 1)]


def plain_in(value: Any) -> Any:
    """Return a name, a list of names or a mapping by name with plain names; anything else as it is.

    Example:
        >>> plain_in(["*", "age"]), plain_in({"*": "text"})
        (["'*'", 'age'], {"'*'": 'text'})
    """
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, list | tuple):
        return [plain_in(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Mapping):
        return {plain_in(name): each for name, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


def plain_sql(sql: str) -> str:
    """Return an SQL expression in which the quoted names are plain; texts stay.

    Example:
        >>> plain_sql('''"*" > 1 AND kind = '"*"' ''')
        '"\\'*\\'" > 1 AND kind = \\'"*"\\' '
    """

    def one(found: re.Match[str]) -> str:
        return found.group() if found.group(1) is None else f'"{plain(found.group(1))}"'

    return _QUOTED.sub(one, sql)


def words(name: str) -> list[str]:
    """Return the words of a name, in lower case.

    Example:
        >>> words("PULocationID"), words("zip_code2")
        (['pu', 'location', 'id'], ['zip', 'code'])
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [each.lower() for each in re.split(r"[^A-Za-z]+", apart) if each]


def names_a_person(name: str) -> bool:
    """Whether a column's name is that of an identifier of persons, or of an identifier of anything.

    Example:
        >>> [names_a_person(each) for each in ("userId", "PATIENT", "customer_no", "user_age", "device_type", "hour")]
        [True, True, True, False, False, False]
    """
    *before, last = words(name) or [""]
    if last in _IDS or last in _PERSONS or last.removesuffix("s") in _PERSONS:
        return True
    if last.removesuffix("id") in _PERSONS:
        return True
    return last in _NUMBERS and any(each in _PERSONS for each in before)


def names_a_group(name: str) -> bool:
    """Whether a column's name is that of an identifier of what may have several rows: a person, or a thing that recurs.

    Example:
        >>> [names_a_group(each) for each in ("userId", "session", "SessionID", "sessionid", "city", "device_type")]
        [True, True, True, True, False, False]
    """
    *before, last = words(name) or [""]
    recurs = last in _RECURRING or last.removesuffix("id") in _RECURRING
    return names_a_person(name) or recurs or (last in _NUMBERS and any(each in _RECURRING for each in before))


def names_a_time(name: str) -> bool:
    """Whether a column's name says that its numbers are times.

    Example:
        >>> [names_a_time(each) for each in ("timestamp", "day_of_birth", "created_at", "price")]
        [True, True, True, False]
    """
    found = words(name)
    return not _TIMES.isdisjoint(found) or found[-1:] == ["at"]


def part_of_a_cycle(name: str) -> int:
    """Return up to which number a column named as a time may count something that starts again; 0 if it does not.

    Example:
        >>> [part_of_a_cycle(each) for each in ("day", "departure_time", "timestamp")]
        [366, 2400, 0]
    """
    return max((_CYCLES[each] for each in words(name) if each in _CYCLES), default=0)


def names_a_duration(name: str) -> bool:
    """Whether a column's name says that its numbers are lengths of time, not moments.

    Example:
        >>> [names_a_duration(each) for each in ("days_in_waiting_list", "overdue_days", "time_to_event", "day")]
        [True, True, True, False]
    """
    found = words(name)
    return not _DURATIONS.isdisjoint(found) or "time to" in " ".join(found)


def names_a_code(name: str) -> bool:
    """Whether a column's name says that its numbers are identifiers or codes, not quantities.

    Example:
        >>> [names_a_code(each) for each in ("Clothing ID", "movieId", "zip", "order_no", "storeid", "user")]
        [True, True, True, True, True, True]
        >>> [names_a_code(each) for each in ("price", "users", "num_users", "paid", "number", "refractive index")]
        [False, False, False, False, False, False]
    """
    *before, last = words(name) or [""]
    if _COUNTS & {*before}:
        return False
    if last in _IDS | _CODES | _PERSONS or last.removesuffix("id") in _PERSONS | _THINGS - {last}:
        return True
    return last in {"no", "nr", "num", "number"} and any(each in _PERSONS | _THINGS for each in before)
