"""A comparison with its configuration and its runs, made by hand: every part of the protocol has something to say."""

from __future__ import annotations

from steepest.compare.result import Comparison, Fact
from steepest.recipe import Experiment, validate_experiment
from steepest.record.schema import Clocks, CurvePoint, Phase, Record, RunKey
from tests.report.example import rent


def rent_experiment() -> Experiment:
    """The configuration of the example of rents."""
    return validate_experiment(
        {
            "name": "rent",
            "optimizers": ["adamw", "sgd(lr=0.1)"],
            "data": {
                "source": "/somewhere/rent.csv",
                "target": "rent",
                "prepare": "steps.toml",
                "split_seed": 4,
            },
            "model": {"model": "linear"},
            "protocol": {"seeds": 3, "clip": 1.0, "epochs": 2},
        }
    )


def rent_comparison() -> Comparison:
    """The example of rents with the listings that a folder stores."""
    found = rent()
    return found.model_copy(
        update={
            "data": [
                Fact(label="source", value="/somewhere/rent.csv"),
                *[Fact(label=f"{name} rows", value=rows) for name, rows in
                  (("training", "11,680"), ("validation", "1,460"), ("test", "1,460"))],
                Fact(label="fingerprint", value="0123456789abcdef"),
            ],
            "preparation": [
                Fact(label="info", value="Left out: id: nearly every value is different (--categorical id keeps it)."),
                Fact(label="info", value="regression: rent has 812 values; if one is a code: --categorical rent "
                     "makes categories of it."),
            ],
            "recipe": [
                Fact(label="model", value="linear, 42 parameters"),
                Fact(label="length", value="2 epochs, given"),
                Fact(label="batch size", value="32, the power of two nearest to rows/500"),
                Fact(label="schedule", value="cosine, scaled to each run's length"),
            ],
            "environment": [Fact(label="steepest", value="0.1.0"), Fact(label="torch", value="2.13.0")],
            "trust": [Fact(label="smallest detectable difference", value="900")],
        }
    )  # fmt: skip


def rent_records() -> list[Record]:
    """The runs of the example of rents."""

    def one(name: str, phase: Phase, seed: int, lr: float, steps: int) -> Record:
        curve = [
            CurvePoint(
                step=at,
                epoch=at / 50,
                seconds=at / 40,
                gradients=at,
                train_loss=1.0,
                validation={"rmse": 5e4},
            )
            for at in (0, steps)
        ]
        return Record(
            key=RunKey(name=name, recipe=f"{name}{lr}{steps}", seed=seed, phase=phase),
            lr=lr, steps=steps, outcome="finished", curve=curve, clocks=Clocks(train=steps / 40),
        )  # fmt: skip

    scan = [one("adamw", "scan", 10000, rate, 25) for rate in (1e-4, 1e-3, 1e-2)]
    full = [one("adamw", "full", 10000, 1e-3, 100)]
    final = [
        one(name, "final", seed, lr, 100) for name, lr in (("adamw", 1e-3), ("sgd", 0.1)) for seed in range(3)
    ]
    return [*scan, *full, *final]
