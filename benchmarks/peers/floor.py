"""What a step costs at least: its products of matrices and the memory that it must read and write."""

from __future__ import annotations

import itertools

from benchmarks.peers.task import Network


def flops(network: Network) -> int:
    """Return the floating-point operations of a step's matrix products: forward, and two backward.

    A first layer without embeddings or batch norm before it needs no gradient of its input.

    Example:
        >>> flops(Network(continuous=3, classes=2, hidden=(), batch=10))
        240
        >>> flops(Network(cardinalities=(9,), widths=(3,), classes=2, hidden=(), batch=10))
        360
    """
    products = [a * b for a, b in itertools.pairwise(network.sizes)]
    inputs_move = network.cardinalities or (network.batch_norm and network.hidden)
    return 2 * network.batch * (3 * sum(products) - (0 if inputs_move else products[0]))


def numbers_moved(network: Network, large: int = 500_000) -> int:
    """Return how many weights a step moves: the touched rows of large tables, and everything else.

    Args:
        network: its sizes; every row of a batch is another row of a table.
        large: numbers of a table that is executed by rows.
    """
    count = 0
    for codes, width in zip(network.cardinalities, network.widths, strict=True):
        count += (min(network.batch, codes) if codes * width >= large else codes) * width
    *inner, head = itertools.pairwise(network.sizes)
    for inputs, outputs in inner:
        count += inputs * outputs + (2 * inputs if network.batch_norm else outputs)
    return count + head[0] * head[1] + head[1]


def bytes_moved(network: Network) -> int:
    """Return the bytes of a step: weights and the optimizer's slots read and written, the batch's rows read."""
    slots = 2 if network.optimizer == "adam" else 1
    row = 8 * len(network.cardinalities) + 4 * network.continuous + 8
    return 4 * 2 * (1 + slots) * numbers_moved(network) + row * network.batch


def text(network: Network, milliseconds: float, peak: dict[str, float]) -> str:
    """Return the floor and the distance from it in two sentences.

    Args:
        network: its sizes.
        milliseconds: of our step.
        peak: ``flops`` and ``bytes`` a second that the machine reached.
    """
    work, data = flops(network), bytes_moved(network)
    products, memory = work / peak["flops"] * 1e3, data / peak["bytes"] * 1e3
    return (
        f"Floor: {work / 1e6:.1f} Mflop of matrix products at {peak['flops'] / 1e9:.0f} Gflop/s (a product of "
        f"1,024 × 1,024) are {products:.3f} ms; {data / 1e6:.2f} MB of weights, slots and rows at "
        f"{peak['bytes'] / 1e9:.1f} GB/s (a copy of 256 MB) are {memory:.3f} ms. "
        f"Our step of {milliseconds:.3f} ms is {milliseconds / (products + memory):.1f} × their sum."
    )
