"""A given state dict is evaluated beside the networks of a study, and nothing else in its file is run."""

from __future__ import annotations

import json
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from steepest.cli import main
from steepest.errors import OptionError
from steepest.studies.base.data import all_digits
from steepest.studies.base.given_network import dense_network, read_state, standardised_test
from steepest.studies.base.plain import standardised
from steepest.studies.mnist_benchmark import EVALUATED, MnistBenchmark, batch_mean


def trained(hidden: int = 32) -> nn.Sequential:
    """A network that has learned the bundled digits."""
    torch.manual_seed(0)
    x, y = standardised(all_digits(bundled=True))
    net = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 10))
    rule = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(100):
        rule.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        rule.step()
    return net


def test_a_given_network_is_measured_on_the_test_digits(tmp_path):
    net, data, file = trained(), all_digits(bundled=True), tmp_path / "net.safetensors"
    safetensors.torch.save_file(net.state_dict(), file)
    [measure] = MnistBenchmark(str(file)).measurements("quick").values()
    found = measure(data)
    x, y = standardised_test(data)
    right = (net(x).argmax(1) == y).double()
    assert found["accuracy"] == float(right.mean()) > 0.8
    assert found["by_batch"] == batch_mean(right, EVALUATED)
    assert found["loss"] == pytest.approx(float(nn.functional.cross_entropy(net(x), y).detach()), rel=1e-6)


def test_layers_are_found_by_their_numbers():
    net = nn.Sequential(*[nn.Linear(4, 4) for _ in range(12)], nn.Linear(4, 2))
    state = {name: net.state_dict()[name] for name in sorted(net.state_dict())}  # 10 stands before 2
    built = dense_network({f"layers.{name}": each for name, each in state.items()}, 4, 2)
    assert torch.equal(built[2].weight, net[1].weight)
    assert torch.equal(built[-1].bias, net[-1].bias)


class Runs:
    """What a pickle that runs code looks like."""

    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps(Runs()), "is no file of safetensors"),
        (b"", "is no file of safetensors"),
        (b"no tensors", "is no file of safetensors"),
        (None, "there is no file"),
    ],
)
def test_what_is_no_state_dict_is_refused(content, said, tmp_path, capsys):
    file = tmp_path / "net.safetensors"
    if content is not None:
        file.write_bytes(content)
    assert (
        main(["study", f"mnist-benchmark(state_dict={file})", "--quick", "--out", str(tmp_path / "out")]) == 2
    )
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Hint:" in shown.err
    assert "run" not in shown.out
    assert not (tmp_path / "out").exists()


def test_another_network_is_refused_with_its_shapes(tmp_path):
    file = tmp_path / "net.safetensors"
    safetensors.torch.save_file(nn.Linear(5, 3).state_dict(), file)
    with pytest.raises(OptionError, match="not dense layers from 64 inputs to 10 outputs"):
        dense_network(read_state(file), 64, 10)


@pytest.mark.slow
def test_its_numbers_stand_beside_the_published_ones(tmp_path, capsys):
    safetensors.torch.save_file(trained().state_dict(), tmp_path / "net.safetensors")
    text = f"mnist-benchmark(state_dict={tmp_path / 'net.safetensors'})"
    assert main(["study", text, "--quick", "--json", "--quiet", "--out", str(tmp_path / "out")]) == 0
    beside = json.loads(capsys.readouterr().out)["beside"]
    assert any(each["what"].startswith("the given network, net.safetensors") for each in beside)
