"""Faults of published code on tables and ratings: a softmax before the loss, dropout left on, metrics never reset."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, dropout

from steepest.data.dataset import Part, Shape
from steepest.evaluate.metrics import evaluate
from steepest.models.embedding_net import EmbeddingNet
from steepest.models.looked_up import within
from steepest.objectives.target import ClassTarget
from steepest.rng import torch_stream
from steepest.studies.covertype import FLOOR, NUMBERS, TutorialNet
from steepest.studies.crimes import PUBLISHED_ROWS
from steepest.studies.movielens import (
    ERROR,
    KNOWN,
    NEW,
    SHARE,
    SHARE_NEW,
    ZERO,
    ErrorByEpoch,
    NotesDot,
    left_on,
)

COVERTYPE = Shape("classification", {"Wilderness_Area": 5, "Soil_Type": 41}, tuple(NUMBERS), 7)
RATINGS = Shape("regression", {"user": 6, "film": 9}, (), 1, bounds=(0.5, 5.0))


def _trained(*, softmax: bool) -> float:
    """Return the loss after 300 steps on 32 rows, which are soon known by heart."""
    with torch_stream(0, "init"):
        net = TutorialNet(COVERTYPE, softmax=softmax)
        codes = torch.stack([torch.randint(1, 5, (32,)), torch.randint(1, 41, (32,))], 1)
        values, target = torch.randn(32, len(NUMBERS)), torch.randint(0, 7, (32,))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
        for _ in range(300):
            optimizer.zero_grad()
            cross_entropy(net(codes, values), target).backward()
            optimizer.step()
        net.eval()
        return float(cross_entropy(net(codes, values), target).detach())


def test_a_softmax_before_cross_entropy_stalls_at_its_floor() -> None:
    assert math.log(1 + 6 / math.e) == pytest.approx(FLOOR)
    assert FLOOR <= _trained(softmax=True) < FLOOR + 0.2
    assert _trained(softmax=False) < 0.2


def test_numbers_as_they_are_have_their_units() -> None:
    scaled, raw = (TutorialNet(COVERTYPE, raw=each) for each in (False, True))
    score = torch.ones(len(NUMBERS))
    assert torch.equal(score * scaled.sd + scaled.mean, score)
    assert torch.allclose(score * raw.sd + raw.mean, torch.tensor([sum(each) for each in NUMBERS.values()]))


@pytest.mark.parametrize("beside", ["none", "wide-one-hot", "wide-embedded", "cross"])
def test_every_published_network_gives_probabilities(beside: str) -> None:
    net = TutorialNet(COVERTYPE, beside=beside, softmax=True).eval()
    found = net(torch.tensor([[1, 40], [4, 1]]), torch.zeros(2, len(NUMBERS)))
    assert torch.allclose(found.sum(1), torch.ones(2))


def test_dropout_without_training_is_always_on_in_the_torch_of_today() -> None:
    """The published forward calls ``F.dropout`` so: in evaluation, too, three of four numbers are dropped."""
    with torch_stream(0, "init"):
        net = EmbeddingNet(RATINGS, dropout=SHARE, hidden_dropout=SHARE, start=1.0).eval()
    pairs = torch.tensor([[1, 2], [3, 4], [5, 8]])
    rows = Part((pairs, torch.zeros(3, 0)), torch.zeros(3))
    first, _, _, last = net.layers
    with torch.no_grad(), torch_stream(0, "watching"):
        vectors = torch.cat([net.users(pairs[:, 0]), net.items(pairs[:, 1])], 1)
        hidden = dropout(first(dropout(vectors, SHARE)).relu(), SHARE)
        published = within(last(hidden), net.bounds)
    assert torch.equal(left_on(net, rows), published)
    with torch.no_grad():
        assert not torch.allclose(net(*rows.inputs), published)
    assert not any(each.training for each in net.modules())


def test_the_dot_product_of_the_notes_leaves_a_new_film_its_first_factors() -> None:
    """So it is predicted as a little, which is nearer to a rating than the 0 of a film without factors."""
    with torch_stream(0, "init"):
        net = NotesDot(RATINGS).eval()
        with torch.no_grad():
            net.users.weight[1:] = 0.3
            net.items.weight[1:] = 0.25  # 50 · 0.3 · 0.25 = 3.75
    pairs, none = torch.tensor([[1, 2], [2, 3], [3, 0]]), torch.zeros(3, 0)
    new = float(net(pairs, none)[2].detach())
    assert 0.2 < new < 0.6
    seen = _Seen(net, Part((pairs, none), torch.tensor([3.75, 3.75, 4.0])))
    ErrorByEpoch().at_evaluation(seen)  # type: ignore[arg-type]
    ErrorByEpoch().at_end(seen)  # type: ignore[arg-type]
    found = (seen.logged[name] for name in (SHARE_NEW, KNOWN, NEW, ERROR, ZERO))
    assert [*found] == pytest.approx([1 / 3, 0.0, (4 - new) ** 2, (4 - new) ** 2 / 3, 16 / 3], abs=1e-5)


class _Seen:
    """What a callback sees of the end of an epoch."""

    epoch = 2.0

    def __init__(self, net: torch.nn.Module, rows: Part) -> None:
        self._net, self._rows = net, rows
        self.logged: dict[str, float] = {}

    def model(self) -> torch.nn.Module:
        return self._net

    def test_rows(self) -> Part:
        return self._rows

    def log(self, name: str, value: float) -> None:
        self.logged[name] = value


def test_a_metric_that_is_never_reset_averages_over_the_evaluations_before() -> None:
    """The published accuracies of three evaluations are of counts that were added up; alone, the later ones differ."""
    own = {"first": 168_396, "Adam": 337_427 - 168_396, "dropout 0.5": 504_226 - 337_427}
    printed, right, rows = [], 0, 0
    alone: dict[str, float] = {}
    target = torch.zeros(PUBLISHED_ROWS, dtype=torch.int64)
    for name, count in own.items():
        logits = torch.zeros(PUBLISHED_ROWS, 2)
        logits[:count, 0], logits[count:, 1] = 1.0, 1.0
        right, rows = right + int((logits.argmax(1) == target).sum()), rows + PUBLISHED_ROWS
        printed.append(round(100 * right / rows, 3))
        alone |= {name: 100 * evaluate(logits, target, ClassTarget(2), ["accuracy"])["accuracy"]}
    assert printed == [46.388, 46.475, 46.3]
    assert {name: round(each, 2) for name, each in alone.items()} == {
        "first": 46.39,
        "Adam": 46.56,
        "dropout 0.5": 45.95,
    }
