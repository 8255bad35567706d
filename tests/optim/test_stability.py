"""Steps on a quadratic converge just below a rule's threshold and diverge just above it."""

from __future__ import annotations

import pytest
import torch

from steepest.optim import make_rule

RULES = (
    "sgd(lr=0.1)",
    "sgd(lr=0.1, weight_decay=0.5)",
    "momentum(lr=0.03)",
    "sgd(lr=0.03, momentum=0.5, dampening=0.2)",
    "nesterov(lr=0.05)",
    "heavy-ball(lr=0.02, momentum=0.8)",
    "adam(lr=0.01)",
    "adam(lr=0.01, betas=(0.5, 0.99), eps=0.1)",
    "amsgrad(lr=0.01)",
)


SMALL = 1e-12
"""So that the gradient leaves the average square as it is."""


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("multiplier", [1.0, 0.5])
def test_steps_diverge_above_the_threshold_only(text: str, multiplier: float) -> None:
    rule = make_rule(text)
    found = rule.stability(multiplier)
    assert found is not None
    sizes = []
    for share in (0.99, 1.01):
        x = torch.full((1,), SMALL, dtype=torch.float64)
        slots, carry = rule.start(x), dict(rule.carry)
        fixed = {name: torch.full_like(x, 4.0) for name in slots if name.endswith("exp_avg_sq")}
        slots = {**slots, **fixed}
        far = 100_000  # no correction is left
        c, _ = rule.coefficients(far, multiplier, carry)
        divisor = rule.divisor(slots, far) if found.preconditioned else torch.ones_like(x)
        assert divisor is not None
        curvature = share * found.threshold * divisor
        for _ in range(4_000):
            x, slots = rule.update(curvature * x, x, slots, c)
            slots = {**slots, **fixed}
            if abs(float(x)) > 1e3 * SMALL:
                break
        sizes.append(abs(float(x)) / SMALL)
    assert sizes[0] < 1e-2
    assert sizes[1] > 1e2


@pytest.mark.parametrize("text", ["adamw(lr=0.01)", "lion(lr=0.01)", "sgd(lr=0.0)"])
def test_where_no_threshold_is_known_there_is_none(text: str) -> None:
    assert make_rule(text).stability() is None
