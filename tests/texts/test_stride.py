"""Windows that overlap: every token is scored once, from as much context as is said, by a plain loop's numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.data.sources.opening import open_source
from steepest.data.texts.blocks import blocks_of, without_overlap
from steepest.data.texts.vocabulary import IGNORE
from steepest.evaluate.metrics import evaluate
from steepest.evaluate.outputs import outputs_on
from steepest.experiment.folder import load_comparison
from steepest.models import build_model
from steepest.objectives.target import target_of
from steepest.record.store import Folder
from steepest.rng import stream

DOCUMENTS = [f"{'ab ' * (1 + i % 7)}\nline {i} ends" for i in range(30)]
MODEL = "transformer(width=8, layers=1, heads=2)"
BLOCK = 8


def opened(layout: str, stride: int | None):
    return open_source(DOCUMENTS, reader="text", block=BLOCK, layout=layout, stride=stride)


def plain_loss(net: torch.nn.Module, streams: list[list[int]], window: int, stride: int) -> tuple[float, int]:
    """Nats and tokens, one by one: each from the first window that holds it; they begin at multiples of the stride."""
    nats, tokens = 0.0, 0
    for tokens_of in streams:
        for place in range(1, len(tokens_of)):
            begin = 0
            while place - begin > window:
                begin += stride
            logits = net(torch.tensor([tokens_of[begin:place]]))[0, -1].tolist()
            nats += math.log(sum(map(math.exp, logits))) - logits[tokens_of[place]]
            tokens += 1
    return nats, tokens


def streams_of(source, layout: str) -> list[list[int]]:
    texts = [list(each.encode()) for each in source._texts[0]["test"]]
    if layout == "lines":
        return [[256, *each, 256] for each in texts]
    return [[token for each in texts for token in (256, *each)] + [256]]


@pytest.mark.parametrize("stride", [1, 3, 5, BLOCK, None])
@pytest.mark.parametrize("layout", ["packed", "lines"])
def test_perplexity_is_that_of_a_plain_loop(layout, stride):
    source = opened(layout, stride)
    data, _ = source.make(0)
    net = build_model(MODEL, data.shape).double().eval()
    with torch.no_grad():
        for each in net.parameters():
            each.mul_(20.0)  # so that what is before a token matters
        nats, tokens = plain_loss(net, streams_of(source, layout), BLOCK, stride or BLOCK)
    target = target_of(data)
    kept = outputs_on(net, data.test, target)
    assert int(kept[:, 2].sum()) == tokens
    found = evaluate(kept, data.test.target, target, ["token_loss", "perplexity"], data.test.weights)
    assert found == pytest.approx(
        {"token_loss": nats / tokens, "perplexity": math.exp(nats / tokens)}, rel=1e-9
    )


def test_more_context_gives_other_numbers():
    """So that the numbers above cannot be right by chance."""
    found = []
    for stride in (1, BLOCK):
        data, _ = opened("packed", stride).make(0)
        net = build_model(MODEL, data.shape).double().eval()
        with torch.no_grad():
            for each in net.parameters():
                each.mul_(20.0)
        kept = outputs_on(net, data.test, target_of(data))
        found.append(float((kept[:, 0] * kept[:, 2]).sum() / kept[:, 2].sum()))
    assert abs(found[0] - found[1]) > 1e-3


@pytest.mark.parametrize("layout", ["packed", "lines"])
@pytest.mark.parametrize("stride", [1, 2, 7, 8])
def test_every_token_is_scored_once_with_its_context_and_padding_never(layout, stride):
    """For every length of a last window."""
    for last in range(1, 20):
        documents = [np.arange(5, 5 + size) for size in (1, 9, last)]
        found = blocks_of(documents, 0, 8, layout, stride)
        assert found.target[found.target != IGNORE].tolist() == [t for each in documents for t in [*each, 0]]
        scored = found.target != IGNORE
        assert scored.any(1).all()
        later = ~scored[:, 0]
        assert (scored[later].argmax(1) == 8 - stride).all()
        plain = blocks_of(documents, 0, 8, layout)
        again, place = without_overlap(found.inputs, found.target)
        assert np.array_equal(again.inputs, plain.inputs)
        assert np.array_equal(again.target, plain.target)
        assert (np.diff(place) >= 0).all()
        assert set(place.tolist()) <= set(range(len(plain)))


@pytest.mark.parametrize("layout", ["packed", "lines"])
def test_training_rows_do_not_depend_on_the_stride(layout):
    plain, windows = (opened(layout, stride).make(0)[0] for stride in (None, 3))
    for one, other in zip(plain.train.tensors, windows.train.tensors, strict=True):
        assert torch.equal(one, other)
    assert len(windows.test) > len(plain.test)
    assert windows.fingerprint != plain.fingerprint == opened(layout, BLOCK).make(0)[0].fingerprint


def test_evaluation_of_windows_holds_a_few_rows_of_outputs_at_a_time(monkeypatch):
    data, _ = opened("packed", 1).make(0)
    net, target = build_model(MODEL, data.shape), target_of(data)
    sizes: list[int] = []
    net.register_forward_hook(lambda module, inputs, outputs: sizes.append(len(outputs)))
    monkeypatch.setattr("steepest.evaluate.outputs.TEMPORARY_BYTES", 1 << 18)
    assert outputs_on(net, data.validation, target).shape == (len(data.validation), 5)
    assert max(sizes) < len(data.validation) / 2


@pytest.mark.parametrize("options", [["--stride", "17"], ["--stride", "0"], ["--stride", "-1"]])
def test_a_stride_that_leaves_tokens_out_is_refused(options, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the king " * 200)
    command = ["describe", str(tmp_path / "a.txt"), "--kind", "text", "--block", "16"]
    assert main([*command, *options]) == 2
    said = capsys.readouterr().err
    assert (
        "does not fit windows of 16" if options[1] == "17" else f"stride: {options[1]} is below 1"
    ) in said
    assert "Hint: " in said


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison whose test text is scored in windows that overlap."""
    where = tmp_path_factory.mktemp("stride")
    words = ["the", "king", "of", "rome", "and", "a", "queen", "love", "war", "no", "more"]
    for name, size in (("train", 600), ("validation", 60), ("test", 61)):
        (where / f"{name}.txt").write_text(" ".join(stream(size, "data").choice(words, size)))
    parts = ["--validation-file", str(where / "validation.txt"), "--test-file", str(where / "test.txt")]
    options = ["-o", "adam(lr=0.01)", "--seeds", "1", "--epochs", "1", "--compile", "off", "--device", "cpu"]
    command = [
        "compare",
        str(where / "train.txt"),
        "--kind",
        "text",
        *parts,
        "--model",
        MODEL,
        "--block",
        "16",
    ]
    assert main([*command, *options, "--stride", "4", "--out", str(where / "run"), "--quiet"]) == 0
    return where


def test_report_terminal_and_predictions_say_the_windows(done, capsys):
    found = load_comparison(Folder(done / "run"))
    assert found.scoring == "window 16, stride 4"
    assert "Tokens are scored with window 16, stride 4." in (done / "run/report.html").read_text()
    assert main(["report", str(done / "run")]) == 0
    assert "Tokens are scored with window 16, stride 4." in capsys.readouterr().out
    model = str(done / "run/model")
    for option, said in (([], "stride 4"), (["--stride", "2"], "stride 2")):
        out = ["--out", str(done / "out.csv")]
        assert main(["predict", model, str(done / "test.txt"), *out, *option]) == 0
        assert f"window 16, {said}" in capsys.readouterr().out
    assert main(["predict", model, str(done / "test.txt"), "--stride", "17"]) == 2
    assert "--stride 17 does not fit windows of 16 tokens" in capsys.readouterr().err


def test_predictions_on_the_test_text_are_the_reported_numbers(done):
    model = st.load(done / "run/model")
    scores = model.predict(done / "test.txt").scores
    assert scores["token_loss"].value == pytest.approx(model.about.trained["test"]["token_loss"], rel=1e-9)


@pytest.mark.parametrize("stride", [16, 4, 1])
def test_a_text_that_was_trained_on_is_recognised_whatever_the_stride(done, stride):
    model = st.load(done / "run/model").with_stride(stride)
    seen = model.predict(done / "train.txt").scores
    assert not seen.new
    assert seen.seen == seen.rows
    new = model.predict(done / "test.txt").scores
    assert new.new
    assert (new.seen, new.equal) == (0, 0)


def test_only_texts_have_a_stride(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i % 7}.25,{i % 3}.5\n" for i in range(60)))
    command = ["compare", str(tmp_path / "a.csv"), "--target", "y", "--model", "linear", "-o", "adam(lr=0.1)"]
    options = ["--seeds", "1", "--epochs", "1", "--compile", "off", "--out", str(tmp_path / "run"), "--quiet"]
    assert main([*command, *options, "--kind", "table", "--stride", "4"]) == 2
    assert "stride" in capsys.readouterr().err
    assert main([*command, *options, "--baseline", "none"]) == 0
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "a.csv"), "--stride", "4"]) == 2
    assert "--stride 4 has no effect" in capsys.readouterr().err


@pytest.mark.parametrize("stride", [16, 4])
def test_rows_that_a_run_left_out_are_the_comparisons_own_whatever_the_stride(done, stride, tmp_path):
    """Trained on half of the rows: the others are no new text either."""
    names = ("train", "validation", "test")
    parts = {name: str(done / f"{name}.txt") for name in names[1:]}
    data = st.open_source(str(done / "train.txt"), reader="text", block=16, stride=stride, **parts)
    options = {"model": MODEL, "optimizers": ["adam(lr=0.01)"], "epochs": 1, "seeds": 1, "baseline": "none"}
    st.compare(data, tmp_path / "run", train_rows=[0.5], **options)
    model = st.load(tmp_path / "run/model")
    assert model.seen is not None
    counts = {name: int(getattr(model.seen, name).sum()) for name in ("trained", "tested", "unused")}
    rows = {part: -(-len((done / f"{part}.txt").read_bytes() + b"\n") // 16) for part in names}
    assert counts["tested"] == rows["test"]
    assert counts["trained"] == round(rows["train"] / 2) + rows["validation"]
    assert counts["trained"] + counts["tested"] + counts["unused"] == sum(rows.values())
