"""Networks that steepest has saved, as what a transformer begins with; and what is said where nothing is begun with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from steepest.cli import main
from steepest.components.identity.weights import of_weights
from steepest.data.dataset import Shape, TargetScale
from steepest.data.sources.opening import open_source
from steepest.data.texts.tokenizers import load_tokenizer
from steepest.errors import DataError, ModelError
from steepest.models import build_model, implied
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.train.drawn import begins_trained
from tests.texts.test_folders_of_models import TEXT
from tests.texts.test_transformer import shape

MODEL = "transformer(width=8, layers=1, heads=2, kv_heads=1, eps=0.01)"


def saved(folder: Path, way: str = "", *, apart: bool = False, tokenizer: str | None = None) -> TrainedModel:
    """A network of texts, moved away from its first weights, as a comparison saves it."""
    data, pipeline = open_source([TEXT], reader="text", block=16, tokenizer=tokenizer).make(0)
    net = build_model(MODEL, data.shape, seed=3)
    written = str(net.self_contained)
    net = build_model(MODEL, data.shape, seed=3, finetune=way)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for each in net.parameters():
            if each.requires_grad:
                each += 0.3 * torch.randn(each.shape, generator=draw)
    trained = {"seed": 3, "factors": {"finetune": way or "full", "model": MODEL}}
    about = About(written, data.shape, (), data.target, TargetScale(), trained)
    found = TrainedModel(net, about, pipeline)
    found.save(folder, apart=apart)
    return found


def tokens() -> Tensor:
    return torch.arange(32).reshape(2, 16) % 257


@pytest.mark.parametrize("way", ["", "last(1)", "lora(2)", "dora(2)"])
def test_a_saved_network_is_a_start_with_its_weights(way: str, tmp_path: Path) -> None:
    """With what adapters add merged into its layers, also where the base is stored apart."""
    if "(2)" in way:
        pytest.importorskip("peft")
    model = saved(tmp_path / "run/model", way)
    net = build_model(f"transformer(start={tmp_path / 'run/model'})", model.about.shape, seed=9).eval()
    assert not any("lora" in name for name, _ in net.named_parameters())
    torch.testing.assert_close(net(tokens()), model.net(tokens()), rtol=1e-5, atol=1e-6)
    assert net.self_contained == model.about.model


def test_an_arm_whose_base_is_stored_apart_is_a_start(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("peft")
    monkeypatch.setattr("steepest.finetuning.frozen.LEAST", 1)
    model = saved(tmp_path / "run/arms/0f31", "lora(2)", apart=True)
    assert (tmp_path / "run/frozen").is_dir()
    net = build_model(f"transformer(start={tmp_path / 'run/arms/0f31'})", model.about.shape).eval()
    torch.testing.assert_close(net(tokens()), model.net(tokens()), rtol=1e-5, atol=1e-6)


def test_a_saved_network_brings_its_tokenizer(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    model = saved(tmp_path / "model", tokenizer="bpe(270)")
    start = f"transformer(start={tmp_path / 'model'})"
    assert implied([start], {}) == {"tokenizer": str(tmp_path / "model")}
    data, pipeline = open_source([TEXT], reader="text", block=16, **implied([start], {})).make(0)
    assert pipeline.tokenizer.to_dict() == model.pipeline.tokenizer.to_dict()
    assert build_model(start, data.shape)(data.train.inputs[0][:1]).shape == (1, 16, 270)


def test_the_identity_of_a_saved_network_is_its_weights_and_sizes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        saved(tmp_path / name)
    about = json.loads((tmp_path / "two/model.json").read_text())
    (tmp_path / "two/model.json").write_text(
        json.dumps({**about, "trained": {**about["trained"], "minutes": 3}})
    )
    assert of_weights(tmp_path / "one") == of_weights(tmp_path / "two") != ""
    (tmp_path / "two/model.json").write_text(
        json.dumps({**about, "model": about["model"].replace("eps=0.01", "eps=0.1")})
    )
    assert of_weights(tmp_path / "one") != of_weights(tmp_path / "two")


def test_what_is_no_start_says_what_is_one(tmp_path: Path) -> None:
    saved(tmp_path / "run/model")
    start = "transformer(start={})"
    with pytest.raises(ModelError, match=r"neither config\.json") as error:
        implied([start.format(tmp_path / "run")], {})  # before its tokenizer is looked for
    assert f"start={(tmp_path / 'run/model').as_posix()}" in error.value.hint
    with pytest.raises(ModelError, match="a network that steepest has saved") as error:
        build_model(f"hf:{tmp_path / 'run/model'}", shape(257))
    assert "'transformer(start=" in error.value.hint
    path = tmp_path / "run/model/model.json"
    about = json.loads(path.read_text())
    for changes, fact in (
        ({"model": "hf:somewhere"}, "is hf:somewhere, and start reads a transformer"),
        ({"fields": []}, "which is of no texts"),
        ({"outputs": None}, "cannot read"),
    ):
        path.write_text(json.dumps({**about, **changes}))
        with pytest.raises(ModelError, match=fact):
            build_model(start.format(tmp_path / "run/model"), shape(257))
    path.write_text(json.dumps(about))
    (tmp_path / "run/model/model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be read"):
        build_model(start.format(tmp_path / "run/model"), shape(257))
    (tmp_path / "run/model/pipeline.json").write_text("{}")
    with pytest.raises(DataError, match="has no tokenizer that can be read"):
        load_tokenizer(tmp_path / "run/model")


def loaded(given: Shape) -> torch.nn.Module:
    """A model of the user's own with weights from somewhere, and a new head."""
    net = build_model("mlp(hidden=(8, 8))", given, seed=5)
    torch.nn.init.normal_(next(each for each in reversed([*net.parameters()]) if each.dim() > 1))
    return net


def drawn(given: Shape) -> torch.nn.Module:
    """One whose weights are drawn anew."""
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Linear(8, 1))


@pytest.mark.parametrize(
    ("model", "trained"),
    [("transformer", False), ("transformer(start=a)", True), ("hf:a", True), (drawn, False), (loaded, True)],
)
def test_what_begins_with_weights_from_somewhere_is_known(model, trained) -> None:
    assert begins_trained(model, Shape("regression", {}, ("x", "z"), 1)) is trained


def test_fine_tuning_of_a_saved_network_from_the_command_line(tmp_path: Path, monkeypatch, capfd) -> None:
    """It reads the text by the network's tokenizer, begins with its loss, and has something to forget."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "run/model")
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "b.txt").write_text(TEXT.upper())
    command = ["compare", "b.txt", "--kind", "text", "--block", "16", "--also", "a.txt", "--finetune", "head"]
    command += [
        "--model",
        "transformer(start=run/model)",
        "-o",
        "adam(lr=0.01)",
        "--seeds",
        "1",
        "--epochs",
        "1",
    ]
    assert main([*command, "--compile", "off", "--baseline", "none", "--out", "out"]) == 0
    assert "drawn at random" not in capfd.readouterr().err
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "what a network has forgotten of the other text. No choice" in page
    before = json.loads((tmp_path / "out/results.json").read_text())["texts"]["other"][0]["before"]
    scored = TrainedModel.load(tmp_path / "run/model").predict(tmp_path / "a.txt").scores
    assert before == pytest.approx(scored["token_loss"].value, abs=1e-5)
