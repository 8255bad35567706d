"""Objects on their way to another process of the same comparison, and back.

What is sent is read once, by a process that this one started, and kept nowhere. Large tensors are not sent: they are
written to a file, which every process maps into its memory, so that the data is there once.
"""

from __future__ import annotations

import io
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import IO, Any

import torch
from torch import Tensor

from steepest.components.references import is_as_loaded, is_installed, load_reference


@dataclass(frozen=True)
class Packed:
    """An object whose large tensors are in a file.

    Attributes:
        data: the rest of it, as bytes.
        file: the file, which has to stay as long as the object is used.
    """

    data: bytes
    file: Path

    @classmethod
    def of(cls, what: Any, file: Path) -> Packed:
        """Write the large tensors of an object to a file.

        Raises:
            NotSendableError: it has parts that live in this process alone.
            OSError: the file cannot be written.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as open_file:
            return cls(sent(what, open_file), file)

    def unpacked(self) -> Any:
        """Return the object; its large tensors are in memory once for all processes that do this."""
        size = self.file.stat().st_size
        mapped = torch.from_file(str(self.file), shared=False, size=size, dtype=torch.uint8) if size else None
        return received(self.data, mapped)


MAPPED_BYTES = 1 << 16
"""Tensors of at least so many bytes go to the file."""
ALIGNED = 64


class NotSendableError(Exception):
    """An object lives in this process alone; the text says which."""


@dataclass(frozen=True)
class _Mapped:
    """Where in the file a tensor is."""

    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]


def sent(what: Any, file: IO[bytes] | None = None) -> bytes:
    """Return an object as bytes.

    Args:
        what: the object.
        file: where large tensors go; without, they are among the bytes.

    Raises:
        NotSendableError: it has parts that another process cannot load, such as a class from a notebook.

    Example:
        >>> import torch
        >>> from types import MappingProxyType
        >>> received(sent({"rows": torch.arange(3), "of": MappingProxyType({"a": 1})}))
        {'rows': tensor([0, 1, 2]), 'of': mappingproxy({'a': 1})}
    """
    buffer = io.BytesIO()
    try:
        _Sender(buffer, file).dump(what)
    except NotSendableError:
        raise
    except Exception as error:  # whatever an object's own reduction raises
        raise NotSendableError(f"{type(error).__name__}: {error}") from error
    return buffer.getvalue()


def received(data: bytes, memory: Tensor | None = None) -> Any:
    """Return what :func:`sent` made bytes of.

    Args:
        data: the bytes.
        memory: the bytes of its file, where there was one; large tensors are parts of it.
    """
    return _Receiver(io.BytesIO(data), memory).load()


class _Sender(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO, file: IO[bytes] | None) -> None:
        super().__init__(buffer, protocol=5)
        self._file = file

    def persistent_id(self, obj: Any) -> _Mapped | None:
        """Return where a large tensor is written to."""
        if self._file is None or type(obj) is not Tensor or obj.nbytes < MAPPED_BYTES:
            return None
        self._file.write(bytes(-self._file.tell() % ALIGNED))
        at = self._file.tell()
        self._file.write(_bytes_of(obj).data)
        return _Mapped(at, obj.dtype, tuple(obj.shape))

    def reducer_override(self, obj: Any) -> Any:
        """Say how objects are rebuilt that cannot say it themselves."""
        if type(obj) is Tensor:
            return _tensor, (_bytes_of(obj).tobytes(), obj.dtype, tuple(obj.shape))
        if isinstance(obj, MappingProxyType):
            return _read_only, (dict(obj),)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        if isinstance(obj, (type, FunctionType)):
            return _by_reference(obj)
        return NotImplemented


class _Receiver(pickle.Unpickler):
    def __init__(self, buffer: io.BytesIO, memory: Tensor | None) -> None:
        super().__init__(buffer)
        self._memory = memory

    def persistent_load(self, pid: Any) -> Any:
        """Return a tensor whose memory is the file."""
        assert isinstance(pid, _Mapped)
        assert self._memory is not None
        size = pid.dtype.itemsize * torch.Size(pid.shape).numel()
        return self._memory[pid.offset : pid.offset + size].view(pid.dtype).view(pid.shape)


def _by_reference(obj: type | FunctionType) -> Any:
    """Say how a class or function is found: those of a user's file by its path.

    Raises:
        NotSendableError: it is one of a notebook or script, or its file was edited after it was loaded.
    """
    if obj.__module__ == "__main__":
        raise NotSendableError(f"{obj.__qualname__} is defined in the script or notebook itself")
    where = getattr(sys.modules.get(obj.__module__), "__file__", None)
    if where is None or not where.endswith(".py") or is_installed(where):
        return NotImplemented
    if not is_as_loaded(obj.__module__, Path(where).resolve()):
        raise NotSendableError(f"{where} was edited after {obj.__qualname__} was loaded from it")
    if obj.__module__.startswith("steepest_user_"):
        return load_reference, (f"{where}:{obj.__qualname__}",)
    return NotImplemented


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


def _bytes_of(value: Tensor) -> Any:
    flat = value.detach().cpu().contiguous().reshape(-1)
    if flat.numel() < 2:  # its stride may be anything
        flat = torch.empty(flat.numel(), dtype=flat.dtype).copy_(flat)
    return flat.view(torch.uint8).numpy()


def _tensor(data: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    if not data:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).view(shape)
