"""What a person says about a comparison: models, protocol and arms, with every default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from steepest.components import grammar
from steepest.data.numbers import AUTO, numbers_text
from steepest.paths.option import KeepPath
from steepest.recipe.factors import FACTORS
from steepest.recipe.reach import Reach

EVALUATIONS = 20
"""How many times a run reads the validation rows, unless another number is given."""
Precision = Literal["float32", "tf32", "bf16", "float64"]

Control = Literal["", "length", "small"]
"""What an arm was added for: as a training as long as one that prunes, or as a small dense network beside it."""

LARGEST_SEED = 2**62
"""Those that are counted from it, and the seed of tuning, still are 64-bit numbers, which tables hold."""


CALLABLE = "callable "
"""How the text of a model begins that a callable builds."""


def _separated(value: Any) -> Any:
    """Read values that are separated by commas."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


def _pairs(value: Any) -> Any:
    """Read ``["Block=128", "Beat=8"]`` or ``"Block=128,Beat=8"`` as a table; quotes around a name keep its comma."""
    if isinstance(value, str):
        value = grammar.split(value)
    if not isinstance(value, list | tuple):
        return value
    pairs: dict[str, str] = {}
    for each in value:
        name, equals, number = str(each).rpartition("=")
        if not equals:
            raise ValueError(f"{each!r} is not NAME=VALUE")
        pairs[_unquoted(name.strip())] = number.strip()
    return pairs


def _unquoted(name: str) -> str:
    """Return a name that has a comma, and so is in quotes, without these."""
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] and name[0] in "'\"" else name


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


def listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _number_or_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _keeps_path(text: str) -> str:
    KeepPath.read(text)
    return text


def _number_as_text(value: Any) -> Any:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _reaches(text: str) -> str:
    Reach.read(text)
    return text


BatchSize = Annotated[int, Field(ge=2)] | Literal["all"]
DEFAULT_PLANNER = "grid"
WHOLE_BATCH = "all"
"""The batch size that means all training rows."""


class FrozenOptions(BaseModel):
    """The base of the tree's parts: immutable, unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelOptions(FrozenOptions):
    """Which model is trained."""

    model_config = ConfigDict(allow_inf_nan=False)

    model: str = Field(
        "embedding-mlp",
        description="name of a model, or your own as nets.py:MyNet; if none is named, mlp for images, curves and "
        "arrays, autoencoder for reconstruction, transformer for texts, and embedding-mlp for everything else",
    )
    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_separated)] = Field(
        (128, 64), description="widths of the hidden layers, as 128,64"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="dropout probability on the embeddings")
    embedding: Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_pairs)] = Field(
        default_factory=dict, description="width of an embedding, as Block=128; repeatable"
    )

    numbers: Annotated[str, AfterValidator(numbers_text)] = Field(
        AUTO,
        description="what networks make of columns of numbers: standard (standard scores), quantile, piecewise, "
        "periodic, or auto (piecewise from 3,200 training rows on, else standard)",
    )

    @property
    def spec(self) -> grammar.Spec | None:
        """The model with its options as one specification; a user's own model gets only its own options."""
        return self.spec_of(self.model)

    def spec_of(self, model: str) -> grammar.Spec | None:
        """Return a model with these options, as far as it takes them; None of one that a callable builds.

        Example:
            >>> options = ModelOptions(hidden=(8,))
            >>> str(options.spec_of("mlp(hidden=[4])")), options.spec_of("callable nets:Net")
            ('mlp(hidden=(4,))', None)
        """
        if model.startswith(CALLABLE):
            return None
        given = grammar.parse(model)
        if given.name != "embedding-mlp":
            return given
        options: dict[str, Any] = {"hidden": self.hidden, "dropout": self.dropout}
        if self.embedding:
            options["embedding"] = self.embedding
        return grammar.Spec(given.name, given.arguments, {**options, **given.options})


def _texts(value: Any) -> Any:
    """Read one value or a list; an empty text among several means the neutral value."""
    given = [value] if isinstance(value, str | int | float) else value
    return [str(each) for each in given] if isinstance(given, list | tuple) else given


def _each_text(value: Any) -> Any:
    """Read a list of specifications, or texts of several that are separated by commas."""
    given = _texts(value)
    return [each for text in given for each in grammar.split(text)] if isinstance(given, list) else given


class Protocol(FrozenOptions):
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
    batch_size: BatchSize | None = Field(
        None,
        description="rows per step, or all for every training row (default: chosen from the number of rows)",
    )
    schedule: str = Field("cosine", description="learning-rate schedule")
    learning_rates: Annotated[
        Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] | None,
        BeforeValidator(_separated),
    ] = Field(
        None,
        description="learning rates to try, the same for every optimizer (default: seven around the centre of each)",
    )
    class_weights: Annotated[Literal["none", "balanced"] | dict[str, float], BeforeValidator(_weights)] = (
        Field(
            "none", description="class weights in the loss: none, balanced, or as yes=2,no=1 or '\"1,000\"=2'"
        )
    )
    baseline: Annotated[tuple[str, ...], BeforeValidator(_each_text)] = Field(
        (),
        description="a baseline by name, a class of scikit-learn, such as "
        "'sklearn:KNeighborsClassifier(n_neighbors=5)', or none (default: all that serve the task); repeatable",
    )
    clip: float | None = Field(None, gt=0, description="clip gradients to this norm")
    accumulate: int = Field(
        1, ge=1, description="micro-batches in which the gradient of a batch is computed, to save memory"
    )
    max_seconds: float | None = Field(
        None,
        gt=0,
        description="seconds of training after which a run ends, a quarter of them in the first tuning stage; such "
        "runs cannot be reproduced exactly, those of --equal seconds can",
    )
    evaluations: int = Field(
        EVALUATIONS,
        ge=1,
        description="how many times a run reads the validation rows, evenly spaced; fewer save time where they are "
        "many or the model is large",
    )
    precision: Precision = Field(
        "float32",
        description="float32, float64, or for matrix products in training bf16, or on a CUDA device tf32",
    )
    callbacks: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (), description="your own code in every run, as 'mine.py:Plateau(patience=3)'; repeatable"
    )
    watch: Annotated[
        tuple[Literal["gap", "norms", "gradients", "sharpness", "all"], ...], BeforeValidator(_separated)
    ] = Field(
        (),
        description="recorded at evaluations of the reported runs, by epoch: gap (metrics on training rows), norms "
        "(of each parameter), gradients (their norms), or all of these, and sharpness (the largest eigenvalue of the "
        "Hessian, which costs some tens of gradients); runs keep their bits",
    )
    keep_path: Annotated[str, BeforeValidator(_number_or_text), AfterValidator(_keeps_path)] = Field(
        "",
        description="evenly spaced steps whose weights are kept of every final run, to draw its path and its spectra, "
        "as 50; of more than 10 million numbers a random projection, unless it is exact:50; runs keep their bits",
    )
    reach: Annotated[str, BeforeValidator(_number_as_text), AfterValidator(_reaches)] = Field(
        "",
        description="validation value of the deciding metric, or as accuracy=0.95, of which the report says how soon "
        "each arm reaches it (default: what the middle arm reaches); runs stay the same",
    )
    tune: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (),
        description="another hyperparameter to tune: a range, as 'adam: eps=1e-8..1e-4', or values, as rho=0.05,0.1; "
        "lr=1e-4..1e-1 sets the range of rates; repeatable",
    )
    planner: str = Field(
        DEFAULT_PLANNER,
        description="how trials are drawn and how long they run: grid, sobol, random, 'halving(3)' or 'optuna(tpe)'",
    )
    scan_rates: int = Field(
        7,
        ge=1,
        description="trials of every arm in the first tuning stage, on a quarter of the steps unless a planner has "
        "other lengths; doubled if an optimizer tunes several hyperparameters",
    )
    full_rates: int = Field(
        3,
        ge=0,
        description="best trials of the first stage that run at full length, of which the best one is taken; 0 to take "
        "the best of the first stage, where runs are long",
    )
    sweep: bool = Field(
        False,
        description="run every learning rate with every seed at full length, to show how sensitive optimizers are",
    )
    equal: Literal["epochs", "steps", "seconds", "gradients"] = Field(
        "epochs",
        description="unit in which run lengths are equal; epochs and steps are the same where all arms have the same "
        "batch size and rows",
    )
    controls: bool = Field(
        True,
        description="add to an arm that is pruned what it has to beat: as long a training without pruning, and a small "
        "dense network with about as many parameters as are left",
    )
    references: bool = Field(
        True,
        description="where the arms differ in the optimizer alone, also run each at its library default, and the "
        "winner without a schedule",
    )
    minutes: float | None = Field(
        None,
        gt=0,
        description="time budget in minutes; shortens runs and tuning to fit, and begins none that end later",
    )


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class Factors(FrozenOptions):
    """Several values of what all arms would otherwise share; the arms are all combinations."""

    model: Texts = Field((), description="models")
    numbers: Texts = Field((), description="encodings of numbers")
    finetune: Texts = Field(
        (),
        description="which part of the model is trained: full, 'lora(8)', 'dora(8)', 'qlora(8)', 'last(2)' (blocks), "
        "head, …; repeatable",
    )
    loss: Texts = Field(
        (),
        description="training losses such as absolute or 'huber(1.0)' (default: cross-entropy, squared); repeatable",
    )
    regularizer: Texts = Field(
        (), description="regularizers such as 'l2(1e-4) + input-noise(0.1)', or none; repeatable"
    )
    schedule: Texts = Field((), description="learning-rate schedules")
    rates: Texts = Field(
        (),
        description="multipliers of the learning rate such as 'embeddings=0.1, head=10', or none; repeatable",
    )
    freeze: Texts = Field(
        (), description="parameters that are not trained, such as embeddings or '0.*', or none; repeatable"
    )
    batch_size: tuple[BatchSize, ...] = Field((), description="rows per step, or all")
    precision: tuple[Precision, ...] = Field((), description="numerical precisions")
    train_rows: Texts = Field(
        (),
        description="training rows: a share such as 0.1 (1 is all), a number such as 250, run:250 (drawn anew for each "
        "run seed), or all; repeatable",
    )
    labels: Texts = Field(
        (), description="training labels: none, or a corruption of them such as 'noise(0.15)'; repeatable"
    )
    prepare: Texts = Field(
        (),
        description="files of preparation steps, or none; the first is that of the validation and test rows",
    )
    procedure: Texts = Field(
        (),
        description="runs that an arm consists of: train, or a procedure such as 'continue(0.5)'; repeatable",
    )

    def values(self) -> dict[str, tuple[Any, ...]]:
        """Return the values of each factor that has some.

        Example:
            >>> Factors(batch_size=(32, 64)).values()
            {'batch_size': (32, 64)}
        """
        return {name: getattr(self, name) for name in FACTORS[1:] if getattr(self, name)}


class ArmOptions(FrozenOptions):
    """One arm; what it does not name is what all arms share.

    Attributes:
        name: what it is called, instead of a label of what differs.
        control: what steepest added it for; empty where it was asked for.
    """

    optimizer: str | None = Field(None, description="name or specification (default: adam)")
    model: str | None = Field(None, description="model")
    numbers: str | None = Field(None, description="encoding of numbers")
    finetune: str | None = Field(None, description="which part of the model is trained")
    loss: str | None = Field(None, description="training loss")
    regularizer: str | None = Field(None, description="regularizers, joined by +, or none")
    schedule: str | None = Field(None, description="learning-rate schedule")
    rates: str | None = Field(None, description="multipliers of the learning rate by role or name, or none")
    freeze: str | None = Field(None, description="parameters that are not trained, or none")
    batch_size: BatchSize | None = Field(None, description="rows per step, or all")
    precision: Precision | None = Field(None, description="numerical precision")
    train_rows: Annotated[
        str | None, BeforeValidator(lambda value: value if value is None else str(value))
    ] = Field(None, description="training rows: a share, a number, run:NUMBER, or all")
    labels: str | None = Field(None, description="corruption of the training labels, or none")
    prepare: str | None = Field(None, description="file of preparation steps, or none")
    procedure: str | None = Field(None, description="runs that it consists of")
    name: str = Field("", description="what it is called, instead of a label of what differs")
    control: Control = Field(
        "", description="written where steepest added the arm as a control: length or small, see --controls"
    )


STAYS: Mapping[str, bool] = {
    **dict.fromkeys(
        (
            "metric",
            "positive",
            "seeds",
            "minutes",
            "tune",
            "sweep",
            "baseline",
            "callbacks",
            "watch",
            "keep_path",
            "reach",
            "controls",
            "references",
        ),
        True,
    ),  # metrics, and callbacks that change runs, are compared by what they mean
    **dict.fromkeys(("schedule", "batch_size", "precision"), True),  # arms have their own
    **dict.fromkeys(
        ("seed", "epochs", "learning_rates", "planner", "scan_rates", "full_rates", "equal"), False
    ),
    **dict.fromkeys(("class_weights", "clip", "accumulate", "max_seconds", "evaluations"), False),
}
"""Of every option of the protocol: whether the arms of a folder stay beside others where it is another."""

CLEARER_NAMES = {"embedding_rows": "rows", "tuning_rates": "scan_rates", "tuning_finalists": "full_rates"}
"""What options are called on the command line and in Python, where the stored name is another."""


READER = "reader"
"""The kind of the data is ``--source`` on the command line, where the source itself has no flag."""


def flag_of(name: str) -> str:
    """Return how an option is written on the command line.

    Example:
        >>> flag_of("batch_size"), flag_of("rows")
        ('--batch-size', '--embedding-rows')
    """
    if name == READER:
        return "--source"
    return "--" + next((new for new, old in CLEARER_NAMES.items() if old == name), name).replace("_", "-")
