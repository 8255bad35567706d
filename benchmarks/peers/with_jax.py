"""The step by hand in JAX: one ``lax.scan`` over many steps, all numbers of a scan prepared beforehand.

Another algorithm than Adam: a row of the first table moves only when a batch names it, as under ``SparseAdam``.
Equal rows of a batch are summed by an equality matrix. Masks are NumPy's 16-bit numbers.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.task import Network, Phase, Task
from benchmarks.peers.worker import Tick, serve

STEPS = 64
"""Steps of one scan."""
B1, B2, EPS = 0.9, 0.999, 1e-8
LEVELS = 65_536


def loss(rows: Any, rest: Any, batch: Any, network: Network) -> Any:
    """Return a batch's loss, given the rows of the first table and all other parameters."""
    codes, continuous, target, mask = batch
    count = len(network.cardinalities)
    found = [rows, *(table[codes[:, i + 1]] for i, table in enumerate(rest[: count - 1]))]
    h = jnp.concatenate([jnp.concatenate(found, 1) * mask, continuous], 1)
    place = count - 1
    for _ in network.hidden:
        weight, bias, linear = rest[place : place + 3]
        mean = h.mean(0)
        h = (h - mean) * jax.lax.rsqrt(((h - mean) ** 2).mean(0) + 1e-5) * weight + bias
        h = jax.nn.relu(h @ linear.T)
        place += 3
    logits = h @ rest[place].T + rest[place + 1]
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), target[:, None], 1).mean(), ()


def adam(
    weight: Any, gradient: Any, first: Any, second: Any, lr: float, t: Any, sparse: bool = False
) -> tuple[Any, Any, Any]:
    """Return a weight and its moments after step ``t`` (from 1), with epsilon where Adam or SparseAdam has it."""
    first = B1 * first + (1 - B1) * gradient
    second = B2 * second + (1 - B2) * gradient * gradient
    scale = jnp.sqrt(1 - B2**t)
    down = jnp.sqrt(second) / scale + (EPS / scale if sparse else EPS)
    return weight - lr * (first / (1 - B1**t)) / down, first, second


@partial(jax.jit, static_argnames="network", donate_argnums=0)
def many(state: Any, data: Any, order: Any, masks: Any, network: Network) -> Any:
    """Return the state after the steps of ``order`` [steps, B], and their losses."""

    def step(state: Any, given: Any) -> Any:
        (table, rest, t), (rows, mask) = state, given
        codes, continuous, target = (each[rows] for each in data)
        t = t + 1
        ids = codes[:, 0]
        mine = [each[ids] for each in table]
        (value, _), (by_row, others) = jax.value_and_grad(loss, (0, 1), has_aux=True)(
            mine[0], [each[0] for each in rest], (codes, continuous, target, mask), network
        )
        equal = (ids[:, None] == ids[None, :]).astype(jnp.float32)
        moved = adam(mine[0], equal @ by_row, mine[1], mine[2], network.lr, t, sparse=True)
        table = tuple(whole.at[ids].set(new) for whole, new in zip(table, moved, strict=True))
        rest = [
            adam(each[0], g, each[1], each[2], network.lr, t) for each, g in zip(rest, others, strict=True)
        ]
        return (table, rest, t), value

    return jax.lax.scan(step, state, (order, masks))


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol. Running means of batch norm, which training does not read, are left out."""
    del options
    network = task.network
    if not network.cardinalities or network.optimizer != "adam" or not network.batch_norm:
        raise ValueError("this scan is of the network with embeddings, batch norm and Adam")
    data = tuple(jnp.asarray(each) for each in task.rows(phase))
    start = [(jnp.array(each), jnp.zeros_like(each), jnp.zeros_like(each)) for each in task.weights]
    state = (start[0], start[1:], jnp.asarray(0.0))
    count, width = len(data[-1]), sum(network.widths)
    draw = np.random.PCG64(0)
    dropped = round(network.dropout * LEVELS)
    for epoch in itertools.count() if phase == "timed" else range(1):
        steps = count // network.batch
        if phase == "check":
            order = np.arange(steps * network.batch)
        else:
            order = np.random.Generator(np.random.PCG64(epoch)).permutation(count)[: steps * network.batch]
        order = order.reshape(steps, network.batch)
        for first in range(0, steps, STEPS):
            some = min(STEPS, steps - first)
            if phase == "check":
                masks = task.check_masks[first : first + some]
            else:
                size = some * network.batch * width
                bits = draw.random_raw(-(-size // 4)).view(np.uint16)[:size]
                masks = (bits >= dropped).astype(np.float32) * np.float32(LEVELS / (LEVELS - dropped))
                masks = masks.reshape(some, network.batch, width)
            state, losses = many(state, data, order[first : first + some], masks, network)
            for value in np.asarray(losses):
                tick(value)


if __name__ == "__main__":
    serve(train, ("jax", "jaxlib"))
