"""Draw the figures of docs/explanation/methods-compared.md, and print its tables, from stored results.

    python scripts/draw_methods.py [FOLDER …]

With folders of comparisons, their curves of final runs are first stored in ``benchmarks/results``, under the folder's
name. Seconds are stored as a share of what Adam's runs took on the mean, which depends less on the machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from scipy import stats

ROOT = Path(__file__).parent.parent
RESULTS, IMAGES = ROOT / "benchmarks" / "results", ROOT / "docs" / "images"
AXES = {
    "epoch": "passes over the data",
    "gradients": "gradient evaluations",
    "seconds": "seconds, Adam's run = 1",
}
COLOURS = {
    "adam": "#0072b2",
    "sam(adam)": "#56b4e9",
    "momentum": "#009e73",
    "nesterov": "#009e73",
    "l-bfgs": "#e69f00",
    "hessian-free": "#d55e00",
}
KINDS = {"digits": "log loss on validation rows", "digit-autoencoder": "MSE of pixels on validation rows"}


def store(folder: Path) -> None:
    """Store the curves of a comparison's final runs."""
    curves = pl.read_ipc(folder / "curves.arrow").filter(pl.col("phase") == "final")
    curves = curves.filter((pl.col("metric") != "train_loss") & (pl.col("metric") != "accuracy"))
    curves = curves.with_columns(pl.col("name").str.replace(r"hessian-free.*", "hessian-free"))
    ends = curves.group_by("name", "seed").agg(pl.col("seconds").max())
    unit = ends.filter(pl.col("name") == "adam")["seconds"].mean()
    found: dict[str, list[Any]] = {}
    for (name, _), part in curves.sort("name", "seed", "step").group_by("name", "seed", maintain_order=True):
        columns = {each: part[each].to_list() for each in ("epoch", "gradients", "value")}
        columns["seconds"] = [round(each / unit, 4) for each in part["seconds"]]
        rounded = {key: [round(each, 5) for each in values] for key, values in columns.items()}
        found.setdefault(str(name), []).append(rounded)
    (RESULTS / f"{folder.name}.json").write_text(json.dumps(found) + "\n")


def at(runs: list[Any], axis: str, place: float) -> np.ndarray:
    """Return the value of every run at the latest evaluation at or before a place of an axis."""
    last = [np.searchsorted(run[axis], place + 1e-9, side="right") - 1 for run in runs]
    return np.array([run["value"][i] for run, i in zip(runs, last, strict=True)])


def band(values: np.ndarray) -> tuple[float, float]:
    """Return the mean, and half the length of its 95 % t interval."""
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def plain(axis: Any) -> None:
    """Mark a logarithmic axis at 1, 2 and 5 of every decade, in plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:g}"))


def draw(name: str) -> None:
    """Draw a comparison by three axes, and print its tables."""
    found = json.loads((RESULTS / f"{name}.json").read_text())
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True, layout="constrained")
    for panel, (axis, label) in zip(panels, AXES.items(), strict=True):
        print(f"\n{name}, by {label}")
        first = max(runs[0][axis][1] for runs in found.values())
        shortest = min(min(run[axis][-1] for run in runs) for runs in found.values())
        shortest = max(shortest, first)  # an evaluation of every method, be it later than one's end
        for method, runs in found.items():
            ends = min(run[axis][-1] for run in runs)
            grid = np.geomspace(max(min(run[axis][1] for run in runs), ends / 500), ends, 60)
            means, halves = np.array([band(at(runs, axis, each)) for each in grid]).T
            panel.plot(grid, means, color=COLOURS[method], label=method)
            panel.fill_between(grid, means - halves, means + halves, color=COLOURS[method], alpha=0.15, lw=0)
            mean, half = band(at(runs, axis, shortest))
            apart, width = band(at(runs, axis, shortest) - at(found["adam"], axis, shortest))
            print(
                f"| {method} | {mean:.4f} ± {half:.4f} | {apart:+.4f} [{apart - width:+.4f}, {apart + width:+.4f}] |"
                f" at {shortest:.3g}"
            )
        panel.set(xscale="log", xlabel=label)
        plain(panel.xaxis)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set(yscale="log", ylabel=KINDS[name])
    plain(panels[0].yaxis)
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(IMAGES / f"methods-{name}.png", dpi=110)


def draw_deep() -> None:
    """Draw the deep autoencoder's curves, and print their ends."""
    found = json.loads((RESULTS / "autoencoder.json").read_text())["curves"]
    unit = found["adam"][-1]["seconds"] / found["adam"][-1]["passes"]
    figure, panels = plt.subplots(1, 2, figsize=(7.5, 3.4), sharey=True, layout="constrained")
    for panel, (axis, label) in zip(
        panels,
        {"passes": "passes of gradients", "seconds": "seconds, a pass of Adam = 1"}.items(),
        strict=True,
    ):
        for method, curve in found.items():
            places = [each[axis] / (unit if axis == "seconds" else 1) for each in curve]
            panel.plot(places, [each["test"] for each in curve], color=COLOURS[method], label=method)
        panel.set(xlabel=label)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set(yscale="log", ylabel="squared error of a test image")
    plain(panels[0].yaxis)
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(IMAGES / "methods-deep-autoencoder.png", dpi=110)
    for method, curve in found.items():
        end, took = curve[-1], curve[-1]["seconds"] / unit
        errors = f"{end['train']:.2f} | {end['test']:.2f}"
        print(f"| {method} | {end['steps']} | {end['passes']:.1f} | {took:.1f} | {errors} |")


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    for given in sys.argv[1:]:
        store(Path(given))
    for each in KINDS:
        draw(each)
    draw_deep()
