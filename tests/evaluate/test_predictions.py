"""Outputs on all rows: same bits however often, and the model as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steepest.errors import OptionError
from steepest.evaluate.outputs import CPU_BYTES, batch_size_for, predict


def _model() -> nn.Module:
    torch.nn.init.normal_((linear := nn.Linear(6, 3)).weight, generator=torch.Generator().manual_seed(0))
    return nn.Sequential(nn.BatchNorm1d(6), linear, nn.Dropout(0.5))


def test_predictions_are_those_of_evaluation_mode_and_repeat():
    model, rows = _model(), torch.linspace(-1.0, 1.0, 60).reshape(10, 6)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    first = predict(model, (rows,), batch_size=4)
    assert torch.equal(first, predict(model, (rows,), batch_size=4))
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    model.eval()
    torch.testing.assert_close(first, model(rows).detach())
    assert not first.requires_grad


def test_the_mode_of_every_module_is_restored_also_after_an_error():
    model = _model()
    model[0].eval()
    modes = [each.training for each in model.modules()]
    predict(model, (torch.zeros(3, 6),))
    assert [each.training for each in model.modules()] == modes
    with pytest.raises(RuntimeError):
        predict(model, (torch.zeros(3, 5),))
    assert [each.training for each in model.modules()] == modes


@pytest.mark.parametrize(("rows", "batch_size", "message"), [(0, 4, "no rows"), (3, 0, "batch size of 0")])
def test_errors(rows, batch_size, message):
    with pytest.raises(OptionError, match=message):
        predict(_model(), (torch.zeros(rows, 6),), batch_size=batch_size)


class Wide(nn.Module):
    """A call returns ``numbers`` float32 values a row on its way, and a table that does not grow with the rows."""

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self.numbers = numbers
        self.table = nn.Parameter(torch.zeros(1000, 50))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        assert self.table.t().shape == (50, 1000)
        return rows.new_zeros(len(rows), self.numbers)


@pytest.mark.parametrize(
    ("numbers", "size"),
    [
        (1, 65_536),
        (16, 65_536),
        (17, 32_768),
        (64, 16_384),
        (1024, 1024),
        (1 << 14, 64),
        (1 << 20, 64),
    ],
)
def test_a_batch_is_as_large_as_its_temporaries_allow(numbers, size):
    rows = torch.zeros(300, 3)
    assert batch_size_for(Wide(numbers), (rows,)) == size
    assert size == 64 or numbers * 4 * size <= CPU_BYTES
    assert size == 65_536 or numbers * 4 * size * 2 > CPU_BYTES


def test_the_batch_depends_on_the_model_and_the_rows_shape_alone():
    model = _model().eval()
    rows = torch.rand(5000, 6)
    sizes = {batch_size_for(model, (rows[:n],)) for n in (257, 1000, 5000)}
    assert len(sizes) == 1
    assert batch_size_for(model, (rows[:64],)) == 64


def test_many_batches_give_what_one_gives():
    model, rows = _model(), torch.linspace(-1.0, 1.0, 6 * 1000).reshape(1000, 6)
    whole = predict(model, (rows,))
    assert torch.equal(whole, predict(model, (rows,)))
    pieces = predict(model, (rows,), batch_size=64)
    assert pieces.shape == whole.shape == (1000, 3)
    torch.testing.assert_close(pieces, whole)
    again = [predict(model, (rows[at : at + 64],), batch_size=64) for at in range(0, 1000, 64)]
    assert torch.equal(torch.cat(again), pieces)
