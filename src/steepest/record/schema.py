"""What one run leaves behind: a validated record that goes into the journal as one line of JSON."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Phase = Literal["pilot", "scan", "full", "sweep", "final", "refit", "default", "constant"]
Outcome = Literal["finished", "diverged", "out of memory", "failed", "stopped early"]
"""``failed``: the optimizer or the model raised an error in the middle of the run."""
LONGEST_NAME = 80
"""Characters of a baseline's name in the name of a file."""


class Frozen(BaseModel):
    """The base of everything that is stored: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Clocks(Frozen):
    """Seconds spent on each kind of work; they never overlap."""

    train: float = 0.0
    evaluate: float = 0.0
    io: float = 0.0
    compile: float = 0.0


class CurvePoint(Frozen):
    """One evaluation during a run.

    Attributes:
        step: steps taken, from 0 (before the first).
        epoch: passes over the training rows, fractional; those of the runs that it continues are counted.
        seconds: of training alone (evaluation, io and compilation excluded).
        gradients: gradient evaluations so far.
        train_loss: exponential average (0.98) of the batch losses with its bias removed; NaN at step 0.
        validation: metrics on the validation rows by name.
    """

    step: int
    epoch: float
    seconds: float
    gradients: float
    train_loss: float
    validation: dict[str, float]


class WatchedCurves(Frozen):
    """What was watched at every evaluation of a run: a value, or a list by parameter, for each point of its curve.

    Attributes:
        parameters: names of the trained parameters, tied ones once.
        sizes: how many numbers they have.
        l1, l2: the sum of absolute values of each parameter, and the root of the sum of its squares, which of a matrix
            is its Frobenius norm; empty unless norms were watched.
        gradient: the 2-norm of the loss's gradient by each parameter, NaN of one that it does not depend on; empty
            unless gradients were watched.
        gradient_rows: training rows that the gradient is of.
        no_gradient: why gradients are lacking, where they were to be watched.
        training: metrics on a sample of the training rows; empty unless the gap was watched.
        training_rows: rows of the sample.
        sharpness: the largest eigenvalue of the Hessian of the training loss, without penalties; empty unless it was
            watched.
        sharpness_rows: training rows that it is of.
        threshold: what the optimizer bears, NaN where a point has none; empty where no threshold applies.
        threshold_formula: how it follows from the hyperparameters.
        preconditioned: the largest eigenvalue of the preconditioned Hessian, where the threshold is of that; NaN before
            the first step.
        no_sharpness, no_threshold: why there is none, where it was to be watched.
    """

    parameters: list[str] = Field(default_factory=list)
    sizes: list[int] = Field(default_factory=list)
    l1: list[list[float]] = Field(default_factory=list)
    l2: list[list[float]] = Field(default_factory=list)
    gradient: list[list[float]] = Field(default_factory=list)
    gradient_rows: int = 0
    no_gradient: str = ""
    training: list[dict[str, float]] = Field(default_factory=list)
    training_rows: int = 0
    sharpness: list[float] = Field(default_factory=list)
    sharpness_rows: int = 0
    threshold: list[float] = Field(default_factory=list)
    threshold_formula: str = ""
    preconditioned: list[float] = Field(default_factory=list)
    no_sharpness: str = ""
    no_threshold: str = ""


class ReliabilityBins(Frozen):
    """Rows in bins of confidence: of each its rows (or their weights), mean confidence and accuracy, NaN if empty."""

    rows: list[float]
    confidence: list[float]
    accuracy: list[float]


class Reliability(Frozen):
    """How well a network's probabilities fit the test rows.

    Attributes:
        ece: the expected calibration error over bins of equal width, and ``ece_equal_mass`` over those of equal mass.
        of_chance: about the ``ece`` that perfectly calibrated probabilities would have on so many rows.
        log_loss, brier_score: of the same rows.
        width, mass: the bins.
    """

    ece: float
    ece_equal_mass: float
    of_chance: float
    log_loss: float
    brier_score: float
    width: ReliabilityBins
    mass: ReliabilityBins


class Calibration(Frozen):
    """Calibration of a run's best-validation weights on the test rows.

    Attributes:
        before: as the network gives its probabilities.
        temperature: by which its logits are divided, fitted on the validation rows; None where none fits.
        after: with the temperature; None as above.
        reason: why there is no temperature.
    """

    before: Reliability
    temperature: float | None = None
    after: Reliability | None = None
    reason: str = ""


class RunKey(Frozen):
    """Which run this is: the same key is never run twice in a folder.

    Attributes:
        name: how the optimizer is called in this experiment, such as ``adam`` or a baseline's name.
        recipe: the id of the recipe (a hash of model, method, schedule, length and all their values).
        seed: the run seed.
        phase: ``pilot`` (finds the length), ``scan`` (trials on a part of the steps), ``full`` (the best trials at full
            length), ``final`` (the seeds), ``sweep`` (every rate with every seed), ``default`` (library default,
            the seeds), ``constant`` (the winner without a schedule), ``refit`` (the winner on the training rows of all
            test sets).
    """

    name: str
    recipe: str
    seed: int
    phase: Phase


class Record(Frozen):
    """One run.

    Attributes:
        key: which run this is.
        lr: learning rate.
        steps: steps that were planned; those that were made where the length is a number of gradients.
        outcome: how it ended; ``reason`` says why if it did not finish, with the step and the likely cause.
        curve: evaluations, first at step 0, last at the end.
        best_step: the step whose validation metric was best; those weights are the run's weights.
        best_share: how much of the planned length was used up there: of the steps, or of the gradients where those are
            what counts; None in records of earlier versions.
        best: validation metrics at the best step.
        last: validation metrics at the end.
        test: test metrics with the best-validation weights; empty except for final, default and constant.
        test_last: test metrics with the last weights.
        clocks: seconds by kind of work.
        shared: whether other runs were made at the same time, so that its seconds say little.
        penalty: what regularizers add to the loss at the best weights; None where there is none.
        cpu_seconds: processor time of the run, of all threads of the process, evaluation and compilation included.
        peak_memory: the most memory in use at once during the run, in bytes, as :class:`~steepest.record.meter.Meter`
            measures it. Both are None in records of earlier versions and where the system does not say.
        gradients: gradient evaluations of all steps, in which a product of a curvature matrix with a vector counts 2
            and a forward pass without a gradient ⅓.
        products: the products among them.
        forwards: the forward passes among them. All three are None in records of earlier versions.
        tokens: of a text, the scored tokens of all steps, from their mean of an epoch; None of other data, and in
            records of earlier versions.
        watched: what was watched at its evaluations; None where nothing was, and in records of earlier versions.
        calibration: of its best-validation weights on the test rows; None unless it predicts classes and read test
            rows that were held out, and in records of earlier versions.
        also_before, also_after: metrics on another text, with the first weights and with the best-validation weights;
            empty where there is none, and in records of earlier versions.
        logged: numbers that callbacks kept by ``view.log``: by name, each with its step.
        out_of_time: whether it ended because its seconds of training were used up.
        still_improving: the best step is the last evaluation.
        overfitting: the validation metric became worse again after its best, by more than 1 %, while the training
            loss went on falling, in a run of more than an epoch.
    """

    key: RunKey
    lr: float
    steps: int
    outcome: Outcome
    reason: str = ""
    curve: list[CurvePoint] = Field(default_factory=list)
    best_step: int = 0
    best_share: float | None = None
    best: dict[str, float] = Field(default_factory=dict)
    last: dict[str, float] = Field(default_factory=dict)
    test: dict[str, float] = Field(default_factory=dict)
    test_last: dict[str, float] = Field(default_factory=dict)
    clocks: Clocks = Clocks()
    shared: bool = False
    penalty: float | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    gradients: float | None = None
    products: float | None = None
    forwards: float | None = None
    tokens: float | None = None
    watched: WatchedCurves | None = None
    calibration: Calibration | None = None
    also_before: dict[str, float] = Field(default_factory=dict)
    also_after: dict[str, float] = Field(default_factory=dict)
    logged: dict[str, list[tuple[int, float]]] = Field(default_factory=dict)
    out_of_time: bool = False
    still_improving: bool = False
    overfitting: bool = False

    @property
    def failed(self) -> bool:
        """Whether the run ended without weights that are worth anything."""
        return self.outcome in ("diverged", "out of memory", "failed")


class BaselineRecord(Frozen):
    """One baseline on the same rows.

    Attributes:
        name: its registered name, or a reference; ``title`` how it is called in text.
        key: what its fit depends on, as a hash: in a folder the same key is never fitted twice.
        settings: what was chosen, such as the regularization strength.
        validation, test: metrics by name.
        seconds: of fitting, the choice of its settings included; ``cpu_seconds`` and ``peak_memory`` as of a run.
        outcome: ``finished``, or why not.
        saved: whether its fit is kept, so that it can predict.
        cut: how much of its tuning was made, as ``2 of 6 settings tried``, where its work limit left some out; else
            empty.
        parameter_bytes: of a network, what its parameters take; None of any other.
    """

    name: str
    title: str
    key: str = ""
    settings: str = ""
    validation: dict[str, float] = Field(default_factory=dict)
    test: dict[str, float] = Field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    outcome: str = "finished"
    saved: bool = True
    cut: str = ""
    parameter_bytes: int | None = None

    @property
    def file(self) -> str:
        """Its name as a part of a file's name.

        Example:
            >>> BaselineRecord(name="sklearn:Ridge(alpha=2)", title="Ridge(alpha=2)").file
            'sklearn-Ridge-alpha-2'
        """
        return re.sub(r"[^\w.-]+", "-", self.name).strip("-")[:LONGEST_NAME]

    @property
    def model(self) -> str:
        """Where in the folder its model is."""
        return f"baselines/{self.file}"
