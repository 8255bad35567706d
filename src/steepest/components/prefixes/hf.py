"""``hf:FOLDER``: a causal language model of Hugging Face, from its folder; nothing in it is run."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from steepest.errors import ModelError

COMPONENTS = {"hf": {"object": "find", "what": "models of Hugging Face", "groups": ["model"]}}


class Causal(nn.Module):
    """A causal model of the transformers library, called with tokens ``[B, T]`` for logits ``[B, T, V]``."""

    def __init__(self, shape: Any, folder: Path) -> None:
        super().__init__()
        config = _config(folder)
        pieces = int(config.get("vocab_size", 0))
        if pieces < shape.outputs:
            raise ModelError(
                f"the model in {folder.as_posix()!r} has {pieces:,} pieces, the text's tokenizer {shape.outputs:,}",
                hint=f"cut the text by the model's own tokenizer: --tokenizer {folder.as_posix()}.",
            )
        self.pieces = shape.outputs
        library = _library()
        bars = library.utils.logging
        shown = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()
        try:
            self.net = library.AutoModelForCausalLM.from_pretrained(
                folder.as_posix(),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation="eager",
                dtype="float32",
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"the model in {folder.as_posix()!r} cannot be loaded: {str(error).splitlines()[0]}",
                hint="give the folder of a causal language model with its config.json and model.safetensors.",
            ) from error
        finally:
            if shown:
                bars.enable_progress_bar()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``[B, T, V]`` of the token behind each."""
        return self.net(input_ids=tokens, use_cache=False).logits[..., : self.pieces]


class CausalFolder:
    """Builds the model in a folder for data of a shape."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, shape: Any) -> nn.Module:
        """Return the model with its weights.

        Raises:
            ModelError: the data is no text, or there is no model that fits it.
        """
        if shape.takes != "tokens":
            raise ModelError(
                f"the model 'hf:{self.path}' is of texts, but the data is {shape.takes}",
                hint="add --kind text, or choose another model.",
            )
        return Causal(shape, Path(self.path).expanduser())


def find(path: str) -> CausalFolder:
    """Return what builds the model in a folder.

    Raises:
        ModelError: there is no such folder, it has no safetensors, or it needs code of its own.

    Example:
        >>> find("no/such")
        Traceback (most recent call last):
        ...
        steepest.errors.ModelError: there is no folder 'no/such'
        Hint: models are read from folders on this machine: hf:FOLDER.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {path!r}", hint="models are read from folders on this machine: hf:FOLDER."
        )
    if _config(folder).get("auto_map"):
        raise ModelError(
            f"the model in {path!r} needs code of its own, which is not run",
            hint="take a model that the transformers library has.",
        )
    if not [*folder.glob("*.safetensors")]:
        pickles = [
            each.name for each in sorted(folder.iterdir()) if each.suffix in (".bin", ".pt", ".pth", ".ckpt")
        ]
        what = f"are a pickle, {pickles[0]}, which could run code" if pickles else "are not there"
        raise ModelError(
            f"the weights in {path!r} {what}",
            hint="give the folder with model.safetensors; nothing here opens pickles.",
        )
    return CausalFolder(path)


def _config(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{folder.as_posix()!r} has no config.json that can be read",
            hint="give the folder of a whole model.",
        ) from error


def _library() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "models of Hugging Face need the library transformers, which is not installed",
            hint="pip install '.[language]', or start our own from it: 'transformer(start=FOLDER)'.",
        ) from error
