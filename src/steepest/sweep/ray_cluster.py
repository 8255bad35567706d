"""Workers in a Ray cluster: one that is started on this machine for a comparison, or one of many machines.

Each worker is an actor with as many cores as a training step has threads. The data goes once into Ray's object store,
which brings it once to each machine. Records come back to the process that leads, which alone keeps the journal: a
worker that ends, or a machine that is lost, costs the runs that were being made there, and these are made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.dataset import Dataset
from steepest.errors import MissingExtraError, OptionError, first_line
from steepest.interrupts import held_back
from steepest.recipe.execution import EMBEDDED
from steepest.sweep.machine import cores, memory
from steepest.sweep.processes import SETTINGS
from steepest.sweep.ray_worker import RayWorker, about
from steepest.sweep.site import Machine, room
from steepest.sweep.transfer import NotSendableError, sent
from steepest.waiting import CHOSEN_BY, passively

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as it will be, without a warning
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # nothing of its log on the terminal: what ended is said here
    "RAY_worker_niceness": "0",  # workers are as quick as processes of the pool
    "RAY_ENABLE_AUTO_CONNECT": "0",  # where a cluster is lost, none is started here by the next call
    "GRPC_ENABLE_FORK_SUPPORT": "0",  # with it, some of the processes that Ray and compilers start die of SIGSEGV
}
"""What Ray reads from the environment, unless it is said otherwise there."""
STORE = 200_000_000
"""Bytes of memory for the object store of a cluster that is started here; what is larger, Ray keeps on the disk."""
POLL = 2.0
"""Seconds after which a worker that says nothing is looked at."""
SLOW = 20.0
"""Seconds after which a person is told that a worker has not begun."""
WAITING = "a worker has not begun yet: the cluster is slow to start it, or has no free cores"
ANSWER = 10.0
"""Seconds in which a cluster has to answer."""
JOINING = 120.0
"""Seconds in which a machine of it has to say what is installed there."""
TRIES = 3
"""How often a cluster is asked for a process that serves this one: some die of SIGSEGV where it was started without
the last setting above."""
NOT_STARTED = "Starting Ray client server failed"
"""What it says then."""
WHICH = (
    "give the host on which `ray start --head` runs and the port of its client server: ray://HOST:10001. "
    "--workers N makes the runs on this machine."
)
"""What a user can do where a cluster cannot be used."""
NOT_SAID = ("client_communication_overhead_warning", "client_object_put_size_warning", "lost_reconnect_logs")
"""Advice of Ray to those who write programs for it, and what it tells of a lost connection."""
LONGEST_PLACE = 38
"""Ray's sockets are some 66 characters deeper in its folder, and the path of a socket has at most 107."""


def library() -> Any:
    """Return Ray, which is imported at its use, without usage statistics.

    Raises:
        MissingExtraError: it is not installed.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "ray"
        raise MissingExtraError(
            "--workers ray needs the package ray, which "
            f"{'is not installed' if absent else f'cannot be imported: {first_line(error)}'}",
            hint="pip install '.[ray]', or give a number: --workers 4.",
        ) from None


@contextlib.contextmanager
def connection(address: str, place: Path | None = None) -> Generator[Any]:
    """Be connected to a cluster, and yield the library; one that this process is connected to already stays.

    Args:
        address: ``ray``, for a cluster that is started here and ends with the block, or ``ray://HOST:PORT``.
        place: its folder, if it is started here.

    Raises:
        MissingExtraError: Ray is not installed.
        OptionError: there is no such cluster, or none can be started.
    """
    ray = library()
    if ray.is_initialized():
        if address != EMBEDDED:
            raise OptionError(
                f"this process is connected to a Ray cluster already, so it cannot use {address!r}",
                hint=f"call ray.shutdown() before, or give workers={EMBEDDED!r}, which is that cluster.",
            )
        yield ray
        return
    if address != EMBEDDED:
        _check_reachable(address)
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what a user has to know is said here
    try:
        if address == EMBEDDED:
            _start(ray, place or Path(tempfile.gettempdir()) / "ray")
        else:
            _connect(ray, address)
        logger.setLevel(logging.CRITICAL)  # again: the client has set it
        yield ray
    finally:
        with held_back():
            with contextlib.suppress(Exception):  # whatever ends with a cluster that is lost
                ray.shutdown()
            logger.setLevel(level)
            if address == EMBEDDED and place is not None:
                shutil.rmtree(place, ignore_errors=True)


def _start(ray: Any, place: Path) -> None:
    try:
        ray.init(
            address="local", num_cpus=cores(), num_gpus=0, object_store_memory=STORE, include_dashboard=False,
            log_to_driver=False, configure_logging=False, _temp_dir=str(place),
        )  # fmt: skip
    except Exception as error:  # whatever hinders its processes
        ray.shutdown()
        raise OptionError(
            f"Ray cannot be started on this machine: {first_line(error)}",
            hint=f"see the logs in {str(place)!r}, or give a number, which needs no Ray: --workers {cores()}.",
        ) from error


def _check_reachable(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except OSError as error:
        why = error.strerror or first_line(error)
        raise OptionError(f"no Ray cluster answers at {address!r}: {why}", hint=WHICH) from None
    try:
        importlib.import_module("grpc")
    except ImportError:
        raise MissingExtraError(
            f"--workers {address} needs the package grpcio, which is not installed",
            hint="pip install '.[ray]'.",
        ) from None


def _connect(ray: Any, address: str) -> None:
    for each in NOT_SAID:
        ray.util.log_once(each)
    for tries in range(1, TRIES + 1):
        try:
            ray.init(address, log_to_driver=False, configure_logging=False)
            return
        except Exception as error:  # whatever the client raises
            ray.shutdown()
            if tries < TRIES and NOT_STARTED in str(error):
                continue
            raise OptionError(
                f"what answers at {address!r} does not let this process use a Ray cluster: {_reason(error)}",
                hint=f"{WHICH} Where the cluster has a token, RAY_AUTH_MODE=token has to be set here, too.",
            ) from None


def _reason(error: Exception) -> str:
    """Return what an error of Ray says in one line: all of it, or the last line of a traceback in it."""
    lines = [each for line in str(error).splitlines() if (each := line.strip())]
    return lines[-1] if any(each.startswith("Traceback") for each in lines) else " ".join(lines)


def nodes_of(address: str, libraries: Sequence[str] = ()) -> list[Machine]:
    """Return the machines of a cluster; those of ``ray`` are this one, or those that this process is connected to.

    Args:
        address: of the cluster.
        libraries: besides torch, on which the runs depend.

    Raises:
        MissingExtraError: Ray is not installed.
        OptionError: there is no such cluster, or one of its machines has not what runs need.
    """
    ray = library()
    if address == EMBEDDED and not ray.is_initialized():
        known = memory()
        return [Machine(cores(), None if known is None else known[1])]
    with connection(address):
        return _checked(ray, address, libraries)


def _checked(ray: Any, address: str, libraries: Sequence[str]) -> list[Machine]:
    """Return the machines of the cluster, each of which has said what is installed there."""
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    ask, here, found = ray.remote(num_cpus=0, max_retries=0)(about), about(libraries), list[Machine]()
    alive = [each for each in ray.nodes() if each["Alive"]]
    asked = {
        each["NodeID"]: ask.options(
            scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(each["NodeID"], soft=False)
        ).remote([*libraries])
        for each in alive
    }
    for each in alive:
        name = each.get("NodeManagerHostname") or each["NodeManagerAddress"]
        try:
            there = ray.get(asked[each["NodeID"]], timeout=JOINING)
        except Exception as error:  # whatever happens on another machine
            raise OptionError(
                f"the machine {name!r} of {address!r} cannot make runs: {first_line(getattr(error, 'cause', error))}",
                hint="install steepest with the same versions of Python and torch on all of them.",
            ) from None
        names = ("steepest", "torch", *libraries)
        other = next((what for what in names if there[what] != here[what]), None)
        if other is not None:
            has = f"{other} {there[other]}" if there[other] else f"no {other}"
            raise OptionError(
                f"the machine {name!r} of {address!r} has {has}, and this one {here[other] or 'none'}",
                hint="install the same versions everywhere: results depend on them.",
            )
        has = each["Resources"]
        known = has.get("memory")
        alike = there["processor"] == here["processor"]
        found.append(Machine(int(has.get("CPU", 0)), None if known is None else int(known), name, alike))
    return found


@dataclass
class RayLink:
    """An actor that works for this process, as a :class:`~steepest.sweep.site.Link`."""

    cluster: RayCluster
    actor: Any
    ended: str = ""
    _told: list[Any] = field(default_factory=list[Any])
    _closed: threading.Event = field(default_factory=threading.Event)

    def send(self, message: bytes, data: Any) -> None:
        """Call the actor; the data is a reference to the object store."""
        with contextlib.suppress(Exception):  # it has ended, or the cluster has
            self._told.append(self.actor.tell.remote(message, data))

    def messages(self) -> Iterator[bytes]:
        """Yield its replies until it has ended."""
        ray, began, waits = self.cluster.ray, time.monotonic(), 0
        try:
            while True:
                coming = self.actor.replies.remote()
                while True:
                    if not ray.is_initialized():  # a call would start a cluster here
                        raise ConnectionError
                    done, _ = ray.wait([coming, *self._told], timeout=POLL)
                    for each in [each for each in self._told if each in done]:
                        self._told.remove(each)
                        ray.get(each)  # its data may be lost
                        waits = -1
                    if self._closed.is_set():
                        return
                    if coming in done:
                        break
                    if waits >= 0 and time.monotonic() - began > SLOW * (waits + 1):
                        waits += 1
                        if not self.cluster.has_room:
                            self.ended = "before it began, as the cluster has become smaller"
                            return
                        if waits == 1:
                            yield sent(("say", f"workers  {WAITING}"))
                yield from ray.get(coming)
        except Exception as error:  # the worker, its machine, the cluster, or an object of it is lost
            self.ended = f"with {type(error).__name__}"
        finally:
            self.kill()

    def give_way(self) -> None:
        """End it: actors have no priorities."""
        self.kill()

    def finish(self) -> None:
        """End it."""
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._closed.set()
        self.cluster.links.discard(id(self))
        with contextlib.suppress(Exception):  # it has ended
            self.cluster.ray.kill(self.actor)


@dataclass
class RayCluster:
    """A Ray cluster, as a :class:`~steepest.sweep.site.Site`.

    Attributes:
        address: ``ray`` or ``ray://HOST:PORT``.
        threads: threads of a training step, and so cores of a worker.
        folder: of the comparison, after which the folder of a cluster is named that is started here.
        ray: the library, once it is connected.
        links: the workers that have not ended.
    """

    address: str
    threads: int
    folder: Path
    ray: Any = None
    links: set[int] = field(default_factory=set[int])
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def near(self) -> bool:
        """Whether all workers are on this machine."""
        if self.address != EMBEDDED:
            return False
        ray = library()
        return not ray.is_initialized() or all(
            each["NodeManagerHostname"] == socket.gethostname() for each in ray.nodes() if each["Alive"]
        )

    @property
    def has_room(self) -> bool:
        """Whether the machines that are left have room for the workers that have not ended."""
        alive = [Machine(int(each["Resources"].get("CPU", 0))) for each in self.ray.nodes() if each["Alive"]]
        return len(self.links) <= room(alive, self.threads)

    def open(self) -> None:
        """Remove what is left of a process that was killed; a cluster here is started when it has something to do."""
        if self.address != EMBEDDED:
            self._connect()
        elif self._place.is_dir():
            shutil.rmtree(self._place, ignore_errors=True)

    def start(self) -> RayLink:
        """Start an actor; it begins as soon as a machine has free cores."""
        self._connect()
        kept = [each for each in os.environ if each.startswith("STEEPEST_")] if self.near else []
        chosen = {
            each: os.environ[each] for each in (*CHOSEN_BY, "OMP_NUM_THREADS", *kept) if each in os.environ
        }
        made = self.ray.remote(
            num_cpus=self.threads,
            max_concurrency=2,
            runtime_env={"env_vars": {**passively(chosen), **SETTINGS}},
        )(RayWorker)
        link = RayLink(self, made.remote(sys.path, str(Path.cwd())))
        self.links.add(id(link))
        return link

    def share(self, name: str, dataset: Dataset) -> Any:
        """Put the data into the object store."""
        del name
        self._connect()
        large = io.BytesIO()
        data = sent(dataset, large)
        try:
            return self.ray.put((data, np.frombuffer(large.getbuffer(), dtype=np.uint8)))
        except Exception as error:  # whatever Ray raises where there is no room
            raise NotSendableError(
                f"the data cannot be put into Ray's object store: {first_line(error)}"
            ) from error

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._open.close()
        self.ray = None

    def _connect(self) -> None:
        if self.ray is None:
            self.ray = self._open.enter_context(connection(self.address, self._place))

    @property
    def _place(self) -> Path:
        """A folder with a short path that is the same whenever this comparison is made."""
        own = hashlib.sha256(f"{os.getuid()} {self.folder.resolve()}".encode()).hexdigest()[:8]
        place = Path(tempfile.gettempdir()).resolve() / f"ray-{own}"
        return place if len(str(place)) <= LONGEST_PLACE else Path("/tmp") / place.name
