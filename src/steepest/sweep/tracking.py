"""Trackers: other programs that are told of every run when it has ended; one a file, such as ``tensorboard:logs``.

A tracker reads the record of a run, in the process that keeps the journal. So it sees all runs, however many processes
make them, and changes no number of any. Runs that a resumed comparison already has are not told again.
"""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steepest.components.registry import Registry
from steepest.errors import MissingExtraError, OptionError
from steepest.recipe import stable_hash
from steepest.record.schema import CurvePoint, Record, RunKey
from steepest.sweep.observer import Observer, Tried

registry = Registry("tracker", "steepest.sweep.trackers")

LONGEST = 120
"""Bytes of a name in other programs, of which some make files and folders."""
_HOME = re.compile(r"((?:[a-z+]+:/{0,3})?)(~.*)")


class Tracker(ABC):
    """Something that is told of every run.

    It is made before the first run, and refuses a place then that it cannot use.

    Args:
        place: where to: a folder or an address, what stands behind the colon of ``mlflow:http://host:5000``.
    """

    def __init__(self, place: str) -> None:
        self.place = place

    @abstractmethod
    def run(self, experiment: str, record: Record) -> None:
        """Write down a run that has ended.

        Args:
            experiment: what the comparison is called, see :func:`experiment_name`.
            record: of the run.
        """


def make_tracker(text: str) -> Tracker:
    """Return the tracker that a text names: ``tensorboard:DIR`` or ``mlflow:URI``.

    Raises:
        UnknownNameError: there is none with this name.
        OptionError, FolderError: it is not said where to, or the place cannot be used.
        MissingExtraError: its library is not installed.
    """
    name, _, place = text.partition(":")
    made = registry.load(name)
    if not place.strip():
        raise OptionError(
            f"--track {text!r} does not say where to", hint="write it as tensorboard:DIR or mlflow:URI."
        )
    return made(_with_home(place.strip()))


def _with_home(place: str) -> str:
    """Return a folder, or the address of a file, with the home folder in place of ``~``."""
    found = _HOME.fullmatch(place)
    if found is None:
        return place
    scheme, path = found.groups()
    try:
        whole = Path(path).expanduser().as_posix()
    except RuntimeError:
        raise OptionError(
            f"there is no home folder {path.partition('/')[0]!r}", hint="write the whole path."
        ) from None
    return f"{'file://' if scheme.startswith('file:') else scheme}{whole}"


def shortened(name: str, most: int = LONGEST) -> str:
    """Return a name of at most so many bytes; the end of a longer one is a hash of the whole.

    Example:
        >>> shortened("adam"), len(shortened("adam" * 100))
        ('adam', 120)
    """
    if len(name.encode()) <= most:
        return name
    return f"{name.encode()[: most - 9].decode(errors='ignore')}-{stable_hash(name)[:8]}"


def experiment_name(folder: Path) -> str:
    """Return how a comparison is called: its folder's name and a hash of where it is, as others may have that name.

    Example:
        >>> experiment_name(Path("/runs/churn"))
        'churn-22e598'
    """
    whole = folder.resolve()
    return f"{shortened(whole.name)}-{stable_hash(whole.as_posix())[:6]}"


def imported(module: str, package: str, extra: str) -> Any:
    """Return a tracker's library, which is imported at its use.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        lacks = (
            isinstance(error, ModuleNotFoundError) and (error.name or package).partition(".")[0] == package
        )
        raise MissingExtraError(
            f"this tracker needs the package {package}, which "
            f"{'is not installed' if lacks else f'cannot be imported: {error}'}",
            hint=f"pip install '.[{extra}]', or leave --track out.",
        ) from None


def run_name(record: Record) -> str:
    """Return how a run is called: arm, purpose, rate and seed.

    Example:
        >>> key = RunKey(name="adam", recipe="0f31aa90bc42", seed=3, phase="final")
        >>> run_name(Record(key=key, lr=0.001, steps=9, outcome="finished"))
        'adam final lr 0.001 seed 3 0f31aa90'
    """
    key = record.key
    return f"{shortened(key.name)} {key.phase} lr {record.lr:g} seed {key.seed} {key.recipe[:8]}"


class Tracked(Observer):
    """An observer beside which trackers are told of runs; one that fails is left out from then on, and that is said.

    Args:
        observer: who is told of everything.
        trackers: by the text that names them.
        experiment: what the comparison is called, see :func:`experiment_name`.
    """

    def __init__(self, observer: Observer, trackers: Mapping[str, Tracker], experiment: str) -> None:
        self.observer, self.trackers, self.experiment = observer, dict(trackers), experiment
        self.live = observer.live

    def stage(self, title: str) -> None:
        """Hand it on."""
        self.observer.stage(title)

    def advance(self, work: float) -> None:
        """Hand it on."""
        self.observer.advance(work)

    def remaining(self, work: float) -> None:
        """Hand it on."""
        self.observer.remaining(work)

    def looked(self, key: RunKey, rate: float, point: CurvePoint) -> None:
        """Hand it on."""
        self.observer.looked(key, rate, point)

    def run(self, record: Record) -> None:
        """Hand it on, and tell the trackers."""
        self.observer.run(record)
        for text, tracker in list(self.trackers.items()):
            try:
                tracker.run(self.experiment, record)
            except Exception as error:  # whatever another program's client raises: the comparison goes on
                del self.trackers[text]
                self.say(f"warning: --track {text} is left out from now on: {type(error).__name__}: {error}")

    def tuned(self, name: str, rate: float, tried: Tried, trials: int, beside: Mapping[str, Any]) -> None:
        """Hand it on."""
        self.observer.tuned(name, rate, tried, trials, beside)

    def say(self, text: str) -> None:
        """Hand it on."""
        self.observer.say(text)


def tracked(observer: Observer, texts: Sequence[str], folder: Path) -> Observer:
    """Return an observer that tells trackers of runs, too; the same one where there are none.

    Args:
        observer: who is told of everything.
        texts: the trackers.
        folder: of the comparison.

    Raises:
        OptionError, FolderError, UnknownNameError, MissingExtraError: as :func:`make_tracker`.
    """
    if not texts:
        return observer
    return Tracked(observer, {text: make_tracker(text) for text in texts}, experiment_name(folder))
