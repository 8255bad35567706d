"""Claim: without large tables a step is not slower, and 2.5 times as fast as a ``DataLoader`` loop.

    python -m benchmarks small_steps [--repetitions N] [--only PEER …] [--threads N …] [--fresh]

Two networks on made rows. Covertype: 54 columns, batch norm, hidden 128 and 64, seven classes, Adam: at least 2.5
times as fast as a ``DataLoader`` loop, 1.4 times as fused Adam in memory. MNIST: 784-128-10, momentum 0.9: at
least 0.95 times as fast as a fused loop in memory. Batch 64. The losses of the same 64 steps are compared.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from benchmarks.peers.harness import Peer, verdict
from benchmarks.peers.made import COVERTYPE, MNIST
from benchmarks.peers.measure import measure, size_of

FOR_COVERTYPE = (
    Peer("torch DataLoader, Adam()", "plain", "torch", {"loader": True}, required=2.5),
    Peer("torch DataLoader, Adam(fused=True)", "plain", "torch", {"loader": True, "optimizer": "fused"}),
    Peer("torch in memory, Adam()", "plain", "torch"),
    Peer("torch in memory, Adam(fused=True)", "plain", "torch", {"optimizer": "fused"}, required=1.4),
    Peer("skorch, Adam()", "with_skorch", "torch"),
    Peer("fastai, TabularModel and Learner.fit", "with_fastai", "fastai"),
    Peer("pytorch-widedeep, Adam()", "with_widedeep", "widedeep"),
    Peer("scikit-learn, MLPClassifier", "with_sklearn", "torch", same=0, remark="another network"),
)
FOR_MNIST = (
    Peer("torch DataLoader, SGD()", "plain", "torch", {"loader": True}),
    Peer("torch in memory, SGD()", "plain", "torch"),
    Peer("torch in memory, SGD(fused=True)", "plain", "torch", {"optimizer": "fused"}, required=0.95),
    Peer("scikit-learn, MLPClassifier", "with_sklearn", "torch", same=0, remark="its own start"),
)
MNIST_ROWS = 60_000


def main(arguments: list[str]) -> int:
    """Measure, print the tables, and return 1 if the claim does not hold."""
    size = size_of("small_steps", __doc__, arguments)
    print("### Covertype: 54-128-64-7, Adam\n")
    found, failed = measure(COVERTYPE, FOR_COVERTYPE, size)
    print("\n### MNIST: 784-128-10, momentum\n")
    more, further = measure(MNIST, FOR_MNIST, replace(size, rows=min(size.rows, MNIST_ROWS)))
    return verdict([*found, *more], [*failed, *further])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
