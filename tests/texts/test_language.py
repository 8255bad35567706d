"""A comparison on texts from the command line: what is trained, judged, written and refused."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

import steepest as st
from steepest.cli import main
from steepest.data.batches import BatchPlan
from steepest.data.options import TableOptions
from steepest.data.sources.text import TextData
from steepest.data.texts import bpe
from steepest.data.variants import Variant
from steepest.errors import DataError, OptionError
from steepest.experiment.folder import load_comparison
from steepest.models import build_model
from steepest.recipe import Recipe
from steepest.record.store import TEST_PREDICTIONS, Folder
from steepest.regularizers import registry as regularizers
from steepest.regularizers.check import check_regularizers
from steepest.rng import stream
from steepest.train.problem import problem_of

SMALL = "transformer(width=8, layers=1, heads=2)"
SHORT = [
    "--block",
    "16",
    "--seeds",
    "2",
    "--epochs",
    "2",
    "--batch-size",
    "16",
    "--compile",
    "off",
    "--device",
    "cpu",
]


def written(folder: Path, documents: int = 14) -> Path:
    """Write documents of a few words."""
    folder.mkdir(parents=True)
    words = ["the", "king", "of", "rome", "and", "a", "queen", "love", "war", "no", "more"]
    for i in range(documents):
        draw = stream(0, "data", i)
        lines = [" ".join(draw.choice(words, 6)) for _ in range(5)]
        (folder / f"{i:02}.txt").write_text("\n".join(lines) + "\n")
    return folder


def two_arms(texts: Path) -> list[str]:
    """The command that compares two optimizers on texts."""
    command = ["compare", str(texts), "--kind", "text", "--model", SMALL]
    return [*command, "-o", "adam(lr=0.01)", "-o", "sgd(lr=0.1)"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of two optimizers, with texts of its own beside it."""
    where = tmp_path_factory.mktemp("language")
    texts = written(where / "texts")
    (where / "other.txt").write_text("love no more queen\n" * 30)
    command = two_arms(texts)
    also = ["--also", str(where / "other.txt")]
    assert main([*command, *SHORT, *also, "--out", str(where / "done"), "--quiet"]) == 0
    return where / "done"


@pytest.fixture
def source(tmp_path: Path) -> TextData:
    """Texts in rows of 16 tokens."""
    return TextData(written(tmp_path / "texts"), TableOptions(block=16))


@pytest.mark.parametrize("of", ["", "baselines/bigram"])
def test_networks_of_texts_are_for_no_other_program(done, of, capsys):
    """The reason is said, of baselines too."""
    assert main(["export", str(done / of), "--format", "torch"]) == 2
    said = capsys.readouterr().err
    assert "the rows of 'next token' are not prepared as a table" in said
    assert "Hint: predict with steepest" in said


def test_fewer_rows_of_a_text_are_some_of_all(source):
    """Drawn and nested as those of tables; what they are judged on stays."""
    whole, _ = source.make(0)
    few, more = (source.vary(Variant(rows))[0] for rows in ("0.1", "0.3"))
    every, some, half = ({tuple(row) for row in each.train.inputs[0].tolist()} for each in (whole, few, more))
    assert some < half < every
    assert len(few.train) == round(0.1 * len(whole.train)) == few.provenance["rows"]["train"]
    assert few.provenance["tokens"]["train"] == int((few.train.target >= 0).sum())
    assert torch.equal(few.test.inputs[0], whole.test.inputs[0])
    assert len({each.fingerprint for each in (whole, few, more)}) == 3
    assert few.notes[-1].text.startswith("10 % of the training rows: ")
    drawn, _ = source.vary(Variant("run:20"))
    one, other = (drawn.training(seed) for seed in (0, 1))
    assert len(one) == len(other) == 20
    assert not torch.equal(one.inputs[0], other.inputs[0])
    assert source.vary(Variant(str(len(whole.train))))[0].fingerprint == whole.fingerprint


@pytest.mark.parametrize(
    ("variant", "what"),
    [
        (Variant("5"), "5 training rows are too few"),
        (Variant("100000"), "100,000 is more than the"),
        (Variant(labels="noise(0.1)"), "whose target is its next token"),
        (Variant(prepare="none"), "have no effect on a text"),
    ],
)
def test_variants_that_a_text_does_not_have_are_refused(source, variant, what):
    with pytest.raises(OptionError, match=what):
        source.vary(variant)


def test_shares_of_a_text_are_compared(tmp_path):
    texts = written(tmp_path / "texts")
    command = ["compare", str(texts), "--kind", "text", "--model", SMALL, "-o", "adam(lr=0.01)"]
    shares = ["--train-rows", "0.2", "--train-rows", "all", "--epochs", "1"]
    assert main([*command, *SHORT, *shares, "--out", str(tmp_path / "run"), "--quiet"]) == 0
    found = load_comparison(Folder(tmp_path / "run"))
    loss = {row.name: row.metrics["token_loss"].mean for row in found.rows if row.kind != "baseline"}
    assert len(loss) == 2
    assert loss["all rows"] < loss["20 % of the rows"]


def test_a_comparison_of_texts_is_judged_by_its_tokens(done):
    found = load_comparison(Folder(done))
    assert (found.task, found.target, found.metric) == ("language", "next token", "token_loss")
    assert {"uniform", "unigram", "bigram"} == {row.name for row in found.rows if row.kind == "baseline"}
    for row in found.rows:
        loss, power = (row.metrics[name] for name in ("token_loss", "perplexity"))
        assert (power.ends is None) is (loss.ends is None)
        assert [math.log(each) for each in (power.mean, *(power.ends or ()))] == pytest.approx(
            [loss.mean, *(loss.ends or ())], abs=1e-9
        )
    uniform = next(row for row in found.rows if row.name == "uniform")
    assert uniform.metrics["token_loss"].mean == pytest.approx(5.549, abs=1e-3)
    assert uniform.metrics["perplexity"].mean == pytest.approx(257, rel=1e-5)
    for row in found.rows:
        if row.kind == "arm":
            values = row.metrics
            assert values["perplexity"].mean == pytest.approx(
                2.718281828 ** values["token_loss"].mean, rel=1e-2
            )
    rows = pl.read_parquet(done / TEST_PREDICTIONS)
    assert rows["target"].dtype == pl.String
    assert rows["loss_per_token"].dtype == pl.Float64


def test_a_run_of_a_text_has_its_tokens_and_their_pace(done):
    """All steps of two epochs score every training token twice."""
    records = [each for each in Folder(done).records() if each.key.phase == "final"]
    source = st.open_source(done.parent / "texts", reader="text", block=16)
    tokens = source.make(0)[0].provenance["tokens"]["train"]
    assert {each.tokens for each in records} == {2.0 * tokens}
    for row in load_comparison(Folder(done)).rows:
        assert (row.tokens_a_second is None) is (
            row.kind == "baseline" or row.train_seconds != row.train_seconds
        )
        assert row.tokens_a_second is None or row.tokens_a_second > 0
    head = (done / "results.csv").read_text().splitlines()[0]
    assert "tokens_a_second" in head
    assert "training tokens a second" in (done / "report.html").read_text(encoding="utf-8")


def test_another_text_is_measured_before_the_first_stage_of_a_procedure(done, tmp_path):
    command = [
        "compare",
        str(done.parent / "texts"),
        "--kind",
        "text",
        "--model",
        SMALL,
        "-o",
        "adam(lr=0.01)",
    ]
    command += [
        *SHORT,
        "--also",
        str(done.parent / "other.txt"),
        "--procedure",
        "prune(0.3)",
        "--no-controls",
    ]
    assert main([*command, "--out", str(tmp_path / "x"), "--quiet"]) == 0

    def before(folder):
        records = [each for each in Folder(folder).records() if each.also_before and each.key.seed == 0]
        return records[0].also_before["token_loss"]

    assert before(tmp_path / "x") == before(done)


def test_another_text_is_measured_before_and_after_and_samples_are_kept(done):
    """With the very numbers that prediction gives, and the same beginning for all."""
    found = load_comparison(Folder(done)).texts
    assert [each.arm for each in found.samples] == ["adam(lr=0.01)", "sgd(lr=0.1)"]
    assert found.samples[0].before == found.samples[1].before != found.samples[0].after
    [adam] = [each for each in found.other if (each.arm, each.metric) == ("adam(lr=0.01)", "token_loss")]
    assert adam.before == pytest.approx(5.55, abs=0.05)
    assert adam.after - adam.before == pytest.approx(sum(adam.changes) / 2)
    record = next(each for each in Folder(done).records() if each.also_after and "adam" in each.key.name)
    assert record.also_after["perplexity"] == pytest.approx(math.exp(record.also_after["token_loss"]))
    page = (done / "report.html").read_text(encoding="utf-8")
    assert found.prompt in page
    assert "so they had nothing to forget" in page
    assert "has forgotten of the other text" not in page


def test_it_is_said_whose_sample_is_written(done, tmp_path, capsys):
    """With large models it takes a while."""
    again = shutil.copytree(done, tmp_path / "again")
    assert main(["resume", str(again)]) == 0
    said = capsys.readouterr().err
    places = [said.index(f"writing a sample: {arm}") for arm in ("adam(lr=0.01)", "sgd(lr=0.1)")]
    assert said.index("writing the report") < places[0] < places[1]


def test_a_saved_model_scores_a_new_text_and_goes_on_with_one(done, tmp_path, capsys):
    other = tmp_path / "other.txt"
    other.write_text("the queen of rome\nand no more war\n" * 60)
    assert main(["predict", str(done / "model"), str(other), "--out", str(tmp_path / "found.csv")]) == 0
    said = capsys.readouterr()
    assert re.search(r"loss per token\s+[0-9.]+", said.out)
    assert "weighted" not in said.out + said.err
    assert pl.read_csv(tmp_path / "found.csv").columns == ["loss_per_token"]
    model = st.load(done / "model")
    known = model.predict(other).scores
    loss, by_word = known["token_loss"], known["word_perplexity"]
    for end in ("low", "value", "high"):
        assert getattr(known["perplexity"], end) == pytest.approx(math.exp(getattr(loss, end)))
    assert by_word.low * by_word.high == pytest.approx(by_word.value**2)
    assert by_word.low < by_word.value < by_word.high
    one, again = (st.generate(model, "the ", tokens=20, seed=1) for _ in range(2))
    assert one == again
    assert (one.tokens == 20) is not one.ended
    assert main(["generate", str(done / "model"), "the ", "--tokens", "20", "--seed", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == one.text
    assert main(["generate", str(done / "model"), "caf\udce9", "--tokens", "2"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("caf�")
    assert said.err.startswith("1 half of a surrogate pair")
    assert f"written by {model.title}" in said.err
    greedy = st.generate(model, "the ", tokens=5, temperature=0, seed=7)
    assert greedy.text == st.generate(model, "the ", tokens=5, temperature=0, seed=8).text
    baseline = st.generate(done / "baselines" / "bigram", "the ", tokens=5)
    assert baseline.tokens <= 5


def test_a_folder_goes_on_to_the_same_bits(done, tmp_path):
    """What was killed before its last runs ends as what was not."""
    texts, again = done.parent / "texts", tmp_path / "again"
    command = two_arms(texts)
    command += ["--also", str(done.parent / "other.txt"), "--out", str(again), "--quiet"]
    assert main([*command, *SHORT[:2], "--seeds", "1", *SHORT[4:]]) == 0
    assert main([*command, *SHORT]) == 0

    def values(folder: Path) -> list[tuple[str, int, float, float]]:
        records = Folder(folder).records()
        return sorted(
            (each.key.recipe, each.key.seed, each.last["token_loss"], each.curve[-1].train_loss)
            for each in records
        )

    assert values(again) == values(done)
    assert len(values(done)) >= 4


def test_a_compiled_step_is_the_eager_one(tmp_path):
    """Traced, so that it can be compiled and stacked: the suite of models says that; here its numbers."""
    from steepest.data.batches import BatchPlan
    from steepest.data.sources.opening import open_source
    from steepest.models import build_model
    from steepest.objectives import make_objective
    from steepest.objectives.target import target_of
    from steepest.train.problem import SupervisedProblem

    data, _ = open_source(written(tmp_path / "texts"), reader="text", block=16).make(0)
    net = build_model(SMALL, data.shape)
    problem = SupervisedProblem(net, make_objective("", target_of(data)), target=target_of(data))
    batch = problem.feed(data.train, BatchPlan(len(data.train), 8, 0), 0).batch(0)
    params = dict(net.named_parameters())
    outputs, _ = problem.outputs(params, {}, batch, {"dropout": torch.zeros(0, dtype=torch.int16)})
    mapped = torch.func.vmap(
        lambda weights: problem.batch_loss(torch.func.functional_call(net, weights, batch.inputs), batch)
    )({name: torch.stack([each, 2 * each]) for name, each in params.items()})
    assert torch.allclose(problem.batch_loss(outputs, batch), mapped[0])
    assert not torch.allclose(mapped[0], mapped[1])


WORKING = (
    "l1",
    "l2",
    "elastic-net",
    "dropout",
    "weight-decay",
    "max-norm",
    "gradient-noise",
    "ema",
    "swa",
    "early-stopping",
)
"""Regularizers that texts have; others are refused by name."""


@pytest.mark.parametrize("name", sorted(regularizers.names()))
def test_a_regularizer_takes_a_step_on_a_text_or_is_refused(name, tmp_path):
    data, _ = st.open_source(written(tmp_path / "texts"), reader="text", block=16).make(0)
    net = build_model(SMALL, data.shape)
    recipe = Recipe(
        data="d", model=SMALL, optimizer="adam", schedule="cosine", steps=2, batch_size=8, regularizer=name
    )
    if name not in WORKING:
        with pytest.raises(OptionError, match=name):
            check_regularizers(name, net, data, ())
        return
    check_regularizers(name, net, data, ())
    problem = problem_of(net, data, recipe)
    batch = problem.feed(data.train, BatchPlan(len(data.train), 8, 0), 0).batch(0)
    assert bool(problem.loss(batch).isfinite())


TOO_SHORT = "a few words"
MALFORMED = {
    "an empty file": ({"a.txt": b""}, [], "holds no text"),
    "spaces only": ({"a.txt": b" \n\t\n"}, [], "holds no text"),
    "binary": ({"a.txt": b"\x7fELF\x00\x01"}, [], "is no text: byte 4 is 0"),
    "another encoding": ({"a.txt": "caf\xe9 ".encode("latin-1") * 50}, [], "is not UTF-8: byte 3 is 0xe9"),
    "a wrong encoding": ({"a.txt": "é".encode() * 9}, ["--encoding", "ascii"], "is not ascii: byte 0 is 0xc3"),
    "UTF-16 without its mark": ({"a.txt": "the king ".encode("utf-16-le") * 9}, [], "--encoding utf-16-le"),
    "one short document": ({"a.txt": TOO_SHORT.encode()}, [], "training needs at least 2 rows"),
    "one token": ({"a.txt": b"a"}, [], "has 2 tokens, which are 1 row of 16"),
    "other files in a folder": ({"a.pdf": b"x", "b.png": b"x"}, [], "has no text files"),
    "no text file in a folder": ({"a.png": b"x"}, [], "has no text files"),
    "an empty folder": ({}, [], "has no text files"),
    "no file": (None, [], "there is no file"),
    "lines that are no JSON": ({"a.jsonl": b'{"text": "a"}\nb\n'}, [], "line 2 of a.jsonl is no JSON"),
    "JSON that is no object": ({"a.jsonl": b"[1]\n"}, [], "line 1 of a.jsonl is a list"),
    "a missing field": ({"a.jsonl": b'{"story": "a"}\n'}, [], "has no field 'text'; texts are in story"),
    "a field that is no text": ({"a.jsonl": b'{"text": 3}\n'}, [], "has 3 in its field 'text', which is no text"),
    "a field that is null": ({"a.jsonl": b'{"text": "a"}\n{"text": null}\n'}, [], "line 2 of a.jsonl has null in its"),
    "a cut line": ({"a.jsonl": b'{"text": "a"}\n{"text": "b\n'}, [], "line 2 of a.jsonl is no JSON"),
    "deep JSON": ({"a.jsonl": b"[" * 100_000}, [], "line 1 of a.jsonl is nested too deeply"),
    "an unknown field": ({"a.jsonl": b'{"text": "a"}\n'}, ["--field", "txt"], "has no field 'txt'; texts are in text"),
    "a field without JSON": ({"a.txt": b"a b c"}, ["--field", "text"], "there are no JSON lines"),
    "an unknown tokenizer": ({"a.txt": b"a b " * 200}, ["--tokenizer", "byte"], "unknown tokenizer 'byte'"),
    "no tokenizer there": ({"a.txt": b"a b " * 200}, ["--tokenizer", "no/such"], "there is no tokenizer at"),
    "a tokenizer's size": ({"a.txt": b"a b " * 200}, ["--tokenizer", "bpe(10)"], "bpe has a size of 10"),
    "a layout": ({"a.txt": b"a b " * 200}, ["--layout", "columns"], "layout"),
    "a block": ({"a.txt": b"a b " * 200}, ["--block", "1"], "block"),
    "no block": ({"a.txt": b"a b " * 200}, ["--block", "0"], "block"),
    "a stride": ({"a.txt": b"a b " * 200}, ["--stride", "17"], "--stride 17 does not fit windows of 16 tokens"),
    "a tokenizer that is none": ({"a.txt": b"a b " * 200}, ["--tokenizer", "{}/a.txt"], "a.txt is no tokenizer"),
    "a folder without tokenizer": ({"a.txt": b"a b " * 200}, ["--tokenizer", "{}"], "has no tokenizer"),
    "an empty other text": ({"a.txt": b"a b " * 200, "b": b""}, ["--also", "{}/b"], "b holds no text"),
    "a target": ({"a.txt": b"a b " * 200}, ["--target", "x"], "--target has no effect"),
    "no other text": ({"a.txt": b"a b " * 200}, ["--also", "no/other.txt"], "there is no file 'no/other.txt'"),
    "folds": ({"a.txt": b"a b " * 200}, ["--split", "folds:5"], "--split folds:5 has no effect on a text"),
    "labels": ({"a.txt": b"a b " * 200}, ["--labels", "noise(0.1)"], "--labels noise(0.1) has no effect on a text"),
    "class weights": ({"a.txt": b"a b " * 200}, ["--class-weights", "balanced"], "is the next token"),
    "another loss": ({"a.txt": b"a b " * 200}, ["--loss", "squared"], "is for regression"),
    "another metric": ({"a.txt": b"a b " * 200}, ["--metric", "rmse"], "is for regression"),
    "another model": ({"a.txt": b"a b " * 200}, ["--model", "mlp"], "does not take texts"),
    "no model there": ({"a.txt": b"a b " * 200}, ["--model", "transformer(start='no/such')"], "no/such"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_cannot_be_used_is_refused_with_its_cure(name, tmp_path, capsys):
    files, options, fact = MALFORMED[name]
    folder = tmp_path / "texts"
    if files is not None:
        folder.mkdir()
        for file, content in files.items():
            (folder / file).write_bytes(content)
    model = [] if "--model" in options else ["--model", SMALL]
    block = [] if "--block" in options else ["--block", "16"]
    command = [
        "compare",
        str(folder),
        "--kind",
        "text",
        *model,
        *block,
        *[each.replace("{}", folder.as_posix()) for each in options],
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert fact in said
    assert "Hint: " in said
    assert not (tmp_path / "run").exists()


def test_only_models_of_texts_write(tmp_path, capsys):
    rows = {"x": [i / 7 for i in range(60)], "y": [i * 0.5 for i in range(60)]}
    done = st.compare(
        rows, tmp_path / "run", target="y", model="linear", optimizers=["adam(lr=0.1)"], epochs=1, seeds=1
    )
    assert main(["generate", str(done.path / "model"), "a"]) == 2
    assert "writes no text" in capsys.readouterr().err


def test_numbers_of_generation_have_ranges(done, capsys):
    for option, value in (("--tokens", "-1"), ("--temperature", "-1"), ("--top-k", "-2")):
        assert main(["generate", str(done / "model"), "a", option, value]) == 2
        assert "Hint: " in capsys.readouterr().err


def test_learned_pieces_come_from_training_documents_alone(tmp_path):
    pytest.importorskip("tokenizers")
    texts = written(tmp_path / "texts")
    (texts / "13.txt").write_text("zebra " * 60)
    source = st.open_source(texts, reader="text", tokenizer="bpe(300)", block=16)
    _, pipeline = source.make(0)
    assert pipeline.tokenizer.size <= 300
    text = (texts / "00.txt").read_text()
    assert pipeline.tokenizer.decode(pipeline.tokenizer.encode(text).tolist()) == text
    held_out = "zebra" not in " ".join(source._texts[0]["train"])
    assert (b"zebra" in pipeline.tokenizer.pieces) is not held_out


def test_without_the_library_the_extra_is_named(tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)
    command = ["describe", str(written(tmp_path / "texts")), "--kind", "text", "--tokenizer", "bpe(300)"]
    assert main(command) == 2
    assert "pip install '.[language]'" in capsys.readouterr().err
    assert bpe.LEAST == 257


def test_ways_of_fine_tuning_are_arms_whose_parts_are_said(tmp_path, capfd):
    texts = written(tmp_path / "texts")
    command = ["compare", str(texts), "--kind", "text", "--model", "transformer(width=8, layers=2, heads=2)"]
    some = [*command, "-o", "adamw(lr=0.01)", *SHORT, "--out", str(tmp_path / "x")]
    assert main([*some, "--finetune", "full", "--finetune", "last(1)"]) == 0
    said = capfd.readouterr()
    assert "fine-tuning full: 3,760 parameters" in said.err
    words = " ".join(said.err.split())
    assert words.count("the rest stays as it was drawn at random: nothing is fine-tuned") == 1
    assert words.index("drawn at random") < words.index("fine-tuned last(1): seeds")
    assert "fine-tuning last(1): 3,760 parameters, 856 of them trained (23 %)" in said.err
    stored = json.loads((tmp_path / "x/results.json").read_text())
    assert "nothing is fine-tuned. Begin with a trained network" in (tmp_path / "x/report.html").read_text(
        "utf-8"
    )
    facts = {each["label"]: each["value"] for each in stored["recipe"]}
    assert facts["fine-tuned"] == "full; last(1)"
    assert "fine-tuned last(1), 3,760 parameters, 856 of them trained (23 %)" in facts["model"]
    assert {arm["title"] for arm in stored["arms"]} == {"fully fine-tuned", "fine-tuned last(1)"}
    for title, beginnings in (("fully fine-tuned", ("",)), ("fine-tuned last(1)", ("blocks.1.", "norm."))):
        saved = st.load(tmp_path / "x", arm=title)
        first = build_model(command[-1], saved.about.shape, seed=saved.about.trained["seed"]).state_dict()
        for name, each in saved.net.state_dict().items():
            assert torch.equal(each, first[name]) != name.startswith(beginnings)
    records = {each.key.recipe for each in Folder(tmp_path / "x").records()}
    assert main([*some, "--finetune", "full", "--finetune", "last(1)", "--finetune", "head"]) == 0
    assert records < {each.key.recipe for each in Folder(tmp_path / "x").records()}
    assert "3 ways of fine-tuning" in capfd.readouterr().err


def test_a_folder_of_texts_that_is_opened_as_images_is_told_from_them(tmp_path):
    (tmp_path / "a.txt").write_text("the king", encoding="utf-8")
    with pytest.raises(DataError, match="no image but texts") as error:
        st.describe(tmp_path)
    assert "text" in (error.value.hint or "")
