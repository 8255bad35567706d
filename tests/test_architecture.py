"""The shape of the code: imports go one direction, the command line starts at once, modules stay small."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import steepest

ROOT = Path(steepest.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

ORDER = (
    "steepest",
    "version",
    "interrupts",
    "collector",
    "waiting",
    "errors",
    "forks",
    "threads",
    "wording",
    "components",
    "rng",
    "replacing",
    "files",
    "schedules",
    "procedures",
    "curvature",
    "optim",
    "finetuning",
    "paths",
    "data",
    "objectives",
    "models",
    "regularizers",
    "recipe",
    "record",
    "evaluate",
    "train",
    "prediction",
    "generating",
    "sweep",
    "compare",
    "tracing",
    "report",
    "experiment",
    "export",
    "api",
    "refitting",
    "sklearn",
    "footprint",
    "range_test",
    "recommending",
    "showing",
    "mapping",
    "landscape",
    "spectra",
    "checking",
    "studies",
    "suites",
    "pages",
    "play",
    "cli",
    "testing",
    "__main__",
)
"""A package imports only what stands before it. The root, which has the public names, imports nothing eagerly."""

MOST_LINES = 500
MEDIAN_LINES = 200


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "steepest" if parts == ("__init__",) else parts[0]


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the dotted name of what each import of steepest names, wherever it stands in the file."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno} imports relatively"
            names = [f"{node.module}.{each.name}" for each in node.names]
        for name in names:
            if name.partition(".")[0] == "steepest":
                yield name, node.lineno


def test_every_part_has_a_place_in_the_order():
    assert {_name(path) for path in MODULES} <= set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_direction(path):
    mine = _name(path)
    if mine == "steepest":  # the public names, each imported at first use
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wrong: list[str] = []
    for name, line in _imports(tree):
        part = name.split(".")[1] if "." in name else "steepest"
        if part not in ORDER or part == "steepest":
            wrong.append(f"line {line}: {mine} imports {name} from above; import it from where it is")
        elif part != mine and ORDER.index(part) > ORDER.index(mine):
            wrong.append(f"line {line}: {mine} imports {part}")
    assert not wrong, "\n".join(wrong)


def _dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _circle(graph: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle; none if there is no circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_modules_do_not_import_each_other_in_a_circle():
    """Neither lazily nor for types alone: what two modules need of each other belongs into a third."""
    files = {_dotted(path): path for path in MODULES}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [name for name, _ in _imports(tree)] if module != "steepest" else []
        graph[module] = {name if name in files else name.rpartition(".")[0] for name in names}
    assert _circle({"a": {"b"}, "b": {"a"}}) == ["a", "b", "a"]
    assert _circle(graph) == []


CALLS = {
    "print": "library code says what it has to say through its return values, an observer or an error",
    "exec": "no code is run from text",
    "eval": "no code is run from text",
    "torch.load": "a stranger's file could run code; weights are safetensors",
    "torch.save": "weights are safetensors",
    "torch.manual_seed": "random numbers come from steepest.rng",
    "torch.cuda.manual_seed_all": "random numbers come from steepest.rng",
    "np.random.seed": "random numbers come from steepest.rng",
    "numpy.random.seed": "random numbers come from steepest.rng",
    "random.seed": "random numbers come from steepest.rng",
}
GLOBAL_DRAWS = ("np.random.", "numpy.random.", "random.")
ALLOWED_DRAWS = {"np.random.Generator", "np.random.PCG64", "np.random.RandomState"}
PUT_BACK = {"np.random.get_state", "np.random.set_state", "random.getstate", "random.setstate"}
"""What :func:`steepest.rng.preserved` calls, so that a user's own global generators go on as if nothing had drawn."""
IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "random"}
NEEDED = {"rng": {"random"}, "transfer": {"pickle"}}
"""Modules that need one of these: the one of random numbers, and that of the pipes to processes of our own."""


def _is_safe(call: ast.Call, path: Path) -> bool:
    """Return whether this is the conformance suite's check that torch's own saving serves our optimizers."""
    restricted = any(
        each.arg == "weights_only" and ast.unparse(each.value) == "True" for each in call.keywords
    )
    called = ast.unparse(call.func)
    return _name(path) == "testing" and (called == "torch.save" or (called == "torch.load" and restricted))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_library_code_keeps_to_the_rules(path):
    wrong: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS and not _is_safe(node, path):
                wrong.append(f"line {node.lineno}: {called}: {CALLS[called]}")
            allowed = ALLOWED_DRAWS | (PUT_BACK if _name(path) == "rng" else set())
            if called.startswith(GLOBAL_DRAWS) and called not in allowed:
                wrong.append(f"line {node.lineno}: {called} draws from the global generator")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {node.module} if isinstance(node, ast.ImportFrom) else {each.name for each in node.names}
            refused = names & (IMPORTS - NEEDED.get(path.stem, set()))
            wrong += [f"line {node.lineno}: imports {name}" for name in refused]
    assert not wrong, "\n".join(wrong)


def test_modules_stay_small():
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
    real = sorted(count for count in lines.values() if count > 10)
    assert real[len(real) // 2] <= MEDIAN_LINES


HEAVY = ("torch", "polars", "sklearn", "scipy", "plotly", "pandas", "pyarrow", "matplotlib")

FAST = {
    "help": "sys.argv = ['steepest', '--help']",
    "help of compare": "sys.argv = ['steepest', 'compare', '--help']",
    "help of doctor": "sys.argv = ['steepest', 'doctor', '--help']",
    "version": "sys.argv = ['steepest', '--version']",
    "a mistyped option": "sys.argv = ['steepest', 'compare', '--tarpet']",
}


@pytest.mark.parametrize("case", FAST)
def test_the_command_line_answers_without_heavy_imports(case):
    code = (
        f"import sys; {FAST[case]}\n"
        "from steepest.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"found = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "print('imported:', found, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "imported: []"


def _run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy():
    _run(f"import sys, steepest; assert not set({HEAVY!r}) & set(sys.modules)")


FIRST_STEP = """
import os, sys
import numpy as np
import steepest as st
from steepest.train.active import ActiveRun

def took(self, info):
    heavy = {"sklearn", "pandas", "scipy.stats", "scipy.special", "pyarrow", "torch._dynamo", "sympy", "plotly"}
    found = heavy & set(sys.modules)
    print(f"first step, imported: {sorted(found)}", flush=True)
    os._exit(0)

ActiveRun.took = took
images = np.zeros((40, 4, 4), np.uint8)
st.compare((images, ["a", "b"] * 20), sys.argv[1], reader="images", model="mlp(hidden=[2])", optimizers="adam",
           epochs=1, seeds=1, compile="off", device="cpu", workers=1)
"""


def test_a_first_step_waits_for_no_import_that_only_results_or_compiling_need(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEP, str(tmp_path / "done")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["first step, imported: []"], done.stderr


@pytest.mark.parametrize("before", ["st.plan", "import steepest.compare.result", "pass"])
def test_compare_stays_the_function_though_a_package_has_its_name(before):
    _run(
        f"import steepest as st\n{before}\nassert st.compare.__name__ == 'compare', st.compare\nst.compare.__call__"
    )


NAMESAKES = sorted({*steepest.__all__} & {_name(path) for path in MODULES})


@pytest.mark.parametrize("before", ["st.{name}", "import steepest.{name}", "pass"])
@pytest.mark.parametrize("name", NAMESAKES)
def test_modules_of_a_package_with_the_name_of_a_function_can_be_imported(name, before):
    """``import a.b.c as d`` takes c from the attribute b of a, which is the function."""
    module = next(path.stem for path in MODULES if path.parent == ROOT / name and path.stem != "__init__")
    _run(
        f"import steepest as st\n{before.format(name=name)}\n"
        f"import steepest.{name}.{module} as found\n"
        f"assert found.__name__ == 'steepest.{name}.{module}'\n"
        f"assert st.{name}.{module} is found and callable(st.{name})"
    )


def _bound(body: Iterable[ast.stmt]) -> dict[str, str]:
    """Return the names that a module binds at its top, with the module where they come from."""
    found: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.ImportFrom):
            found |= {each.asname or each.name: node.module or "" for each in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = ""
        elif isinstance(node, ast.Assign):
            found |= {each.id: "" for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            found |= _bound(node.body)
    return found


def test_no_name_of_a_package_hides_one_of_its_modules():
    """Then ``import steepest.cli.memory as memory`` would fail; the root sees to it itself."""
    hidden: list[str] = []
    for init in (path for path in MODULES if path.name == "__init__.py" and path.parent != ROOT):
        package = init.parent
        modules = {path.stem for path in package.glob("*.py")} | {
            each.parent.name for each in package.glob("*/*.py")
        }
        itself = ".".join(package.relative_to(ROOT.parent).parts)
        bound = _bound(ast.parse(init.read_text(encoding="utf-8")).body)
        hidden += [f"{itself}.{name}" for name, of in bound.items() if name in modules and of != itself]
    assert hidden == []


def test_every_public_name_exists_and_is_documented():
    for name in steepest.__all__:
        found = getattr(steepest, name)
        assert found is not None
        assert name == "__version__" or (found.__doc__ or "").strip(), f"{name} has no docstring"


TASKS = {"classification", "regression", "reconstruction", "language"}
MAY_ASK = {"data/dataset.py", "data/target.py"}
"""Who compares the name of a task: what a target is, and how it is decided. Everybody else asks the target."""


def test_only_the_target_knows_the_tasks_by_name():
    found: list[str] = []
    for path in MODULES:
        where = path.relative_to(ROOT).as_posix()
        if where in MAY_ASK or where.startswith(("objectives/", "export/portable/")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            values = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            values += [case.value for case in [node] if isinstance(case, ast.MatchValue)]
            if any(isinstance(each, ast.Constant) and each.value in TASKS for each in values):
                found.append(f"{where}:{node.lineno}")
    assert found == []


MODEL_TWINS = "export/portable/"
"""Modules that are copied beside exported weights: a class there is the model of the same name, without the package."""


def _repeated(classes: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the public names by which several modules define a class, with the modules."""
    where: dict[str, list[str]] = {}
    for name, module in classes:
        if not name.startswith("_"):
            where.setdefault(name, []).append(module)
    return {name: modules for name, modules in sorted(where.items()) if len(modules) > 1}


def test_a_class_has_a_name_of_its_own():
    """Whoever searches for a name, or reads it in an error, finds one thing."""
    classes = [
        (node.name, path.relative_to(ROOT).as_posix())
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not path.relative_to(ROOT).as_posix().startswith(MODEL_TWINS)
    ]
    assert _repeated([("Member", "a.py"), ("Member", "b.py"), ("_Own", "a.py"), ("_Own", "b.py")]) == {
        "Member": ["a.py", "b.py"]
    }
    assert _repeated(classes) == {}
