"""Hypothesis strategies that break what a program reads: bytes, texts, and nested plain values."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from typing import Any

import tomli_w
from hypothesis import strategies as st

PIECES = [
    b"", b"\n", b"\n\n", b"\r", b"\r\n", b",", b",,,,", b'"', b'""', b"'", b"\x00", b"\x00" * 64, b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xe9", "\u202e".encode(), "\U0001f9ea".encode(), b"NA", b"NaN", b"nan", b"inf",
    b"-inf", b"1e999", b"-0", b"1e-320", b"99999999999999999999999", b"9223372036854775808", b"0x1F",
    b"1_000", b"1,5", b"2020-13-45", b"2020-02-30", b"true", b"[", b"]", b"[[", b"{", b"}", b"=", b"#", b"\\",
    b"\\u0000", b"\\ud800", b"null", b"None", b" "*300, b"\t", b";", b"|", b"PAR1", b"ARROW1", b"PK\x03\x04",
    b"\x1f\x8b", b"a" * 5000, b"step", b"\x80\x04\x95",
]  # fmt: skip

BLANK = " "
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 10**6, 2**31, 2**63, -(2**63), 10**30, 0.0, -0.5, 0.5, 1.5, 1e-320,
    1e308, math.inf, -math.inf, math.nan, "", BLANK, "x", "y", "NA", "1", "-1", "nan", "1e999", "\x00", "é\n",
    "a,b", "adam", "adam(lr=", "{}", "nowhere.py:Net", "../../etc/passwd", "x" * 3000, [], [[]], [None], ["a",
    "a"], [1, "a"], {}, {"a": {}}, {"": 1}, [0.1] * 40, [{"use": "drop"}], "constant", "cosine(final=3)",
    "group:y", "time:a", "cuda:9", "String", "Float64",
]  # fmt: skip


@st.composite
def broken_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a file that was cut, spliced, overwritten or is something else altogether."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.sampled_from([0, 1, 1, 2, 8, 60, 4000])))
        how = draw(
            st.sampled_from(["cut", "remove", "insert", "insert", "replace", "repeat", "flip", "flip"])
        )
        if how == "cut":
            del data[at:]
        elif how == "remove":
            del data[at:end]
        elif how == "insert":
            data[at:at] = draw(st.sampled_from(PIECES))
        elif how == "replace":
            data[at:end] = draw(st.sampled_from(PIECES))
        elif how == "repeat":
            data[at:at] = data[at:end] * draw(st.integers(1, 3))
        elif at < len(data):
            data[at] = draw(st.integers(0, 255))
    return bytes(data)


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[tuple[Any, ...]] = []
    if isinstance(tree, dict):
        inside = [place for key, value in tree.items() for place in _places(value, (*path, key))]
    elif isinstance(tree, list):
        inside = [place for i, value in enumerate(tree[:6]) for place in _places(value, (*path, i))]
    return [path, *inside] if path else inside


@st.composite
def broken_tree(draw: st.DrawFn, whole: Any) -> Any:
    """Draw nested plain values with some replaced, removed, renamed or added."""
    tree = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        places = _places(tree)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        inside: Any = tree
        for key in way:
            inside = inside[key]
        how = draw(st.sampled_from(["set", "set", "set", "remove", "rename", "add"]))
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        if how == "set":
            inside[last] = value
        elif how == "remove":
            del inside[last]
        elif isinstance(inside, list):
            inside.insert(last, value)
        elif how == "rename":
            inside[draw(st.sampled_from(["", "x", "optimizerz", "Source", "use"]))] = inside.pop(last)
        else:
            inside[draw(st.sampled_from(["more", "", "source", "a b", "train"]))] = value
    return tree


def _json(tree: Any) -> bytes:
    return json.dumps(tree, ensure_ascii=True).encode()


def _toml(tree: Any) -> bytes:
    return tomli_w.dumps(_writable(tree)).encode("utf-8", "surrogatepass")


def _writable(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {str(key): _writable(each) for key, each in tree.items() if each is not None}
    if isinstance(tree, list):
        return [_writable(each) for each in tree if each is not None]
    return tree


def _broken(whole: Any, write: Callable[[Any], bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(broken_tree(whole).map(write), broken_tree(whole).map(write), broken_bytes(write(whole)))


def broken_json(whole: Any) -> st.SearchStrategy[bytes]:
    """Draw a JSON file with other values, or no JSON at all."""
    return _broken(whole, _json)


def broken_toml(whole: Any) -> st.SearchStrategy[bytes]:
    """Draw a TOML file with other values, or no TOML at all."""
    return _broken(whole, _toml)


@st.composite
def broken_lines(draw: st.DrawFn, whole: list[Any]) -> bytes:
    """Draw a journal: lines of JSON, some of them broken, out of order, repeated or torn."""
    lines = [_json(each) for each in whole]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["tree", "tree", "tree", "bytes", "remove", "repeat", "swap"]))
        if how == "tree":
            lines[at] = _json(draw(broken_tree(whole[at % len(whole)])))
        elif how == "bytes":
            lines[at] = draw(broken_bytes(lines[at]))
        elif how == "remove" and len(lines) > 1:
            del lines[at]
        elif how == "repeat":
            lines.insert(at, lines[at])
        else:
            lines[at], lines[0] = lines[0], lines[at]
    data = b"\n".join(lines) + b"\n"
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 5)) == 0 else data
