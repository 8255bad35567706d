"""The contract of a suite: data sets with their settings, optimizers, and a version."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

Size = Literal["quick", "default"]
SIZES: tuple[Size, ...] = get_args(Size)
"""On data that comes with the package, in a minute or two; on larger data sets of the catalog."""

EXECUTION: Mapping[str, Any] = MappingProxyType(
    {"device": "cpu", "threads": 1, "compile": "off", "rows": "off"}
)
"""How all steps of a suite are computed: what is measured on a machine would choose other last digits there."""


@dataclass(frozen=True)
class SuiteSet:
    """One data set of a suite.

    Attributes:
        name: what it is called.
        source: its name in the catalog, or a path.
        rows: how many rows are drawn from it, once and for all; None for all of them. Of images those to learn from.
        test_rows: of images, how many of its test images are drawn.
        options: how it is read and split, its model, epochs and batch size, as for :func:`steepest.compare`.
        data: what is read instead of the source, where it is an object.
        own: whether it is the user's own.
    """

    name: str
    source: str
    rows: int | None = None
    test_rows: int | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    data: Any = None
    own: bool = False


class Suite(ABC):
    """An optimizer's comparison on several data sets.

    A subclass in a file of :mod:`steepest.suites` declares, in the file's ``COMPONENTS``, besides its one-line
    description ``what`` the ``minutes`` that a size takes at most on two cores, with all optimizers.

    Attributes:
        name: its name.
        version: counted up where a data set or a setting is another: stored results are of one version.
        optimizers: those whose results it stores.
        seeds: run seeds of every arm.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    optimizers: ClassVar[Sequence[str]]
    seeds: ClassVar[int] = 3

    @abstractmethod
    def sets(self, size: Size) -> Sequence[SuiteSet]:
        """Return the data sets of a size."""

    @abstractmethod
    def steps(self, size: Size) -> int:
        """Return the steps of a run on a data set of the user's own, which has no setting of its own."""

    def protocol(self) -> Mapping[str, Any]:
        """Return the options that all data sets share, as for :func:`steepest.compare`."""
        return {"schedule": "cosine", "baseline": "none", "numbers": "standard", "references": False}
