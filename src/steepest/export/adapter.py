"""The adapter of a fine-tuned network, as the library PEFT reads it, with a page that says what opens it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from steepest.components import grammar
from steepest.data.texts.checkpoints import llama_name
from steepest.errors import FolderError, ModelError, OptionError
from steepest.experiment.folder import load_comparison
from steepest.finetuning import read_finetuning, structural_text
from steepest.models import begins_from
from steepest.models.transformer import Transformer
from steepest.prediction.model import TrainedModel
from steepest.record.store import Folder

Files = dict[str, str | bytes]

PREFIX = "hf:"


def as_adapter(model: TrainedModel, folder: Path, arm: str | None, out: Path) -> Files:
    """Return the adapter of a network, by file name. What it belongs to is named as seen from its own folder.

    Of a Llama's folder, opened by Hugging Face's library or as the start of our own transformer, it is an adapter of
    that folder; of any other model it is one of the network ``TrainedModel.base``.

    Args:
        model: the network.
        folder, arm: where it was loaded from, for the page.
        out: the folder that the files are for.

    Raises:
        ModelError: the network has no adapter; the message names arms of its comparison that have one.
    """
    way = read_finetuning(model.about.finetune)
    if not way.structural:
        raise _without(model, folder)
    base = _base_folder(model)
    base = _seen_from(out, Path(base)) if base else ""
    named = _named(str(model.about.trained.get("factors", {}).get("model", model.about.model)), out)
    renamed = llama_name if base and isinstance(model.net, Transformer) else None
    files = dict(way.adapter(model.net, base or named, renamed))
    opens = _of_library(base, way.opened_with) if base else _of_steepest(_seen_from(out, folder), arm)
    text = [
        f"# The adapter {way} of {base or named}",
        "",
        "`adapter_config.json` and `adapter_model.safetensors` are the files of the library PEFT. In this folder:",
        "",
        "```python",
        *opens,
        "```",
        "",
        f"It comes from {model.title}; {way.said}.",
    ]
    return {"README.md": "\n".join(text) + "\n", **files}


def _of_library(base: str, opened_with: Sequence[str]) -> list[str]:
    more = f", {opened_with[-1]}" if opened_with else ""
    return [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM",
        *opened_with[:1],
        "",
        *opened_with[1:-1],
        f"base = AutoModelForCausalLM.from_pretrained({base!r}{more})",
        'model = PeftModel.from_pretrained(base, ".")  # this folder',
    ]


def _of_steepest(folder: str, arm: str | None) -> list[str]:
    of = "" if arm is None else f", arm={arm!r}"
    return [
        "import steepest as st",
        "from peft import PeftModel",
        "",
        f"base = st.load({folder!r}{of}).base  # the network without its adapter",
        'model = PeftModel.from_pretrained(base, ".")  # this folder',
    ]


def _base_folder(model: TrainedModel) -> str:
    """Return the folder of the Llama that a network is of, for the library transformers; or nothing."""
    text = str(model.about.trained.get("factors", {}).get("model", ""))
    if text.startswith(PREFIX):
        return text.removeprefix(PREFIX)
    if not isinstance(model.net, Transformer):
        return ""
    start = str(grammar.parse(text).options.get("start", "")) if text else ""
    return start if start and (Path(start).expanduser() / "config.json").is_file() else ""


def _seen_from(out: Path, folder: Path) -> str:
    """Return the path of a folder from another one on; from the root on where they have none in common."""
    there, here = folder.expanduser().resolve(), out.expanduser().resolve()
    try:
        return Path(os.path.relpath(there, here)).as_posix()
    except ValueError:  # another drive
        return there.as_posix()


def _named(text: str, out: Path) -> str:
    """Return the specification of a model, with the path of what it begins with as seen from a folder."""
    start = begins_from(text)
    if not start or text.startswith(PREFIX):
        return text
    spec = grammar.parse(text)
    return str(replace(spec, options={**spec.options, "start": _seen_from(out, Path(start))}))


def _without(model: TrainedModel, folder: Path) -> ModelError:
    try:
        whole = (folder / "experiment.toml").is_file()
        known = load_comparison(Folder(folder) if whole else Folder.of_model(folder)).arms
        arms = [each for each in known if structural_text(each.factors.get("finetune", ""))]
    except (FolderError, OptionError):
        arms = []
    cure = (
        f"name an arm that has one: --arm {arms[0].title!r}."
        if arms
        else "adapters come from --finetune 'lora(8)' or 'dora(8)'; --format torch exports the network itself."
    )
    return ModelError(f"{model.title} has no adapter: its own weights were trained", hint=cure)
