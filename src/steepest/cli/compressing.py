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
    from steepest.experiment.again import arm_as_trained
    from steepest.record.store import Folder

    procedure = f"prune({sparsity}, {steps}, unit={unit}, scope={scope})"
    Folder.open(folder)
    trained = load(folder / "model")
    arms = [
        arm_as_trained(trained.about, procedure, "pruned"),
        arm_as_trained(trained.about, "train", "not pruned"),
    ]
    small = _small(trained, sparsity, unit)
    if small:
        arms.append({**arm_as_trained(trained.about, "train", "small"), "model": small})
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
    from steepest.experiment.again import arm_as_trained
    from steepest.record.store import Folder

    Folder.open(folder)
    trained = load(folder / "model")
    heat = "" if temperature is None else f", temperature={temperature}"
    taught = {
        **arm_as_trained(trained.about, f"distil({trained.about.model!r}, {alpha}{heat})", "taught"),
        "model": model,
    }
    alone = {**arm_as_trained(trained.about, "train", "alone"), "model": model}
    arms = [taught, alone, arm_as_trained(trained.about, "train", "teacher's model")]
    result = _compared(folder, arms, out or folder.with_name(f"{folder.name}-distilled"), quiet=quiet)
    _answers(result, [("taught", each["name"]) for each in arms[1:]])
    _sizes(result, [each["name"] for each in arms])


def _small(trained: TrainedModel, sparsity: float, unit: str) -> str:
    """Return the model with narrower hidden layers that has about as many parameters as a pruned one has left."""
    from steepest.procedures.pruning import Pruning
    from steepest.train.smaller import like_pruned

    pruning = Pruning(sparsity, sparsity, unit="neuron" if unit == "neuron" else "weight")
    return like_pruned(trained.about.model, trained.about.shape, pruning)


def _compared(folder: Path, arms: list[dict[str, Any]], out: Path, *, quiet: bool) -> Result:
    from steepest.api import Plan
    from steepest.errors import FolderError
    from steepest.experiment.again import experiment_again
    from steepest.experiment.run import open_data

    if (out / "experiment.toml").is_file():
        raise FolderError(
            f"{str(out)!r} holds a comparison already",
            hint=f"give --out another folder, or go on with what is there: steepest resume {out}.",
        )
    experiment = experiment_again(folder, arms, out.name)
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
