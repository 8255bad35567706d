"""Another function in the place of one of torch's, wherever a module calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from torch.overrides import TorchFunctionMode


class Replacing(TorchFunctionMode):
    """Inside the block, calls of one function of torch go to :meth:`instead`, by the names of its arguments.

    Attributes:
        function: the one that is replaced.
        defaults: its arguments in order, each with its default; None for those that have none.

    Example:
        >>> import torch
        >>> class Doubled(Replacing):
        ...     function = staticmethod(torch.nn.functional.relu)
        ...     defaults = {"input": None, "inplace": False}
        ...     def instead(self, call):
        ...         return 2 * call["input"]
        >>> with Doubled():
        ...     torch.nn.ReLU()(torch.ones(2)).tolist(), torch.relu(torch.ones(2)).tolist()
        ([2.0, 2.0], [1.0, 1.0])
    """

    function: ClassVar[Callable[..., Any]]
    defaults: ClassVar[Mapping[str, Any]]

    def instead(self, call: Mapping[str, Any]) -> Any:
        """Return what a call returns, given its arguments by name."""
        raise NotImplementedError

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace the function, and nothing else."""
        given = dict(kwargs or {})
        if func is not self.function:
            return func(*args, **given)
        return self.instead({**self.defaults, **dict(zip(self.defaults, args, strict=False)), **given})
