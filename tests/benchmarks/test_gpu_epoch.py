"""The epoch on a CUDA device, played on the CPU with a tiny network; and what is said where there is no device."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu_epoch
from benchmarks.peers.task import Network

TINY = Network((600, 7), (10, 3), continuous=2, classes=3, hidden=(8,), dropout=0.2, batch=16)


def test_both_sides_are_measured_and_agree(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_epoch.measure(TINY, "cpu", 130, "float32") == 0
    said = capsys.readouterr().out
    assert "the epoch of 130 steps" in said
    assert said.count("holds") == 1


def test_other_losses_are_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = gpu_epoch.ours

    def wrong(*given, **options):
        shift = 0.01 if given[-1] is gpu_epoch.ReplayedMethod else 0.0
        return (each + shift for each in real(*given, **options))

    monkeypatch.setattr(gpu_epoch, "ours", wrong)
    assert gpu_epoch.measure(TINY, "cpu", 70, "float32") == 1
    assert "DOES NOT HOLD" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_nothing_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_epoch.main([]) == 0
    assert capsys.readouterr().out == "not measured: there is no CUDA device here.\n"
