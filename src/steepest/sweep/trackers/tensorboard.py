"""TensorBoard: a folder of event files, one subfolder for each run."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from steepest.errors import OptionError
from steepest.files import reachable
from steepest.record.schema import Record
from steepest.sweep.tracking import Tracker, imported, run_name

COMPONENTS = {
    "tensorboard": {"object": "TensorBoard", "what": "TensorBoard, as tensorboard:DIR; extra tensorboard"}
}


class TensorBoard(Tracker):
    """Writes curves and test results as scalars, in a folder ``DIR/EXPERIMENT/RUN``: ``tensorboard --logdir DIR``.

    ``train/loss`` and ``validation/METRIC`` are by step, ``test/METRIC`` stands at the step of the reported weights.
    It needs the package: ``pip install '.[tensorboard]'``.

    Raises:
        OptionError: the folder cannot be made or written.
        FolderError: the system cannot look it up.
    """

    def __init__(self, place: str) -> None:
        super().__init__(place)
        imported("tensorboard", "tensorboard", "tensorboard")
        folder = reachable(place).absolute()
        there = next(each for each in (folder, *folder.parents) if each.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise OptionError(
                f"--track tensorboard:{place}: {there.as_posix()!r} "
                f"{'may not be written' if there.is_dir() else 'is no folder'}",
                hint="name a folder that can be written, such as tensorboard:logs.",
            )

    def run(self, experiment: str, record: Record) -> None:
        """Write the event file of a run."""
        module = imported("torch.utils.tensorboard", "tensorboard", "tensorboard")
        name = re.sub(r"[^\w.=-]+", "_", run_name(record))
        with module.SummaryWriter(str(Path(self.place) / experiment / name)) as writer:
            for point in record.curve:
                values = {"train/loss": point.train_loss}
                values |= {f"validation/{key}": value for key, value in point.validation.items()}
                for key, value in values.items():
                    if math.isfinite(value):
                        writer.add_scalar(key, value, point.step)
            for key, value in record.test.items():
                if math.isfinite(value):
                    writer.add_scalar(f"test/{key}", value, record.best_step)
            writer.add_text("run", f"{run_name(record)}: {record.outcome} {record.reason}".strip())
