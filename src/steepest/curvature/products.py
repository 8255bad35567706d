r"""Curvature of a loss at some parameters, times a vector.

With outputs :math:`o(w)` of a network, their Jacobian :math:`J` and the Hessian :math:`H` of the loss in the outputs,

.. math:: G = J^\top H J, \qquad \nabla^2 L = G + \sum_k \frac{\partial L}{\partial o_k} \nabla^2 o_k, \qquad
          F = \sum_i s_i\, J_i^\top u_i u_i^\top J_i

are the Gauss-Newton matrix, the Hessian and the empirical Fisher matrix; :math:`u_i` is the gradient of row *i*'s loss
in its outputs and :math:`s_i` the row's share of the weights, 1/B where all count the same. A product with G or F
costs one derivative forwards and one backwards, and no matrix is ever formed.

Schraudolph, *Fast Curvature Matrix-Vector Products for Second-Order Gradient Descent*, Neural Computation 2002;
Pearlmutter, *Fast Exact Multiplication by the Hessian*, Neural Computation 1994.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
import torch.autograd.forward_ad as forward
from torch import Tensor, nn

from steepest.curvature.backwards import pulled
from steepest.curvature.function import Call, forwards, held
from steepest.curvature.outputs import Bend, Loss, bend_of, twice_differentiated
from steepest.errors import OptionError

Kind = Literal["gauss-newton", "hessian", "empirical-fisher"]
Penalty = Callable[[Mapping[str, Tensor]], Tensor]


class Curvature:
    """The curvature of a loss at some parameters.

    Vectors have the parameters' order, one after the other, ``[P]``; :meth:`named` and :meth:`flat` convert them.

    Args:
        call: outputs ``[B, …]`` as a function of parameters by name; the same function at every call.
        parameters: where it is looked at; the loss is a function of these alone.
        loss: of the outputs.
        bend: the Hessian of the loss in the outputs times a vector; by default the loss is differentiated twice.
        shares: of rows in the sum that the loss is, ``[B]``, for the empirical Fisher matrix; 1/B by default.
        penalty: of the parameters, which is added to the loss; its Hessian counts in G and in the Hessian.
        backwards: differentiate backwards twice instead of forwards, so that the function is called only once.

    Raises:
        OptionError: there is no parameter, as of a module whose parameters are all frozen, or the outputs do not depend
            on any, or there are no outputs.

    Example:
        >>> net = nn.Linear(1, 1, bias=False)
        >>> at = Curvature.of(net, nn.MSELoss(), torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1))
        >>> at.gauss_newton(torch.ones(1)).tolist()
        [10.0]
    """

    def __init__(
        self,
        call: Call,
        parameters: Mapping[str, Tensor],
        loss: Loss,
        *,
        bend: Bend | None = None,
        shares: Tensor | None = None,
        penalty: Penalty | None = None,
        backwards: bool = False,
    ) -> None:
        if not any(each.numel() for each in parameters.values()):
            raise OptionError(
                "there is no parameter to take the curvature by",
                hint="let some be trained: parameter.requires_grad_(True).",
            )
        self.call, self.loss = call, loss
        self.penalty = penalty
        self.bend = bend or twice_differentiated(loss)
        self.parameters = {name: each.detach().requires_grad_() for name, each in parameters.items()}
        self.shapes = {name: each.shape for name, each in parameters.items()}
        self.sizes = [each.numel() for each in parameters.values()]
        self._forward = not backwards
        with torch.enable_grad():
            self._outputs = call(self.parameters)
        self.outputs = self._outputs.detach()
        if not self._outputs.requires_grad:
            raise OptionError(
                "the outputs do not depend on the parameters",
                hint="look for .detach(), torch.no_grad() and whatever else leaves the graph.",
            )
        if not self.outputs.numel():
            raise OptionError(
                f"there are no outputs: their shape is {list(self.outputs.shape)}",
                hint="give a batch with rows.",
            )
        rows = len(self.outputs)
        self.shares = (
            torch.full_like(self.outputs.reshape(rows, -1)[:, 0], 1 / rows) if shares is None else shares
        )
        self._slope: Tensor | None = None
        self._bent: tuple[Tensor, ...] | None = None

    @classmethod
    def of(
        cls,
        model: nn.Module,
        loss: Any,
        inputs: Any,
        target: Any,
        *,
        weights: Tensor | None = None,
        seed: int = 0,
        check: bool = True,
    ) -> Curvature:
        """Return the curvature of a module's loss on a batch, at its trainable parameters.

        The module is looked at in the mode that it is in. In training mode dropout has one mask at every product, and
        batch norm normalises by the batch and is differentiated through; its running averages stay as they are.

        Args:
            model: any module whose outputs are one tensor.
            loss: called with outputs and target, returns a scalar; with ``weights``, the loss of every row.
            inputs: a tensor, or a tuple of what the model is called with.
            target: what the loss is called with.
            weights: of rows ``[B]``; the loss is the weighted mean of those of the rows.
            seed: of what is drawn at random.
            check: call the module twice, to see that its outputs are a function of its parameters.

        Raises:
            OptionError: the loss is piecewise linear, as the absolute error is, two calls differ, or no parameter is
                trainable.
        """
        called: tuple[Any, ...] = inputs if isinstance(inputs, tuple) else (inputs,)
        parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
        call, bend = held(model, called, seed=seed), bend_of(loss, target)
        if weights is None:
            made = cls(call, parameters, lambda outputs: loss(outputs, target), bend=bend)
        else:
            shares = weights / weights.sum()
            made = cls(
                call, parameters, lambda outputs: _weighted(loss(outputs, target), shares), shares=shares
            )
            made.loss(made.outputs)  # raises if there is no loss of every row
        if check:
            made.check()
        return made

    def check(self) -> None:
        """Call the function again.

        Raises:
            OptionError: its outputs are others.
        """
        with torch.no_grad():
            again = self.call(self.parameters)
        if not torch.allclose(again, self.outputs, rtol=1e-5, atol=1e-8, equal_nan=True):
            apart = float((again - self.outputs).abs().max())
            raise OptionError(
                f"two calls of the model at the same parameters differ by {apart:.3g}",
                hint="draw random numbers by torch, whose generators are held, or look at it after model.eval().",
            )

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(self.sizes)

    def flat(self, named: Mapping[str, Tensor]) -> Tensor:
        """Return tensors by name as one vector."""
        return torch.cat([named[name].reshape(-1) for name in self.shapes])

    def named(self, vector: Tensor) -> dict[str, Tensor]:
        """Return a vector as tensors by name.

        Raises:
            OptionError: it has another length than all parameters together.
        """
        if tuple(vector.shape) != (self.size,):
            raise OptionError(
                f"a vector of shape {list(vector.shape)} for {self.size:,} parameters",
                hint="give one with as many numbers, such as torch.randn(at.size).",
            )
        parts = vector.split(self.sizes)
        return {name: part.reshape(self.shapes[name]) for name, part in zip(self.shapes, parts, strict=True)}

    @property
    def value(self) -> Tensor:
        """The loss with the penalty."""
        with torch.no_grad():
            value = self.loss(self.outputs)
            return value if self.penalty is None else value + self.penalty(self.parameters)

    @property
    def slope(self) -> Tensor:
        """The gradient of the loss in the outputs."""
        if self._slope is None:
            with torch.enable_grad():
                leaf = self.outputs.clone().requires_grad_()
                [self._slope] = torch.autograd.grad(self.loss(leaf), [leaf])
        return self._slope

    @property
    def inverse_shares(self) -> Tensor:
        """One over the shares of rows in the loss, ``[B]``; 0 for rows that have none."""
        return torch.where(self.shares > 0, 1 / self.shares, 0.0)

    @property
    def gradient(self) -> Tensor:
        """The gradient of the loss with the penalty, ``[P]``."""
        found = self.pull(self.slope)
        if self.penalty is None:
            return found
        with torch.enable_grad():
            return found + self._joined(self._grad(self.penalty(self.parameters)))

    def push(self, vector: Tensor) -> Tensor:
        """Return how the outputs move along a vector, Jv."""
        if self._forward:
            try:
                return self._push_forwards(vector)
            except (NotImplementedError, RuntimeError):  # an operation that is only differentiable backwards
                self._forward = False
        with torch.enable_grad():
            u = torch.zeros_like(self.outputs).requires_grad_()
            pulled = self._grad(self._outputs, u, create=True)
            pairs = [
                (g, v) for g, v in zip(pulled, self.named(vector).values(), strict=True) if g is not None
            ]
            [found] = torch.autograd.grad([g for g, _ in pairs], [u], [v for _, v in pairs])
        return found

    def _push_forwards(self, vector: Tensor) -> Tensor:
        moves = self.named(vector)
        with torch.no_grad(), forwards():
            duals = {
                name: forward.make_dual(each.detach(), moves[name]) for name, each in self.parameters.items()
            }
            tangent = forward.unpack_dual(self.call(duals)).tangent
        return torch.zeros_like(self.outputs) if tangent is None else tangent

    def pull(self, covector: Tensor) -> Tensor:
        """Return a vector of the outputs' shape brought back to the parameters, Jᵀu."""
        return self._joined(self._grad(self._outputs, covector))

    def pulls(self, covectors: Tensor) -> Tensor:
        """Return several vectors of the outputs' shape ``[n, B, …]`` brought back to the parameters, ``[n, P]``."""
        return pulled(self._outputs, list(self.parameters.values()), covectors)

    def gauss_newton(self, vector: Tensor) -> Tensor:
        """Return Gv, with the penalty's Hessian."""
        return self._penalised(self.pull(self.bend(self.outputs, self.push(vector))), vector)

    def empirical_fisher(self, vector: Tensor) -> Tensor:
        """Return Fv; of rows that depend on each other, as under batch norm, J is that of the whole batch."""
        rows = len(self.outputs)
        moved, slope = self.push(vector).reshape(rows, -1), self.slope.reshape(rows, -1)
        along = (slope * moved).sum(1, keepdim=True) * slope
        return self.pull((along * self.inverse_shares[:, None]).reshape(self.outputs.shape))

    def hessian(self, vector: Tensor) -> Tensor:
        """Return the Hessian of the loss with the penalty times a vector."""
        if self._bent is None:
            with torch.enable_grad():
                self._bent = self._zeroed(self._grad(self.loss(self._outputs), create=True))
        return self._penalised(self._joined(self._again(self._bent, vector)), vector)

    def product(self, kind: Kind, vector: Tensor) -> Tensor:
        """Return the product with one of the three matrices.

        Raises:
            OptionError: there is no such matrix.
        """
        if kind == "gauss-newton":
            return self.gauss_newton(vector)
        if kind == "hessian":
            return self.hessian(vector)
        if kind == "empirical-fisher":
            return self.empirical_fisher(vector)
        raise OptionError(
            f"no curvature is called {kind!r}", hint=f"choose from {', '.join(get_args(Kind))}."
        )

    def moved(self, vector: Tensor) -> Tensor:
        """Return the loss with the penalty at the parameters plus a vector."""
        with torch.no_grad():
            moves = self.named(vector)
            there = {name: each.detach() + moves[name] for name, each in self.parameters.items()}
            value = self.loss(self.call(there))
            return value if self.penalty is None else value + self.penalty(there)

    def penalty_product(self, vector: Tensor) -> Tensor:
        """Return the penalty's Hessian times a vector."""
        if self.penalty is None:
            return torch.zeros_like(vector)
        with torch.enable_grad():
            slopes = self._zeroed(self._grad(self.penalty(self.parameters), create=True))
        return self._joined(self._again(slopes, vector))

    def _penalised(self, found: Tensor, vector: Tensor) -> Tensor:
        return found if self.penalty is None else found + self.penalty_product(vector)

    def _again(self, slopes: Sequence[Tensor], vector: Tensor) -> Sequence[Tensor | None]:
        """Return the gradient of gradients along a vector."""
        pairs = [(g, v) for g, v in zip(slopes, self.named(vector).values(), strict=True) if g.requires_grad]
        if not pairs:
            return [None] * len(self.sizes)
        return self._grad([g for g, _ in pairs], [v for _, v in pairs])

    def _grad(self, what: Any, along: Any = None, *, create: bool = False) -> tuple[Tensor | None, ...]:
        given: Any = torch.autograd.grad(
            what,
            list(self.parameters.values()),
            along,
            retain_graph=True,
            create_graph=create,
            allow_unused=True,
        )
        return given

    def _zeroed(self, found: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
        return tuple(
            torch.zeros_like(each) if part is None else part.to_dense() if part.is_sparse else part
            for each, part in zip(self.parameters.values(), found, strict=True)
        )

    def _joined(self, found: Sequence[Tensor | None]) -> Tensor:
        return torch.cat([each.reshape(-1) for each in self._zeroed(found)]).detach()


def _weighted(losses: Tensor, shares: Tensor) -> Tensor:
    if tuple(losses.shape[:1]) != tuple(shares.shape):
        raise OptionError(
            f"with weights of {len(shares)} rows, the loss has the shape {list(losses.shape)}",
            hint="give a loss of every row, such as nn.CrossEntropyLoss(reduction='none').",
        )
    return (shares * losses.reshape(len(shares), -1).mean(1)).sum()
