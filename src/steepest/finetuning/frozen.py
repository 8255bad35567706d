"""Parameters that runs hold, stored once for all runs that hold the same: a base of adapters, say.

A file of weights names the file of its frozen parameters by a hash of that file's content, in ``frozen/`` of the
comparison's folder. Small ones stay with the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from steepest.files import write_atomically, write_with_folder

FROZEN = "frozen"
"""The folder of these files, and the key of a hash."""
TIED = "tied"
LEAST = 1 << 18
"""Bytes of frozen parameters that get a file of their own."""


def packed(
    root: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None, held: Mapping[str, str]
) -> bytes:
    """Return the content of a file of tensors, after those that are held are in a file of theirs.

    Args:
        root: the comparison's folder.
        tensors: by name.
        about: what they are about.
        held: the names of those that no step changed, and for each the first name of the same parameter: of tied ones
            the one that is stored.
    """
    known = dict(about or {})
    apart = {owner: tensors[owner].contiguous() for owner in sorted({*held.values()}) if owner in tensors}
    rest = {name: each.contiguous() for name, each in tensors.items()}
    if sum(each.nbytes for each in apart.values()) >= LEAST:
        rest = {name: each for name, each in rest.items() if held.get(name) not in apart}
        tied = {name: owner for name, owner in held.items() if name != owner and name in tensors}
        known |= {FROZEN: _written(root, apart)} | ({TIED: json.dumps(tied, sort_keys=True)} if tied else {})
    # several texts would be in any order, and the same tensors are to give the same bytes
    metadata = {"about": json.dumps(known, sort_keys=True)} if known else None
    return safetensors.torch.save(rest, metadata)


def unpacked(root: Path, content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a content that :func:`packed` made, and what they are about.

    Raises:
        OSError: the file of frozen parameters cannot be read.
        ValueError: its content is another, or the text of what they are about is damaged.
        SafetensorError: the content is damaged.
    """
    tensors = safetensors.torch.load(content)
    about: dict[str, str] = json.loads(_metadata(content).get("about", "{}"))
    digest = about.pop(FROZEN, "")
    tied: dict[str, str] = json.loads(about.pop(TIED, "{}"))
    if digest:
        path = _path(root, digest)
        stored = path.read_bytes()
        if _digest(stored) != digest:
            raise ValueError(f"{path.as_posix()!r} is damaged")
        tensors |= safetensors.torch.load(stored)
        tensors |= {name: tensors[owner] for name, owner in tied.items()}
    return tensors, about


def unused(root: Path, *files: str) -> list[Path]:
    """Return the files of frozen parameters that none of some files of weights names.

    Args:
        root: the comparison's folder.
        files: patterns of the files.
    """
    there = sorted((root / FROZEN).glob("*.safetensors"))
    used = {_named(path) for pattern in files for path in root.glob(pattern)} if there else set[str]()
    return [path for path in there if path.stem not in used]


def _written(root: Path, tensors: dict[str, Tensor]) -> str:
    content = safetensors.torch.save(tensors)
    digest = _digest(content)
    path = _path(root, digest)
    if not path.is_file():
        write_with_folder(path, content)
    elif _digest(path.read_bytes()) != digest:
        write_atomically(path, content)
    return digest


def _path(root: Path, digest: str) -> Path:
    return root / FROZEN / f"{digest}.safetensors"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _metadata(content: bytes) -> dict[str, Any]:
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]).get("__metadata__", {})


def _named(path: Path) -> str:
    """Return the hash that a file of weights names; nothing where it names none, or is damaged."""
    try:
        with path.open("rb") as file:
            first = file.read(8)
            found = _metadata(first + file.read(int.from_bytes(first, "little")))
        return str(json.loads(found.get("about", "{}")).get(FROZEN, ""))
    except (OSError, ValueError, AttributeError):
        return ""
