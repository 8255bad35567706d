"""Components are found by their literals, without imports, and two of one name are an error."""

from __future__ import annotations

import sys

import pytest

from steepest.components.registry import Registry
from steepest.errors import OptionError, UnknownNameError


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "parts_for_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text(
        'COMPONENTS = {"first": {"object": "First", "groups": ["odd"]}, '
        '"third-one": {"object": "First", "preset": {"x": 3}, "groups": ["odd"]}}\n'
        "class First:\n    pass\nimported = True\n"
    )
    (folder / "two.py").write_text('COMPONENTS = {"second": {"object": "Second"}}\nraise SystemError\n')
    (folder / "_private.py").write_text('COMPONENTS = {"hidden": {"object": "Hidden"}}\n')
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [each for each in sys.modules if each.startswith("parts_for_test")]:
        del sys.modules[name]


def test_lists_without_importing(package) -> None:
    registry = Registry("part", "parts_for_test")
    assert registry.names() == ["first", "second", "third-one"]
    assert registry.names("odd") == ["first", "third-one"]
    assert "parts_for_test.one" not in sys.modules
    assert registry.load("first").__name__ == "First"
    assert dict(registry.entry("third_one").preset) == {"x": 3}


def test_near_names_are_offered(package) -> None:
    with pytest.raises(UnknownNameError, match="unknown part 'frist'") as caught:
        Registry("part", "parts_for_test").entry("frist")
    assert "did you mean 'first'?" in caught.value.hint


def test_two_of_one_name(package) -> None:
    (package / "three.py").write_text('COMPONENTS = {"first": {"object": "Other"}}\n')
    with pytest.raises(OptionError, match=r"declared by parts_for_test\.one and by parts_for_test\.three"):
        Registry("part", "parts_for_test").names()


def test_not_a_literal(package) -> None:
    (package / "three.py").write_text('COMPONENTS = {"fourth": make()}\n')
    with pytest.raises(OptionError, match="is not a literal"):
        Registry("part", "parts_for_test").names()
