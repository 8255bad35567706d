"""The documentation site: formulas are MathML, roles are code, examples keep their prompts, code its words."""

from __future__ import annotations

from pathlib import Path

import griffe
import pytest

from scripts.docs_hook import Docstrings, docstring, on_page_content, on_page_markdown

SOURCE = Path(__file__).parents[1] / "src"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A mean :math:`\\bar x` of many.", ("A mean <math", "display=\"inline\"", "</math> of many.")),
        ("One.\n\n.. math:: x^2\n\nTwo.", ("One.\n\n<div class=\"formula\"><math", "</math></div>\n\nTwo.")),
        ("One.\n\n.. math::\n    a &= b \\\\\n    c &= d\n\nTwo.", ("<mtable", "</math></div>\n\nTwo.")),
        ("See :func:`~steepest.api.plan` and :class:`Rule`.", ("See `plan` and `Rule`.",)),
    ],
)  # fmt: skip
def test_a_docstring_is_shown_with_formulas_and_code(text: str, expected: tuple[str, ...]) -> None:
    found = docstring(text)
    assert all(each in found for each in expected), found
    assert "math:" not in found


@pytest.mark.parametrize("name", ["data.table.read_table", "api.plan", "compare.intervals.t_interval"])
def test_an_example_keeps_its_prompts(name: str) -> None:
    package = griffe.load(
        "steepest",
        search_paths=[SOURCE],
        extensions=griffe.load_extensions(Docstrings),
        docstring_parser="google",
    )
    sections = package[name].docstring.parsed
    (examples,) = [each.value for each in sections if each.kind is griffe.DocstringSectionKind.examples]
    code = "\n".join(text for kind, text in examples if kind is griffe.DocstringSectionKind.examples)
    assert code.startswith(">>> ")
    assert "\n" in code


def test_code_breaks_between_words_only() -> None:
    long = "a" * 41
    html = on_page_content(
        f"<p><code>compare --out</code> <code>{long}</code></p><pre><code>a b</code></pre>"
    )
    assert html == (
        '<p><code><span class="word">compare</span> <span class="word">--out</span></code> '
        f"<code>{long}</code></p><pre><code>a b</code></pre>"
    )


def test_formulas_of_pages_are_drawn() -> None:
    found = on_page_markdown(
        "One.\n\n```math\n\\begin{align*}\na &= b \\\\\nc &= d\n\\end{align*}\n```\n\nTwo\n$`x_j`$.\n"
    )
    assert found.startswith('One.\n\n<div class="formula"><math')
    assert found.count("<mtr>") == 2
    assert found.endswith("<msub><mi>x</mi><mi>j</mi></msub></mrow></math>.\n")
    assert "Two <math" in found
