"""Claim: a step of the crimes network costs 1/40 of fastai's, 1/10 of fused Adam's, 1/2 of SparseAdam's.

    python -m benchmarks crimes_step [--repetitions N] [--only PEER …] [--threads N …] [--fresh]

The network of the published notebook: seven embeddings, one of 61,385 × 128, batch norm, two hidden layers, batch
64, Adam. Rows are made, their first code by Zipf's law. Everybody gets the same rows and start weights; before the
times, everybody makes the same 64 steps with the same batches and dropout masks, and all losses are compared.
What is timed is what a user pays: shuffling, batches, masks, and the step.
"""

from __future__ import annotations

import sys

from benchmarks.peers.harness import Peer, verdict
from benchmarks.peers.made import CRIMES
from benchmarks.peers.measure import measure, size_of

PEERS = (
    Peer("fastai, TabularModel and Learner.fit", "with_fastai", "fastai", required=40.0),
    Peer("torch in memory, Adam()", "plain", "torch"),
    Peer("torch in memory, Adam(fused=True)", "plain", "torch", {"optimizer": "fused"}, required=10.0),
    Peer("torch DataLoader, Adam()", "plain", "torch", {"loader": True}),
    Peer("skorch, Adam()", "with_skorch", "torch"),
    Peer("pytorch-widedeep, Adam()", "with_widedeep", "widedeep"),
    Peer(
        "SparseAdam, fused Adam for the rest",
        "plain",
        "torch",
        {"optimizer": "sparse"},
        required=2.0,
        same=2,
        remark="another algorithm",
    ),
    Peer(
        "JAX, lax.scan of 64 steps",
        "with_jax",
        "jax",
        against="SparseAdam, fused Adam for the rest",
        remark="the algorithm of SparseAdam",
    ),
)


def main(arguments: list[str]) -> int:
    """Measure, print the table, and return 1 if the claim does not hold."""
    return verdict(*measure(CRIMES, PEERS, size_of("crimes_step", __doc__, arguments)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
