"""Ctrl-C while a command is still loading: no traceback, exit status 130, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from steepest import interrupts
from steepest.cli import main

STARTED = """
import os, runpy, signal, sys

class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
sys.argv = ["steepest", *{arguments!r}]
{start}
"""
SCRIPT = "from steepest.__main__ import main; sys.exit(main())"
MODULE = "runpy.run_module('steepest', run_name='__main__', alter_sys=True)"


def pressed(module: str, arguments: list[object], start: str = SCRIPT) -> subprocess.CompletedProcess[str]:
    """Run a command that is interrupted when it imports a module."""
    code = STARTED.format(module=module, arguments=[str(each) for each in arguments], start=start)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("start", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize("module", ["typer", "rich.console"])
def test_an_interrupt_while_the_command_line_loads(module: str, start: str) -> None:
    done = pressed(module, ["list"], start)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("compare", "polars"),
        ("compare", "torch.nn.modules.module"),
        ("compare", "numpy._core.multiarray"),
        ("resume", "torch"),
        ("predict", "torch._C"),
        ("predict", "safetensors.torch"),
        ("report", "polars.dataframe"),
        ("export", "torch"),
        ("describe", "polars"),
        ("doctor", "torch"),
        ("demo", "torch"),
    ],
)
def test_an_interrupt_while_a_command_loads(command: str, module: str, finished: Path, churn_csv: Path, tmp_path: Path
) -> None:  # fmt: skip
    arguments: dict[str, list[object]] = {
        "compare": [churn_csv, "--target", "churned", "--out", tmp_path / "new"],
        "predict": [finished, churn_csv, "--out", tmp_path / "p.csv"],
        "describe": [churn_csv],
        "doctor": [],
        "demo": ["--out", tmp_path / "new"],
    }
    done = pressed(module, [command, *arguments.get(command, [finished])])
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_predictions_are_written_leaves_no_part_of_a_file(
    finished: Path, churn_csv: Path, tmp_path: Path
) -> None:
    done = pressed("pyarrow.parquet", ["predict", finished, churn_csv, "--out", tmp_path / "p.parquet"])
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_of_a_comparison_that_has_written_nothing_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("steepest.api.plan", press)
    assert main(["demo", "--out", str(tmp_path / "new")]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_handler_of_the_program_around_it_stays() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        interrupts.exit_in_imports()
        interrupts.always_raise()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        interrupts.exit_in_imports()
        with pytest.raises(KeyboardInterrupt):  # nothing is being imported
            os.kill(os.getpid(), signal.SIGINT)
        interrupts.always_raise()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
