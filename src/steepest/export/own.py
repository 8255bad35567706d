"""The source of a user's own network, to stand beside its weights without steepest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import util
from pathlib import Path

from steepest.components import grammar
from steepest.components.references import file_of, is_installed, modules_of, root_of
from steepest.errors import ModelError

TAKEN = ("model.py", "predict.py", "encoding.py", "reading.py", "dates.py", "shape.py", "number_columns.py")
"""The names of our own files in the folder."""

_MODEL = '''"""The network: what the comparison was made with, and what it was built from."""

from {module} import {name}
from shape import Shape


def network(about, weights):
    """Return the network with its weights; ``about`` is that part of ``encoders.json``."""
    net = {call}
    net.load_state_dict(weights)
    return net
'''
_ONNX = "or --format onnx, which needs no source."


def source_files(reference: object) -> dict[str, str]:
    """Return ``model.py`` and the files that it imports, by name.

    Args:
        reference: what the network is built by, such as ``nets.py:Net(width=8)``.

    Raises:
        ModelError: it is no file, or its source imports steepest.
    """
    if not isinstance(reference, str):
        raise ModelError(
            "a network that was built by a callable has no file that could be copied",
            hint=f"give it as FILE.py:NAME, {_ONNX}",
        )
    spec = grammar.parse(reference)
    where, _, name = spec.name.rpartition(":")
    files: dict[str, str] = {}
    module = where
    path = _path(where)
    if path is not None:
        root = path.parent if where.endswith(".py") else root_of(path, where)
        for each in modules_of(path, root).values():
            file = each.relative_to(root).as_posix()
            if file in TAKEN:
                raise ModelError(
                    f"the network's file {file!r} has a name of ours", hint=f"rename it, {_ONNX}"
                )
            files[file] = _standing_alone(each.read_text(encoding="utf-8"), file)
        module = path.relative_to(root).with_suffix("").as_posix().replace("/", ".")
    arguments = ["Shape(**about)", *map(repr, spec.arguments)]
    arguments += [f"{key}={value!r}" for key, value in spec.options.items()]
    call = f"{name}({', '.join(arguments)})"
    return {"model.py": _MODEL.format(module=module, name=name.partition(".")[0], call=call), **files}


def _path(where: str) -> Path | None:
    """Return the file of a module; None if it is installed, and can be imported."""
    if where.endswith(".py"):
        return file_of(where)
    origin = getattr(util.find_spec(where), "origin", None)
    return None if origin is None or is_installed(origin) else Path(origin).resolve()


def _standing_alone(text: str, file: str) -> str:
    """Return a source in which the one class of ours that is often imported, ``Shape``, is that of the folder.

    Example:
        >>> _standing_alone("import torch\\nfrom steepest.data.dataset import Shape\\n", "nets.py")
        'import torch\\nfrom shape import Shape\\n'
    """
    lines = text.splitlines(keepends=True)
    for node in _imports(ast.parse(text)):
        names = [each.name for each in node.names]
        if isinstance(node, ast.ImportFrom) and node.module == "steepest.data.dataset" and names == ["Shape"]:
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line.replace("steepest.data.dataset", "shape")
        else:
            raise ModelError(
                f"{file} imports steepest in line {node.lineno}, so it cannot stand alone",
                hint=f"take the import out (a network needs only the shape that it is given), {_ONNX}",
            )
    return "".join(lines)


def _imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of steepest, but for those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = (
                [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            )
            if any(each.partition(".")[0] == "steepest" for each in modules):
                yield node
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _imports(node)
