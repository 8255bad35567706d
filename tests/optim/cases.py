"""The table of rules: a new rule adds rows here, and every generic test runs on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from steepest.optim import make_rule
from steepest.optim.rule import Rule
from tests.reference import optimizers as reference


@dataclass(frozen=True)
class Case:
    """One variant of a rule.

    Attributes:
        text: the specification.
        reference: the textbook version of one step.
        start: the textbook state before the first step, from the weight and the hyperparameters.
        torch: torch's optimizer of the same mathematics, if there is one.
        torch_options: what torch calls options that have another name or are implied here.
        leave_out: hyperparameters that torch does not have.
        float32: relative tolerance against torch in float32 after the recorded steps.
        whole: the textbook version takes whole arrays, because the rule couples elements.
        float64: the same in float64; larger than 1e-12 only where a comment says why.
        lr: rate for the parabola; the grid's centre if None.
        other_defaults: defaults that differ from torch's, with the reason.
    """

    text: str
    reference: Callable[..., Any]
    start: Callable[..., Any]
    torch: type[torch.optim.Optimizer] | None = None
    torch_options: Mapping[str, Any] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    float32: float = 1e-5
    whole: bool = False
    float64: float = 1e-12
    textbook: float = 1e-12
    lr: float | None = None
    other_defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def rule(self) -> Rule[Any]:
        return make_rule(self.text)

    @property
    def id(self) -> str:
        return self.text


def rows(name: str, function: Any, variants: list[str], start: str = "", **columns: Any) -> list[Case]:
    """Return one case for each variant of a rule, given by its options."""
    begin = reference.START[start or function.__name__]
    return [Case(f"{name}({each})" if each else name, function, begin, **columns) for each in variants]


CASES = [
    *rows(
        "sgd",
        reference.sgd,
        ["", "lr=0.1, weight_decay=0.1", "lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.1"],
        torch=torch.optim.SGD,
    ),
    *rows("momentum", reference.sgd, ["", "lr=0.1"], torch=torch.optim.SGD),
    *rows("heavy-ball", reference.heavy_ball, ["", "lr=0.1, momentum=0.5, weight_decay=0.1"]),
    *rows("nesterov", reference.sgd, ["", "lr=0.1, weight_decay=0.1"], torch=torch.optim.SGD),
    *rows(
        "adagrad",
        reference.adagrad,
        ["", "lr=0.5, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.2, eps=0.01"],
        torch=torch.optim.Adagrad,
        lr=0.3,
    ),
    *rows(
        "rmsprop",
        reference.rmsprop,
        [
            "",
            "alpha=0.9, momentum=0.8, weight_decay=0.1",
            "centered=True, eps=1e-3",
            "alpha=0.8, centered=True, momentum=0.5",
        ],
        torch=torch.optim.RMSprop,
        leave_out=("eps_inside_root",),
        float32=1e-4,
        lr=0.02,
    ),
    *rows("rmsprop", reference.rmsprop, ["alpha=0.8, eps_inside_root=True, eps=1e-4"], lr=0.02),
    *rows(
        "adam",
        reference.adam,
        ["", "lr=0.1, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1", "amsgrad=True, betas=(0.9, 0.5)"],
        torch=torch.optim.Adam,
        lr=0.02,
    ),
    *rows(
        "amsgrad", reference.adam, ["", "betas=(0.9, 0.5), weight_decay=0.1"], torch=torch.optim.Adam, lr=0.02
    ),
    *rows(
        "adamw",
        reference.adamw,
        ["", "lr=0.1, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.3, amsgrad=True"],
        torch=torch.optim.AdamW,
        lr=0.02,
    ),
    *rows(
        "quickprop",
        reference.quickprop,
        ["", "lr=0.1, max_growth=1.2", "lr=0.01, weight_decay=0.1"],
    ),
    *rows(
        "delta-bar-delta",
        reference.delta_bar_delta,
        ["", "lr=0.1, kappa=0.05, phi=0.3, theta=0.7, max_lr=0.2, weight_decay=0.1"],
    ),
    *rows(
        "adadelta",
        reference.adadelta,
        ["", "lr=0.5, rho=0.8, eps=1e-3, weight_decay=0.1"],
        torch=torch.optim.Adadelta,
        lr=10.0,
    ),
    *rows(
        "adamax",
        reference.adamax,
        ["", "lr=0.1, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1"],
        torch=torch.optim.Adamax,
        lr=0.02,
    ),
    *rows(
        "nadam",
        reference.nadam,
        [
            "",
            "lr=0.1, weight_decay=0.1",
            "lr=0.1, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1, momentum_decay=0.1, decoupled_weight_decay=True",
        ],
        torch=torch.optim.NAdam,
        lr=0.02,
    ),
    *rows(
        "radam",
        reference.radam,
        [
            "",
            "lr=0.1, weight_decay=0.1",
            "lr=0.1, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1, decoupled_weight_decay=True",
        ],
        torch=torch.optim.RAdam,
        lr=0.02,
    ),
    *rows("lion", reference.lion, ["", "lr=0.01, betas=(0.7, 0.9), weight_decay=0.1"], lr=0.01),
    *rows(
        "rprop",
        reference.rprop,
        ["", "lr=0.1, etas=(0.7, 1.5), step_sizes=(0.08, 0.3)"],
        torch=torch.optim.Rprop,
    ),
    *rows(
        "schedule-free-sgd",
        reference.schedule_free_sgd,
        ["", "lr=0.3, momentum=0.7, weight_decay=0.1, warmup_steps=5, r=0.5, weight_lr_power=1.0"],
        lr=0.1,
    ),
    *rows(
        "schedule-free-adamw",
        reference.schedule_free_adamw,
        [
            "",
            "lr=0.3, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1, warmup_steps=5, r=0.5, weight_lr_power=1.0",
        ],
        lr=0.05,
    ),
    *rows(
        "adafactor",
        reference.adafactor,
        [
            "",
            "lr=0.3, beta2_decay=-0.6, eps=(0.1, 0.5), d=2.0, weight_decay=0.1",
            "eps=(1e-8, 5.0)",
        ],
        torch=torch.optim.Adafactor,
        whole=True,
        lr=0.3,
    ),
    *rows(
        "muon",
        reference.muon,
        [
            "dtype=float64",
            "dtype=float64, lr=0.1, adjust_lr_fn=original, nesterov=False, ns_steps=3, eps=1e-3",
            "dtype=float64, lr=0.1, matrices=False, betas=(0.7, 0.9), eps=1e-3",
            "dtype=float64, lr=0.1, eps=1e3",
        ],
        whole=True,
        lr=0.02,
    ),
    *rows(
        "muon",
        reference.muon,
        ["lr=0.01, dtype=bfloat16, adjust_lr_fn=original"],
        torch=torch.optim.Muon,
        leave_out=("dtype", "betas", "matrices"),
        whole=True,
        # Newton-Schulz in bfloat16 turns a last bit of the average into 1 part in 256 of the step.
        float64=1e-3,
        float32=1e-3,
        textbook=0.05,
        lr=0.02,
        other_defaults={"adjust_lr_fn": "the scale that lets AdamW's parameters share the rate"},
    ),
]

BY_RULE: dict[type[Rule[Any]], list[Case]] = {}
for _case in CASES:
    BY_RULE.setdefault(type(_case.rule), []).append(_case)
