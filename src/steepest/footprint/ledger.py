"""A ledger of memory: every tensor that torch's operations make and give up, in order, with its bytes.

It sees the tensors that operations return, not the workspace inside of one. Tensors that exist before, such as the
data, are made known to it and not counted.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Phase = Literal["forward", "backward", "update"]


class StorageEvent(NamedTuple):
    """A storage begins or ends.

    Attributes:
        number: of the storage, in the order of their beginnings.
        change: its bytes where it begins, minus these where it ends.
        phase: in which it began.
    """

    number: int
    change: float
    phase: Phase


class Ledger(TorchDispatchMode):
    """Notes what operations inside of its block allocate.

    Args:
        known: tensors that are there already and are not counted.

    Example:
        >>> x = torch.ones(1000)
        >>> with Ledger([x]) as ledger:
        ...     y = x + 1
        ...     z = y.view(10, 100) * 2  # a view needs nothing
        ...     del y
        >>> [event.change for event in ledger.events]
        [4000, 4000, -4000]
        >>> ledger.alive
        {1: 4000}
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.events: list[StorageEvent] = []
        self.alive: dict[int, float] = {}
        """Bytes of the storages that are alive, by number."""
        self._known = {_address(each) for each in known}
        self._numbers: dict[int, int] = {}
        self._watched: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and note what it returns."""
        del types
        found = func(*args, **(kwargs or {}))
        for each in tree_leaves(found):
            if isinstance(each, Tensor):
                self._note(each)
        return found

    def number(self, tensor: Tensor) -> int | None:
        """Return the number of a tensor's storage; None where it is not counted."""
        return self._numbers.get(_address(tensor))

    def _note(self, tensor: Tensor) -> None:
        address = _address(tensor)
        if address in self._known or address in self._numbers:
            return
        storage = tensor.untyped_storage()
        event = StorageEvent(len(self._watched), storage.nbytes(), _phase())
        self.events.append(event)
        self.alive[event.number] = event.change
        self._numbers[address] = event.number
        self._watched[event.number] = weakref.ref(storage, functools.partial(self._ended, address, event))

    def _ended(self, address: int, event: StorageEvent, storage: Any) -> None:
        del storage
        self.events.append(event._replace(change=-event.change))
        del self.alive[event.number], self._numbers[address]


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]


def _phase() -> Phase:
    if torch._C._current_graph_task_id() != -1:  # pyright: ignore[reportPrivateUsage]
        return "backward"
    return "forward" if torch.is_grad_enabled() else "update"
