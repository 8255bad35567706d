"""The configuration tree: one validated value says everything about an experiment.

``steepest compare experiment.toml`` reads it, a table on the command line builds the same tree, flags are
overrides, and the tree is what a folder keeps as ``experiment.toml``.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from steepest.components import grammar
from steepest.data.options import TableOptions
from steepest.errors import DataError, OptionError, unknown_name

Precision = Literal["float32", "tf32", "bf16"]

LARGEST_SEED = 2**62
"""Those that are counted from it, and the seed of tuning, still are 64-bit numbers, which tables hold."""


def _whole_numbers(value: Any) -> Any:
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _pairs(value: Any) -> Any:
    """Read ``["Block=128", "Beat=8"]`` or ``"Block=128,Beat=8"`` as a table."""
    if isinstance(value, str):
        value = grammar.split(value)
    if not isinstance(value, list | tuple):
        return value
    pairs: dict[str, str] = {}
    for each in value:
        name, equals, number = str(each).rpartition("=")
        if not equals:
            raise ValueError(f"{each!r} is not NAME=VALUE")
        pairs[name.strip()] = number.strip()
    return pairs


def _weights(value: Any) -> Any:
    """Read weights of classes; a class may be given as it is in a table."""
    pairs = value if value in ("none", "balanced") else _pairs(value)
    if not isinstance(pairs, Mapping):
        return pairs
    read = {_label(name): weight for name, weight in pairs.items()}
    for name, weight in read.items():
        try:
            fine = 0 < float(weight) < math.inf
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise ValueError(f"the weight of {name!r} is {weight}, and must be a number above 0")
    return read


def _label(value: Any) -> Any:
    """Read a class given as a number or a truth value as its label: 1 and 1.0 are ``1``, True is ``true``."""
    if type(value).__module__ == "numpy":
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Options(BaseModel):
    """The base of the tree's parts: immutable, unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelOptions(Options):
    """Which model is trained."""

    model_config = ConfigDict(allow_inf_nan=False)

    model: str = Field("embedding-mlp", description="name of a model, or your own as nets.py:MyNet")
    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_whole_numbers)] = Field(
        (128, 64), description="widths of the hidden layers, as 128,64"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout probability on the embeddings")
    embedding: Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_pairs)] = Field(
        default_factory=dict, description="width of an embedding, as Block=128; repeatable"
    )

    @property
    def spec(self) -> grammar.Spec:
        """The model with its options as one specification; a user's own model gets only its own options."""
        given = grammar.parse(self.model)
        if given.name != "embedding-mlp":
            return given
        options: dict[str, Any] = {"hidden": self.hidden, "dropout": self.dropout}
        if self.embedding:
            options["embedding"] = self.embedding
        return grammar.Spec(given.name, given.arguments, {**options, **given.options})


class Protocol(Options):
    """How the comparison is made."""

    model_config = ConfigDict(allow_inf_nan=False)

    metric: str | None = Field(
        None, description="metric that chooses learning rates and the winner (default: log loss or RMSE)"
    )
    positive: Annotated[str | None, BeforeValidator(_label)] = Field(
        None, description="positive class of two (default: the rarer one in training)"
    )
    seeds: int = Field(5, ge=1, le=1000, description="number of run seeds")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="the first run seed")
    epochs: float | None = Field(
        None, gt=0, description="length of a run in epochs (default: chosen by a pilot run)"
    )
    batch_size: int | None = Field(
        None, ge=2, description="rows per step (default: chosen from the number of rows)"
    )
    schedule: str = Field("cosine", description="learning-rate schedule")
    learning_rates: Annotated[
        Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] | None,
        BeforeValidator(_whole_numbers),
    ] = Field(
        None,
        description="learning rates to try, the same for every optimizer (default: seven around the centre of each)",
    )
    class_weights: Annotated[Literal["none", "balanced"] | dict[str, float], BeforeValidator(_weights)] = (
        Field("none", description="class weights in the loss: none, balanced, or as yes=2,no=1")
    )
    clip: float | None = Field(None, gt=0, description="clip gradients to this norm")
    precision: Precision = Field(
        "float32", description="precision of matrix products in training; tf32 needs a CUDA device"
    )
    tune: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (),
        description="another hyperparameter to tune: a range, as 'adam: eps=1e-8..1e-4', or values, as rho=0.05,0.1; "
        "lr=1e-4..1e-1 sets the range of rates; repeatable",
    )
    scan_rates: int = Field(
        7,
        ge=1,
        description="trials of every optimizer in the first tuning stage, on a quarter of the steps; doubled if an "
        "optimizer tunes several hyperparameters",
    )
    full_rates: int = Field(3, ge=1, description="best trials of the first stage that run at full length")
    sweep: bool = Field(
        False,
        description="run every learning rate with every seed at full length, to show how sensitive optimizers are",
    )
    equal: Literal["epochs", "steps", "seconds", "gradients"] = Field(
        "epochs", description="unit in which run lengths are equal"
    )
    minutes: float | None = Field(
        None, gt=0, description="time budget in minutes; shortens runs and tuning to fit"
    )


class RunLength(Options):
    """The length of the runs, and the trials and seeds where a budget changed them.

    ``why`` says how it came, ``asked`` what it was decided from.
    """

    epochs: float = Field(gt=0)
    why: str = ""
    asked: str = ""
    seeds: int | None = None
    scan_rates: int | None = None
    full_rates: int | None = None


class Execution(Options):
    """How the steps are computed; chosen once, stored, and obeyed when the experiment goes on."""

    executor: Literal["dense", "rows"] = "dense"
    rows: Literal["auto", "on", "off"] = Field(
        "auto",
        description="update only those rows of embedding tables that a batch touches, with the results of the "
        "full update; auto: where it is faster",
    )
    tables: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), description="parameters of the embedding tables that are updated by rows"
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="compile each training step into one program, cached for the next time (needs a C++ compiler); "
        "auto: where it saves time",
    )
    compiled: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), description="optimizers whose step is one compiled program"
    )
    device: str = Field(
        "cpu", description="where to train: auto, cpu, cuda or cuda:1; auto: cuda if there is one"
    )
    threads: int = Field(1, ge=1, description="CPU threads of a training step; measured unless given")
    torch: str = ""
    seconds_a_step: dict[str, float] = Field(
        default_factory=dict, description="measured seconds per step, by optimizer"
    )
    seconds_an_evaluation: float = Field(
        0.0, description="measured seconds per evaluation of the validation rows"
    )
    seconds_a_run: float = Field(0.0, description="measured seconds per run for everything else")
    fitted: RunLength | None = Field(None, description="the run length, and what a time budget changed")
    of: dict[str, str] = Field(
        default_factory=dict,
        description="what it was measured for: model, shapes, batch size, precision, machine",
    )

    def changed(self, of: Mapping[str, str]) -> str:
        """Return what this plan was measured for otherwise, in words; nothing where it belongs to the same.

        Example:
            >>> Execution(of={"batch size": "64", "model": "linear"}).changed({"batch size": "128", "model": "linear"})
            'the batch size was 64 and is 128'
        """
        names = [name for name in of if name in self.of and self.of[name] != of[name] and " of " not in name]
        return "; ".join(
            _RENEWED[name] if name in _RENEWED else f"the {name} was {self.of[name]} and is {of[name]}"
            for name in names
        )

    def options(self, asked: Execution | None) -> dict[str, Any]:
        """Return what was asked for of this plan, and over it what is asked for now; nothing that was measured."""
        now = {} if asked is None or asked.of else asked.model_dump(exclude_unset=True)
        now = {name: value for name, value in now.items() if name in EXECUTION_OPTIONS}
        if now.get("device") == "auto":
            del now["device"]
        return {"device": self.device, "rows": self.rows, "compile": self.compile, **now}


CLEARER_NAMES = {"embedding_rows": "rows", "tuning_rates": "scan_rates", "tuning_finalists": "full_rates"}
"""What options are called on the command line and in Python, where the stored name is another."""


def flag_of(name: str) -> str:
    """Return how an option is written on the command line.

    Example:
        >>> flag_of("batch_size"), flag_of("rows")
        ('--batch-size', '--embedding-rows')
    """
    return "--" + next((new for new, old in CLEARER_NAMES.items() if old == name), name).replace("_", "-")


_RENEWED = {
    "shapes": "the shapes of the parameters have changed",
    "code": "the code of the model has changed",
}

EXECUTION_OPTIONS = ("device", "threads", "rows", "compile")
"""What may be asked of the execution; the rest is measured."""


def execution_asked(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section of an execution plan with what is asked for; what was measured for another is left out."""
    before = {key: value for key, value in begun.items() if key in EXECUTION_OPTIONS}
    return {"device": "auto", **before, **asked}


class Experiment(Options):
    """A dataset, the optimizers and the protocol."""

    name: str = "experiment"
    optimizers: tuple[str, ...] = Field(("default",), description="names, specifications or groups")
    data: TableOptions
    model: ModelOptions = Field(default_factory=lambda: ModelOptions.model_validate({}))
    protocol: Protocol = Field(default_factory=lambda: Protocol.model_validate({}))
    execution: Execution | None = None


THE_OPTIONS, THE_FLAGS = "the options", "the command line"
"""Where a value comes from that no file holds."""


def validate_experiment(tree: Mapping[str, Any], *, where: str = THE_OPTIONS) -> Experiment:
    """Return the experiment that a nested mapping describes.

    Raises:
        OptionError: a name does not exist or a value is not allowed; the message says which.
    """
    try:
        return Experiment.model_validate(tree)
    except ValidationError as error:
        raise option_error(error, Experiment, where) from None


def option_error(error: ValidationError, model: type[BaseModel], where: str) -> OptionError:
    """Turn the first complaint of pydantic into a fact with the value and a hint."""
    first = error.errors(include_url=False)[0]
    path = [
        str(each)
        for each in first["loc"]
        if not str(each).startswith(("function-", "constrained-", "tuple["))
    ]
    name = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        wrong = unknown_name("option", path[-1], known)
        section = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
        return OptionError(f"{wrong.fact}{section} of {where}", hint=wrong.hint)
    if first["type"] == "missing":
        return OptionError(
            f"{where} lacks {name!r}", hint=f"add {path[-1]!r}, for example with --{path[-1]}."
        )
    said = first["msg"].removeprefix("Value error, ")
    said = said[0].lower() + said[1:]
    said = said.replace("input should be", "it must be").replace("a valid integer", "a whole number")
    said = said.replace("tuple should have", "give").replace(" item after validation, not 0", "")
    said = said.replace("a valid number", "a number").partition(", unable to parse")[0]
    if where == THE_OPTIONS:  # keywords have no sections
        return OptionError(
            f"{'.'.join(path[1:]) or name} = {first['input']!r} is not allowed", hint=f"{said.rstrip('.')}."
        )
    if where == THE_FLAGS:
        flag = flag_of(".".join(each for each in path[1:] if not each.isdigit()))
        return OptionError(f"{flag} {first['input']!r} is not allowed", hint=f"{said.rstrip('.')}.")
    return OptionError(f"{name} = {first['input']!r} in {where} is not allowed", hint=f"{said.rstrip('.')}.")


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in path:
        field = model.model_fields.get(part)
        kinds = [field.annotation] if field else []
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def load_tree(path: str | Path) -> dict[str, Any]:
    """Read an experiment's TOML or JSON file as a nested mapping, paths in it made relative to the file.

    Raises:
        DataError: the file does not exist or is not TOML (or JSON).
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"there is no file {str(path)!r}", hint="check the path.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {str(path)!r}: {error}", hint="give a TOML text file.") from None
    try:
        tree: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error}", hint="fix the line that it names."
        ) from None
    if not isinstance(tree, dict):
        raise DataError(f"{str(path)!r} is not a table of options", hint="write sections such as [data].")
    return tree


def experiment_toml(experiment: Experiment) -> str:
    """Return the experiment as TOML; :func:`validate_experiment` of its parse is the same value."""
    return tomli_w.dumps(without_none(experiment.model_dump(mode="json")))


def without_none(tree: Any) -> Any:
    """Return the tree without its empty values, which TOML cannot write."""
    if isinstance(tree, dict):
        return {key: without_none(value) for key, value in tree.items() if value is not None}
    if isinstance(tree, list | tuple):
        return [without_none(each) for each in tree]
    return tree


class Recipe(Options):
    """One way of training, complete: what a run seed and a dataset turn into weights.

    Attributes:
        data: the dataset's fingerprint.
        model: the model's specification.
        optimizer: the rule's name with every hyperparameter, the learning rate included.
        schedule: the schedule's specification.
        steps: the run's length.
        batch_size: rows a step.
        clip: largest norm of the gradient, or None.
        class_weights: weight of each class in the loss, or None.
        precision: of the matrix products in training; weights, updates and evaluation have 32 bits.
        metric: name of the metric that picks the best weights.
        positive: label of the positive class, or None where there are not two classes.
        gradients: the run's length in gradient evaluations where that is what counts, or None; ``steps`` is then the
            largest number of steps that they can make. Left out of the id where it is None.
        patience: epochs without an improvement after which the run stops, or None for the full length.
        code: the identity of what the user wrote (optimizer, model, schedule); empty where all is steepest's.
    """

    data: str
    model: str
    optimizer: str
    schedule: str
    steps: int
    batch_size: int
    clip: float | None = None
    class_weights: tuple[float, ...] | None = None
    precision: Precision = "float32"
    metric: str = ""
    positive: str | None = None
    gradients: float | None = None
    patience: int | None = None
    code: dict[str, str] = Field(default_factory=dict[str, str])

    def scheduled(self, schedule: str) -> Recipe:
        """Return this recipe with a schedule of steepest's own."""
        code = {kind: digest for kind, digest in self.code.items() if kind != "schedule"}
        return self.model_copy(update={"schedule": schedule, "code": code})

    @property
    def length(self) -> int:
        """The length in what counts: gradients where they are given, else steps."""
        return self.steps if self.gradients is None else math.ceil(self.gradients)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that change with any value of the recipe.

        Example:
            >>> a = Recipe(data="d", model="m", optimizer="adam(lr=0.1)", schedule="cosine", steps=9, batch_size=8)
            >>> a.id == a.model_copy().id != a.model_copy(update={"steps": 10}).id
            True
        """
        values = self.model_dump(mode="json")
        for name in ("positive", "gradients"):  # as in recipes of before there was one
            if values[name] is None:
                del values[name]
        if not self.code:
            del values["code"]
        return stable_hash(values)[:12]


def stable_hash(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON as hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
