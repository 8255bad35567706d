"""How steps are computed: what was asked for, what was decided, and what was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from steepest.errors import NotAllowedError
from steepest.recipe.options import FrozenOptions, listed

EMBEDDED = "ray"
"""The workers of a Ray cluster that is started on this machine."""


def _workers(value: Any) -> Any:
    """Read a number of workers, or which cluster they are of."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if (
        value is None
        or number
        or (isinstance(value, str) and (value == EMBEDDED or _ADDRESS.fullmatch(value)))
    ):
        return value
    raise NotAllowedError(
        f"{value!r} is neither a number of workers from 1 nor a Ray cluster",
        hint="give --workers 4, --workers ray or --workers ray://HOST:10001.",
    )


_ADDRESS = re.compile(r"ray://([^\s:/@]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")


class RunLength(FrozenOptions):
    """The length of the runs, and the trials and seeds where a budget changed them.

    ``why`` says how it came, ``follows`` what it follows from, by name; ``run_seconds`` is the training time of every
    run where arms get equal time; ``enough`` are the minutes that were expected to suffice where a time budget made the
    runs too short to compare anything.
    """

    epochs: float = Field(gt=0)
    why: str = ""
    follows: dict[str, str] = Field(default_factory=dict)
    seeds: int | None = None
    scan_rates: int | None = None
    full_rates: int | None = None
    run_seconds: float | None = None
    enough: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, given: Any) -> Any:
        """Read what earlier versions stored: a text of what was asked for, and what else a time budget counted.

        Example:
            >>> RunLength(epochs=4, asked="epochs 4.0, minutes 2.0, seeds 3", fitted={"--tune": "()"}).follows
            {'tune': '()', 'epochs': '4.0', 'minutes': '2.0', 'sweep': 'False', 'seeds': '3'}
        """
        if not isinstance(given, Mapping) or not {"asked", "fitted"} & given.keys():
            return given
        fields = dict(cast("Mapping[str, Any]", given))
        asked, fitted = fields.pop("asked", ""), fields.pop("fitted", {})
        follows = {name.removeprefix("--").replace("-", "_"): value for name, value in fitted.items()}
        for each in filter(None, asked.split(", ")):
            name, _, value = each.removeprefix("pilot of").partition(" ")
            if name == "seeds":
                follows["sweep"] = "False"
            follows[name or "pilot of"] = value
        return {**fields, "follows": follows}


class ExecutionOptions(FrozenOptions):
    """How steps are to be computed, as far as somebody says."""

    device: str = Field(
        "auto", description="where to train: auto, cpu, cuda or cuda:1; auto: cuda if there is one"
    )
    threads: int | None = Field(
        None, ge=1, description="CPU threads of a training step; measured unless given"
    )
    workers: Annotated[int | str | None, BeforeValidator(_workers)] = Field(
        None,
        description="runs that are made at the same time, each in a process of its own; one for each core, as far as "
        "that saves time, unless given; ray: in a Ray cluster on this machine; ray://HOST:PORT: in one of many",
    )
    rows: Literal["auto", "on", "off"] = Field(
        "auto",
        description="update only those rows of embedding tables that a batch touches, with the results of the "
        "full update; auto: where it is faster",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="compile each training step into one program, cached for the next time (needs a C++ compiler); "
        "auto: where it saves time",
    )
    track: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (),
        description="another program that is told of every run when it ends: tensorboard:DIR or mlflow:URI; repeatable",
    )


class Timings(FrozenOptions):
    """What steps, evaluations and runs take under an execution plan, in seconds; no run's numbers depend on it."""

    seconds_a_step: dict[str, float] = Field(default_factory=dict, description="per step, by optimizer")
    seconds_an_evaluation: float = Field(0.0, description="per evaluation of the validation rows")
    seconds_a_run: float = Field(0.0, description="per run, for everything else")
    gradients_a_product: dict[str, float] = Field(
        default_factory=dict,
        description="seconds of a curvature product, as a multiple of a gradient's, by optimizer that has some",
    )
    gradients_a_forward: dict[str, float] = Field(
        default_factory=dict, description="the same of a forward pass without a gradient"
    )


class Execution(FrozenOptions):
    """How the steps of some arms are computed: decided once, stored, and obeyed on resume.

    It belongs to what ``of`` names: model, shapes, batch size, precision and machine; ``timings`` was measured there.
    """

    device: str = "cpu"
    threads: int = Field(1, ge=1)
    workers: int = Field(1, ge=1, description="runs that can be made at the same time")
    rows: Literal["auto", "on", "off"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    executor: Literal["dense", "rows"] = "dense"
    tables: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (), description="parameters of the embedding tables that are updated by rows"
    )
    compiled: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (), description="optimizers whose step is one compiled program"
    )
    of: dict[str, str] = Field(
        default_factory=dict,
        description="what it was measured for: model, shapes, batch size, precision, machine",
    )
    timings: Timings = Field(default_factory=lambda: Timings.model_validate({}))

    def timed(self, **measured: Any) -> Execution:
        """Return this with other measurements.

        Example:
            >>> timings = Execution().timed(seconds_a_run=0.5).timed(seconds_a_step={"sgd": 0.001}).timings
            >>> timings.seconds_a_step, timings.seconds_a_run
            ({'sgd': 0.001}, 0.5)
        """
        return self.model_copy(update={"timings": self.timings.model_copy(update=measured)})

    def changed(self, of: Mapping[str, str]) -> str:
        """Return what this was measured for otherwise, in words; nothing where it belongs to the same.

        Example:
            >>> Execution(of={"batch size": "64", "model": "linear"}).changed({"batch size": "128", "model": "linear"})
            'the batch size was 64 and is 128'
        """
        names = [name for name in of if name in self.of and self.of[name] != of[name] and " of " not in name]
        return "; ".join(
            _RENEWED[name] if name in _RENEWED else f"the {name} was {self.of[name]} and is {of[name]}"
            for name in names
        )


class ExecutionPlan(FrozenOptions):
    """What a comparison decided and measured before its first tuned run: kept in the folder, obeyed on resume.

    Attributes:
        torch: the version of torch.
        libraries: the versions of further libraries that the runs depend on, by their names.
        device: where all runs are made.
        length: length of the runs, and what a time budget changed.
        cells: how steps are computed, by what their time depends on.
    """

    torch: str = ""
    libraries: dict[str, str] = Field(default_factory=dict)
    device: str = "cpu"
    length: RunLength | None = None
    cells: dict[str, Execution] = Field(default_factory=dict)


_RENEWED = {
    "shapes": "the shapes of the parameters have changed",
    "code": "the code of the model has changed",
    "loss code": "the code of the loss has changed",
    "regularizer code": "the code of the regularizer has changed",
}

EXECUTION_OPTIONS = tuple(ExecutionOptions.model_fields)
"""What may be asked of the execution; the rest is measured."""
