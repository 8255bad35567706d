"""Text files that do not begin with their header, or whose lines end otherwise: read without what is in the way."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Generator
from pathlib import Path

from steepest.data.encoding import PACKED, read_bytes
from steepest.errors import DataError

_HEAD_BYTES = 1 << 12
_BOM = b"\xef\xbb\xbf"
_SEPARATOR = re.compile(rb'"?sep=.?"?\s*', re.IGNORECASE)
"""The line by which a spreadsheet program declares the separator."""


@contextlib.contextmanager
def from_header(path: Path, most: int) -> Generator[tuple[Path, str, int]]:
    """Give the path of a text file that begins with its header, what was left out, and how many lines of it.

    Most files begin with it already.

    Left out are a first line ``sep=;``, and lines with ``#`` that have other numbers of fields than the header.
    Lines that end with a carriage return alone get a line feed.

    Args:
        path: the file.
        most: so many bytes are changed at most.

    Raises:
        DataError: something is in the way, and the file is too large to be changed.
    """
    head = read_bytes(path, _HEAD_BYTES)
    above = _above(head.removeprefix(_BOM))
    returns = b"\r" in head and b"\n" not in head
    if not above and not returns:
        yield path, "", 0
        return
    data = read_bytes(path, most + 1)
    if len(data) > most:
        cure = f"delete them: tail -n +{above + 1}" if above else "convert it: tr '\\r' '\\n' <"
        what = f"{above} lines above the header" if above else "no line feeds"
        raise DataError(
            f"{path.name} has {what}, and is too large to be changed while it is read",
            hint=f"{cure} {path.name} > {path.stem}-clean{path.suffix}",
        )
    note, data = "", data.removeprefix(_BOM)
    if returns:
        data = data.replace(b"\r", b"\n")
    if above:
        lines = data.split(b"\n", above)
        data = lines.pop()
        shown = lines[0].decode("utf-8", errors="replace").strip()
        what = (
            f"the line {shown!r} above the header is" if above == 1 else f"{above} lines above the header are"
        )
        note = f"{path.name}: {what} left out{'' if above == 1 else f', such as {shown!r}'}."
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / (path.stem if path.suffix.lower() in PACKED else path.name)
        copy.write_bytes(data)
        yield copy, note, above


def _above(head: bytes) -> int:
    """Return how many lines to leave out above the header.

    Example:
        >>> _above(b"sep=;\\r\\nx;y\\r\\n"), _above(b"# made by acme\\n#\\nx,y\\n1,2\\n"), _above(b"#id,x\\n1,2\\n")
        (1, 2, 0)
    """
    if not head[:5].lower().startswith((b"sep=", b'"sep=', b"#")):
        return 0
    lines = re.split(rb"\r?\n|\r", head)
    if _SEPARATOR.fullmatch(lines[0]):
        return 1
    n = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(b"#")), 0)
    fields = max(lines[n].count(each) for each in (b",", b";", b"\t", b"|"))
    last = max(
        (line.count(each) for each in (b",", b";", b"\t", b"|") for line in lines[n - 1 : n]), default=0
    )
    return n if n and last != fields else max(0, n - 1)
