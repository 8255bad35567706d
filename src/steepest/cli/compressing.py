"""``steepest prune`` and ``steepest distil``: make the network of a comparison smaller, beside its controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steepest.cli import output
from steepest.cli.output import line

if TYPE_CHECKING:
    from steepest.api import Result
    from steepest.prediction.model import TrainedModel

Run = Annotated[Path, typer.Argument(help="Folder of a finished comparison.", metavar="FOLDER")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="Print only the result.")]


def prune(
    folder: Run,
    sparsity: Annotated[
        float, typer.Option(help="Share of the weights, or hidden neurons, that are pruned.", metavar="SHARE")
    ] = 0.9,
    steps: Annotated[int, typer.Option(help="Prunings, with training in between.", metavar="N")] = 1,
    unit: Annotated[str, typer.Option(help="What is pruned: weight or neuron.", metavar="UNIT")] = "weight",
    scope: Annotated[
        str,
        typer.Option(
            help="Where sizes are compared: within each layer, or over the whole network.", metavar="SCOPE"
        ),
    ] = "layer",
    out: Annotated[
        Path | None, typer.Option(help="Folder for all results (default: FOLDER-pruned).", metavar="FOLDER")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train the best network of a comparison again and prune it, beside what is not pruned.

    The controls train as long without pruning: the same network, and a small one with about as many
    parameters as are left.
    """
    from steepest.api import load
    from steepest.record.store import Folder

    procedure = f"prune({sparsity}, {steps}, unit={unit}, scope={scope})"
    Folder.open(folder)
    trained = load(folder / "model")
    arms = [_arm(trained, procedure, "pruned"), _arm(trained, "train", "not pruned")]
    small = _small(trained, sparsity, unit)
    if small:
        arms.append({**_arm(trained, "train", "small"), "model": small})
    result = _compared(folder, arms, out or folder.with_name(f"{folder.name}-pruned"), quiet=quiet)
    _answers(result, [("pruned", each["name"]) for each in arms[1:]])
    _sizes(result, [each["name"] for each in arms])


def distil(
    folder: Run,
    model: Annotated[
        str, typer.Option(help="The student's model, such as 'mlp(hidden=[32])'.", metavar="SPEC")
    ],
    alpha: Annotated[float, typer.Option(help="Share of the teacher in the loss.", metavar="SHARE")] = 0.9,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Temperature by which both networks' logits are divided (classes only; default: 4).",
            metavar="T",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for all results (default: FOLDER-distilled).", metavar="FOLDER"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train the best network of a comparison again as the teacher of a smaller one.

    The controls are the small network alone, as long as teacher and student together, and the teacher's model
    alone.
    """
    from steepest.api import load
    from steepest.record.store import Folder

    Folder.open(folder)
    trained = load(folder / "model")
    heat = "" if temperature is None else f", temperature={temperature}"
    taught = {**_arm(trained, f"distil({trained.about.model!r}, {alpha}{heat})", "taught"), "model": model}
    alone = {**_arm(trained, "train", "alone"), "model": model}
    arms = [taught, alone, _arm(trained, "train", "teacher's model")]
    result = _compared(folder, arms, out or folder.with_name(f"{folder.name}-distilled"), quiet=quiet)
    _answers(result, [("taught", each["name"]) for each in arms[1:]])
    _sizes(result, [each["name"] for each in arms])


def _arm(trained: TrainedModel, procedure: str, name: str) -> dict[str, Any]:
    """Return the arm of a trained network by another procedure, with all that was chosen for it: nothing is tuned.

    Raises:
        FolderError: the network was saved before it told its whole rule.
    """
    from steepest.errors import FolderError
    from steepest.recipe import ArmOptions

    about = trained.about.trained
    if "rule" not in about:
        raise FolderError(
            "the saved network does not say with which rule it was trained: an older version saved it",
            hint="make the comparison again in another folder, then give that.",
        )
    known = {*ArmOptions.model_fields} - {"optimizer", "name", "procedure", "regularizer"}
    factors = {key: value for key, value in about["factors"].items() if key in known and value}
    if str(factors.get("batch_size", "")).isdigit():
        factors["batch_size"] = int(factors["batch_size"])
    chosen = {"optimizer": about["rule"], "regularizer": about["regularizer"] or "none"}
    return {**factors, **chosen, "procedure": procedure, "name": name}


def _small(trained: TrainedModel, sparsity: float, unit: str) -> str:
    """Return the model with narrower hidden layers that has about as many parameters as a pruned one has left."""
    from steepest.procedures.pruning import Pruning
    from steepest.train.smaller import like_pruned

    pruning = Pruning(sparsity, sparsity, unit="neuron" if unit == "neuron" else "weight")
    return like_pruned(trained.about.model, trained.about.shape, pruning)


def _compared(folder: Path, arms: list[dict[str, Any]], out: Path, *, quiet: bool) -> Result:
    from steepest.api import Plan
    from steepest.errors import FolderError
    from steepest.experiment.run import open_data
    from steepest.recipe import load_tree, validate_experiment

    if (out / "experiment.toml").is_file():
        raise FolderError(
            f"{str(out)!r} holds a comparison already",
            hint=f"give --out another folder, or go on with what is there: steepest resume {out}.",
        )
    tree = load_tree(str(folder / "experiment.toml"))
    protocol, length = dict(tree.get("protocol", {})), dict(tree.pop("plan", {})).get("length", {})
    for name in ("tune", "sweep", "minutes", "learning_rates", "schedule", "batch_size", "precision"):
        protocol.pop(name, None)
    protocol.setdefault("epochs", length.get("epochs"))
    if protocol["epochs"] is None:
        protocol["epochs"] = length.get("epochs")
    for name in ("optimizers", "factors"):
        tree.pop(name, None)
    tree |= {"arms": arms, "protocol": protocol, "name": out.name}
    experiment = validate_experiment(tree, where=str(folder / "experiment.toml"))
    table = open_data(experiment)
    plan = Plan(table, experiment.model_copy(update={"data": table.options}))
    results: list[Result] = []

    def made(observer: Any) -> Result:
        results.append(plan.run(out, observer=observer, earlier=folder))
        return results[0]

    output.show(made, out, verbose=False, quiet=quiet, as_json=False, open_=False)
    return results[0]


def _answers(result: Result, pairs: list[tuple[str, str]]) -> None:
    """Print what the smaller network is worth: its difference from each of the others on the test rows."""
    for first, second in pairs:
        line(str(result.difference(first, second)), out=True)


def _sizes(result: Result, names: list[str]) -> None:
    """Print how large the networks are, and how long they take to predict rows."""
    from steepest.experiment.sizes import measured
    from steepest.train.smaller import what_is_left

    known = {each.arm: each for each in result.comparison.sizes}
    for name in names:
        trained = result.arm(name)
        found = known.get(name) or measured(name, trained.net, trained.about.shape)
        took = f"{found.milliseconds:.2g} ms for 1,000 rows"
        line(f"{name}: {found.parameters:,} parameters; {what_is_left(trained.net)}; {took}", out=True)
