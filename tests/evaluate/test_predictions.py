"""Outputs on all rows: same bits however often, and the model as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from steepest.errors import OptionError
from steepest.evaluate.predictions import predict


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
