r"""When steps on a quadratic diverge: the largest curvature that an optimizer bears.

Gradient descent on :math:`\tfrac12\lambda x^2` multiplies x by :math:`1 - \eta\lambda` at every step, so it diverges
where the eigenvalue :math:`\lambda` exceeds :math:`2/\eta`. Trained by all rows at once, networks come to such a place
and stay there, at the *edge of stability*. With a memory or a divisor it is another place, which a rule knows.

Cohen, Kaur, Li, Kolter & Talwalkar, *Gradient descent on neural networks typically occurs at the edge of stability*,
ICLR 2021; Cohen et al., *Adaptive gradient methods at the edge of stability*, 2022.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stability:
    r"""What a rule bears at a step.

    Attributes:
        threshold: the largest eigenvalue of the Hessian, or of the preconditioned Hessian, of stable steps.
        formula: how it follows from the hyperparameters, for people.
        preconditioned: whether the eigenvalue is that of :math:`D^{-1/2} \nabla^2 L\, D^{-1/2}`, with the numbers D by
            which the rule divides the parameters' steps.
    """

    threshold: float
    formula: str
    preconditioned: bool = False
