"""What files of weights are: their content, so that runs go on only from the same; and what such files are not."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from steepest.errors import ModelError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Suffixes of files of weights that can hold code."""
GGUF = ".gguf"
_OF_A_MODEL = ("config.json", "*.safetensors", "*.safetensors.index.json")


def of_weights(path: str | Path) -> str:
    """Return a digest of the content of a model's files: of a file, or of those in a folder that a model is made of.

    These are ``config.json`` and safetensors with their index, or the files of llama2.c. Where the folder is does not
    matter. Empty if there is nothing.

    Example:
        >>> of_weights("no/such/folder")
        ''
    """
    place = Path(path).expanduser()
    if place.is_file():
        return _digest(place)
    found = sorted({each for pattern in _OF_A_MODEL for each in place.glob(pattern)})
    if not any(each.suffix == ".safetensors" for each in found):
        found += sorted(each for each in place.glob("*.bin") if not each.name.startswith("tok"))
    if not found:
        return ""
    content = "".join(f"{each.name} {_digest(each)}\n" for each in found)
    return hashlib.sha256(content.encode()).hexdigest()


def _digest(path: Path) -> str:
    about = path.stat()
    return _digest_once(path.resolve(), about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _digest_once(path: Path, size: int, modified: int) -> str:
    """Return the SHA-256 of a file, which is read in pieces, once as long as size and time of change stay."""
    del size, modified
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def a_file(path: str) -> ModelError:
    """Return the error of a file where the folder of a model is needed."""
    if Path(path).suffix == GGUF:
        return ModelError(
            f"{path!r} is a file of GGUF, and models are read from folders",
            hint="make a folder of it by scripts/gguf_to_safetensors.py, and give that.",
        )
    return ModelError(
        f"{path!r} is a file, and models are read from folders",
        hint=f"give the folder: {Path(path).parent.as_posix()}.",
    )
