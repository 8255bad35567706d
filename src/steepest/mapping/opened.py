"""What a map is made of: a network and the data that it was trained on, from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from steepest.data.dataset import Dataset
from steepest.data.numbers import STANDARD
from steepest.data.sources.contract import Source
from steepest.data.variants import ALL, NONE
from steepest.errors import ModelError, SteepestError
from steepest.experiment.data import variant_of
from steepest.experiment.folder import check_unchanged
from steepest.experiment.run import open_data
from steepest.files import reachable
from steepest.models import ModelBuilder
from steepest.prediction.about import BASELINE
from steepest.prediction.model import TrainedModel
from steepest.recipe import load_tree, validate_experiment
from steepest.record.store import Folder


@dataclass(frozen=True)
class OpenedNetwork:
    """A network and its data.

    Attributes:
        folder: of the comparison.
        model: the network.
        source: the data, or why it cannot be opened.
    """

    folder: Path
    model: TrainedModel
    source: Source | SteepestError


def is_run(source: object) -> bool:
    """Return whether something is the folder of a comparison or of a model."""
    if not isinstance(source, str | Path):
        return False
    path = Path(source).expanduser()
    return any((path / name).is_file() for name in ("experiment.toml", "model.json", "model/model.json"))


def run_of(folder: str | Path) -> Path:
    """Return the folder of the comparison that a folder is of, or of one of whose models it is."""
    folder = reachable(folder)
    return folder if (folder / "experiment.toml").is_file() else Folder.of_model(folder).path


def opened(
    folder: str | Path, arm: str | None, model: str | ModelBuilder | None, own_source: str | None
) -> OpenedNetwork:
    """Return the network of a comparison's winner or of an arm, and its data.

    Raises:
        FolderError, ModelError, OptionError: as for :func:`steepest.load`; or a folder is of a baseline.
    """
    folder = reachable(folder)
    winner = folder / "model"
    loaded = TrainedModel.load(
        winner if arm is None and winner.is_dir() else folder, arm=arm, model=model, source=own_source
    )
    run = run_of(folder)
    if loaded.about.model.startswith(BASELINE):
        raise ModelError(
            f"{loaded.title} has no layers and no vectors",
            hint=f"name the folder of a network: {(run / 'model').as_posix()}.",
        )
    try:
        path = run / "experiment.toml"
        source = open_data(validate_experiment(load_tree(path), where=str(path)))
        check_unchanged(Folder(run), source)
    except SteepestError as error:
        return OpenedNetwork(run, loaded, error)
    return OpenedNetwork(run, loaded, source)


def dataset_of(model: TrainedModel, source: Source) -> Dataset:
    """Return the dataset that a network was trained on: that of its arm, where arms have other rows or features."""
    factors = model.about.trained.get("factors") or {}
    texts = [str(factors.get(name, default)) for name, default in _FACTORS.items()]
    variant = variant_of(source, *texts)
    test_set = 0 if source.sets == 1 else None
    made = source.make(test_set) if variant.is_neutral else source.vary(variant, test_set)
    return made[0]


_FACTORS = {"train_rows": ALL, "labels": NONE, "prepare": "", "numbers": STANDARD}
