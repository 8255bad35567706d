r"""Closed forms: the effect of k steps with a zero gradient on a row, computed at once.

A closed form takes the coefficients of every step, keeps what it needs of them in float64, and carries rows
from the step at which they are known to the present. The definition is the replay of the missed steps; a
closed form is the same sum in another order, so it agrees with the replay up to rounding.

Rows that were never updated hold the start values of their slots, and have step 0.

The work is in two parts: numbers for each row from float64 tables, in NumPy (``known`` at the moment, ``columns``
for many moments at once), and the arithmetic on the rows, in torch operations only (``apply``), which a compiled
step takes in as it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from steepest.optim.interpolation import LEFT_OUT, MOST_TERMS, Array
from steepest.optim.values import Coefficients, Slots

Steps = NDArray[np.int64]
RowNumbers = Sequence[torch.Tensor] | torch.Tensor
"""Numbers for each row, [width] of [n]."""


class ClosedForm(ABC):
    """The idle steps of one rule, computed at once.

    Example:
        >>> form = Fading({"square_avg": 0.5})
        >>> all(form.extend(step, {}) for step in (1, 2, 3))
        True
        >>> row, slots = form.advance(torch.zeros(1, 2), {"square_avg": torch.ones(1, 2)}, np.array([1]), 3)
        >>> slots["square_avg"].tolist()
        [[0.25, 0.25]]
    """

    @abstractmethod
    def extend(self, step: int, c: Coefficients) -> bool:
        """Take note of the coefficients of a step (from 1); return False where the form cannot go on from here."""

    def known(self, last: Steps) -> Array:
        """Return what the tables hold at present for rows last updated at ``last`` [n], as [k, n]; k may be 0."""
        return np.empty((0, len(last)))

    @abstractmethod
    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return the numbers that :meth:`apply` needs of each row, [width, n], from what was known at ``now``."""

    @abstractmethod
    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return rows and slots [n, …] after their idle steps; the arguments are left as they are."""

    def advance(self, param: torch.Tensor, slots: Slots, last: Steps, now: int) -> tuple[torch.Tensor, Slots]:
        """Return rows and slots [n, …] after step ``now``, given as they were after the steps ``last`` [n]."""
        columns = torch.from_numpy(self.columns(self.known(last), last, now))
        return self.apply(param, slots, columns.to(param.device, param.dtype))

    def arrays(self) -> dict[str, Array]:
        """Return what the form has kept, by name; :meth:`restore` takes it back."""
        return {}

    def restore(self, arrays: Mapping[str, Array], step: int) -> None:
        """Go on from what :meth:`arrays` returned after step ``step``."""
        del arrays, step


class Still(ClosedForm):
    """A zero gradient changes nothing."""

    def extend(self, step: int, c: Coefficients) -> bool:
        """Need nothing."""
        del step, c
        return True

    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return nothing."""
        del known, now
        return np.empty((0, len(last)))

    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return what is given."""
        del columns
        return param, dict(slots)


class Fading(Still):
    """The parameter stays, and some slots lose a constant share at each step.

    Args:
        kept: the share that is kept, by slot.
        keep_signs: in repeated multiplication a small number does not vanish: it sticks at a few units of the
            smallest one. Where a slot's sign alone decides something, it must not vanish here either.
    """

    def __init__(self, kept: Mapping[str, float], *, keep_signs: bool = False) -> None:
        self.kept = dict(kept)
        self.keep_signs = keep_signs

    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return 1 where a row was idle, and the shares to the power of the idle steps."""
        del known
        return np.stack([idle(last, now), *(np.power(share, now - last) for share in self.kept.values())])

    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return the parameter as it is and the slots times their shares."""
        new = dict(slots)
        for i, (name, share) in enumerate(self.kept.items()):
            old = slots[name]
            new[name] = faded = old * per_row(columns[1 + i], old)
            if self.keep_signs and share > 0.5:
                info = torch.finfo(old.dtype)
                least = torch.sign(old) * (info.smallest_normal * info.eps)
                new[name] = torch.where((faded == 0) & (per_row(columns[0], old) > 0), least, faded)
        return param, new


class Forgetting(Still):
    """The parameter stays, and the first idle step alone changes the slots.

    Args:
        zeroed: slots that become zero.
        clamped: slots that are brought into a range.
    """

    def __init__(
        self, zeroed: tuple[str, ...], clamped: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        self.zeroed = zeroed
        self.clamped = dict(clamped or {})

    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return 1 where a row was idle."""
        del known
        return idle(last, now)[None]

    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return the parameter as it is and, where a row was idle, the slots as one idle step leaves them."""
        new = dict(slots)
        for name in self.zeroed:
            new[name] = torch.where(per_row(columns[0], slots[name]) > 0, 0.0, slots[name])
        for name, (low, high) in self.clamped.items():
            limited = slots[name].clamp(min=low, max=high)
            new[name] = torch.where(per_row(columns[0], slots[name]) > 0, limited, slots[name])
        return param, new


class Shrinking(ClosedForm):
    """The parameter is multiplied by ``1 − lr·weight_decay`` at every step: gradient descent with coupled decay."""

    def __init__(self) -> None:
        self.logs = Series(1)

    def extend(self, step: int, c: Coefficients) -> bool:
        """Add the logarithm of the factor to the sum of all."""
        lost = c["lr"] * c["weight_decay"]
        if not lost < 0.5:
            return False
        self.logs.begin(step, (self.logs.values[0, step - 1] + math.log1p(-lost),))
        return True

    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return the product of the factors."""
        del known
        logs = self.logs.values[0]
        return np.exp(logs[now] - logs[last])[None]

    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return the parameter times the product."""
        return param * per_row(columns[0], param), dict(slots)

    def arrays(self) -> dict[str, Array]:
        """The sums of logarithms."""
        return {"logs": self.logs.kept()}

    def restore(self, arrays: Mapping[str, Array], step: int) -> None:
        """Take them back."""
        self.logs.put(arrays["logs"], step)


class Coasting(ClosedForm):
    r"""A velocity that fades and moves the parameter: :math:`w \leftarrow w - v \sum_j \eta_{s+j}\,\mu^j`.

    Args:
        slot: the velocity's name.
        momentum: the share μ that is kept, below 1.
        sign: −1 where the velocity is subtracted, 1 where it is added.
        ahead: the factor μ of Nesterov's look-ahead, else 1.
        with_rate: whether each step is multiplied by its rate.
    """

    def __init__(
        self, slot: str, momentum: float, *, sign: float = -1.0, ahead: float = 1.0, with_rate: bool = True
    ) -> None:
        self.slot, self.momentum = slot, momentum
        self.factor = sign * ahead
        self.with_rate = with_rate
        self.powers = momentum ** np.arange(1.0, fading_terms(momentum) + 1.0)[::-1]
        self.sums = Series(1)

    def extend(self, step: int, c: Coefficients) -> bool:
        """Add the step's term to the sums of the rows that may still move."""
        self.sums.begin(step, (0.0,))
        low = max(0, step - len(self.powers))
        rate = c["lr"] if self.with_rate else 1.0
        self.sums.values[0, low:step] += rate * self.powers[len(self.powers) - (step - low) :]
        return True

    def known(self, last: Steps) -> Array:
        """Return the sums."""
        return self.sums.values[:, last]

    def columns(self, known: Array, last: Steps, now: Steps | int) -> Array:
        """Return what the velocity is to be multiplied by to move the parameter, and the share that is kept."""
        return np.stack([self.factor * known[0], np.power(self.momentum, now - last)])

    def apply(self, param: torch.Tensor, slots: Slots, columns: RowNumbers) -> tuple[torch.Tensor, Slots]:
        """Return the parameter moved by the sum, and the velocity faded."""
        velocity = slots[self.slot]
        moved = param + velocity * per_row(columns[0], param)
        return moved, {**slots, self.slot: velocity * per_row(columns[1], velocity)}

    def arrays(self) -> dict[str, Array]:
        """The sums."""
        return {"sums": self.sums.kept()}

    def restore(self, arrays: Mapping[str, Array], step: int) -> None:
        """Take them back."""
        self.sums.put(arrays["sums"], step)


def fading_terms(share: float) -> int:
    """Return after how many steps the rest of a geometric sum is negligible.

    Example:
        >>> fading_terms(0.9), can_fade(0.9), can_fade(0.9999)
        (328, True, False)
    """
    return math.ceil(math.log(LEFT_OUT * (1.0 - share)) / math.log(share)) if share > 0 else 1


def can_fade(share: float) -> bool:
    """Return whether a geometric sum ends soon enough to keep its last terms."""
    return share < 1.0 and fading_terms(share) <= MOST_TERMS


class Series:
    """Some numbers for each step from 0 on, [width, steps + 1], in an array that grows by doubling."""

    def __init__(self, width: int) -> None:
        self.values: Array = np.zeros((width, 1_024))
        self.length = 1

    def begin(self, step: int, numbers: tuple[float, ...]) -> None:
        """Put the numbers of a new step."""
        if step >= self.values.shape[1]:
            self.values = np.concatenate([self.values, np.zeros_like(self.values)], 1)
        self.values[:, step] = numbers
        self.length = step + 1

    def kept(self) -> Array:
        """Return a copy of the steps so far."""
        return self.values[:, : self.length].copy()

    def put(self, values: Array, step: int) -> None:
        """Take back the steps up to ``step``."""
        size = 1_024
        while size <= step:
            size *= 2
        self.values = np.zeros((len(self.values), size))
        self.values[:, : step + 1] = values
        self.length = step + 1


def per_row(numbers: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Return one number a row, [n], in a shape that multiplies rows ``like`` [n, …]."""
    return numbers.reshape(-1, *[1] * (like.dim() - 1))


def idle(last: Steps, now: Steps | int) -> Array:
    """Return 1 where a row has missed a step, else 0."""
    return (last < now).astype(np.float64)
