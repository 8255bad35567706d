"""Train neural networks on your own data under several optimizers, and learn which way of training won.

The public names are imported at first use, so that ``import steepest`` and ``steepest --help`` are instant.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from steepest import forks

TYPE_CHECKING = False  # as typing's, which is slow to import

if TYPE_CHECKING:
    from typing import Any

    from steepest.api import Plan, Result, compare, load, plan
    from steepest.checking import check
    from steepest.data.sources.opening import describe, open_source
    from steepest.data.table import Table, read_table
    from steepest.errors import SteepestError
    from steepest.experiment.given import Arm
    from steepest.footprint.memory import memory
    from steepest.generating.generate import generate
    from steepest.landscape.entry import landscape
    from steepest.landscape.making import Landscape
    from steepest.landscape.space import ParameterPath
    from steepest.mapping.making import Map
    from steepest.mapping.making import make_map as map
    from steepest.optim import make_rule as rule
    from steepest.prediction.model import TrainedModel
    from steepest.range_test.find import RangeTests, lr_find
    from steepest.recommending.lists import recommend, similar
    from steepest.refitting import refit
    from steepest.showing import show
    from steepest.sklearn import SteepestClassifier, SteepestRegressor
    from steepest.spectra.along import make_spectrum as spectrum
    from steepest.studies.base.making import study
    from steepest.suites.base.making import suite
    from steepest.sweep.contestants import tune
    from steepest.sweep.space import Range
    from steepest.tracing.table import trace
    from steepest.train.callback import Callback, View

    __version__: str

forks.watch()  # before anybody forks

_PUBLIC = {
    "Arm": "steepest.experiment.given:Arm",
    "Callback": "steepest.train.callback:Callback",
    "Landscape": "steepest.landscape.making:Landscape",
    "Map": "steepest.mapping.making:Map",
    "ParameterPath": "steepest.landscape.space:ParameterPath",
    "Plan": "steepest.api:Plan",
    "Range": "steepest.sweep.space:Range",
    "RangeTests": "steepest.range_test.find:RangeTests",
    "Result": "steepest.api:Result",
    "SteepestError": "steepest.errors:SteepestError",
    "SteepestClassifier": "steepest.sklearn:SteepestClassifier",
    "SteepestRegressor": "steepest.sklearn:SteepestRegressor",
    "Table": "steepest.data.table:Table",
    "TrainedModel": "steepest.prediction.model:TrainedModel",
    "View": "steepest.train.callback:View",
    "check": "steepest.checking:check",
    "compare": "steepest.api:compare",
    "describe": "steepest.data.sources.opening:describe",
    "generate": "steepest.generating.generate:generate",
    "landscape": "steepest.landscape.entry:landscape",
    "load": "steepest.api:load",
    "map": "steepest.mapping.making:make_map",
    "memory": "steepest.footprint.memory:memory",
    "lr_find": "steepest.range_test.find:lr_find",
    "open_source": "steepest.data.sources.opening:open_source",
    "plan": "steepest.api:plan",
    "read_table": "steepest.data.table:read_table",
    "recommend": "steepest.recommending.lists:recommend",
    "refit": "steepest.refitting:refit",
    "rule": "steepest.optim:make_rule",
    "show": "steepest.showing:show",
    "similar": "steepest.recommending.lists:similar",
    "spectrum": "steepest.spectra.along:make_spectrum",
    "study": "steepest.studies.base.making:study",
    "suite": "steepest.suites.base.making:suite",
    "trace": "steepest.tracing.table:trace",
    "tune": "steepest.sweep.contestants:tune",
}

__all__ = [
    "Arm",
    "Callback",
    "Landscape",
    "Map",
    "ParameterPath",
    "Plan",
    "Range",
    "RangeTests",
    "Result",
    "SteepestClassifier",
    "SteepestError",
    "SteepestRegressor",
    "Table",
    "TrainedModel",
    "View",
    "__version__",
    "check",
    "compare",
    "describe",
    "generate",
    "landscape",
    "load",
    "lr_find",
    "map",
    "memory",
    "open_source",
    "plan",
    "read_table",
    "recommend",
    "refit",
    "rule",
    "show",
    "similar",
    "spectrum",
    "study",
    "suite",
    "trace",
    "tune",
]


_PACKAGES = ("optim", "testing")
"""Packages that are public themselves: ``steepest.optim.Adam`` works after ``import steepest``."""


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"steepest.{name}")
    if name == "__version__":
        from steepest.version import version

        return version()
    if name not in _PUBLIC:
        raise AttributeError(f"module 'steepest' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    globals()[name] = found
    if namesake := sys.modules.get(f"steepest.{name}"):
        for each, value in vars(namesake).items():
            if isinstance(value, ModuleType) and value.__name__ == f"steepest.{name}.{each}":
                setattr(found, each, value)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


class _Root(ModuleType):
    """Keeps the function ``steepest.compare`` although there is a package of that name.

    Importing ``steepest.compare.result`` anywhere would otherwise set the attribute to the package.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)
        elif not isinstance(value, _Namesake):
            value.__class__ = _Namesake


class _Namesake(ModuleType):
    """A package with the name of a public function, which gets its modules as attributes.

    ``import steepest.compare.result as result`` looks for the module there.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        function = vars(sys.modules["steepest"]).get(self.__name__.rpartition(".")[2])
        if isinstance(value, ModuleType) and function is not None:
            setattr(function, name, value)


sys.modules[__name__].__class__ = _Root
