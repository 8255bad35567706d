"""An edit of user code, wherever it stands, makes another identity; the same code keeps its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from steepest.components.identity import of_reference, of_value


class Case(NamedTuple):
    """A module with OLD in it, here or in ``helper.py``, and what it becomes.

    Attributes:
        text: of ``mod.py``; it makes ``it``.
        old, new: the edit.
        helper: the text of ``helper.py``.
    """

    text: str
    old: str = "K2"
    new: str = "K5"
    helper: str = ""


OPT = "class it:\n    def step(self): return 1\n"
DECORATOR = """
import functools
def scaled(f):
    @functools.wraps(f)
    def inner(*a): return K2 * f(*a)
    return inner
"""
HELPED = "class Helper:\n    def k(self): return K2\n"

EDITS = {
    "a decorator of a method": Case(DECORATOR + "class it:\n    @scaled\n    def step(self): return 1\n"),
    "a decorator of a function": Case(DECORATOR + "@scaled\ndef it(x): return x\n"),
    "a decorator in another file": Case(
        "from helper import scaled\nclass it:\n    @scaled\n    def step(self): return 1\n", helper=DECORATOR
    ),
    "a decorator of a class": Case(
        "def patched(c):\n    def init(self): self.k = K2\n    c.__init__ = init\n    return c\n@patched\n"
        + OPT
    ),
    "a decorator of installed code": Case(
        "import functools\n@functools.lru_cache(maxsize=2)\ndef it(x): return x\n", "=2", "=5"
    ),
    "a class as a class attribute": Case(HELPED + "class it:\n    helper = Helper\n"),
    "an instance as a class attribute": Case(HELPED + "class it:\n    helper = Helper()\n"),
    "a dict as a class attribute": Case("B = {'b': K2}\nclass it:\n    betas = B\n"),
    "a nested class": Case("K = K2\nclass it:\n    class In:\n        k = K\n"),
    "an import inside a method": Case(
        "class it:\n    def step(self):\n        from helper import K\n        return K\n", helper="K = K2"
    ),
    "a module imported inside a method": Case(
        "class it:\n    def step(self):\n        import helper as h\n        return h.K\n", helper="K = K2"
    ),
    "a lambda assigned to a class": Case("class it: pass\nit.f = lambda s: K2\n"),
    "a value that a module makes": Case(
        "import helper\nclass it:\n    def step(self): return helper.K\n", helper="K = K2"
    ),
    "a function of a function of a module": Case(
        "import helper\ndef it(): return helper.f()\n", helper="def g(): return K2\ndef f(): return g()\n"
    ),
    "one of two lambdas in a line": Case("PAIR = lambda: 1, lambda: 2\nit = PAIR[0]\n", "[0]", "[1]"),
    "a lambda over several lines": Case("it = (lambda:\n    1 +\n    K2)\n"),
    "a function in a partial": Case(
        "import functools\ndef f(x, y): return K2\nit = functools.partial(f, y=functools.partial(f, 1))\n"
    ),
    "an array in a closure": Case(
        "import numpy as np\ndef f(a):\n    return lambda: a\nit = f(np.array([K2]))\n"
    ),
    "a tensor in a closure": Case(
        "import torch\ndef f(a):\n    return lambda: a\nit = f(torch.tensor([K2]))\n"
    ),
    "a Polars frame": Case(
        "import polars as pl\nA = pl.DataFrame({'a': [K2, 1], 'b': ['u', 'v']})\ndef it(): return A\n"
    ),
    "a pandas frame": Case(
        "import pandas as pd\nA = pd.DataFrame({'a': [K2, 1], 'b': ['u', None]})\ndef it(): return A\n"
    ),
    "a field of a dataclass": Case(
        "from dataclasses import dataclass, field\n"
        "@dataclass(frozen=True)\nclass C:\n    k: int\n    more: list = field(default_factory=lambda: [1])\n"
        "it = C(K2).__eq__\n"
    ),
    "a default of a dataclass": Case(
        "from dataclasses import dataclass\n@dataclass\nclass it:\n    k: int = K2\n"
    ),
    "a factory of a dataclass": Case(
        "from dataclasses import dataclass, field\n"
        "@dataclass\nclass it:\n    k: list = field(default_factory=lambda: [K2])\n"
    ),
    "a pydantic field": Case(
        "from pydantic import BaseModel, Field\nclass it(BaseModel):\n    k: int = Field(default=1, ge=K2)\n",
        "=K2",
        "=K5",
    ),
    "a pydantic validator": Case(
        "from pydantic import BaseModel, field_validator\nclass it(BaseModel):\n    k: int = 1\n"
        "    @field_validator('k')\n    @classmethod\n    def checked(cls, k): return K2\n",
    ),
    "a rule": Case(
        "from pydantic import Field\nfrom steepest.optim.rule import Hyper, Rule\n"
        "class H(Hyper):\n    lr: float = Field(default=K2, ge=0.0)\n"
        "class it(Rule[H]):\n    name = 'it'\n    Hyper = H\n"
    ),
    "a named tuple": Case("from typing import NamedTuple\nclass it(NamedTuple):\n    k: int = K2\n"),
    "a value of an enum": Case("import enum\nclass E(enum.Enum):\n    A = K2\ndef it(): return E.A.value\n"),
    "a method of an enum": Case(
        "import enum\nclass E(enum.IntEnum):\n    A = 1\n    def k(self): return K2\nA = E.A\ndef it(): return A\n"
    ),
    "slots": Case("class C:\n    __slots__ = ('k',)\nA = C()\nA.k = K2\ndef it(): return A\n"),
    "a subclass of dict": Case(
        "class D(dict):\n    def __getitem__(self, k): return K2\nA = D(a=1)\ndef it(): return A\n"
    ),
    "a subclass of float": Case(
        "class F(float):\n    def __mul__(self, o): return K2\nA = F(1)\ndef it(): return A\n"
    ),
    "a default dict": Case(
        "import collections\nA = collections.defaultdict(lambda: K2)\nclass it:\n    a = A\n"
    ),
    "a property": Case("class it:\n    @property\n    def k(self): return K2\n"),
    "a cached property": Case(
        "import functools\nclass it:\n    @functools.cached_property\n    def k(self): return K2\n"
    ),
    "a bound method": Case("class C:\n    k = [K2]\n    def make(self): return self.k\nit = C().make\n"),
    "a metaclass": Case("class M(type):\n    def __call__(cls): return K2\nclass it(metaclass=M): pass\n"),
    "a base class's class method": Case(
        "class B:\n    def __init_subclass__(cls): cls.K = [K2]\nclass it(B): pass\n"
    ),
    "a patched class of a package": Case(
        "import torch\nclass it(torch.optim.ASGD):\n    def zero(self): return 1\n"
        "torch.optim.ASGD.extra = lambda s: K2\n"
    ),
    "a namespace package": Case("import spaced.inner\ndef it(): return spaced.inner.K\n", helper="K = K2"),
}

SAME = {
    "loaded again": Case(
        DECORATOR + "class it:\n    @scaled\n    def step(self): return {'a', 'b'} | {1}\n", "", ""
    ),
    "another global of the script": Case("K = 1\nOTHER = K2\ndef it(): return K\n"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    forget()


def forget() -> None:
    for each in ("mod", "helper", "spaced.inner", "spaced"):
        sys.modules.pop(each, None)
    importlib.invalidate_caches()


def write(folder: Path, case: Case, *, edited: bool) -> None:
    (folder / "spaced").mkdir(exist_ok=True)
    for name, text in (("mod.py", case.text), ("helper.py", case.helper), ("spaced/inner.py", case.helper)):
        text = text.replace(case.old, case.new) if edited else text
        (folder / name).write_text(text.replace("K2", "2").replace("K5", "5"))


def load(folder: Path, case: Case, *, edited: bool) -> ModuleType:
    write(folder, case, edited=edited)
    forget()
    return importlib.import_module("mod")


def as_script(module: ModuleType) -> ModuleType:
    """Return the same as if it were the script: only what is in memory counts, not whole files."""
    module.__dict__["__name__"] = "__main__"
    for each in vars(module).values():
        if isinstance(each, type) and each.__module__ == "mod":
            each.__module__ = "__main__"
    return module


def digest(module: ModuleType) -> str:
    found = of_value(module.it, "it")
    assert not found.why, found.why
    return found.digest


@pytest.mark.parametrize("script", [False, True])
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_makes_another_identity(folder: Path, name: str, script: bool) -> None:
    found: list[str] = []
    for edited in (False, False, True):
        module = load(folder, EDITS[name], edited=edited)
        found.append(digest(as_script(module) if script else module))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_makes_another_identity_of_a_reference(folder: Path, name: str) -> None:
    found: list[str] = []
    for edited in (False, False, True):
        write(folder, EDITS[name], edited=edited)
        found.append(of_reference(f"{folder / 'mod.py'}:it").digest)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("name", SAME)
def test_what_has_no_part_in_it_makes_no_difference(folder: Path, name: str) -> None:
    found = [digest(as_script(load(folder, SAME[name], edited=each))) for each in (False, True)]
    assert found[0] == found[1]


AT_RUN_TIME = {
    "a value of another module": ("import helper\ndef it(): return helper.K\n", "import helper; helper.K = 5"),
    "a list of the class": ("class it:\n    w = [1]\n", "mod.it.w.append(5)"),
    "an attribute of the class": ("class it:\n    w = [1]\n", "mod.it.w = [5]"),
    "a lambda for a method": ("class it:\n    def f(self): return 1\n", "mod.it.f = lambda self: 2"),
    "a method of a base class": ("class B: pass\nclass it(B): pass\n", "mod.B.f = lambda self: 2"),
    "an attribute of a function": ("def it(): return it.k\nit.k = 1\n", "mod.it.k = 2"),
    "a method of another module's class": (
        "import helper\ndef it(): return helper.C().f()\n", "mod.helper.C.f = lambda self: 2"
    ),
    "a function of a package": (
        "import textwrap\ndef it(): return textwrap.dedent('')\n", "mod.textwrap.dedent = lambda text: text"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_RUN_TIME)
def test_what_is_changed_at_run_time_counts(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import textwrap

    monkeypatch.setattr(textwrap, "dedent", textwrap.dedent)
    text, change = AT_RUN_TIME[name]
    case = Case(text, helper="K = 2\nclass C:\n    def f(self): return 1\n")
    module = load(folder, case, edited=False)
    before = digest(module)
    assert digest(module) == before
    source = folder / "change.py"
    source.write_text(change)
    exec(compile(change, str(source), "exec", dont_inherit=True), {"mod": module})
    assert digest(module) != before


def test_a_global_without_a_part_in_it_may_change(folder: Path) -> None:
    case = Case("import helper\nCALLS = 0\ndef it(): return helper.K\n", helper="K = 2\nM = 1\nlock = open\n")
    module = load(folder, case, edited=False)
    before = digest(module)
    module.CALLS, module.helper.M = 5, 5
    assert digest(module) == before


UNKNOWN = {
    "a generator of numpy": ("import numpy as np\nR = np.random.default_rng(0)\ndef it(): return R\n", "draws from"),
    "a generator of torch": ("import torch\nR = torch.Generator()\ndef it(): return R\n", "draws from"),
    "a generator of Python": ("import random\nR = random.Random(0)\ndef it(): return R\n", "draws from"),
    "computed code": ("def it(): return eval('1')\n", "uses eval"),
    "a computed import": ("import importlib\ndef it(n): return importlib.import_module(n)\n", "uses import_module"),
    "a lock": ("import threading\nL = threading.Lock()\ndef it(): return L\n", "cannot be read"),
    "a state of one's own": (
        "class C:\n    def __getstate__(self): return {}\nA = C()\ndef it(): return A\n", "cannot be read"
    ),
    "a module that does not load": ("def it():\n    import helper\n    return helper\n", "cannot be loaded"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood_is_never_the_same(folder: Path, name: str) -> None:
    text, why = UNKNOWN[name]
    module = load(folder, Case(text, helper="1 / 0\n"), edited=False)
    one, two = of_value(module.it, "it"), of_value(module.it, "it")
    assert why in one.why
    assert one.digest != two.digest


def test_files_that_are_imported_from_elsewhere_count(folder: Path) -> None:
    """Such as those of a package that is installed for editing."""
    (folder / "spaced").mkdir()
    (folder / "spaced" / "inner.py").write_text("from helper import K\n")
    (folder / "helper.py").write_text("K = 2\n")
    (folder / "apart").mkdir()
    mine = folder / "apart" / "mine.py"
    mine.write_text("import spaced.inner\nclass It:\n    k = spaced.inner.K\n")
    code = (
        "import sys; from steepest.components.identity import of_reference\n"
        "found = of_reference(sys.argv[1]); print(found.digest, *sorted(found.sources))"
    )

    def found() -> str:
        where = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}
        return subprocess.run(
            [sys.executable, "-c", code, f"{mine}:It"], capture_output=True, text=True, check=True, env=where
        ).stdout

    before = found()
    assert before.split()[1:] == ["helper.py", "mine.py", "spaced/inner.py"]
    here = of_reference(f"{mine}:It")
    assert here.digest == before.split()[0]
    (folder / "helper.py").write_text("K = 5\n")
    assert found() != before
    edited = of_reference(f"{mine}:It")  # this process still has the old one
    assert "helper.py was edited after it was loaded" in edited.why
    assert edited.digest not in (here.digest, found().split()[0])


def test_identities_hold_in_another_process(folder: Path) -> None:
    for at, (name, case) in enumerate(EDITS.items()):
        if "patched" not in name:
            inner = folder / f"case{at}"
            inner.mkdir()
            write(inner, case, edited=False)
    code = (
        "import importlib, json, sys\nfrom pathlib import Path\nfrom steepest.components.identity import of_value\n"
        "found = {}\n"
        "for each in sorted(Path(sys.argv[1]).glob('case*')):\n"
        "    sys.path.insert(0, str(each))\n"
        "    found[each.name] = of_value(importlib.import_module('mod').it, 'it').digest\n"
        "    sys.path.remove(str(each))\n"
        "    for name in ('mod', 'helper', 'spaced.inner', 'spaced'): sys.modules.pop(name, None)\n"
        "    importlib.invalidate_caches()\n"
        "print(json.dumps(found))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    one, two = map(json.loads, said)
    assert one == two
    assert len(one) > 30
