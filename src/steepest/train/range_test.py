"""The learning rate range test: the loss of a run whose learning rate rises geometrically from step to step.

Smith, *Cyclical Learning Rates for Training Neural Networks*, WACV 2017, section 3.3; the stop and the two suggestions
are those of Gugger & Howard's fastai.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from steepest.errors import OptionError

START, STOP, STEPS = 1e-7, 10.0, 100
"""The lowest and the highest rate, and the number of steps from one to the other."""
SMOOTHING = 0.9
"""Weight of the past in the running loss."""
WORSE = 4.0
"""How many times its best the running loss may be before the test stops."""
SETTLING = 0.1
"""Share of the steps at the beginning, where the running loss is the mean of few batches, that suggest nothing."""
BELOW = 10.0
"""How far below the rate with the lowest loss a run may be expected to be stable."""
CERTAIN = 3.0
"""Standard errors by which the running loss has to fall from the mean at the beginning."""


@dataclass(frozen=True)
class RangeTest:
    """One range test.

    Attributes:
        name: what was tested.
        rates: the learning rate of each step.
        losses: the batch's loss before it.
        ended: why it stopped before the highest rate; empty where it did not.
        smoothed: the running loss, an exponential average (0.9) whose bias is removed.

    Example:
        >>> rates = geometric(1e-5, 1.0, 20)
        >>> test = run("sgd", rates, [*(1.0 - 0.04 * step for step in range(19)), math.inf])
        >>> test.lowest == rates[18], test.tenth == rates[18] / 10, test.ended
        (True, True, 'diverged at 1')
    """

    name: str
    rates: Sequence[float]
    losses: Sequence[float]
    ended: str = ""
    smoothed: Sequence[float] = field(default=())

    def __post_init__(self) -> None:
        """Compute the running loss."""
        object.__setattr__(self, "smoothed", tuple(_smoothed(self.losses)))

    @property
    def lowest(self) -> float | None:
        """The rate at which the running loss is lowest; None if it never fell by more than its noise."""
        place = self._lowest()
        return None if place is None else self.rates[place]

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate with the lowest running loss, or None.

        At the lowest loss a step's gain has come to an end, and the running loss lags behind: a run at that rate would
        be at the edge of divergence.
        """
        lowest = self.lowest
        return None if lowest is None else lowest / BELOW

    @property
    def suggested(self) -> float | None:
        """The lower of ``tenth`` and ``steepest``, or None.

        A tenth of the rate with the lowest loss varies less; but where the loss stays low over decades of rates, the
        lowest point of that plateau says little, and its tenth may lie on it.
        """
        tenth, steepest = self.tenth, self.steepest
        return None if tenth is None or steepest is None else min(tenth, steepest)

    @property
    def steepest(self) -> float | None:
        """The rate at which the running loss falls fastest with the logarithm of the rate, or None.

        A step gains most there in this test; noise moves it more than the lowest loss.
        """
        place = self._lowest()
        if place is None:
            return None
        first = max(min(self._settled, place - 1), 1)
        return self.rates[min(range(first, place), key=self._rise)] if first < place else self.rates[place]

    @property
    def still_falling(self) -> bool:
        """Whether the lowest running loss is that of the highest rate."""
        return not self.ended and self._lowest() == len(self.rates) - 1

    def at(self, rate: float) -> float:
        """Return the running loss at a rate, between two steps on the straight line over the logarithm of the rate."""
        pairs = list(zip(map(math.log, self.rates), self.smoothed, strict=True))
        at = math.log(rate)
        if at <= pairs[0][0]:
            return pairs[0][1]
        for (before, low), (after, high) in itertools.pairwise(pairs):
            if at <= after:
                return low + (high - low) * (at - before) / (after - before)
        return pairs[-1][1]

    @property
    def _settled(self) -> int:
        return int(SETTLING * len(self.rates))

    def _rise(self, place: int) -> float:
        """Return how much the running loss rises from the step before a step to the one after it."""
        return self.smoothed[place + 1] - self.smoothed[place - 1]

    def _lowest(self) -> int | None:
        if len(self.losses) < 3:
            return None
        place = min(range(self._settled, len(self.losses)), key=lambda step: self.smoothed[step])
        pairs = list(zip(self.losses, self.smoothed, strict=True))[: place + 1]
        noise = statistics.pstdev([loss - running for loss, running in pairs])
        first = max(self._settled, 1)
        error = noise * math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING) + 1 / first)
        start = statistics.fmean(self.losses[:first])
        return place if start - self.smoothed[place] > CERTAIN * error else None


def geometric(start: float, stop: float, steps: int) -> list[float]:
    """Return rates from ``start`` to ``stop``, each the same multiple of the one before.

    Raises:
        OptionError: they are not above 0 and rising, or too few.

    Example:
        >>> [round(each, 3) for each in geometric(0.001, 1.0, 4)]
        [0.001, 0.01, 0.1, 1.0]
    """
    if not 0 < start < stop < math.inf:
        raise OptionError(
            f"the learning rates from {start:g} to {stop:g} do not rise from above 0",
            hint=f"give --from below --to, such as --from {START:g} --to {STOP:g}.",
        )
    if steps < 3:
        raise OptionError(f"{steps} steps are too few for a range test", hint=f"give --steps {STEPS}.")
    return [start * (stop / start) ** (step / (steps - 1)) for step in range(steps)]


def run(
    name: str,
    rates: Sequence[float],
    losses: Iterable[float],
    progress: Callable[[float], None] | None = None,
) -> RangeTest:
    """Return the test whose steps ``losses`` makes, one with each rate, and which stops when the loss diverges.

    It has diverged where it is no number, or where the running loss is above its start and four times its lowest.
    """
    taken: list[float] = []
    average, best, ended = 0.0, math.inf, ""
    for step, loss in enumerate(losses):
        if progress is not None:
            progress(1.0)
        if not math.isfinite(loss):
            ended = f"diverged at {rates[step]:.2g}"
            break
        taken.append(loss)
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        running = average / (1 - SMOOTHING ** (step + 1))
        best = min(best, running)
        if running > max(best + (WORSE - 1) * abs(best), taken[0]) and step >= SETTLING * len(rates):
            ended = f"diverged at {rates[step]:.2g}"
            break
    return RangeTest(name, tuple(rates[: len(taken)]), tuple(taken), ended)


def _smoothed(losses: Sequence[float]) -> Iterable[float]:
    average = 0.0
    for step, loss in enumerate(losses, 1):
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        yield average / (1 - SMOOTHING**step)
