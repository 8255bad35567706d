"""Simple models that every comparison is held against; a network that does not beat them is not needed."""

from steepest.evaluate.baselines._run import BaselineResult, baseline_names, registry, run_baselines

__all__ = ["BaselineResult", "baseline_names", "registry", "run_baselines"]
