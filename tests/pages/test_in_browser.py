"""Pages in a real browser: what they compute is what the package computes, and they can be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from steepest.optim import make_rule
from steepest.pages.content import Content, PageControl, StoredLine, StoredRuns
from steepest.pages.page import registry, render, stored_numbers
from steepest.pages.shown import losses, momentum, one_dimension, rules
from steepest.tracing.walks import walks
from tests.pages.visiting import DRAWN, text, visit
from tests.report.browser import Browser, Page

pytestmark = pytest.mark.browser

STEPS = 25
NEAR = {"rtol": 1e-6, "atol": 1e-9}


SEEN = """
(() => {
  const round = each => each.getBoundingClientRect();
  return {
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    rows: document.querySelectorAll("#table tbody tr").length,
    plots: [...document.querySelectorAll("figure .plot svg")].map(each => round(each).width > 200),
    small: [...document.querySelectorAll("button, input, select")].filter(each =>
      each.offsetParent && (round(each).height < 24 && each.type !== "radio")).map(each => each.id),
    unnamed: [...document.querySelectorAll("input, select")].filter(each => !each.labels.length).length,
  };
})()
"""


MOVED: dict[str, tuple[str, int, Callable[[float], int]]] = {
    "compare-optimizers": ("steps", 1, lambda steps: int(steps) // 10 + 1),  # stored after every tenth
    "overparameterisation": ("steps", 1, lambda steps: int(steps) // 10 + 1),
    "step-cost": ("points", 10, lambda _: 12),
    "minibatch-time": ("seconds", 1, lambda seconds: len(looks(seconds))),
}
"""The slider that is moved where it is not ``steps``, how many stops to the left, and the rows of the table then."""


def looks(seconds: float) -> list[float]:
    """Return when the run at the first rates that has the most looks was looked at, up to some seconds."""
    measured = stored_numbers("minibatch-time")["measured"].values()
    first = [each["runs"][0]["seconds"] for each in measured if each["rate"] == 0.005]
    return max(([at for at in run if at <= 1.02 * seconds] for run in first), key=len)


@pytest.mark.parametrize("name", registry.names())
def test_a_page_can_be_used(name: str, browser: Browser, files: dict[str, Path]) -> None:
    for width, dark in ((390, True), (1280, False)):
        with browser.page(files[name], width=width, dark=dark) as page:
            seen = page.run(SEEN)
            assert seen["wide"] <= 0
            assert seen["rows"] > 10
            assert seen["plots"]
            assert all(seen["plots"])
            assert (seen["small"], seen["unnamed"]) == ([], 0)
            assert (page.complaints(), page.requests()) == ([], [])
    with browser.page(files[name], width=1280) as page:
        before, drawn = text(page, "#numbers"), text(page, "figure .plot")
        slider, presses, rows = MOVED.get(name, ("steps", 1, lambda steps: int(steps) + 1))
        page.run(f"document.getElementById('control-{slider}').focus()")
        for kind in ("keyDown", "keyUp") * presses:  # a real key press on the slider
            page.send(
                "Input.dispatchKeyEvent",
                {"type": kind, "key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37},
            )
        page.run(DRAWN)
        found = page.run(f"steepest.page.state.{slider}")
        default = f"steepest.page.content.controls.find(each => each.name === '{slider}').default"
        assert found < page.run(default)
        assert text(page, "#numbers") != before
        assert page.run("document.querySelectorAll('#table tbody tr').length") == rows(found)
        page.run("new Promise(done => setTimeout(done, 300))")
        assert page.run("location.hash") == f"#{slider}={found}"
        page.run("document.getElementById('reset').click()")
        page.run(DRAWN)
        assert (text(page, "#numbers"), text(page, "figure .plot")) == (before, drawn)

        form = "document.querySelector('#exercise-0')"
        page.run(f"{form}.requestSubmit()")
        assert "first" in text(page, "#exercise-0 .answer")  # nothing is shown without a guess
        page.run(
            f"(() => {{ const each = {form}.querySelector('input');"
            f" if (each.type === 'radio') each.checked = true; else each.value = '77'; }})()"
        )
        page.run(f"{form}.requestSubmit()")
        answer = page.run("steepest.page.content.exercises[0].answer")
        assert answer in text(page, "#exercise-0 .answer")
        page.run(f"{form}.querySelector('.see').click()")
        page.run(DRAWN)
        shown = page.run("steepest.page.content.exercises[0].show")
        state = page.run("steepest.page.state")
        assert {key: state[key] for key in shown} == pytest.approx(shown)
        assert (page.complaints(), page.requests()) == ([], [])


def test_every_rule_makes_the_steps_of_the_package(browser: Browser, files: dict[str, Path]) -> None:
    """All ported rules on all valleys, by a schedule, with the hyperparameters that the page got."""
    known = rules.rules()
    assert {each["rule"] for each in known.values()} == set(rules.PORTED)
    jobs = [(name, key, 0.003 if key == "four" else 0.03) for name in known for key in rules.VALLEYS]
    with browser.page(files["rules"], width=1280) as page:
        assert set(page.run("Object.keys(steepest.rules)")) == set(rules.PORTED)
        found: list[list[list[float | None]]] = page.run(
            f"""{json.dumps(jobs)}.map(([name, key, lr]) => {{
              const {{rule, hyper}} = steepest.page.content.data.rules[name];
              const {{start}} = steepest.page.content.data.valleys[key];
              return steepest.walk(rule, {{...hyper, lr}}, steepest.valleys[key].slope, start, {STEPS},
                                   step => 1 / (1 + 0.1 * step));
            }})"""
        )
    agreed = 0
    for (name, key, rate), path in zip(jobs, found, strict=True):
        valley = rules.VALLEYS[key]
        decay = ", weight_decay=0.0" if "weight_decay" in known[name]["hyper"] else ""
        rule = make_rule(f"{name}(lr={rate}{decay})")
        wanted = walks([rule], valley.losses, valley.start, STEPS, lambda step: 1 / (1 + 0.1 * step))[
            0
        ].numpy()
        agreed += agree(path, wanted, f"{name} {key} {rate}") == STEPS + 1
    assert agreed > 0.8 * len(jobs)


def agree(path: list[list[float | None]], wanted: np.ndarray, what: str) -> int:
    """Compare two paths as far as they stay in the plane, where they do not end in rounding; return how far that is."""
    near = np.abs(wanted).max(1) < 1e3
    end = len(wanted) if near.all() else int(near.argmin())
    np.testing.assert_allclose(np.array(path, dtype=np.float64)[:end], wanted[:end], **NEAR, err_msg=what)
    return end


VARIANTS = (
    "sgd(lr=0.005, momentum=0.5, dampening=0.2, weight_decay=0.1)",
    "nesterov(lr=0.002, weight_decay=0.1)",
    "heavy-ball(lr=0.005, momentum=0.5, weight_decay=0.1)",
    "adagrad(lr=0.1, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5)",
    "rmsprop(lr=0.01, alpha=0.8, momentum=0.5, centered=True, weight_decay=0.1)",
    "rmsprop(lr=0.01, alpha=0.8, eps=0.01, eps_inside_root=True)",
    "adam(lr=0.1, betas=(0.5, 0.8), eps=0.1, weight_decay=0.1, amsgrad=True)",
    "adamw(lr=0.1, weight_decay=0.5)",
    "adadelta(rho=0.5, eps=0.01, weight_decay=0.1)",
    "adamax(lr=0.1, betas=(0.5, 0.8), weight_decay=0.1)",
    "nadam(lr=0.1, momentum_decay=0.1, weight_decay=0.1)",
    "nadam(lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)",
    "radam(lr=0.003, betas=(0.5, 0.8), weight_decay=0.1, decoupled_weight_decay=True)",
    "lion(lr=0.02, betas=(0.5, 0.8), weight_decay=0.3)",
    "rprop(lr=0.1, etas=(0.3, 1.5), step_sizes=(0.01, 0.4))",
    "quickprop(lr=0.01, max_growth=1.2, weight_decay=0.1)",
    "delta-bar-delta(lr=0.001, kappa=0.001, phi=0.3, theta=0.5, max_lr=0.004, weight_decay=0.1)",
    "schedule-free-sgd(lr=0.02, momentum=0.6, weight_decay=0.1, warmup_steps=5, r=1)",
    "schedule-free-adamw(lr=0.1, betas=(0.6, 0.9), weight_decay=0.1, warmup_steps=5)",
)


def test_every_option_of_a_rule_means_the_same(browser: Browser, files: dict[str, Path]) -> None:
    made = [make_rule(each) for each in VARIANTS]
    jobs = [(rule.name, rule.hyper.model_dump(mode="json")) for rule in made]
    with browser.page(files["rules"], width=1280) as page:
        found = page.run(
            f"{json.dumps(jobs)}.map(([rule, hyper]) => steepest.walk(rule, hyper, steepest.valleys.curved.slope,"
            f" [-1.1, 0.7], {STEPS}))"
        )
    for text_, rule, path in zip(VARIANTS, made, found, strict=True):
        wanted = walks([rule], rules.VALLEYS["curved"].losses, (-1.1, 0.7), STEPS)[0].numpy()
        assert agree(path, wanted, text_) == STEPS + 1


def test_the_best_rate_is_that_of_the_package(browser: Browser, files: dict[str, Path]) -> None:
    with browser.page(files["rules"], width=1280) as page:
        for key, a, b in (("four", "momentum", "adam"), ("kink", "rprop", "sgd")):
            (x, y) = start = rules.VALLEYS[key].start
            visit(page, f"valley={key}&a={a}&b={b}&x={x}&y={y}")
            found = page.run(
                "[steepest.page.value('lrA'), steepest.page.value('lrB'), ...steepest.paths[1].at(-1)]"
            )
            one, two = (rules.tuned(name, rules.VALLEYS[key], start) for name in (a, b))
            assert found == pytest.approx([one[0], two[0], *two[1]], rel=1e-6)
        page.run("document.getElementById('control-lrA').value = -3")
        page.run("document.getElementById('control-lrA').dispatchEvent(new Event('input'))")
        page.run(DRAWN)
        assert page.run("[steepest.page.state.rates, steepest.page.state.lrA]") == ["own", -3]
        where = page.run(
            """(() => { const seen = document.querySelector('#figure-valley svg[role]').getBoundingClientRect();
            return [seen.left + seen.width / 2, seen.top + seen.height / 2]; })()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            page.send("Input.dispatchMouseEvent",
                      {"type": kind, "x": where[0], "y": where[1], "button": "left", "clickCount": 1})  # fmt: skip
        page.run(DRAWN)
        x, y = page.run("[steepest.page.state.x, steepest.page.state.y]")
        assert abs(x) < 0.2
        assert abs(y) < 0.3


PUBLISHED = (
    "0.459 / 0.0957",
    "5.04·10⁻⁴ / 1.7·10⁻⁵",
    "−1.26281, 0.028946",
    "2.425684",
    "0.02412, 0.09354",
    "3.88",
)


def test_momentum_is_computed_exactly(browser: Browser, files: dict[str, Path]) -> None:
    with browser.page(files["momentum"], width=1280) as page:
        numbers = text(page, "#numbers")
        for published in PUBLISHED:
            assert published in numbers
        points = [[0.0, 0.0], [2.5, 3.7], [-4.0, 4.0]]
        found = page.run(
            f"{json.dumps(points)}.map(([w, b]) => steepest.digits(steepest.page.content.data).at(w, b))"
        )
        at = torch.tensor(points, dtype=torch.float64, requires_grad=True)
        values = momentum.losses(at)
        (gradient,) = torch.autograd.grad(values.sum(), at)
        assert [each["loss"] for each in found] == pytest.approx(values.tolist(), rel=1e-12)
        assert np.array([each["gradient"] for each in found]) == pytest.approx(gradient.numpy(), rel=1e-10)
        for lr, beta, steps in ((0.7, 0.5, 120), (-1.0, 1.0, 60)):
            visit(page, f"lr={lr}&beta={beta}&steps={steps}")
            for name, share in (("plain", 0.0), ("heavy", beta)):
                form = "sgd" if share in (0.0, 1.0) else "heavy-ball"
                rule = make_rule(f"{form}(lr={10**lr!r}, momentum={share})")
                wanted = walks([rule], momentum.losses, momentum.START, steps)[0].numpy()
                np.testing.assert_allclose(page.run(f"steepest.paths.{name}"), wanted, **NEAR)
        visit(page, "lr=0.7&beta=0.5&steps=120")
        assert "after 50 iterations" in text(page, "#numbers")
        assert "after 116 iterations" in text(page, "#numbers")


def test_noise_is_added_to_the_slope(browser: Browser, files: dict[str, Path]) -> None:
    with browser.page(files["one-dimension"], width=1280) as page:
        assert "the shallower" in text(page, "#numbers")
        visit(page, "first=-0.45")
        assert "the deeper" in text(page, "#numbers")
        visit(page, "first=-0.8&count=2&noise=4&seed=3&start=-1.5")
        path, noise = page.run("[steepest.paths.path, steepest.paths.noise]")
        rate, first = 10**-1.7, 10**-0.8
        at = iter(noise)
        wanted = walks(
            [make_rule(f"sgd(lr={rate!r})")],
            lambda w: one_dimension.losses(w) + next(at) * w[:, 0],
            [-1.5],
            len(noise),
            lambda step: first / rate if step < 2 else 1.0,
        )
        np.testing.assert_allclose(path, wanted[0, :, 0].numpy(), **NEAR)
        many = page.run("(() => { const draw = steepest.normal(5); return steepest.range(20000, draw); })()")
        assert np.mean(many) == pytest.approx(0, abs=0.03)
        assert np.std(many) == pytest.approx(1, abs=0.02)
        assert len(set(many)) == len(many)


def test_fits_are_exact_and_descents_are_the_packages(browser: Browser, files: dict[str, Path]) -> None:
    kinds = ("squares", "absolute", "huber")
    with browser.page(files["losses"], width=1280) as page:
        numbers = text(page, "#numbers")
        for published in ("1.20895", "−0.27328, 3.4818", "1.20893", "3.91816", "−0.2665, 2.6419"):
            assert published in numbers
        x, y = losses.points()
        degrees = (1, 2, 3, 7, 12)
        found = page.run(
            f"""(() => {{ const {{x, y}} = steepest.page.content.data, points = x.map((each, i) => [each, y[i]]);
            return {json.dumps(degrees)}.map(degree =>
              {json.dumps(kinds)}.map(kind => steepest.fit(points, degree, kind, 0.5))); }})()"""
        )
        for degree, fits in zip(degrees, found, strict=True):
            for kind, fit in zip(kinds, fits, strict=True):
                w = torch.tensor([fit], dtype=torch.float64, requires_grad=True)
                value = losses.losses(kind, degree, w, 0.5)[0]
                if kind == "huber":  # convex and smooth: no slope, no better fit
                    (slope,) = torch.autograd.grad(value, w)
                    assert float(slope.abs().max()) < 1e-9
                else:
                    best = torch.from_numpy(losses.exact(kind, degree))[None]
                    assert value.item() == pytest.approx(
                        float(losses.losses(kind, degree, best)[0]), abs=1e-8
                    )
        for kind, degree, rule, falls, rate, steps in (
            ("absolute", 2, "sgd", True, 10.0, 200),
            ("squares", 1, "momentum", False, 0.1, 60),
            ("huber", 3, "adam", False, 0.3, 60),
        ):
            visit(
                page,
                f"loss={kind}&degree={degree}&rule={rule}&falls={'yes' if falls else 'no'}&lr={rate}&steps={steps}",
            )
            wanted = losses.descent(kind, degree, rate, steps, falls=falls, rule=rule).numpy()
            np.testing.assert_allclose(page.run("steepest.paths.path"), wanted, **NEAR)
        visit(page, "loss=squares")
        drag(page)
        moved = page.run("steepest.page.state.moved")
        assert moved.startswith("1:-1.5")
        assert float(moved.partition(",")[2]) < 6
        page.run("document.querySelector('#figure-points .plot').focus()")
        for key, code in (("PageDown", 34), ("ArrowUp", 38)):
            for kind in ("keyDown", "keyUp"):
                page.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "windowsVirtualKeyCode": code})
            page.run(DRAWN)
        assert f"2:{float(f'{x[1]:.3f}'):g},{float(f'{y[1] + 0.25:.3f}'):g}" in page.run(
            "steepest.page.state.moved"
        )
        assert page.complaints() == []


def drag(page: Page) -> None:
    """Drag the outlier 120 pixels down."""
    x, y = page.run(
        "(() => { const seen = document.querySelector('[data-id=\"0\"]').getBoundingClientRect();"
        " return [seen.left + seen.width / 2, seen.top + seen.height / 2]; })()"
    )
    for kind, down in (("mousePressed", 0), ("mouseMoved", 40), ("mouseMoved", 120), ("mouseReleased", 120)):
        event: dict[str, Any] = {
            "type": kind,
            "x": x,
            "y": y + down,
            "button": "left",
            "buttons": 1,
            "clickCount": 1,
        }
        page.send("Input.dispatchMouseEvent", event)
        page.run(DRAWN)


def touch(page: Page, selector: str, *moves: float) -> None:
    """Put a finger on the middle of something, move it down by so many pixels, and lift it."""
    element = f"document.querySelector({json.dumps(selector)})"
    page.run(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    page.run(DRAWN)
    x, y = page.run(
        f"(() => {{ const seen = {element}.getBoundingClientRect();"
        " return [seen.left + seen.width / 2, seen.top + seen.height / 2]; })()"
    )
    for place, down in enumerate((0.0, *moves)):
        kind = "touchMove" if place else "touchStart"
        page.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y + down}]})
        page.run(DRAWN)
    page.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.run(DRAWN)


def test_a_finger_drags_a_point_and_chooses_a_start(browser: Browser, files: dict[str, Path]) -> None:
    with browser.page(files["losses"], width=390) as page:
        visit(page, "loss=squares")
        before = page.run("scrollY")
        touch(page, '[data-id="0"]', 20.0, 40.0, 80.0)
        moved = page.run("steepest.page.state.moved")
        assert moved.startswith("1:-1.5")
        assert float(moved.partition(",")[2]) < 7
        assert page.run("Math.abs(scrollY)") >= before  # the finger moves the point and not the page
        assert page.complaints() == []
    for name, keys in (("rules", ("x", "y")), ("one-dimension", ("start",))):
        with browser.page(files[name], width=390) as page:
            start = page.run("steepest.page.state")
            touch(page, ".plot.pick svg[role]")
            chosen = page.run("steepest.page.state")
            assert all(chosen[key] != start[key] for key in keys)
            assert page.complaints() == []


def test_stored_runs_snap_and_say_so(browser: Browser, tmp_path: Path) -> None:
    """Runs of real rules on a bowl, stored at three rates."""
    rates = (0.01, 0.1, 3.0)
    valley = rules.VALLEYS["narrow"]
    names = ("sgd", "adam")
    places: list[tuple[tuple[float | None, ...], ...]] = []
    for rate in rates:
        paths = [
            walks([make_rule(f"{each}(lr={rate})")], valley.losses, valley.start, 20)[0] for each in names
        ]
        heights = [valley.heights(each).tolist() for each in paths]
        places.append(tuple(tuple(h if h < 1e6 else None for h in each) for each in heights))
    content = Content(
        title="stored",
        question="Which rate?",
        controls=(PageControl(name="lr", label="rate", low=-3, high=1, step=0.25, default=-1, log=True),),
        grid=StoredRuns(
            over={"lr": rates},
            x=tuple(range(21)),
            x_title="step",
            y_title="loss",
            log=True,
            lines=tuple(StoredLine(key=each, title=each) for each in names),
            values=tuple(places),
        ),
    )
    path = tmp_path / "stored.json"
    path.write_text(content.model_dump_json(), encoding="utf-8")
    page_file = tmp_path / "stored.html"
    page_file.write_text(render(Content.model_validate_json(path.read_text())), encoding="utf-8")
    with browser.page(page_file, width=390) as page:
        assert page.run("document.getElementById('note').hidden")
        assert f"{places[1][0][-1]:.4g}" in text(page, "#numbers")
        visit(page, "lr=-1.75")
        assert text(page, "#note") == "Shown is the nearest stored run: rate 0.01."
        assert f"{places[0][1][-1]:.4g}" in text(page, "#numbers")
        visit(page, "lr=0.5")
        assert "rate 3" in text(page, "#note")
        assert "diverged" in text(page, "#numbers")
        assert (page.complaints(), page.requests()) == ([], [])
