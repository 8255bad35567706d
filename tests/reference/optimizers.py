"""Textbook optimizers: slow, readable, float64, one weight at a time, written from the papers.

They share nothing with ``steepest``. Each takes the weight ``w``, the gradient ``g``, the state ``s`` (numbers
by name), the step ``t`` counted from 1, the schedule's multiplier ``m`` and hyperparameters, and returns the new
weight and state. ``START`` has the state before the first step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

State = dict[str, float]


def sgd(
    w: float, g: float, s: State, t: int, m: float, *, lr, momentum, dampening, weight_decay, nesterov
) -> tuple[float, State]:
    g = g + weight_decay * w
    if momentum == 0:
        return w - m * lr * g, {}
    b = g if t == 1 else momentum * s["momentum_buffer"] + (1 - dampening) * g
    move = g + momentum * b if nesterov else b
    return w - m * lr * move, {"momentum_buffer": b}


def heavy_ball(w, g, s, t, m, *, lr, momentum, weight_decay):
    v = momentum * s["velocity"] - m * lr * (g + weight_decay * w)
    return w + v, {"velocity": v}


def adagrad(w, g, s, t, m, *, lr, lr_decay, weight_decay, initial_accumulator_value, eps):
    g = g + weight_decay * w
    total = s["sum"] + g**2
    return w - m * lr / (1 + (t - 1) * lr_decay) * g / (math.sqrt(total) + eps), {"sum": total}


def rmsprop(w, g, s, t, m, *, lr, alpha, eps, weight_decay, momentum, centered, eps_inside_root):
    g = g + weight_decay * w
    new = {"square_avg": alpha * s["square_avg"] + (1 - alpha) * g**2}
    v = new["square_avg"]
    if centered:
        new["grad_avg"] = alpha * s["grad_avg"] + (1 - alpha) * g
        v = max(v - new["grad_avg"] ** 2, 0.0)
    q = g / (math.sqrt(v + eps) if eps_inside_root else math.sqrt(v) + eps)
    if momentum:
        new["momentum_buffer"] = q = momentum * s["momentum_buffer"] + q
    return w - m * lr * q, new


def adam(w, g, s, t, m, *, lr, betas, eps, weight_decay, amsgrad, decoupled=False):
    beta1, beta2 = betas
    if decoupled:
        w = w - m * lr * weight_decay * w
    else:
        g = g + weight_decay * w
    new = {
        "exp_avg": beta1 * s["exp_avg"] + (1 - beta1) * g,
        "exp_avg_sq": beta2 * s["exp_avg_sq"] + (1 - beta2) * g**2,
    }
    v = new["exp_avg_sq"]
    if amsgrad:
        new["max_exp_avg_sq"] = v = max(v, s["max_exp_avg_sq"])
    first = new["exp_avg"] / (1 - beta1**t)
    second = v / (1 - beta2**t)
    return w - m * lr * first / (math.sqrt(second) + eps), new


def adamw(w, g, s, t, m, **hyper: Any):
    return adam(w, g, s, t, m, decoupled=True, **hyper)


def quickprop(w, g, s, t, m, *, lr, max_growth, weight_decay):
    """Fahlman's three cases, word for word; his slope is the downhill one here."""
    slope = -(g + weight_decay * w)
    before = -s["last_gradient"]
    d = s["last_step"]
    shrink = max_growth / (1 + max_growth)
    step = 0.0
    if d > 0:
        if slope > 0:
            step += lr * slope
        step += max_growth * d if slope > shrink * before else _quotient(d, slope, before)
    elif d < 0:
        if slope < 0:
            step += lr * slope
        step += max_growth * d if slope < shrink * before else _quotient(d, slope, before)
    else:
        step += lr * slope
    return w + m * step, {"last_step": step, "last_gradient": -slope}


def _quotient(d: float, slope: float, before: float) -> float:
    return d * slope / (before - slope) if before != slope else 0.0


def delta_bar_delta(w, g, s, t, m, *, lr, kappa, phi, theta, max_lr, weight_decay):
    delta = g + weight_decay * w
    rate = s["rate"]
    if s["grad_avg"] * delta > 0:
        rate = rate + kappa
    elif s["grad_avg"] * delta < 0:
        rate = rate - phi * rate
    if max_lr is not None and rate > max_lr:
        rate = max_lr
    new = {"rate": rate, "grad_avg": (1 - theta) * delta + theta * s["grad_avg"]}
    return w - m * rate * delta, new


def adadelta(w, g, s, t, m, *, lr, rho, eps, weight_decay):
    g = g + weight_decay * w
    v = rho * s["square_avg"] + (1 - rho) * g**2
    delta = math.sqrt(s["acc_delta"] + eps) / math.sqrt(v + eps) * g
    return w - m * lr * delta, {"square_avg": v, "acc_delta": rho * s["acc_delta"] + (1 - rho) * delta**2}


def adamax(w, g, s, t, m, *, lr, betas, eps, weight_decay):
    beta1, beta2 = betas
    g = g + weight_decay * w
    mean = beta1 * s["exp_avg"] + (1 - beta1) * g
    u = max(beta2 * s["exp_inf"], abs(g) + eps)
    return w - m * lr / (1 - beta1**t) * mean / u, {"exp_avg": mean, "exp_inf": u}


def nadam(w, g, s, t, m, *, lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay):
    beta1, beta2 = betas
    if decoupled_weight_decay:
        w = w * (1 - m * lr * weight_decay)
    else:
        g = g + weight_decay * w
    mus = [beta1 * (1 - 0.5 * 0.96 ** (i * momentum_decay)) for i in range(1, t + 2)]
    new = {
        "exp_avg": beta1 * s["exp_avg"] + (1 - beta1) * g,
        "exp_avg_sq": beta2 * s["exp_avg_sq"] + (1 - beta2) * g**2,
        "mu_product": math.prod(mus[:t]),
    }
    first = mus[t] * new["exp_avg"] / (1 - math.prod(mus)) + (1 - mus[t - 1]) * g / (1 - math.prod(mus[:t]))
    return w - m * lr * first / (math.sqrt(new["exp_avg_sq"] / (1 - beta2**t)) + eps), new


def radam(w, g, s, t, m, *, lr, betas, eps, weight_decay, decoupled_weight_decay):
    beta1, beta2 = betas
    if decoupled_weight_decay:
        w = w * (1 - m * lr * weight_decay)
    else:
        g = g + weight_decay * w
    mean = beta1 * s["exp_avg"] + (1 - beta1) * g
    v = beta2 * s["exp_avg_sq"] + (1 - beta2) * g**2
    rho_max = 2 / (1 - beta2) - 1
    rho = rho_max - 2 * t * beta2**t / (1 - beta2**t)
    move = mean / (1 - beta1**t)
    if rho > 5:
        r = math.sqrt(((rho - 4) * (rho - 2) * rho_max) / ((rho_max - 4) * (rho_max - 2) * rho))
        move *= r * math.sqrt(1 - beta2**t) / (math.sqrt(v) + eps)
    return w - m * lr * move, {"exp_avg": mean, "exp_avg_sq": v}


def lion(w, g, s, t, m, *, lr, betas, weight_decay):
    beta1, beta2 = betas
    side = beta1 * s["exp_avg"] + (1 - beta1) * g
    sign = (side > 0) - (side < 0)
    return w - m * lr * (sign + weight_decay * w), {"exp_avg": beta2 * s["exp_avg"] + (1 - beta2) * g}


def rprop(w, g, s, t, m, *, lr, etas, step_sizes):
    size = s["step_size"]
    if s["prev"] * g > 0:
        size = size * etas[1]
    elif s["prev"] * g < 0:
        size, g = size * etas[0], 0.0
    size = min(max(size, step_sizes[0]), step_sizes[1])
    return w - m * ((g > 0) - (g < 0)) * size, {"prev": g, "step_size": size}


def _schedule_free(y, s, direction, t, m, beta, *, lr, warmup_steps, r, weight_lr_power):
    """One step on the three sequences of the paper; x is recovered from y and z."""
    z = s["z"]
    x = (y - (1 - beta) * z) / beta
    rate = m * lr * (min(t / warmup_steps, 1.0) if warmup_steps else 1.0)
    largest = max(rate, s["lr_max"])
    weight = t**r * largest**weight_lr_power
    total = s["weight_sum"] + weight
    c = weight / total
    z = z - rate * direction
    x = (1 - c) * x + c * z
    return (1 - beta) * z + beta * x, {"z": z, "weight_sum": total, "lr_max": largest}


def schedule_free_sgd(w, g, s, t, m, *, momentum, weight_decay, **rest):
    return _schedule_free(w, s, g + weight_decay * w, t, m, momentum, **rest)


def schedule_free_adamw(w, g, s, t, m, *, betas, eps, weight_decay, **rest):
    v = betas[1] * s["exp_avg_sq"] + (1 - betas[1]) * g**2
    direction = g / (math.sqrt(v / (1 - betas[1] ** t)) + eps) + weight_decay * w
    y, new = _schedule_free(w, s, direction, t, m, betas[0], **rest)
    return y, {**new, "exp_avg_sq": v}


def adafactor(w, g, s, t, m, *, lr, beta2_decay, eps, d, weight_decay):
    """On whole arrays, by explicit means over rows and columns."""
    eps1 = np.finfo(np.float64).eps if eps[0] is None else eps[0]
    beta = 1 - t**beta2_decay
    rate = min(lr, t**-0.5) * max(eps[1], math.sqrt(np.mean(w**2)))
    w = w - m * lr * weight_decay * w
    if w.ndim > 1:
        row = np.array([[np.mean(line**2)] for line in g])
        col = np.array([[np.mean(line**2) for line in g.T]])
        new = {
            "row_var": beta * s["row_var"] + (1 - beta) * row,
            "col_var": beta * s["col_var"] + (1 - beta) * col,
        }
        v = np.outer(new["row_var"], new["col_var"]) / max(np.mean(new["row_var"]), eps1)
    else:
        new = {"variance": beta * s["variance"] + (1 - beta) * g**2}
        v = new["variance"]
    u = g / np.maximum(np.sqrt(v), eps1)
    return w - m * rate * u / max(1.0, math.sqrt(np.mean(u**2)) / d), new


def muon(w, g, s, t, m, *, lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, **rest):
    """On whole matrices, by their singular values: each goes through the odd polynomial ns_steps times."""
    if w.ndim != 2 or not rest["matrices"]:
        state = {"exp_avg": s["momentum_buffer"], "exp_avg_sq": s["exp_avg_sq"]}
        beta1, beta2 = rest["betas"]
        mean = beta1 * state["exp_avg"] + (1 - beta1) * g
        v = beta2 * state["exp_avg_sq"] + (1 - beta2) * g**2
        move = mean / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * w
        return w - m * lr * move, {"momentum_buffer": mean, "exp_avg_sq": v}
    b = momentum * s["momentum_buffer"] + (1 - momentum) * g
    direction = (1 - momentum) * g + momentum * b if nesterov else b
    u, values, v = np.linalg.svd(direction, full_matrices=False)
    values = values / max(math.sqrt(np.sum(values**2)), eps)
    for _ in range(ns_steps):
        values = sum(f * values**p for f, p in zip(ns_coefficients, (1, 3, 5), strict=True))
    r, c = w.shape
    scale = (
        0.2 * math.sqrt(max(r, c)) if rest["adjust_lr_fn"] == "match_rms_adamw" else math.sqrt(max(1, r / c))
    )
    return w - m * lr * (weight_decay * w + scale * (u * values) @ v), {"momentum_buffer": b}


START: dict[str, Any] = {
    "sgd": lambda w, h: {"momentum_buffer": 0.0} if h["momentum"] else {},
    "adagrad": lambda w, h: {"sum": h["initial_accumulator_value"]},
    "rmsprop": lambda w, h: (
        {"square_avg": 0.0}
        | ({"grad_avg": 0.0} if h["centered"] else {})
        | ({"momentum_buffer": 0.0} if h["momentum"] else {})
    ),
    "adam": lambda w, h: (
        {"exp_avg": 0.0, "exp_avg_sq": 0.0} | ({"max_exp_avg_sq": 0.0} if h["amsgrad"] else {})
    ),
    "quickprop": lambda w, h: {"last_step": 0.0, "last_gradient": 0.0},
    "delta_bar_delta": lambda w, h: {"rate": h["lr"], "grad_avg": 0.0},
}
START |= {
    "adamw": START["adam"],
    "adadelta": lambda w, h: {"square_avg": 0.0, "acc_delta": 0.0},
    "adamax": lambda w, h: {"exp_avg": 0.0, "exp_inf": 0.0},
    "nadam": lambda w, h: {"exp_avg": 0.0, "exp_avg_sq": 0.0},
    "radam": lambda w, h: {"exp_avg": 0.0, "exp_avg_sq": 0.0},
    "adafactor": lambda w, h: (
        {"row_var": np.zeros((len(w), 1)), "col_var": np.zeros((1, w.shape[1]))}
        if w.ndim == 2
        else {"variance": np.zeros_like(w)}
    ),
    "muon": lambda w, h: (
        {"momentum_buffer": np.zeros_like(w)}
        if w.ndim == 2 and h["matrices"]
        else {"momentum_buffer": np.zeros_like(w), "exp_avg_sq": np.zeros_like(w)}
    ),
    "heavy_ball": lambda w, h: {"velocity": 0.0},
    "lion": lambda w, h: {"exp_avg": 0.0},
    "rprop": lambda w, h: {"prev": 0.0, "step_size": h["lr"]},
    "schedule_free_sgd": lambda w, h: {"z": w},
    "schedule_free_adamw": lambda w, h: {"z": w, "exp_avg_sq": 0.0},
}
