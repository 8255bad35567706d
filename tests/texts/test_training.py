"""Training on texts against a plain loop of torch: accumulation, clipping, weight decay, rows of unequal lengths."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from steepest.data.batches import BatchPlan
from steepest.data.sources.opening import open_source
from steepest.data.texts.vocabulary import IGNORE
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.train.loop import train
from steepest.train.problem import problem_of

DOCUMENTS = [f"{'ab ' * (1 + i % 7)}\nline {i} ends" for i in range(30)]
MODEL = "transformer(width=8, layers=1, heads=2)"
STEPS, BATCH, LR = 6, 8, 0.05


def recipe(**values) -> Recipe:
    return Recipe(
        data="d", model=MODEL, optimizer="adamw", schedule="constant", steps=STEPS, batch_size=BATCH,
        precision="float64", metric="token_loss", **values,
    )  # fmt: skip


def trained(data, rule: str, **values) -> dict[str, torch.Tensor]:
    """The weights after the last step."""
    wanted = recipe(**values)
    method = GradientMethod(make_rule(rule), make_schedule("constant", STEPS), wanted.clip)
    found = train(data, wanted, RunKey(name="a", recipe="r", seed=3, phase="final"), method, keep_last=True)
    assert found.record.outcome == "finished"
    assert found.last is not None
    return found.last


def plainly(data, *, clip: float | None, decay: float) -> dict[str, torch.Tensor]:
    """The same by torch alone: the mean over the scored tokens of a batch, whatever rows they are in."""
    net = build_model(MODEL, data.shape, seed=3).double()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=decay)
    feed = problem_of(net, data, recipe()).feed(data.train, BatchPlan(len(data.train), BATCH, 3), 3)
    for step in range(STEPS):
        batch = feed.batch(step)
        scored = batch.target != IGNORE
        optimizer.zero_grad()
        functional.cross_entropy(net(batch.inputs[0])[scored], batch.target[scored]).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
    return {name: each.detach() for name, each in net.named_parameters()}


def close(one, other, tolerance: float = 1e-6) -> bool:
    return all(torch.allclose(one[name], other[name], rtol=0, atol=tolerance) for name in other)


@pytest.mark.parametrize("layout", ["packed", "lines"])
@pytest.mark.parametrize(("clip", "decay"), [(None, 0.0), (0.05, 0.0), (None, 0.5), (0.05, 0.5)])
def test_weights_are_those_of_a_plain_loop(layout, clip, decay):
    data, _ = open_source(DOCUMENTS, reader="text", block=8, layout=layout).make(0)
    data = data.wide()
    found = trained(data, f"adamw(lr={LR}, weight_decay={decay})", clip=clip)
    assert close(found, plainly(data, clip=clip, decay=decay))
    assert not close(found, plainly(data, clip=0.2, decay=0.1))


@pytest.mark.parametrize("parts", [2, 4, 8, 3])
def test_a_batch_in_parts_gives_the_same_weights(parts):
    """Where rows have unequal numbers of scored tokens, which a mean of means of parts would not."""
    data, _ = open_source(DOCUMENTS, reader="text", block=8, layout="lines").make(0)
    counts = (data.train.target != IGNORE).sum(1)
    assert int(counts.min()) < int(counts.max())
    rule = f"adamw(lr={LR}, weight_decay=0.1)"
    assert close(trained(data.wide(), rule, accumulate=parts), trained(data.wide(), rule), 1e-10)
