"""Frozen parameters in a file of their own: the same bytes for all, tied ones once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from steepest.errors import FolderError
from steepest.finetuning import frozen
from steepest.record.store import Folder
from steepest.train.weights import held_names


@pytest.fixture
def tied() -> nn.Module:
    net = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 3), nn.Linear(3, 5, bias=False))
    net[2].weight = net[0].weight
    net[0].weight.requires_grad_(False)
    return net


def test_what_is_read_is_what_was_written(
    tmp_path: Path, tied: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    state = {name: each.clone() for name, each in tied.state_dict().items()}  # as a run keeps them
    whole = folder.write_tensors("checkpoints/a", state, {"seed": "0"}, held_names(tied)).read_bytes()
    assert not (tmp_path / "frozen").exists()  # it is small
    monkeypatch.setattr(frozen, "LEAST", 1)
    for name in ("checkpoints/a", "checkpoints/b"):
        content = folder.write_tensors(name, state, {"seed": "0"}, held_names(tied)).read_bytes()
        assert len(content) < len(whole)
        tensors, about = folder.read_tensors_about(name)
        assert about == {"seed": "0"}
        assert {*tensors} == {*state}
        assert all(torch.equal(each, state[name]) for name, each in tensors.items())
    [path] = (tmp_path / "frozen").iterdir()
    folder.remove("checkpoints/a.safetensors")
    folder.forget_unused()
    assert path.is_file()
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"x")
    with pytest.raises(FolderError, match="is damaged"):
        folder.read_tensors("checkpoints/b")
    folder.write_tensors("checkpoints/b", state, None, held_names(tied))
    assert path.read_bytes() == before
    folder.remove("checkpoints/b.safetensors")
    folder.forget_unused()
    assert not path.exists()
