"""Virtual environments of the peers, made when they are first needed.

fastai and pytorch-widedeep bring a torchvision that does not go with a CPU build of torch, and pytorch-widedeep
wants NumPy < 2: none of that may get near the project's own environment. What is installed stands in
``requirements/NAME.txt``; ``benchmarks/.venvs/`` can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".venvs"
REQUIREMENTS = Path(__file__).parent / "requirements"


class InstallError(RuntimeError):
    """A peer's packages cannot be installed."""


def interpreter(name: str | None) -> Path:
    """Return the Python of a peer's environment, or of this one where the peer has none.

    Raises:
        InstallError: its packages cannot be installed.
    """
    if name is None:
        return Path(sys.executable)
    wanted = REQUIREMENTS / f"{name}.txt"
    stamp = hashlib.sha256(wanted.read_bytes()).hexdigest()
    place = FOLDER / name
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = place / "installed.txt"
    if done.is_file() and done.read_text(encoding="ascii") == stamp:
        return python
    print(f"making benchmarks/.venvs/{name} …", file=sys.stderr, flush=True)
    shutil.rmtree(place, ignore_errors=True)
    steps = (
        [sys.executable, "-m", "venv", str(place)],
        [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(wanted)],
    )
    for command in steps:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise InstallError(f"{' '.join(command)} failed:\n{ran.stderr[-2000:]}")
    done.write_text(stamp, encoding="ascii")
    return python
