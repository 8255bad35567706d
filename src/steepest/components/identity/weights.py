"""What files of weights are: their content, so that runs go on only from the same; and what such files are not."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from steepest.errors import ModelError

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Suffixes of files of weights that can hold code."""
GGUF = ".gguf"
_OF_A_MODEL = ("config.json", "*.safetensors", "*.safetensors.index.json")
SAVED, SAVED_WEIGHTS, SAVED_DATA = "model.json", "model.safetensors", "pipeline.json"
"""The files of a network that steepest has saved: what it is, its weights, and how data is prepared for it."""
PEFT_CONFIG, PEFT_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""The files of an adapter of PEFT."""


def of_weights(path: str | Path) -> str:
    """Return a digest of the content of a model's files: of a file, or of those in a folder that a model is made of.

    These are ``config.json`` and safetensors with their index, the files of llama2.c, or the weights and the
    specification of a network that steepest has saved. Where the folder is does not matter. Empty if there is nothing.

    Example:
        >>> of_weights("no/such/folder")
        ''
    """
    place = Path(path).expanduser()
    if place.is_file():
        return _digest(place)
    if is_saved(place):
        weights = place / SAVED_WEIGHTS
        told = f"{saved_as(place)} {_digest(weights) if weights.is_file() else ''}"
        return hashlib.sha256(told.encode()).hexdigest()
    found = sorted({each for pattern in _OF_A_MODEL for each in place.glob(pattern)})
    if not any(each.suffix == ".safetensors" for each in found):
        found += sorted(each for each in place.glob("*.bin") if not each.name.startswith("tok"))
    if not found:
        return ""
    content = "".join(f"{each.name} {_digest(each)}\n" for each in found)
    return hashlib.sha256(content.encode()).hexdigest()


def is_saved(folder: Path) -> bool:
    """Return whether a folder holds a network that steepest has saved, such as ``RUN/model``."""
    return (folder / SAVED).is_file() and (folder / SAVED_DATA).is_file()


def saved_as(folder: Path) -> tuple[str, str, int, int]:
    """Return what a saved network of texts is: specification, way of fine-tuning, pieces, and tokens of a row.

    Raises:
        ModelError: its description is damaged, or it is no network of texts.
    """
    path = folder / SAVED
    try:
        about: Any = json.loads(path.read_text(encoding="utf-8"))
        factors: Any = about["trained"].get("factors") or {}
        model, way, pieces = about["model"], factors.get("finetune", ""), about["outputs"]
        rows = [each["size"][0] for each in about.get("fields", ()) if each["kind"] == "tokens"]
        found = str(model), str(way), int(pieces), int(rows[0]) if rows else 0
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(
            f"cannot read {path.as_posix()!r}: {str(error) or type(error).__name__}",
            hint="make the network again: steepest resume goes on with its comparison.",
        ) from None
    if not rows:
        raise ModelError(
            f"the network in {folder.as_posix()!r} is {model}, which is of no texts",
            hint="begin with a network of texts.",
        )
    return found


def check_no_adapter(folder: Path) -> None:
    """Refuse the folder of an adapter, and one with an adapter beside a model, which its library loads unasked.

    Raises:
        ModelError: there is an adapter.
    """
    path = folder / PEFT_CONFIG
    if not path.is_file():
        return
    if (folder / "config.json").is_file():
        raise ModelError(
            f"the model in {folder.as_posix()!r} has an adapter beside it, {PEFT_CONFIG}, and it is not clear "
            "whether it belongs to the model",
            hint=f"move {PEFT_CONFIG} and {PEFT_WEIGHTS} into a folder of their own to begin without the "
            "adapter, or merge it into the model by PEFT: merge_and_unload().",
        )
    try:
        base = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        base = None
    raise ModelError(
        f"the folder {folder.as_posix()!r} has an adapter of PEFT ({PEFT_CONFIG}){f' of {base!r}' if base else ''}, "
        "which is no model by itself",
        hint="merge it into its base in Python, and give the folder of that: PeftModel.from_pretrained(base, FOLDER)"
        ".merge_and_unload().save_pretrained(MERGED). What steepest trained is a start as it is: start=RUN/model.",
    )


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
