"""Text and numbers for LaTeX: whatever a name contains, the document compiles with pdfLaTeX."""

from __future__ import annotations

import re
import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": "'",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "\u00a0": "~",
    "\u202f": r"\,",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
MATHEMATICS = {
    "±": r"\pm",
    "−": "-",
    "×": r"\times",
    "÷": r"\div",
    "·": r"\cdot",
    "√": r"\surd",
    "∞": r"\infty",
    "≤": r"\leq",
    "≥": r"\geq",
    "≈": r"\approx",
    "→": r"\to",
    "←": r"\leftarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "²": "{}^2",
    "³": "{}^3",
    "¼": r"\tfrac14",
    "½": r"\tfrac12",
    "°": r"{}^\circ",
    "μ": r"\mu",
    "β": r"\beta",
    "ε": r"\varepsilon",
    "λ": r"\lambda",
    "ρ": r"\rho",
}
ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0327": r"\c",
    "\u0328": r"\k",
}
_POWER = re.compile(r"(?<![\w.])([−-]?\d+(?:\.\d+)?)e([−-]?\d+)(?!\w)")


def escape(text: str) -> str:
    r"""Return ``text`` as LaTeX shows it; a character that pdfLaTeX cannot show becomes its code point.

    Example:
        >>> escape("50 % of {a_b} & Müller: 漢")
        '50 \\% of \\{a\\_b\\} \\& M\\"{u}ller: \\texttt{U+6F22}'
    """
    return "".join(_character(each) for each in unicodedata.normalize("NFC", text))


def _character(each: str) -> str:
    if each in SPECIAL:
        return SPECIAL[each]
    if each in MATHEMATICS:
        return f"${MATHEMATICS[each]}$"
    if " " <= each <= "~":
        return each
    if each in "\n\t":
        return " "
    base, *marks = unicodedata.normalize("NFD", each)
    if marks and all(mark in ACCENTS for mark in marks) and " " <= base <= "~":
        letter = base
        for mark in marks:
            letter = f"{ACCENTS[mark]}{{{letter}}}"
        return letter
    return rf"\texttt{{U+{ord(each):04X}}}"


def prose(text: str) -> str:
    r"""Return a sentence with its powers of ten as mathematics.

    Example:
        >>> prose("rates from 3.2e-4 to 1")
        'rates from $3.2\\times 10^{-4}$ to 1'
    """
    parts: list[str] = []
    place = 0
    for found in _POWER.finditer(text):
        parts += [escape(text[place : found.start()]), f"${_power(found)}$"]
        place = found.end()
    return "".join([*parts, escape(text[place:])])


def number(text: str, *, bold: bool = False) -> str:
    r"""Return a number, or a mean with its interval, as mathematics.

    Args:
        text: as :mod:`steepest.report.format` writes it.
        bold: print the mean bold.

    Example:
        >>> number("0.551 ± .007", bold=True), number("–"), number("3.2e-4"), number("−48,200 ± 900")
        ('$\\mathbf{0.551} \\pm .007$', '--', '$3.2\\times 10^{-4}$', '$-48{,}200 \\pm 900$')
        >>> number("84 [45, 100]")
        '$84$ $[45, 100]$'
    """
    if not any(each.isdigit() or each == "∞" for each in text):
        return escape(text)
    before, bracket, ends = text.partition(" [")
    if bracket:
        return f"{number(before, bold=bold)} ${_plain(_POWER.sub(_power, f'[{ends}'))}$"
    mean, sign, spread = _POWER.sub(_power, text).partition("±")
    shown = [_plain(mean.strip()), *([_plain(spread.strip())] if sign else [])]
    if bold:
        shown[0] = rf"\mathbf{{{shown[0]}}}"
    inside = r" \pm ".join(shown)
    return f"${inside}$"


def _power(found: re.Match[str]) -> str:
    mantissa, exponent = (each.replace("−", "-") for each in found.groups())
    return rf"{mantissa}\times 10^{{{exponent}}}"


def _plain(text: str) -> str:
    return re.sub(r",(?=\d)", "{,}", text.replace("−", "-").replace("∞", r"\infty"))
