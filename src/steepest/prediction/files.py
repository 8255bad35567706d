"""The files of a trained model: weights, what it is, its pipeline, and hashes of the rows that it has seen."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
from torch import nn

from steepest import forks
from steepest.data.sources.opening import load_pipeline
from steepest.data.sources.rows import Pipeline
from steepest.errors import FolderError, ModelError, first_line
from steepest.evaluate.baselines import restore
from steepest.files import cannot_write, reachable, write_atomically
from steepest.finetuning import finetuned, structural_text
from steepest.finetuning.frozen import packed, unpacked
from steepest.finetuning.quantised import numbers_in
from steepest.models import ModelBuilder, build_model
from steepest.prediction.about import BASELINE, About, again, builder, damaged, read_about
from steepest.prediction.sameness import check_code, check_outputs
from steepest.prediction.seen import SeenRows
from steepest.record.arms import arm_model, check_of_comparison
from steepest.record.store import Folder
from steepest.train.weights import held_names, load_once, once


def write_model(
    folder: Path, net: nn.Module, about: About, pipeline: Pipeline, seen: SeenRows | None, apart: bool
) -> Path:
    """Write a model into a folder, see :meth:`steepest.prediction.model.TrainedModel.save`."""
    try:
        reachable(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    stored = about.stored(sum(map(numbers_in, net.parameters())))
    pipeline.save(folder / "pipeline.json")
    write_atomically(folder / "model.json", json.dumps(stored, indent=2, ensure_ascii=False) + "\n")
    if seen is not None:
        seen.save(folder)
    held = held_names(net, about.held(net) if apart else ())
    content = packed(Folder.of_model(folder).path, once(net.state_dict()), None, held)
    write_atomically(folder / "model.safetensors", content)
    return folder


def read_model(
    folder: str | Path, model: str | ModelBuilder | None, arm: str | None, source: str | None
) -> tuple[nn.Module, About, Pipeline, SeenRows | None]:
    """Read a model from a folder, see :meth:`steepest.prediction.model.TrainedModel.load`."""
    forks.check()
    folder = reachable(folder)
    if arm is not None:
        check_of_comparison(Folder(folder), arm)
        folder = folder / arm_model(Folder(folder), arm)
    elif (folder / "experiment.toml").is_file():
        folder = Folder(folder).recommended
    elif (folder / "model").is_dir():
        folder = folder / "model"
    about = read_about(folder)
    build = builder(about.model, folder, model)
    try:
        pipeline = load_pipeline(folder / "pipeline.json", source)
    except FolderError as error:
        raise FolderError(error.fact, hint=again(folder)) from error
    if pipeline.shape != about.shape or pipeline.classes != about.classes:
        raise FolderError(
            f"model.json and pipeline.json in {str(folder)!r} are not of the same model",
            hint=again(folder),
        )
    try:
        content = (folder / "model.safetensors").read_bytes()
        arrays, _ = unpacked(Folder.of_model(folder).path, content)
        if build is None:
            net = restore(about.model.removeprefix(BASELINE), about.shape, arrays)
        else:
            with Folder.of_model(folder).finding_code():
                net = build_model(build, pipeline.shape, seed=int(about.trained.get("seed", 0)))
            check_code(net, about.code, folder, about.model)
            net = finetuned(net, structural_text(about.finetune), int(about.trained.get("seed", 0)))
            load_once(net, arrays)
            check_outputs(net, about.shape, about.outputs, folder, about.model)
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        raise damaged(folder / "model.safetensors", error) from None
    except RuntimeError as error:
        raise ModelError(
            f"the weights in {str(folder)!r} do not fit the model {about.model!r}: {first_line(error)}",
            hint="give the model that was trained.",
        ) from None
    return net, about, pipeline, SeenRows.load(folder)
