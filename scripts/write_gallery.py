"""Write the gallery of studies and of pages to play with: `.venv/bin/python scripts/write_gallery.py [--shots]`.

From the stored answers in ``docs/studies/*.json`` come a page and pictures for every study, the gallery, the page of
all questions, the navigation, and the table of the README. ``--shots`` takes pictures of the pages to play with, too,
which needs Chromium. A test fails while a page differs from what this writes.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from steepest.compare.studied import Beside, Drawing
from steepest.export.plots import drawing as settings
from steepest.export.plots import saved
from steepest.export.study_plot import draw_study
from steepest.pages.page import registry as pages
from steepest.pages.page import write_page
from steepest.report import theme
from steepest.report.studied import WORDS
from steepest.studies import SIZES, registry
from steepest.studies.base.worksheet import chosen

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # a script of this folder knows only its own folder
DOCS = ROOT / "docs"
KEPT, IMAGES = DOCS / "studies", DOCS / "images" / "studies"
README, NAVIGATION = ROOT / "README.md", ROOT / "mkdocs.yml"
BEGIN, END = "<!-- begin: written by scripts/write_gallery.py -->", "<!-- end -->"
WIDEST = 84
"""Letters of a line of code that a page shows without scrolling."""
NOT_YET = "Not answered yet at its default size."

SAID = {
    "memorisation": "slightly shuffled labels do slightly better",
    "batch-size-regularisation": "small batches generalise better and find broader minima",
    "dropout": "dropout 0.5 wants twice the hidden neurons",
    "batch-norm": "batch norm allows larger learning rates",
    "augmentation": "flips help (250 flipped images against 100 plain ones)",
    "pruning": "half of the weights can go (drawn without a control)",
    "lottery-ticket": "what pruning leaves trains well from its first weights",
    "distillation": "a big network teaches a small one (one start)",
    "momentum": "choose a rate and a momentum that bring both parameters within 1e-6 in 100 iterations",
    "filters": "the loss starts near log 10 and ends below 1e-2",
}
"""What lectures and notebooks say, beside what the README says of the stored answers."""
SHOWN = ("lottery-ticket", "compression", "momentum")
"""Studies with a picture in the README."""
ENOUGH = 210
"""Letters of an answer that a row of the README has room for."""

_LONG = re.compile(r"-?\d+\.\d{2,}(?=[\s\",)LQCMz]|pt)")

Kept = Mapping[str, Any]


def kept_answers(name: str) -> list[Kept]:
    """Return the stored answers of a study: that of the default size first, then those of the others."""
    files = [
        KEPT / f"{name}{'' if size == 'default' else f'-{size}'}.json"
        for size in ("default", "full", "quick")
    ]
    return [json.loads(each.read_text(encoding="utf-8")) for each in files if each.is_file()]


def drawings(kept: Kept) -> list[Drawing]:
    """Return the figures of a stored answer; none where it was stored before figures were."""
    return [Drawing.model_validate(each) for each in kept.get("drawings", ())]


def pictures() -> Iterator[tuple[str, Drawing]]:
    """Yield the file name of every picture with its figure: those of the first stored answer of each study."""
    for name in registry.names():
        for kept in kept_answers(name)[:1]:
            for place, each in enumerate(drawings(kept)):
                yield picture_name(name, place), each


def picture_name(name: str, place: int) -> str:
    """Return the file name of a study's picture.

    Example:
        >>> picture_name("dropout", 0), picture_name("momentum", 2)
        ('dropout.svg', 'momentum-3.svg')
    """
    return f"{name}.svg" if place == 0 else f"{name}-{place + 1}.svg"


def digest(drawing: Drawing) -> str:
    """Return what changes with any number or word of a figure."""
    shown = drawing.model_copy(update={"ticks": drawing.all_ticks})
    return hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:16]


def picture(drawing: Drawing) -> str:
    """Return a figure as SVG: text as text, coordinates with a digit, colours that follow light and dark."""
    import matplotlib

    with settings() as figure:
        matplotlib.rcParams["svg.fonttype"] = "none"
        text = saved(draw_study(drawing, figure), "svg").decode()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: _LONG.sub(lambda found: f"{float(found[0]):.1f}", tag[0]), text)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    used = {
        light: dark for light, dark in theme.dark_for_light().items() if light in text and light[0] == "#"
    }
    for place, light in enumerate(used):
        text = text.replace(light, f"var(--c{place})")
    light, dark = (
        ";".join(f"--c{place}:{each}" for place, each in enumerate(some)) for some in (used, used.values())
    )
    style = f"svg{{{light}}}@media (prefers-color-scheme: dark){{svg{{{dark}}}}}"
    head, body = re.split(r"(?<=>)\s*(?=<defs>)", text, maxsplit=1)
    head = re.sub(r"^.*?(?=<svg)", "", head, flags=re.DOTALL)
    title = html.escape(f"{drawing.title}: {drawing.y} by {drawing.x}" if drawing.x else drawing.title)
    return f"{head}\n<!-- of {digest(drawing)} -->\n<title>{title}</title>\n<style>{style}</style>\n{body}"


def command(name: str, size: str) -> str:
    """Return the command that makes a study.

    Example:
        >>> command("dropout", "default"), command("dropout", "quick")
        ('steepest study dropout', 'steepest study dropout --quick')
    """
    return f"steepest study {name}{'' if size == 'default' else f' --{size}'}"


def wrapped(line: str) -> str:
    r"""Return a command in as many lines as it needs, broken before options.

    Example:
        >>> wrapped("steepest compare data.csv")
        'steepest compare data.csv'
    """
    words = [shlex.quote(each) for each in shlex.split(line)]
    pieces: list[list[str]] = []
    for word in words:
        if word.startswith("-") or not pieces:
            pieces.append([])
        pieces[-1].append(word)
    lines = [""]
    for piece in map(" ".join, pieces):
        if len(lines[-1]) + len(piece) + 3 > WIDEST and lines[-1]:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {piece}" if lines[-1] else piece
    return " \\\n".join(lines)


def cell(text: str) -> str:
    """Return a text for a cell of a table, or a line of its own, in Markdown.

    Example:
        >>> cell("|w|, *the* norm <b")
        '\\|w\\|, \\*the\\* norm &lt;b'
    """
    return re.sub(r"([|*_`])", r"\\\1", " ".join(text.split()).replace("<", "&lt;"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def beside_table(some: Sequence[Beside]) -> str:
    """Return published beside measured numbers, with a column of reasons where one is known."""
    reasons = any(each.reason for each in some)
    head = ("of", "published", "measured here", *(["reason"] if reasons else []))
    return table(
        head,
        [
            [
                cell(part)
                for part in (each.what, each.published, each.measured, *([each.reason] if reasons else []))
            ]
            for each in some
        ],
    )


def made_text(kept: Kept) -> str:
    """Return how a stored answer was made: size, data, seeds, versions, date and machine, as far as they are known."""
    made = kept["made"]
    versions = [f"{name} {made[name]}" for name in ("steepest", "torch", "Python") if name in made]
    seeds = made.get("seeds", [])
    counted = [f"{' or '.join(map(str, seeds))} {'seed' if seeds == [1] else 'seeds'}"] if seeds else []
    facts = [f"the {kept['size']} size", *counted, *versions, made["date"]]
    return f"{', '.join(facts)}; {made.get('machine', 'the machine was not recorded')}"


def study_page(name: str) -> str:
    """Return the page of a study."""
    entry, made, kept = registry.entry(name), registry.load(name), kept_answers(name)
    first = kept[0] if kept else None
    size = first["size"] if first else "default"
    blocks = [f"# {made.question}", f"The study `{name}`. Published: {cell(made.source)}."]
    blocks += [f"**{cell(each['answer'])}**" + _failed(each) + _of(each, first) for each in kept] or [NOT_YET]
    blocks += [f"The sizes answer differently. {made.sizes_differ}"] if disagreeing(name) else []
    for place, each in enumerate(drawings(first) if first else []):
        blocks += [
            f"## {cell(each.title)}",
            f"![{cell(each.title)}](../images/studies/{picture_name(name, place)})",
        ]
        blocks += [cell(each.caption)] if each.caption else []
    if first and first.get("beside"):
        blocks += [
            "## Published and measured",
            beside_table([Beside.model_validate(each) for each in first["beside"]]),
        ]
    minutes = {each: entry.more["minutes"][each] for each in SIZES}
    blocks += [
        "## Try it",
        f"```bash\n{command(name, size)}\n```",
        f"At most {minutes['default']:g} minutes on two cores; {minutes['quick']:g} with `--quick`, on data that comes "
        f"with the package, and {minutes['full']:g} with `--full`, the published size.",
        f"On your own data:\n\n```bash\n{wrapped('steepest ' + entry.more['yours'])}\n```",
        f"As a worksheet for a class:\n\n```bash\n{command(name, size)} --worksheet {name}.md\n```",
    ]
    if first and first.get("rows"):
        blocks += ["## All numbers", _numbers(first)]
    if first:
        blocks += ["## What must be true", "\n".join(map(_check, first["checks"])) or "Nothing is checked."]
        blocks += ["\n".join(f"- {cell(each)}" for each in first["notes"])] if first.get("notes") else []
        blocks += [
            "## How it was made",
            f"`{command(name, size)}` on {cell(first['data'])}: {made_text(first)}.",
        ]
    return "\n\n".join(blocks) + "\n"


SIZED = {"default": "default size", "full": "published size", "quick": "quick size"}


def verdict(kept: Kept) -> int | None:
    """Return which of its study's headlines an answer is, counted from 0."""
    return chosen(kept["answer"], list(registry.load(kept["name"]).headlines.values()))


def disagreeing(name: str) -> list[Kept]:
    """Return the stored answers of a study where they are not all the same headline; else none."""
    kept = kept_answers(name)
    return kept if len({verdict(each) for each in kept}) > 1 else []


def sized(kept: Kept) -> str:
    """Return the size of an answer and its data, without their numbers.

    Example:
        >>> sized({"size": "full", "data": "the digits of MNIST (28 × 28 pixels): 60,000 images"})
        'Published size, on the digits of MNIST'
    """
    return f"{SIZED[kept['size']].capitalize()}, on {kept['data'].partition(' (')[0].partition(':')[0]}"


def _of(kept: Kept, first: Kept | None) -> str:
    if kept is first and not disagreeing(kept["name"]):
        return ""
    return f" (`{command(kept['name'], kept['size'])}`, on {cell(kept['data'])})"


def _failed(kept: Kept) -> str:
    odd = [each for each in kept["checks"] if not each["passed"]]
    return "".join(f" A check does not hold: {cell(each['what'])} ({cell(each['found'])})." for each in odd)


def _check(check: Mapping[str, Any]) -> str:
    return f"- {'✓' if check['passed'] else '✗'} {cell(check['what'])}: {cell(check['found'])}"


def _numbers(kept: Kept) -> str:
    rows = kept["rows"]
    ways = len({each["way"] for each in rows}) > 1
    head = ["arm", *(["trained"] if ways else []), *map(cell, kept["columns"])]
    cells = [
        [cell(each["name"]), *([WORDS[each["way"]]] if ways else []), *map(cell, each["cells"])]
        for each in rows
    ]
    over = any("±" in text for each in rows for text in each["cells"])
    note = "\n\nMeans over seeds, ± half of their 95 % intervals." if over else ""
    return f"{table(head, cells)}{note}"


def card(name: str) -> str:
    """Return a study as a card of the gallery: picture, answer, what was published, and the command."""
    made, kept = registry.load(name), kept_answers(name)
    lines = []
    if not kept:
        lines += [f"**[{name}]({name}.md)**: {made.question}", NOT_YET]
    for each in kept[:1]:
        if shown := drawings(each):
            lines.append(f"[![{cell(shown[0].title)}](../images/studies/{picture_name(name, 0)})]({name}.md)")
        lines += [f"**[{name}]({name}.md)**: {made.question}"]
        both = [f"{sized(one)}: {cell(short(one))}" for one in disagreeing(name)]
        lines += [*both, made.sizes_differ] if both else [cell(each["answer"])]
        if one := _claim(each):
            parts = {"published": one.published, "here": first_part(one.measured), "reason": one.reason}
            said = "; ".join(f"{name}: {cell(part)}" for name, part in parts.items() if part)
            lines.append(f"*{cell(one.what)}*: {said}")
    lines.append(f"`{command(name, kept[0]['size'] if kept else 'default')}`")
    body = "\n\n".join(lines)
    return f'<div class="study" markdown>\n\n{body}\n\n</div>'


def _claim(kept: Kept) -> Beside | None:
    """Return the first of what was published that is a statement or a number, and not that there is none."""
    some = map(Beside.model_validate, kept.get("beside", ()))
    return next((each for each in some if not each.published.startswith(("not ", "asked"))), None)


def index() -> str:
    """Return the gallery of studies."""
    cards = "\n\n".join(map(card, registry.names()))
    return f"""# Studies

Published experiments of lectures, notebooks and papers, made again with seeds and intervals. A study asks one question,
is compared with what was published, and is one command. [All questions on one page](questions.md),
[pages to play with](pages.md), [how to make a study](../how-to/studies.md).

Numbers are means over seeds; ± is half of a 95 % interval, and brackets hold one. Points are percentage points.

<div class="studies" markdown>

{cards}

</div>
"""


def questions() -> str:
    """Return every question with its answer and its command."""
    blocks = [
        "# All questions",
        "Every study with its answer and the command that makes it. What is in brackets is a 95 % interval; "
        "[the gallery](index.md) has the pictures.",
    ]
    for name in registry.names():
        kept = kept_answers(name)[:1]
        size = kept[0]["size"] if kept else "default"
        several = disagreeing(name)
        answer = cell(kept[0]["answer"]) if kept else NOT_YET
        if several:
            answer = "\n\n".join(f"{sized(each)}: {cell(each['answer'])}" for each in several)
        blocks += [
            f"## {registry.load(name).question}",
            answer,
            f"`{command(name, size)}` · [{name}]({name}.md)",
        ]
    return "\n\n".join(blocks) + "\n"


def page_gallery() -> str:
    """Return the gallery of pages to play with."""
    cards = []
    for name in pages.names():
        content = pages.load(name)().content()
        cards.append(
            f'<div class="study" markdown>\n\n<a href="../../pages/{name}.html">'
            f'<img alt="The page {name}" src="../../images/pages/{name}.png"></a>\n\n'
            f'**<a href="../../pages/{name}.html">{html.escape(content.title)}</a>**: {cell(content.question)}\n\n'
            f"`steepest page {name}`\n\n</div>"
        )
    return f"""# Pages to play with

Sliders, figures and exercises in one file without a server or a network ([how to use them](../how-to/pages.md)).

<div class="studies" markdown>

{chr(10).join(f"{each}{chr(10)}" for each in cards)}
</div>
"""


def files() -> dict[Path, str]:
    """Return every page that this script writes whole, by its path."""
    found = {KEPT / f"{name}.md": study_page(name) for name in registry.names()}
    return {
        **found,
        KEPT / "index.md": index(),
        KEPT / "questions.md": questions(),
        KEPT / "pages.md": page_gallery(),
        NAVIGATION: navigation(NAVIGATION.read_text(encoding="utf-8")),
        README: renewed(README.read_text(encoding="utf-8")),
    }


def first_part(answer: str) -> str:
    """Return the first sentence of an answer, and of a long one the part before a semicolon.

    Example:
        >>> first_part("It does, by 1.2 points. More of it.")
        'It does, by 1.2 points.'
        >>> first_part(f"It does, by 1.2 points; {'more of it, ' * 30} and so on.")
        'It does, by 1.2 points …'
    """
    sentence = re.split(r"(?<=\.) (?=[A-Z])", answer)[0]
    if len(sentence) <= ENOUGH or ";" not in sentence:
        return sentence
    parts = sentence.split(";")
    kept = next((n for n in range(len(parts), 0, -1) if len(";".join(parts[:n])) <= ENOUGH), 1)
    return sentence if kept == len(parts) else f"{';'.join(parts[:kept])} …"


def short(kept: Kept) -> str:
    """Return the short form of a stored answer: the one that its study gives, else the first part of the answer."""
    return kept.get("short") or first_part(kept["answer"])


def measured(name: str) -> str:
    """Return what a cell of the README says was measured: where the sizes of a study disagree, of each of them."""
    if several := disagreeing(name):
        return " ".join(f"{sized(each)}: {cell(short(each))}" for each in several)
    return cell(short(kept_answers(name)[0]))


def readme_part() -> str:
    """Return what the README shows of studies: pictures, and what is said beside what was measured."""
    shown = "\n".join(
        f'<a href="docs/studies/{name}.md"><img width="32%" alt="{html.escape(drawings(kept)[0].title)}" '
        f'src="docs/images/studies/{picture_name(name, 0)}"></a>'
        for name in SHOWN
        for kept in kept_answers(name)[:1]
        if drawings(kept)
    )
    rows = [
        [said, measured(name), f"[`{command(name, kept['size'])}`](docs/studies/{name}.md)"]
        for name, said in SAID.items()
        for kept in kept_answers(name)[:1]
    ]
    return f"{shown}\n\n{table(('what lectures say', 'what we measured', 'command'), rows)}"


def renewed(text: str) -> str:
    """Return the README with what is between its markers written again."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit("README.md lacks its markers")
    return f"{before}{BEGIN}\n\n{readme_part()}\n\n{END}{after}"


def navigation(text: str) -> str:
    """Return mkdocs.yml with every study under its heading."""
    listed = [("Gallery", "index"), ("All questions", "questions"), ("Pages to play with", "pages")]
    lines = "".join(
        f"      - {title}: studies/{file}.md\n"
        for title, file in [*listed, *((n, n) for n in registry.names())]
    )
    return re.sub(r"(?m)^  - Studies:\n(      - .*\n)*", f"  - Studies:\n{lines}", text)


def shoot(name: str, to: Path) -> None:
    """Take a picture of a page to play with, at most 60 kB."""
    from PIL import Image

    from tests.report.browser import find_browser

    browser = find_browser()
    assert browser, "no Chromium is installed"
    with tempfile.TemporaryDirectory() as folder:
        page, shot = write_page(name, Path(folder, "page.html")), Path(folder, "shot.png")
        options = [
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            "--window-size=1000,760",
            f"--screenshot={shot}",
        ]
        subprocess.run([browser, *options, page.as_uri()], check=True, capture_output=True, timeout=120)
        small = Image.open(shot).convert("RGB").resize((720, 547), Image.Resampling.LANCZOS)
        small.quantize(64).save(to, optimize=True)


def main(shots: bool) -> None:
    """Write all of it, and remove pictures of figures that are no more."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    wanted = dict(pictures())
    for old in IMAGES.glob("*.svg"):
        if old.name not in wanted:
            old.unlink()
    for name, each in wanted.items():
        (IMAGES / name).write_text(picture(each), encoding="utf-8")
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
    if shots:
        folder = DOCS / "images" / "pages"
        folder.mkdir(exist_ok=True)
        for name in pages.names():
            shoot(name, folder / f"{name}.png")


if __name__ == "__main__":
    main("--shots" in sys.argv[1:])
