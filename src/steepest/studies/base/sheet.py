"""A sheet to print: headings, paragraphs, lists, tables and commands, as Markdown or as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from steepest.errors import OptionError

BLANK = "______"
SUFFIXES = (".md", ".html")

Kind = Literal["heading", "text", "items", "numbered", "table", "command"]


@dataclass(frozen=True)
class SheetBlock:
    """A part of a sheet.

    Attributes:
        kind: what it is.
        lines: its text; of a list the items.
        head, rows: of a table.
    """

    kind: Kind
    lines: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass
class Sheet:
    """A sheet to print.

    Attributes:
        title: its title.
        blocks: what stands below it.
    """

    title: str
    blocks: list[SheetBlock] = field(default_factory=list)

    def add(self, kind: Kind, *lines: str) -> None:
        """Add text, if there is any."""
        if lines:
            self.blocks.append(SheetBlock(kind, lines))

    def add_table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table, if it has rows."""
        if rows:
            self.blocks.append(SheetBlock("table", head=head, rows=rows))

    def text(self, suffix: str) -> str:
        """Return the sheet as the content of a file.

        Args:
            suffix: ``.md`` or ``.html``.
        """
        return self.markdown() if suffix == ".md" else self.page()

    def markdown(self) -> str:
        r"""Return the sheet as Markdown.

        Example:
            >>> sheet = Sheet("A|b")
            >>> sheet.add("items", "one", "two")
            >>> sheet.markdown()
            '# A|b\n\n- one\n- two\n'
        """
        return "\n\n".join([f"# {self.title}", *map(_markdown, self.blocks)]) + "\n"

    def page(self) -> str:
        """Return the sheet as an HTML page for printing, which needs no other file."""
        from steepest.report.html import template

        return template("sheet.html.j2").render(title=self.title, blocks=self.blocks)


def _markdown(block: SheetBlock) -> str:
    if block.kind == "table":
        lines = [block.head, ["---"] * len(block.head), *block.rows]
        return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)
    if block.kind in ("items", "numbered"):
        signs = ("-" if block.kind == "items" else f"{place}." for place in range(1, len(block.lines) + 1))
        return "\n".join(f"{sign} {line}" for sign, line in zip(signs, block.lines, strict=True))
    text = "\n\n".join(block.lines)
    return {"heading": f"## {text}", "command": f"```bash\n{text}\n```"}.get(block.kind, text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def suffix_of(path: str | Path) -> str:
    """Return how a sheet's file ends.

    Raises:
        OptionError: it is no kind of sheet.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise OptionError(
            f"{Path(path).as_posix()!r} does not end as a worksheet does",
            hint=f"end it with {' or '.join(SUFFIXES)}.",
        )
    return suffix
