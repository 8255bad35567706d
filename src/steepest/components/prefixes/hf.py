"""``hf:FOLDER``: a causal language model of Hugging Face, from its folder; nothing in it is run."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from steepest.components.identity.weights import GGUF, PICKLES, a_file, check_no_adapter, is_saved
from steepest.components.quiet import quiet
from steepest.errors import ModelError, first_line, is_out_of_memory
from steepest.wording import first_few

COMPONENTS = {
    "hf": {
        "object": "find",
        "what": "models of Hugging Face",
        "groups": ["model"],
        "tokenizer": "folder",
        "libraries": ["transformers"],
    }
}

PADDING = 128
"""Up to a multiple of it, vocabularies of models are padded beyond the pieces of their tokenizers."""

CACHES = ("cache", "past_key_values")
"""What versions of the library call the keys and values of the tokens before, in results as in arguments."""


class Causal(nn.Module):
    """A causal model of the transformers library, called with tokens ``[B, T]`` for logits ``[B, T, V]``.

    Attributes:
        cautions: what a person should know of the model and the text.
    """

    def __init__(self, shape: Any, folder: Path) -> None:
        super().__init__()
        config = _config(folder)
        pieces = config.get("vocab_size")
        if not isinstance(pieces, int):
            raise ModelError(
                f"the config.json in {folder.as_posix()!r} says no size of a vocabulary (vocab_size: {pieces!r})",
                hint="give the folder of a causal language model, as it was fetched.",
            )
        if pieces < shape.outputs:
            raise ModelError(
                f"the model in {folder.as_posix()!r} has {pieces:,} pieces, the text's tokenizer {shape.outputs:,}",
                hint=f"cut the text by the model's own tokenizer: --tokenizer {folder.as_posix()}.",
            )
        length, most = (
            shape.fields[0].size[0],
            config.get("max_position_embeddings", config.get("n_positions")),
        )
        if isinstance(most, int) and length > most:
            raise ModelError(
                f"rows of {length:,} tokens are longer than the {most:,} positions of the model in "
                f"{folder.as_posix()!r}",
                hint=f"give shorter rows: --block {most}.",
            )
        self.pieces = shape.outputs
        self.cautions = about_vocabularies(shape.outputs, pieces, folder)
        self.net = loaded(folder)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits ``[B, T, V]`` of the token behind each."""
        return self.net(input_ids=tokens, use_cache=False).logits[..., : self.pieces]

    def continued(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return logits of tokens that follow those of a state, and the state of all of them.

        Args:
            tokens: int64 ``[B, T]``.
            state: as this returns it for the tokens before, None at the start: the library's cache, by its name, which
                is changed in place; of a model without one, the tokens themselves, which are computed again.
        """
        before = state if isinstance(state, Tensor) else tokens[:, :0]
        given = torch.cat([before, tokens], 1)
        cache = state if isinstance(state, dict) else {}
        found = self.net(input_ids=given, use_cache=True, **cache)
        cache = {name: found[name] for name in CACHES if name in [*found.keys()]}
        return found.logits[:, before.shape[1] :, : self.pieces], cache or given


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


def about_vocabularies(pieces: int, rows: int, folder: Path) -> tuple[str, ...]:
    """Return a caution where a text's tokenizer has fewer pieces than padding of a model's vocabulary explains.

    Example:
        >>> about_vocabularies(50_257, 50_304, Path("gpt2")), len(about_vocabularies(257, 50_257, Path("gpt2")))
        ((), 1)
    """
    if rows <= -(-pieces // PADDING) * PADDING:
        return ()
    return (
        f"the text's tokenizer has {pieces:,} pieces, the model in {folder.as_posix()!r} has {rows:,}: its "
        f"embeddings are of another tokenizer, unless {rows - pieces:,} pieces are unused; --tokenizer "
        f"{folder.as_posix()} takes the model's own.",
    )


def loaded(folder: Path) -> nn.Module:
    """Return the model in a folder.

    Raises:
        ModelError: it cannot be loaded, it is of another kind, or weights are missing or of other sizes.
    """
    library = _library()
    bars = library.utils.logging
    shown, loud = bars.is_progress_bar_enabled(), bars.get_verbosity()
    bars.disable_progress_bar()
    bars.set_verbosity_error()
    try:
        with quiet("bitsandbytes", "peft"):  # which it imports for some models
            net, loading = library.AutoModelForCausalLM.from_pretrained(
                folder.as_posix(),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation="eager",
                dtype="float32",
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
            )
    except Exception as error:  # whatever the library says of a damaged or unknown model
        if is_out_of_memory(error):
            raise
        kind = _config(folder).get("model_type")
        if "Unrecognized configuration class" in str(error):
            raise ModelError(
                f"the model in {folder.as_posix()!r} is of the type {kind!r}, which is no causal language model",
                hint="give the folder of a causal one, such as a GPT-2 or a Llama.",
            ) from error
        raise ModelError(
            f"the model in {folder.as_posix()!r} cannot be loaded: {first_line(error)}",
            hint="give the folder of a whole causal language model: config.json and model.safetensors; a file that "
            "is damaged or cut has to be fetched again.",
        ) from error
    finally:
        bars.set_verbosity(loud)
        if shown:
            bars.enable_progress_bar()
    others = {
        str(name): f"{[*found]} instead of {[*size]}" for name, found, size in loading["mismatched_keys"]
    }
    lacking = sorted({*loading["missing_keys"]} - {*others})
    if others or lacking:
        sizes = [f"{name} is {size}" for name, size in sorted(others.items())]
        what = f"have other sizes: {first_few(sizes, 2)}" if others else f"lack {first_few(lacking)}"
        raise ModelError(
            f"the weights in {folder.as_posix()!r} are not those of its config.json: they {what}",
            hint="give the folder of a whole causal language model, whose config.json and weights belong together.",
        )
    return net


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
    if folder.is_file():
        raise a_file(path)
    if not folder.is_dir():
        raise ModelError(
            f"there is no folder {path!r}", hint="models are read from folders on this machine: hf:FOLDER."
        )
    if is_saved(folder):
        raise ModelError(
            f"{path!r} is the folder of a network that steepest has saved, and not one of Hugging Face",
            hint=f"begin with it as a transformer: --model 'transformer(start={path})'.",
        )
    check_no_adapter(folder)
    if _config(folder).get("auto_map"):
        raise ModelError(
            f"the model in {path!r} needs code of its own, which is not run",
            hint="take a model that the transformers library has.",
        )
    if not [*folder.glob("*.safetensors")]:
        pickles = [each.name for each in sorted(folder.iterdir()) if each.suffix in PICKLES]
        if pickles:
            raise ModelError(
                f"the weights in {path!r} are a pickle, {pickles[0]}, which could run code",
                hint="give the folder with model.safetensors; nothing here opens pickles.",
            )
        ggufs = [each for each in sorted(folder.iterdir()) if each.suffix == GGUF]
        if ggufs:
            raise a_file(ggufs[0].as_posix())
        raise ModelError(
            f"the folder {path!r} has no weights (model.safetensors)",
            hint="give the folder of a whole model, with its config.json and model.safetensors.",
        )
    return CausalFolder(path)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(
            f"the folder {folder.as_posix()!r} has no config.json", hint="give the folder of a whole model."
        )
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}, not an object with fields")
        return dict(found)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path.as_posix()!r} cannot be read: {first_line(error)}",
            hint="give the folder of a whole model, as it was fetched.",
        ) from error


def _library() -> Any:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "models of Hugging Face need the library transformers, which is not installed",
            hint="pip install '.[language]', or start our own from it: 'transformer(start=FOLDER)'.",
        ) from error
