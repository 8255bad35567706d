"""The devices of this machine."""

from __future__ import annotations

import torch

from steepest.errors import OptionError
from steepest.sweep.timing import choose_device


def usable_device(name: str) -> str:
    """Return the device of that name, or the best one for ``auto``.

    Raises:
        OptionError: the device is not there.
    """
    if name == "auto":
        return choose_device()
    if not device_is_there(name):
        raise OptionError(
            f"there is no device {name!r} here",
            hint="`steepest doctor` lists the devices; without --device, one is chosen automatically.",
        )
    return name


def device_is_there(name: str) -> bool:
    """Return whether tensors can be made on a device."""
    try:
        torch.zeros(1, device=name).item()  # "meta" has no values
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return True
