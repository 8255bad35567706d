"""Comparisons to draw: a realistic one, a regression, the smallest possible, and one full of traps."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy import stats

from steepest.compare import differences as pairing
from steepest.compare.differences import differences, standings
from steepest.compare.factorial import factorial
from steepest.compare.intervals import holm
from steepest.compare.result import (
    Band,
    ClassLine,
    Comparison,
    Difference,
    Effect,
    Estimate,
    Fact,
    Metric,
    RateCurve,
    Row,
)
from steepest.compare.scores import Scores, over_sets
from steepest.compare.scores import scores as scored
from steepest.compare.worth import how_sure
from steepest.evaluate.metrics import metric_info
from steepest.record.arms import ArmEntry

LOG_LOSS = Metric(name="log_loss", title="log loss", higher_is_better=False)
SCORES = [
    LOG_LOSS,
    Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True),
    Metric(name="balanced_accuracy", title="balanced accuracy", higher_is_better=True, percent=True),
    Metric(name="macro_f1", title="macro F1", higher_is_better=True, percent=True),
    Metric(name="top_3_accuracy", title="top-3 accuracy", higher_is_better=True, percent=True),
    Metric(name="brier", title="Brier score", higher_is_better=False),
]
LABELS = [
    "THEFT", "BATTERY", "CRIMINAL DAMAGE", "FORBIDDEN PRACTICES", "ASSAULT", "OTHER OFFENSE",
    "PUBLIC PEACE VIOLATION", "CRIM SEXUAL ASSAULT", "INTERFERENCE WITH PUBLIC OFFICER",
    "LIQUOR LAW VIOLATION", "CONCEALED CARRY LICENSE VIOLATION", "NON-CRIMINAL", "OTHER NARCOTIC VIOLATION",
]  # fmt: skip
OPTIMIZERS = {  # centre of its test log loss, chosen rate, library default, seconds of a run
    "adam": (1.4636, 1e-3, 1e-3, 11.2),
    "adamw": (1.4642, 1e-3, 1e-3, 11.4),
    "rmsprop": (1.4651, 3.1623e-4, 1e-2, 10.8),
    "nesterov": (1.4663, 0.031623, 1e-3, 10.1),
    "momentum": (1.4668, 0.031623, 1e-3, 10.0),
    "sgd": (1.4674, 0.31623, 1e-3, 9.6),
    "adagrad": (1.4712, 0.031623, 1e-2, 10.3),
    "delta-bar-delta": (1.4762, 3.1623e-3, 1e-2, 13.9),
    "quickprop": (1.4795, 0.1, 0.1, 12.8),
}


def estimate(values: np.ndarray) -> Estimate:
    """The mean of the finite values with its 95 % t interval."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Estimate(mean=math.nan, low=math.nan, high=math.nan, n=0)
    mean = float(known.mean())
    if len(known) == 1:
        return Estimate(mean=mean, low=mean, high=mean, n=1)
    half = float(stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=len(known))


def scores(draw: np.random.Generator, loss: np.ndarray) -> dict[str, np.ndarray]:
    """Other metrics that go with a log loss."""

    def near(start: float, slope: float, noise: float) -> np.ndarray:
        return start + slope * (loss - 1.464) + draw.normal(0, noise, loss.shape)

    return {
        "log_loss": loss,
        "accuracy": near(0.471, -0.35, 0.002),
        "balanced_accuracy": near(0.131, -0.3, 0.0015),
        "macro_f1": near(0.119, -0.3, 0.0015),
        "top_3_accuracy": near(0.812, -0.3, 0.0015),
        "brier": near(0.648, 0.3, 0.0008),
    }


def difference(first: str, second: str, metric: Metric, one: np.ndarray, other: np.ndarray) -> Difference:
    """Paired by seed, as the only comparison made."""
    return pairing.difference(
        scored(first, metric.name, one.tolist(), []), scored(second, metric.name, other.tolist(), [])
    )


def with_rows(found: list[Difference], half: float, rows: int) -> list[Difference]:
    """The same differences as if test rows were a sample too: wider by ``half`` in quadrature, corrected together."""
    wider: list[Difference] = []
    for each in found:
        if each.p is None:
            wider.append(each)
            continue
        arm = math.hypot((each.high - each.low) / 2, half)
        p = float(2 * stats.norm.sf(1.96 * abs(each.mean) / arm))
        wider.append(
            each.model_copy(
                update={
                    "over": "both", "rows": rows, "low": each.mean - arm, "high": each.mean + arm, "p": p,
                    "by_seeds": (each.low, each.high), "by_rows": (each.mean - half, each.mean + half),
                    "seed_share": 1 - (half / arm) ** 2, "visible": 1.6 * arm,
                }
            )
        )  # fmt: skip
    corrected = holm([math.nan if each.p is None else each.p for each in wider])
    known = sum(not math.isnan(p) for p in corrected)
    up = {"log_loss": False, "accuracy": True}
    return [
        each.model_copy(
            update={
                "comparisons": known,
                "p_adjusted": None if math.isnan(p) else p,
                "told_apart": p < 0.05,
                "better": None
                if not p < 0.05
                else (each.first if (each.mean > 0) == up[each.metric] else each.second),
            }
        )
        for each, p in zip(wider, corrected, strict=True)
    ]


def rate_curve(draw: np.random.Generator, name: str, best: float, chosen: float, default: float) -> RateCurve:
    """A bowl over seven rates √10 apart, NaN where it climbs too high."""
    tried = chosen * math.sqrt(10) ** np.arange(-3, 4)

    def value(rate: float, above: float) -> float:
        away = math.log10(rate / chosen)
        loss = best + above + 0.012 * away**2 * (2.2 if away > 0 else 1.0) + float(draw.normal(0, 8e-4))
        return math.nan if away > 1.3 and name in ("sgd", "momentum", "nesterov") else loss

    scan = [(float(rate), value(rate, 0.022)) for rate in tried]
    full = [(float(rate), value(rate, 0.001)) for rate in tried[2:5]]
    return RateCurve(
        name=name, metric="log_loss", scan=scan, full=full, chosen=float(chosen), default=default
    )


def band(draw: np.random.Generator, name: str, best: float, seconds: float) -> Band:
    """A loss that falls like a power of the step, with five seeds around it."""
    step = np.unique(np.round(np.linspace(0, 1570, 41)).astype(int))
    speed = float(draw.uniform(14, 60))
    mean = best + 0.001 + (2.565 - best) / (1 + step / speed) ** 1.35 + 0.006 * (1 - step / 1570) ** 1.5
    noise = 0.001 + 0.01 / (1 + step / 100)
    jitter = draw.normal(0, 0.25, len(step)) * noise
    jitter[0] = 0
    return Band(
        name=name, metric="log_loss", step=[int(each) for each in step],
        epoch=[float(each) / 1570 for each in step], seconds=[float(each) * seconds / 1570 for each in step],
        mean=[float(each) for each in mean + jitter], low=[float(each) for each in mean + jitter - noise],
        high=[float(each) for each in mean + jitter + noise * 1.1],
    )  # fmt: skip


def classes(
    draw: np.random.Generator, labels: list[str], rows: int
) -> tuple[list[ClassLine], list[list[int]]]:
    """A confusion matrix that prefers the large classes, and the lines that follow from it."""
    size = len(labels)
    share = 1.0 / np.arange(1, size + 1) ** 1.3
    share /= share.sum()
    counts = np.stack(
        [
            draw.multinomial(int(rows * share[true]), 0.55 * share + 0.45 * (np.arange(size) == true))
            for true in range(size)
        ]
    )
    lines: list[ClassLine] = []
    for place, label in enumerate(labels):
        hit, true, predicted = counts[place, place], counts[place].sum(), counts[:, place].sum()
        precision = float(hit / predicted) if predicted else math.nan
        recall = float(hit / true) if true else math.nan
        f1 = float(2 * hit / (true + predicted)) if true + predicted else math.nan
        lines.append(ClassLine(label=label, rows=int(true), precision=precision, recall=recall, f1=f1))
    return lines, [[int(each) for each in row] for row in counts]


def crimes() -> Comparison:
    """Nine optimizers, three baselines, thirteen classes, five seeds; one optimizer diverged twice."""
    draw = np.random.default_rng(7)
    rows: list[Row] = []
    values: dict[str, dict[str, np.ndarray]] = {}
    shared = draw.normal(0, 0.0011, 5)
    for name, (centre, chosen, default, seconds) in OPTIMIZERS.items():
        loss = centre + shared + draw.normal(0, 0.0009, 5)
        if name == "quickprop":
            loss[[1, 3]] = math.nan
        values[name] = scores(draw, loss)
        rows.append(
            Row(
                kind="arm", name=name, lr=chosen, seeds=5,
                outcome="diverged 2 of 5" if name == "quickprop" else "finished",
                metrics={key: estimate(each) for key, each in values[name].items()},
                last={key: estimate(each + 0.0006) for key, each in values[name].items()},
                values={key: each.tolist() for key, each in values[name].items()},
                train_seconds=seconds, trials=10,
                settings="betas 0.9, 0.999; eps 1e-8" if name.startswith("adam") and name != "adagrad" else "",
                good_range={"sgd": 10.0, "quickprop": 3.2}.get(name, 31.6),
                flags=["still improving"] if name == "delta-bar-delta" else [],
            )
        )  # fmt: skip
        away = abs(math.log10(default / chosen))
        at_default = scores(draw, loss + 0.002 + 0.011 * away**2)
        rows.append(
            Row(
                kind="default", name=name, lr=default, seeds=5, tuned=False,
                outcome="diverged 2 of 5" if name == "quickprop" else "finished",
                metrics={key: estimate(each) for key, each in at_default.items()},
                values={key: each.tolist() for key, each in at_default.items()}, train_seconds=seconds,
            )
        )  # fmt: skip
    constant = scores(draw, values["adam"]["log_loss"] + 0.0063)
    rows.append(
        Row(
            kind="constant", name="adam", lr=1e-3, seeds=5,
            metrics={key: estimate(each) for key, each in constant.items()},
            values={key: each.tolist() for key, each in constant.items()}, train_seconds=11.2,
        )
    )  # fmt: skip
    for name, loss, seconds, settings in (
        ("logistic regression", 1.4658, 7.1, "one-hot, C = 0.1 (of 6 on validation)"),
        ("gradient boosting", 1.4721, 24.0, "histograms, 140 rounds, early stop"),
        ("majority class", 1.7312, 0.01, "class shares of the training rows"),
    ):
        found = scores(draw, np.array([loss]))
        if name == "majority class":
            found |= {"accuracy": np.array([0.3927]), "macro_f1": np.array([0.0434])}
            found |= {"balanced_accuracy": np.array([1 / 13]), "top_3_accuracy": np.array([0.689])}
        rows.append(
            Row(
                kind="baseline", name=name, metrics={key: estimate(each) for key, each in found.items()},
                train_seconds=seconds, settings=settings,
            )
        )  # fmt: skip
    pairs = with_rows(
        [
            difference(one, other, LOG_LOSS, values[one]["log_loss"], values[other]["log_loss"])
            for one, other in itertools.combinations(OPTIMIZERS, 2)
        ],
        0.0018, 12559,
    )  # fmt: skip
    differences = [each for each in pairs if each.first == "adam"]
    against = [
        difference(one, name, LOG_LOSS, values[one]["log_loss"], np.full(5, loss))
        for one in OPTIMIZERS
        for name, loss in (
            ("logistic regression", 1.4658),
            ("gradient boosting", 1.4721),
            ("majority class", 1.7312),
        )
    ]
    against = with_rows(against, 0.0045, 12559)
    differences += [each for each in against if each.first == "adam"]
    differences += with_rows(
        [
            difference("adam", name, SCORES[1], values["adam"]["accuracy"], values[name]["accuracy"])
            for name in OPTIMIZERS
            if name != "adam"
        ],
        0.004, 12559,
    )  # fmt: skip
    lines, matrix = classes(draw, LABELS, 12559)
    return Comparison(
        title="crimes",
        sentence="Adam wins on log loss: 1.464 ± .002, by .003 [.002, .005] over SGD; "
        "logistic regression comes to 1.466 in 7 seconds and is not told apart by 12,559 test rows.",
        remarks=[
            "Accuracy does not tell the best five optimizers apart (5 seeds).",
            "The cosine schedule was worth more than the choice among the best four optimizers.",
        ],
        target="Primary Type",
        metric="log_loss",
        metrics=SCORES,
        winner="adam",
        rows=rows,
        differences=differences,
        pairs=[*pairs, *against],
        standings=standings(list(OPTIMIZERS), "log_loss", pairs, against),
        effects=[
            Effect(name="gain over majority", size=0.2672, text="the best network against always THEFT"),
            Effect(
                name="learning rate", size=0.0480, text="between the best and the worst rate that finished"
            ),
            Effect(name="optimizer", size=0.0122, text="between the best and the worst, each tuned"),
            Effect(name="schedule", size=0.0063, text="cosine against constant, for adam"),
            Effect(name="seed", size=0.0031, text="between the luckiest and the unluckiest of 5"),
            Effect(
                name="gain over logistic", size=0.0018, text="the best network against logistic regression"
            ),
        ],
        curves=[band(draw, name, each[0], each[3]) for name, each in OPTIMIZERS.items()],
        rates=[rate_curve(draw, name, each[0], each[1], each[2]) for name, each in OPTIMIZERS.items()],
        classes=lines,
        confusion=matrix,
        trust=[
            Fact(label="seeds", value="5 each"),
            Fact(label="tuning runs", value="10 each, 90 in all"),
            Fact(label="test rows", value="12,559"),
            Fact(label="smallest detectable difference", value="0.0041"),
            Fact(label="comparisons corrected for", value="36"),
            Fact(label="share of variance", value="seeds 44 %, test rows 56 %"),
            Fact(label="length", value="1 epoch, 1,570 steps"),
        ],
        warnings=[
            "quickprop diverged in 2 of 5 runs: its mean is over 3 seeds.",
            "delta-bar-delta was still improving at the end; a longer run may change its place.",
        ],
        data=[
            Fact(label="file", value="crimes-2018.parquet, 125,590 rows"),
            Fact(label="target", value="Primary Type, 13 classes, the largest 39.3 %"),
            Fact(
                label="columns", value="6 categorical: Block, Location Description, Beat, District, Ward, …"
            ),
            Fact(label="left out", value="Year is constant"),
            Fact(
                label="split", value="100,472 train, 12,559 validation, 12,559 test; stratified, split seed 0"
            ),
        ],
        preparation=[
            Fact(label="group", value="34 labels to 13 in Primary Type"),
            Fact(label="fill_from", value="Ward from Block (8,112), Beat (901), District (3); 0 left"),
            Fact(label="fill_constant", value="Location Description: 137 to OTHER"),
        ],
        recipe=[
            Fact(label="model", value="embeddings 7 (8.0 M parameters) → 128 → 64 → 13"),
            Fact(label="schedule", value="cosine for all"),
            Fact(label="batch size", value="64"),
            Fact(label="recipe id", value="4f1d2c9a"),
        ],
        environment=[
            Fact(label="steepest", value="0.1.0"),
            Fact(label="torch", value="2.13.0, 2 threads"),
            Fact(label="machine", value="Linux x86_64, 2 cores"),
        ],
        use=[
            Fact(label="predict", value="steepest predict runs/crimes new.csv --out predictions.parquet"),
            Fact(
                label="Python",
                value='import steepest as st\nst.open("runs/crimes").best.predict_proba(new)',
            ),
            Fact(label="model", value="runs/crimes/model"),
        ],
        phases={"train": 742.0, "evaluate": 96.4, "baselines": 31.2, "io": 4.1},
    )


def rent() -> Comparison:
    """A regression: large numbers, two optimizers, one of them at a rate that the user gave."""
    draw = np.random.default_rng(3)
    metrics = [
        Metric(name="rmse", title="RMSE", higher_is_better=False),
        Metric(name="mae", title="MAE", higher_is_better=False),
        Metric(name="r2", title="R²", higher_is_better=True),
    ]
    rows: list[Row] = []
    values: dict[str, np.ndarray] = {}
    for name, centre, tuned in (("adamw", 48210.0, True), ("sgd", 49930.0, False)):
        values[name] = centre + draw.normal(0, 320, 3)
        found = {"rmse": values[name], "mae": values[name] * 0.71, "r2": 1 - (values[name] / 115000) ** 2}
        rows.append(
            Row(
                kind="arm", name=name, lr=1e-3 if tuned else 0.1, tuned=tuned, seeds=3,
                metrics={key: estimate(each) for key, each in found.items()},
                values={key: each.tolist() for key, each in found.items()}, train_seconds=3.4,
                trials=10 if tuned else 0, good_range=100.0 if tuned else None,
            )
        )  # fmt: skip
    for name, centre in (("gradient boosting", 47105.0), ("linear regression", 68112.0), ("mean", 115420.0)):
        found = {"rmse": centre, "mae": centre * 0.7, "r2": 1 - (centre / 115000) ** 2}
        metrics_of = {key: estimate(np.array([each])) for key, each in found.items()}
        rows.append(Row(kind="baseline", name=name, metrics=metrics_of, train_seconds=0.8))
    return Comparison(
        title="rent",
        sentence="AdamW wins among the networks on RMSE; gradient boosting is better than it by 1,100 ± 900.",
        task="regression",
        target="rent",
        metric="rmse",
        metrics=metrics,
        winner="adamw",
        rows=rows,
        differences=[difference("adamw", "sgd", metrics[0], values["adamw"], values["sgd"])],
        effects=[
            Effect(name="optimizer", size=1720.0, text=""),
            Effect(name="gain over boosting", size=-1105.0, text="boosting is better"),
        ],
        curves=[
            Band(name=name, metric="rmse", step=[0, 50, 100], epoch=[0, 1, 2], seconds=[0, 1.2, 2.4],
                 mean=[200000.0, 52000.0, end], low=[199000.0, 51500.0, end - 300],
                 high=[201000.0, 52600.0, end + 300])
            for name, end in (("adamw", 48200.0), ("sgd", 49900.0))
        ],
        rates=[
            RateCurve(name="adamw", metric="rmse", scan=[(1e-4, 61000.0), (1e-3, 51000.0), (1e-2, 57000.0)],
                      full=[(1e-3, 48200.0)], chosen=1e-3, default=1e-3)
        ],
        trust=[Fact(label="seeds", value="3"), Fact(label="test rows", value="1,460")],
        use=[Fact(label="predict", value="steepest predict runs/rent new.csv")],
    )  # fmt: skip


def smallest() -> Comparison:
    """One optimizer, one seed, two classes, nothing that may be left out."""
    one = Estimate(mean=0.4321, low=0.4321, high=0.4321, n=1)
    return Comparison(
        title="small",
        sentence="sgd reaches a log loss of 0.4321.",
        metric="log_loss",
        metrics=[LOG_LOSS],
        winner="sgd",
        rows=[Row(kind="arm", name="sgd", lr=0.1, metrics={"log_loss": one}, values={"log_loss": [0.4321]})],
        classes=[
            ClassLine(label="no", rows=80, precision=0.9, recall=0.95, f1=0.924),
            ClassLine(label="yes", rows=20, precision=0.75, recall=0.6, f1=0.667),
        ],
        confusion=[[76, 4], [8, 12]],
    )


SCRIPT = "</script><script>window.broken=1</script><img src=x onerror=window.broken=1>"


def nasty() -> Comparison:
    """Markup, quotes, templates, unicode, very long names, forty classes, and numbers that are none."""
    draw = np.random.default_rng(11)
    names = [
        f"mine.py:MyOpt('{SCRIPT}')",
        "a" * 140,
        "ädäm 🦊 عربي אבג 漢字",
        "{{ 7 * 7 }} %{x} ${y} <b>bold</b> <a href='https://example.org/'>link</a>",
        "\x1b[31mred\x1b[0m\t\"quoted\" & 'single'",
        "diverged",
    ]
    rows: list[Row] = []
    bands: list[Band] = []
    curves: list[RateCurve] = []
    for place, name in enumerate(names):
        loss = 0.9 + 0.01 * place + draw.normal(0, 0.004, 3)
        if name == "diverged":
            loss = np.full(3, math.nan)
        found = {"log_loss": loss, "accuracy": 0.8 - loss / 10}
        rows += [
            Row(
                kind=kind, name=name, lr=10.0 ** (-place), seeds=3,
                outcome="diverged 3 of 3" if name == "diverged" else "finished",
                metrics={key: estimate(each) for key, each in found.items()},
                values={key: each.tolist() for key, each in found.items()},
                settings=f"<i>{SCRIPT}</i>", flags=["<u>edge of the grid</u>"],
            )
            for kind in ("arm", "default")
        ]  # fmt: skip
        mean = [2.0, math.nan, float(loss.mean())]
        bands.append(Band(name=name, metric="log_loss", step=[0, 5, 10], epoch=[0, 0.5, 1], seconds=[0, 1, 2],
                          mean=mean, low=mean, high=[math.inf, *mean[1:]]))  # fmt: skip
        curves.append(RateCurve(name=name, metric="log_loss", scan=[(10.0 ** (-place), math.nan), (1.0, 1.1)],
                                full=[], chosen=1.0))  # fmt: skip
    huge = Estimate(mean=3.2e14, low=3.2e14, high=3.2e14, n=1)
    rows.append(Row(kind="baseline", name=SCRIPT, metrics={"log_loss": huge}))
    labels = [f"class {place}" for place in range(36)] + [SCRIPT, "漢字 " * 30, "\u202eright to left", ""]
    lines, matrix = classes(draw, labels, 4000)
    worst = Difference(first=names[0], second=names[1], metric="log_loss", over="seeds", mean=math.nan,
                       low=math.nan, high=math.nan, n=3, told_apart=False)  # fmt: skip
    return Comparison(
        title=SCRIPT,
        sentence=f"{SCRIPT} wins on “log loss” & more.",
        remarks=[SCRIPT],
        target=SCRIPT,
        metric="log_loss",
        metrics=[LOG_LOSS.model_copy(update={"title": "log loss <&> \"'"}), SCORES[1]],
        winner=names[0],
        rows=rows,
        differences=[worst],
        effects=[Effect(name=SCRIPT, size=0.1, text=SCRIPT), Effect(name="nan", size=math.nan, text="")],
        curves=bands,
        rates=curves,
        classes=lines,
        confusion=matrix,
        trust=[Fact(label=SCRIPT, value=SCRIPT)],
        warnings=[SCRIPT, "w" * 300],
        data=[Fact(label="x" * 90, value=SCRIPT), Fact(label="lines", value="one\ntwo")],
        preparation=[Fact(label="step", value="y" * 400)],
        recipe=[Fact(label="</style>", value="<!-- -->")],
        environment=[Fact(label="e", value="]]>")],
        use=[Fact(label=SCRIPT, value=f"steepest predict {'z' * 200} '{SCRIPT}'")],
        phases={SCRIPT: 3.0},
    )


def arms(*, interacting: bool = False) -> Comparison:
    """Three optimizers × two models × two batch sizes; all but the optimizers are of the data's making.

    Args:
        interacting: whether the linear model needs the small batch.
    """
    draw = np.random.default_rng(5)
    optimizers = {"adam": 0.0, "momentum(lr=0.1)": 0.012, "sgd": 0.03}
    models = {"linear": 0.08, "embedding-mlp(hidden=(64, 32))": 0.0}
    sizes = {"batch 16": 0.0, "batch 64": 0.004}
    shared = draw.normal(0, 0.004, 4)
    rows: list[Row] = []
    entries: list[ArmEntry] = []
    found: list[tuple[dict[str, str], Scores]] = []
    bands: list[Band] = []
    curves: list[RateCurve] = []
    for optimizer, model, size in itertools.product(optimizers, models, sizes):
        levels = {"optimizer": optimizer, "model": model, "batch_size": size}
        title = ", ".join(levels.values())
        more = 0.05 if interacting and (model, size) == ("linear", "batch 64") else 0.0
        centre = 0.5 + optimizers[optimizer] + models[model] + sizes[size] + more
        loss = centre + shared + draw.normal(0, 0.001, 4)
        values = {"log_loss": loss, "accuracy": 0.9 - loss / 3}
        tuned = "lr" not in optimizer
        rows.append(
            Row(
                kind="arm", name=title, lr=1e-3 if tuned else 0.1, tuned=tuned, seeds=4,
                metrics={key: estimate(each) for key, each in values.items()},
                values={key: each.tolist() for key, each in values.items()}, train_seconds=1.2, trials=10 * tuned,
                settings=f"model {model}, {size}, {optimizer}",
            )
        )  # fmt: skip
        factors = {
            **levels,
            "batch_size": size.removeprefix("batch "),
            "schedule": "cosine",
            "train_rows": "all",
        }
        entries.append(
            ArmEntry(id=f"{len(entries):012x}", title=title, label=title, factors=factors, levels=levels,
                     runs=[f"{len(entries)}-{seed}" for seed in range(4)])
        )  # fmt: skip
        found.append((levels, scored(title, "log_loss", loss.tolist(), [])))
        bands.append(band(draw, title, centre, 1.2))
        curves += [rate_curve(draw, title, centre, 1e-3, 1e-3)] if tuned else []
    rows.sort(key=lambda row: row.metrics["log_loss"].mean)
    rows.append(Row(kind="baseline", name="majority class", metrics={"log_loss": Estimate(mean=0.69, n=1)}))
    effects, reason = factorial(found)
    assert not reason
    winner = rows[0].name
    losses = {row.name: np.array(row.values["log_loss"]) for row in rows if row.kind == "arm"}
    pairs = [
        difference(winner, name, LOG_LOSS, losses[winner], losses[name]) for name in losses if name != winner
    ]
    return Comparison(
        title="arms",
        sentence=f"Use {winner}: log loss {rows[0].metrics['log_loss'].mean:.3f}.",
        target="churned",
        metric="log_loss",
        metrics=SCORES[:2],
        winner=winner,
        rows=rows,
        differences=pairs,
        pairs=pairs,
        standings=standings(list(losses), "log_loss", pairs, []),
        curves=bands,
        rates=curves,
        arms=entries,
        factors=["optimizer", "model", "batch_size"],
        factorial=effects,
        environment=[Fact(label="steepest", value="0.1.0")],
        trust=[Fact(label="tuning runs per arm", value="10")],
    )


def folds() -> Comparison:
    """Two optimizers on five test sets with two seeds each."""
    draw = np.random.default_rng(9)
    rows: list[Row] = []
    parts: dict[str, Scores] = {}
    for name, centre in (("adam", 0.52), ("sgd", 0.56)):
        table = centre + draw.normal(0, 0.01, (5, 2))
        sets = [
            scored(
                name, "log_loss", each.tolist(), [{"loss": draw.normal(value, 0.3, 200)} for value in each]
            )
            for each in table
        ]
        parts[name] = over_sets(sets, "folds", 0.2)
        rows.append(
            Row(kind="arm", name=name, lr=0.01, seeds=2, metrics={"log_loss": estimate(table.mean(1))},
                values={"log_loss": table.ravel().tolist()}, train_seconds=1.0, trials=10)
        )  # fmt: skip
    found, _ = differences(list(parts.values()), [])
    return Comparison(
        title="folds",
        sentence="Use adam.",
        target="churned",
        metric="log_loss",
        metrics=[LOG_LOSS],
        winner="adam",
        rows=rows,
        differences=found,
        pairs=found,
        environment=[Fact(label="steepest", value="0.1.0")],
        trust=[Fact(label="test sets", value="5 folds"), *how_sure(metric_info("log_loss"), found)],
        arms=[ArmEntry(id=name, title=name, label=name, factors={"optimizer": name}, levels={"optimizer": name})
              for name in parts],
        test_sets=5,
        use=[Fact(label="predict", value="steepest predict runs/folds new.csv")],
        recommended="adam",
    )  # fmt: skip


EXAMPLES = {
    "crimes": crimes, "rent": rent, "smallest": smallest, "nasty": nasty, "arms": arms, "folds": folds,
}  # fmt: skip
