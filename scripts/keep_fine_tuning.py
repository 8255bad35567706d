"""Keep the numbers of a finished comparison of ways of fine-tuning: python scripts/keep_fine_tuning.py runs/smollm2

Writes ``benchmarks/results/fine-tuning.json`` (machine, versions, and of every arm and seed rate, losses, tokens,
seconds and memory) and prints the table of ``docs/explanation/fine-tuning-compared.md``.
"""

from __future__ import annotations

import json
import math
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steepest.compare.intervals import paired_t, t_interval
from steepest.experiment.folder import load_comparison
from steepest.record.store import Folder
from steepest.sweep.machine import cores

KEPT = Path(__file__).parent.parent / "benchmarks" / "results" / "fine-tuning.json"
USED = ("steepest", "torch", "transformers", "peft", "bitsandbytes")


def numbers(folder: str) -> dict[str, Any]:
    """Return what is kept of a comparison's folder."""
    arms: dict[str, Any] = {}
    scans: dict[str, list[list[float]]] = {}
    for each in Folder.open(folder).records():
        name = each.key.name
        if each.key.phase == "scan":
            scans.setdefault(name, []).append([each.lr, each.curve[-1].validation["token_loss"]])
        if each.key.phase != "final":
            continue
        arms.setdefault(name, {"rate": each.lr, "seeds": {}})["seeds"][str(each.key.seed)] = {
            "validation": [[point.epoch, point.validation["token_loss"]] for point in each.curve],
            "test": each.test["token_loss"],
            "also": [each.also_before["token_loss"], each.also_after["token_loss"]],
            "tokens": each.tokens,
            "seconds": each.clocks.train,
            "peak_memory": each.peak_memory,
        }
    bases = {
        row.name: row.metrics["token_loss"].mean
        for row in load_comparison(Folder.open(folder)).rows
        if row.kind == "baseline" and "token_loss" in row.metrics
    }
    return {
        "machine": f"{cores()} cores {platform.machine()} {platform.system()}, Python {platform.python_version()}",
        "versions": {each: version(each) for each in USED},
        "baselines": bases,
        "scans": {name: sorted(pairs) for name, pairs in scans.items()},
        "arms": arms,
    }


def table(kept: dict[str, Any]) -> str:
    """Return the table of what was reached: loss with its interval, perplexity, the difference from the first arm."""
    lines = [
        "| | rate | loss per token | perplexity | difference from full | on Shakespeare, before → after |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    [first, *_] = kept["arms"].values()
    reference = [first["seeds"][seed]["test"] for seed in sorted(first["seeds"])]
    for name, arm in kept["arms"].items():
        some = [arm["seeds"][seed] for seed in sorted(arm["seeds"])]
        losses = [each["test"] for each in some]
        mean = t_interval(losses)
        apart = "" if arm is first else f"{paired(losses, reference)}"
        also = " → ".join(f"{sum(each['also'][i] for each in some) / len(some):.2f}" for i in (0, 1))
        lines.append(
            f"| {name} | {arm['rate']:.2g} | {mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}] | "
            f"{math.exp(mean.mean):.1f} | {apart} | {also} |"
        )
    return "\n".join(lines)


def paired(values: list[float], others: list[float]) -> str:
    """Return a paired difference with its 95 % t interval."""
    found = paired_t(values, others)
    return f"{found.mean:+.3f} [{found.low:.3f}, {found.high:.3f}]".replace("-", "−")


def main(folder: str) -> None:
    """Keep a folder's numbers and print the table."""
    found = numbers(folder)
    KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1])
