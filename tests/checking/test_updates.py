"""Updates against their rules: the first step and slot that differ, and the mistake that has the same numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import steepest as st
from steepest.checking.student import run_student
from steepest.cli import main
from steepest.errors import OptionError

RMSPROP = """
import math
import torch

def update(w, g, state, lr=0.01, alpha=0.99, eps=1e-8):
    {before}
    v = state["v"] = {average}
    return {step}
"""
AVERAGE = "alpha * state['v'] + (1 - alpha) * g**2"
STEP = "w - lr * g / (v**0.5 + eps)"
MISTAKES = {
    "sign": ("pass", AVERAGE, "w + lr * g / (v**0.5 + eps)", "parameter", "wrong sign"),
    "share": ("pass", "alpha * state['v'] + g**2", STEP, "square_avg", "1 − α is missing"),
    "share for rest": ("pass", "alpha * state['v'] + alpha * g**2", STEP, "square_avg", "α stands where 1 − α should"),
    "rest for share": (
        "pass", "(1 - alpha) * state['v'] + (1 - alpha) * g**2", STEP, "square_avg", "1 − α stands where α should"
    ),
    "swap": ("pass", "(1 - alpha) * state['v'] + alpha * g**2", STEP, "square_avg", "α and 1 − α are interchanged"),
    "inside": ("pass", AVERAGE, "w - lr * g / (v + eps)**0.5", "parameter", "ε inside the root"),
    "none": ("pass", AVERAGE, "w - lr * g / v**0.5", "parameter", "ε is missing"),
    "root": ("pass", AVERAGE, "w - lr * g / (v + eps)", "parameter", "the root is missing"),
    "sum": ("state['g'] = g = state['g'] + g", AVERAGE, STEP, "square_avg", "gradient not cleared"),
    "start": (
        "state.setdefault('v', torch.ones_like(w))", AVERAGE, STEP, "square_avg", "start value: square_avg starts at 1",
    ),
    "old": ("old = state['v'] + 0", AVERAGE, STEP.replace("v**", "old**"), "parameter", "the step uses the average"),
    "alpha": ("alpha = 0.9", AVERAGE, STEP, "square_avg", "alpha is 0.9 and not 0.99"),
    "rate": ("lr = 0.003", AVERAGE, STEP, "parameter", "the learning rate: every step is 0.3 times"),
    "two": (
        "pass", "alpha * state['v'] + g**2", "w + lr * g / (v**0.5 + eps)", "square_avg",
        "wrong sign: the step is added and not subtracted; and 1 − α is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(mistake, tmp_path, monkeypatch, capsys):
    before, average, step, slot, cause = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(RMSPROP.format(before=before, average=average, step=step))
    assert main(["check", "mine.py:update", "--against", "rmsprop"]) == 1
    found = capsys.readouterr().out
    first = 2 if mistake in ("sum", "rest for share") else 1
    assert f"fault: step {first} is the first that differs, in {slot}" in found
    assert f"likely cause: {cause}" in found


def _adam(w, g, m, v, t, lr, beta1, beta2, eps, corrected=True):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    a, b = (1 - beta1**t, 1 - beta2**t) if corrected else (1, 1)
    return w - lr * (m / a) / ((v / b) ** 0.5 + eps), m, v


def _cleared(w, loss, state, lr, momentum, clear=True):
    loss(w).backward()
    with torch.no_grad():
        state["v"] = momentum * state["v"] + w.grad
        w -= lr * state["v"]
    if clear:
        w.grad.zero_()


def _numpy(w, g, state, learning_rate):
    state["s"] = state["s"] + np.square(g)
    return w - learning_rate * g / (np.sqrt(state["s"]) + 1e-10)


def _in_place(param, state, lr, mu):
    state["b"] = mu * state["b"] + param.grad
    param -= lr * state["b"]


@pytest.mark.parametrize(
    ("update", "rule"),
    [
        (_adam, "adam"),
        (_adam, "adam(lr=0.1, betas=(0.8, 0.9), eps=0.01)"),
        (_cleared, "momentum(lr=0.1)"),
        (_numpy, "adagrad(lr=0.1)"),
        (_in_place, "momentum(lr=0.1)"),
        (torch.optim.Adam, "adam(lr=0.1)"),
        (torch.optim.RMSprop, "rmsprop(centered=true, momentum=0.9)"),
        (torch.optim.Adadelta, "adadelta"),
    ],
)
def test_right_updates_pass(update, rule):
    found = st.check(update, against=rule)
    assert found.ok, found.lines()
    assert found.largest < 1e-12


@pytest.mark.parametrize(
    ("update", "rule", "cause"),
    [
        (lambda w, g, m, v, t, lr, beta1, beta2, eps: _adam(w, g, m, v, t, lr, beta1, beta2, eps, False), "adam",
         "the bias correction is missing"),
        (lambda w, g, m, v, lr, beta1, beta2, eps: _adam(w, g, m, v, 10**9, lr, beta1, beta2, eps), "adam",
         "the bias correction is missing"),
        (lambda w, g, m, v, t, lr, beta1, beta2, eps: _adam(w, g, m, v, t + 1, lr, beta1, beta2, eps), "adam",
         "steps are counted from 2 and not from 1"),
        (lambda w, loss, state, lr, momentum: _cleared(w, loss, state, lr, momentum, False), "momentum(lr=0.1)",
         "gradient not cleared"),
        (_in_place, "nesterov(lr=0.1)", "it is sgd with nesterov=false"),
        (torch.optim.Adagrad, "rmsprop", ""),
    ],
)  # fmt: skip
def test_further_mistakes(update, rule, cause):
    found = st.check(update, against=rule)
    assert not found.ok
    assert found.cause.startswith(cause)
    assert bool(found.cause) == bool(cause)


def test_what_cannot_be_compared_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def broken(w, g):\n    return w.nothing\nnumber = 3\n")
    for arguments, fact in (
        (["mine.py:broken", "--against", "sgd"], "mine.py:broken fails: AttributeError"),
        (["mine.py:number", "--against", "sgd"], "mine.py:number is a int"),
        (["update", "--against", "sgd"], "'update' names no function of a file"),
        (["mine.py:broken", "--against", "sgdd"], "unknown optimizer 'sgdd'"),
        (["mine.py:broken", "--against", "l-bfgs"], "is no rule"),
        (["mine.py:broken", "--against", "sgd", "--at", "t=1"], "--at has no effect with --against"),
    ):
        assert main(["check", *arguments]) == 2
        assert fact in capsys.readouterr().err
    with pytest.raises(OptionError, match="another shape"):
        st.check(lambda w, g: w.sum(), against="sgd")


def test_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def update(w, g, lr):\n    return w + lr * g\n")
    assert main(["check", "mine.py:update", "--against", "sgd(lr=0.5)", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["cause"][:10], found["difference"]["slot"]) == (
        False,
        "wrong sign",
        "parameter",
    )


def test_unknown_arguments_are_slots():
    def update(w, g, speed, lr):
        speed = 0.9 * speed + g
        return w - lr * speed, speed

    start, gradients = torch.ones(1, dtype=torch.float64), torch.ones(3, 1, dtype=torch.float64)
    found = run_student(update, "update", start, gradients, {"lr": 1.0})
    assert found.slots["speed"][:, 0].tolist() == pytest.approx([1.0, 1.9, 2.71])
