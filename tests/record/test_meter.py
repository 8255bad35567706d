"""What a run costs: processor time and peak memory, from when its meter is made."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from steepest.record.meter import Meter, resident_peak
from steepest.record.schema import BaselineRecord, Record, RunKey

MEGABYTE = 1_000_000


def filled(megabytes: int) -> float:
    return float(torch.ones(megabytes * MEGABYTE // 4).sum())


def test_processor_time_is_that_of_the_process_since_then() -> None:
    before = time.process_time()
    meter = Meter()
    filled(40)
    found = meter.cpu_seconds
    assert 0 < found <= time.process_time() - before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts anew")
def test_a_meter_counts_the_peak_since_it_was_made() -> None:
    large = Meter()
    filled(300)
    peak = large.peak_memory
    small = Meter()
    filled(3)
    assert peak is not None
    assert small.peak_memory is not None
    assert peak > small.peak_memory + 200 * MEGABYTE


def test_records_of_earlier_versions_open() -> None:
    key = RunKey(name="adam", recipe="r", seed=0, phase="final")
    record = Record(key=key, lr=0.1, steps=1, outcome="finished")
    for each in (record, BaselineRecord(name="mean", title="mean")):
        text = each.model_dump_json(
            exclude={"cpu_seconds", "peak_memory", "gradients", "products", "forwards"}
        )
        assert type(each).model_validate_json(text) == each


def test_the_peak_of_this_process_is_known_here() -> None:
    peak = resident_peak()
    assert peak is not None
    assert peak > 50 * MEGABYTE
