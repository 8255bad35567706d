"""Pages of studies in a real browser: they show the stored runs that are nearest to the settings, and say so."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from steepest.pages.page import stored_numbers
from steepest.pages.shown import compare_optimizers, minibatch_time, overparameterisation
from tests.pages.visiting import DRAWN, text, visit
from tests.report.browser import Browser

pytestmark = pytest.mark.browser


def test_a_page_shows_the_measured_times(browser: Browser, files: dict[str, Path]) -> None:
    nets = stored_numbers("step-cost")["measured"]
    with browser.page(files["step-cost"], width=1280) as page:
        visit(page, "points=3.5&pass=forward")
        assert text(page, "#note") == "Shown is the nearest stored run: points 5000."
        found = page.run("steepest.shown")
        assert found["count"] == 5000
        assert found["seconds"] == [each["forward"] for each in nets.values()]
        visit(page, "points=4.7&axes=linear")
        both = [
            a + b for each in nets.values() for a, b in zip(each["forward"], each["backward"], strict=True)
        ]
        assert page.run("steepest.shown.seconds.flat()") == pytest.approx(both)
        assert f"{1e3 * both[-1]:.3g}" in text(page, "#numbers")
        assert (page.complaints(), page.requests()) == ([], [])


def test_every_batch_size_has_a_rate_of_its_own(browser: Browser, files: dict[str, Path]) -> None:
    found = minibatch_time.by_size()
    with browser.page(files["minibatch-time"], width=390) as page:
        times = [
            each or math.inf
            for each in page.run("steepest.times.flat().map(each => Number.isFinite(each) ? each : 0)")
        ]
        wanted = [minibatch_time.seconds_below(each) for runs in found.values() for each in runs.values()]
        assert times == pytest.approx(wanted)
        visit(page, "lr20=-1.3&lr1000=-0.6&seconds=2.5")
        assert text(page, "#note") == "Shown is the nearest stored run: rate of 1000 0.16."
        for size, rate in ((20, 0.05), (250, 0.005), (1000, 0.16)):
            loss = np.mean([minibatch_time.loss_at(each, 2.5) for each in found[size][rate]])
            assert f"{loss:.3g}" in text(page, "#numbers")
        visit(page, "x=steps")
        assert "Loss by steps" in text(page, "#figure-loss")


def test_every_rule_has_its_best_rate(browser: Browser, files: dict[str, Path]) -> None:
    found = compare_optimizers.by_batch()
    with browser.page(files["compare-optimizers"], width=1280) as page:
        visit(page, "rates=best&batch=150&steps=500")
        assert text(page, "#note") == "Shown is the nearest stored run: batch size 100."
        places = page.run("steepest.shown.places")
        best = compare_optimizers.best(found[100], 500)
        rates = [compare_optimizers.GRID[place] for place in places]
        assert rates == pytest.approx([rate for rate, _ in best.values()], rel=1e-3)
        ends = page.run("steepest.shown.ends")
        shown = [each[place] for each, place in zip(ends, places, strict=True)]
        assert shown == pytest.approx([loss for _, loss in best.values()])
        assert all(page.run(f"steepest.number({each!r}, 3)") in text(page, "#numbers") for each in shown)
        page.run("document.getElementById('control-lr').value = -4")
        page.run("document.getElementById('control-lr').dispatchEvent(new Event('input'))")
        page.run(DRAWN)
        assert page.run("[steepest.page.state.rates, steepest.page.state.lr]") == ["one", -4]
        at = compare_optimizers.after(found[100], "RMSprop", 500)
        assert f"{at[1e-4]:.3g}" in text(page, "#numbers")


def test_starts_end_where_they_are_stored(browser: Browser, files: dict[str, Path]) -> None:
    with browser.page(files["overparameterisation"], width=1280) as page:
        visit(page, "lr=-1.5&steps=300&starts=9")
        assert text(page, "#note") == "Shown is the nearest stored run: learning rate 0.05."
        for noise in overparameterisation.KINDS:
            visit(page, f"noise={noise}&lr=-0.7&steps=300&starts=9")
            wanted = [overparameterisation.ends(net, noise, 0.2, 300, 9) for net in overparameterisation.NETS]
            assert page.run("steepest.shown.ends") == wanted
        assert page.complaints() == []
