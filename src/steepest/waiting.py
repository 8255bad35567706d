"""How the threads of a training step wait for each other in processes of our own: asleep instead of in a busy loop.

By default OpenMP's threads spin while they wait. Where something else needs the processor, those that wait keep it from
those that work, and steps on two threads can take many times as long as on one.
"""

from __future__ import annotations

import os  # and nothing that is slow to import: it comes before torch
from collections.abc import Mapping

CHOSEN_BY = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which a user has chosen how threads wait."""


def passively(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose processes have threads that wait asleep, unless it says how they wait.

    Example:
        >>> passively({"HOME": "/root"})
        {'HOME': '/root', 'OMP_WAIT_POLICY': 'passive'}
        >>> passively({"GOMP_SPINCOUNT": "1000"})
        {'GOMP_SPINCOUNT': '1000'}
    """
    chosen = any(name in environment for name in CHOSEN_BY)
    return {**environment} if chosen else {**environment, "OMP_WAIT_POLICY": "passive"}


def wait_passively() -> None:
    """Let the threads of this process wait asleep; it has an effect only before torch is imported."""
    os.environ.update(passively(os.environ))


def policy() -> str:
    """Return what the environment says about waiting, for what is measured with it."""
    return " ".join(f"{name}={os.environ[name]}" for name in CHOSEN_BY if name in os.environ)
