"""Rows of a text: what is packed, padded and scored, and metrics of it by hand."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from steepest.data.dataset import Part
from steepest.data.sources.opening import open_source
from steepest.data.texts.blocks import blocks_of
from steepest.data.texts.described import about_equal, about_replaced
from steepest.data.texts.tokenizer import Bytes
from steepest.data.texts.vocabulary import IGNORE
from steepest.errors import DataError, OptionError
from steepest.evaluate.judging import judge
from steepest.evaluate.metrics import evaluate, metric_names, values_by_row
from steepest.evaluate.outputs import outputs_on, predict
from steepest.generating.generate import go_on
from steepest.models import build_model
from steepest.objectives.target import target_of
from steepest.recipe import Recipe
from steepest.rng import stream
from steepest.train.problem import SupervisedProblem, problem_of

DOCUMENTS = [f"{'ab ' * (1 + i % 7)}\nline {i} ends" for i in range(30)]


def opened(layout: str = "packed", **options):
    return open_source(DOCUMENTS, reader="text", block=8, layout=layout, **options)


@pytest.mark.parametrize("layout", ["packed", "lines"])
def test_every_token_is_scored_once_and_padding_never(layout):
    """Also the boundary behind every document, but not the one before the first."""
    documents = [np.arange(5, 5 + size) for size in (1, 7, 8, 20)]
    found = blocks_of(documents, 0, 8, layout)
    scored = found.target[found.target != IGNORE]
    assert scored.tolist() == [token for each in documents for token in [*each, 0]]
    assert (found.tokens > 0).all()
    before = np.where(found.target != IGNORE, found.inputs, -1)
    inside = (found.target[:, :-1] != IGNORE) & (found.target[:, 1:] != IGNORE)
    assert np.array_equal(
        before[:, 1:][inside], found.target[:, :-1][inside]
    )  # every token sees the one before


@pytest.mark.parametrize("layout", ["packed", "lines"])
def test_metrics_are_those_of_a_plain_loop(layout):
    """Perplexity is that of all tokens together, whatever the rows, one by one in float64."""
    source = opened(layout)
    data, _ = source.make(0)
    net = build_model("transformer(width=8, layers=1, heads=2)", data.shape).double().eval()
    nats = tokens = right = 0
    text = bytearray()
    for inputs, target in zip(data.test.inputs[0], data.test.target, strict=True):
        for place, token in enumerate(target.tolist()):
            if token == IGNORE:
                continue
            logits = net(inputs[None, : place + 1])[0, -1].tolist()
            nats += math.log(sum(map(math.exp, logits))) - logits[token]
            right += max(range(257), key=logits.__getitem__) == token
            tokens += 1
            text += bytes([token]) if token < 256 else b" "
    size = sum(len(each.encode()) for each in source._texts[0]["test"])
    words = sum(len(each.split()) for each in source._texts[0]["test"])
    assert len(text.split()) == words
    target = target_of(data)
    kept = outputs_on(net, data.test, target)
    found = evaluate(kept, data.test.target, target, metric_names("language"), data.test.weights)
    assert found == pytest.approx(
        {
            "token_loss": nats / tokens,
            "perplexity": math.exp(nats / tokens),
            "bits_per_byte": nats / math.log(2) / size,
            "word_perplexity": math.exp(nats / words),
            "token_accuracy": right / tokens,
        },
        rel=1e-9,
    )
    by_row = values_by_row(kept, data.test.target, target, [*found], data.test.weights)
    for name, value in found.items():
        assert float(by_row[name].mean()) == pytest.approx(value)


def test_a_text_without_words_has_no_perplexity_by_word():
    """Neither infinity nor an overflow; what decides by it is refused."""
    data, _ = open_source([" ".join(["abc" * 3_000, *"de"])], reader="text", block=16).make(0)
    target = target_of(data)
    kept = outputs_on(build_model("transformer(width=8, layers=1, heads=2)", data.shape), data.train, target)
    names = metric_names("language")
    found = evaluate(kept, data.train.target, target, names, data.train.weights)
    assert math.isnan(found.pop("word_perplexity"))
    assert all(map(math.isfinite, found.values()))
    by_row = values_by_row(kept, data.train.target, target, names, data.train.weights)
    assert bool(by_row["word_perplexity"].isnan().all())
    none = kept.clone()
    none[:, 3] = 0.0
    assert math.isnan(evaluate(none, data.train.target, target, names, data.train.weights)["word_perplexity"])
    with pytest.raises(
        OptionError, match="says nothing of the validation text: 1 word begins in its 902 tokens"
    ):
        judge(data, "word-perplexity")
    plain, _ = opened().make(0)
    assert judge(plain, "word-perplexity").metric.name == "word_perplexity"


def test_values_by_row_are_the_derivatives_by_weight():
    """What a function of the module gives, autograd gives, too."""
    from steepest.evaluate.metrics import tokens as metrics
    from steepest.objectives.decoded import TokenOutputs

    draw = stream(3, "data")
    counts = torch.tensor([8.0, 3.0, 8.0, 1.0]).double()
    rows = TokenOutputs(
        torch.from_numpy(draw.random(4)), torch.from_numpy(draw.random(4)), counts, torch.tensor([2.0, 1, 3,
        1]).double(), counts + 2, weights=counts,
    )  # fmt: skip
    kept = torch.stack([rows.losses, rows.right, counts, rows.words, rows.bytes], 1)
    from steepest.objectives.tokens import TokenTarget

    found = values_by_row(
        kept,
        torch.zeros(4, 8).long(),
        TokenTarget(8, 5),
        ["perplexity", "word-perplexity", "bits-per-byte"],
        counts,
    )
    own = (metrics.perplexity_by_row, metrics.word_perplexity_by_row, metrics.bits_per_byte_by_row)
    for name, each in zip(found, own, strict=True):
        assert torch.allclose(found[name], each(rows))


def test_evaluation_holds_a_few_rows_of_outputs_at_a_time(monkeypatch):
    """Never [N, T, V]; the numbers are the same however the rows are cut."""
    data, _ = opened().make(0)
    net, target = build_model("transformer(width=8, layers=1, heads=2)", data.shape), target_of(data)
    whole = outputs_on(net, data.train, target)
    assert whole.shape == (len(data.train), 5)
    sizes = []
    net.register_forward_hook(lambda module, inputs, outputs: sizes.append(len(outputs)))
    monkeypatch.setattr("steepest.evaluate.outputs.TEMPORARY_BYTES", 1 << 19)
    few = outputs_on(net, data.train, target)
    assert max(sizes) < len(data.train) / 2
    assert torch.allclose(few, whole, atol=1e-6)


@pytest.mark.parametrize("layout", ["packed", "lines"])
def test_accumulation_is_the_whole_batch(layout):
    """Micro-batches weigh as they have scored tokens."""
    data = opened(layout, split_seed=1).make(0)[0].wide()
    recipe = Recipe(data="d", model="m", optimizer="adam", schedule="cosine", steps=9, batch_size=8)
    net = build_model("transformer(width=8, layers=1, heads=2)", data.shape).double()
    problem = problem_of(net, data, recipe)
    batch = data.train.take(data.train.weights.argsort(stable=True)[[*range(5), -1, -2, -3, -4]])
    assert len(set(batch.weights.tolist())) > 1
    whole = problem.loss(batch).detach()
    parts = problem.parts(batch, 4)
    assert float(sum(share * problem.loss(part).detach() for part, _, share in parts)) == pytest.approx(
        float(whole), rel=1e-12
    )
    scored = batch.target != IGNORE
    logits = net(batch.inputs[0])[scored]
    plain = torch.nn.functional.cross_entropy(logits, batch.target[scored])
    assert float(whole) == pytest.approx(float(plain.detach()), rel=1e-7)


def test_bytes_of_any_text_come_back():
    text = "Zoë’s café\n\tnaïve 🙂"
    tokens = Bytes().encode(text)
    assert Bytes().decode(tokens.tolist()) == text
    assert Bytes().decode([256, *tokens[:3].tolist(), 256, 65]) == "Zo�\nA"


def test_documents_are_in_one_part_only():
    texts, _ = opened()._texts
    every = [text for part in texts.values() for text in part]
    assert sorted(every) == sorted(DOCUMENTS)
    data, _ = opened().make(0)
    assert "documents: 24 train, 3 validation, 3 test (by document, split seed 0)." in [
        each.text for each in data.notes
    ]


def test_a_single_document_is_cut_from_start_to_end():
    text = " ".join(f"word{i}" for i in range(400))
    source = open_source([text], reader="text", block=16)
    texts, note = source._texts
    assert "".join(texts[part][0] for part in ("train", "validation", "test")) == text
    assert "a single document" in note.text


def test_empty_lines_are_left_out_and_counted():
    text = "\n".join(f"line {i}\n" for i in range(40))
    data, _ = open_source([text], reader="text", block=16, layout="lines").make(0)
    assert any(each.text.startswith("39 empty lines, 49% of them, are left out") for each in data.notes)
    for part in (data.train, data.validation, data.test):
        assert bool((part.target != IGNORE).any(1).all())
    said = open_source([text], reader="text", block=16, layout="lines").describe().as_json()
    assert (said["lines"], said["empty_lines"], said["documents"]) == (79, 39, 40)


def said_of(source) -> dict[str, str]:
    return {each.text: each.kind for each in source.make(0)[0].notes}


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_lines_end_with_line_ends_only(mark):
    """Other separators of Unicode stand inside them, as in a web page's text."""
    ends = ("\n", "\r\n", "\r")
    text = "".join(f"line {i}{mark}goes on{ends[i % 3]}" for i in range(30))
    source = open_source([text], reader="text", block=16, layout="lines")
    said = source.describe().as_json()
    assert (said["documents"], said["lines"], said["empty_lines"]) == (30, 30, 0)
    assert f"line 7{mark}goes on" in [each for part in source._texts[0].values() for each in part]


@pytest.mark.parametrize("layout", ["packed", "lines"])
@pytest.mark.parametrize(("part", "blanks"), [("validation", 4000), ("test", 600)])
def test_a_part_without_text_is_refused_by_name(layout, part, blanks):
    source = open_source(
        ["the king loves peace. " * 200 + " " * blanks], reader="text", block=16, layout=layout
    )
    for use in (lambda: source.make(0), source.describe):
        with pytest.raises(DataError, match=f"the {part} part of text holds no text") as caught:
            use()
        assert f"--{part}-file" in caught.value.hint
    assert blocks_of([], 0, 16, layout).inputs.shape == (0, 16)


def test_documents_that_are_in_two_parts_are_counted():
    """Whatever blanks are at their ends; a few lines that come again are no warning."""
    twice = [f"{name} king of rome and of the east\n" for name in ("a", "the")] * 20
    twice = [each + " " * (i % 3) for i, each in enumerate(twice)]
    found = said_of(open_source(twice, reader="text", block=16))
    wanted = "4 of 4 validation documents and 4 of 4 test documents equal one of an earlier part"
    assert [kind for text, kind in found.items() if text.startswith(wanted)] == ["warning"]
    [text] = [text for text in found if text.startswith(wanted)]
    assert re.search(
        r"; remove repeated documents: document \d and document \d; document \d and document \d\.$", text
    )
    lines = "\n".join([*(f"line {i} of the king" for i in range(60)), *(["ROMEO:"] * 20)])
    found = said_of(open_source([lines], reader="text", block=16, layout="lines"))
    assert [kind for text, kind in found.items() if "of an earlier part" in text] == ["info"]
    for source in (
        open_source([f"{i}: {each}" for i, each in enumerate(DOCUMENTS)], reader="text", block=8),
        open_source(twice, reader="text", block=16, split="none"),
    ):
        assert not [text for text in said_of(source) if "of an earlier part" in text]


def test_repeated_documents_are_named_by_their_files_or_beginnings(tmp_path):
    """Up to three pairs; a text cut into parts has no names, nor have equal names of two folders."""
    for folder, letters in (("train", "abcdefgh"), ("held", "wxyzabcd")):
        (tmp_path / folder).mkdir()
        for name, each in zip("ABCDEFGH", letters, strict=True):
            (tmp_path / folder / f"{folder} {name}.txt").write_text(
                f"{each} king of rome and of the east " * 9
            )
    (tmp_path / "other.txt").write_text("another text about the sea " * 9)
    held = {"validation": str(tmp_path / "held"), "test": str(tmp_path / "other.txt")}
    said = said_of(open_source(tmp_path / "train", reader="text", block=8, **held))
    [text] = [each for each in said if "repeated" in each]
    assert text.count(" and held ") == 3
    assert text.endswith(", ….")
    assert "train A.txt and held E.txt" in text
    cut = "one king of rome\n" * 40
    pieces = {"train": [cut, "other"], "validation": [cut], "test": ["third"]}
    [note] = about_equal(pieces, "packed")
    assert note.text.endswith("remove repeated documents: 'one king of rome one king of rome one ki…'.")


def test_one_file_is_not_two_parts(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(DOCUMENTS))
    with pytest.raises(DataError, match="the test rows and the train rows are one file"):
        open_source(path, reader="text", block=16, test=str(path))


def test_halves_of_surrogate_pairs_are_read_as_replacement_characters(tmp_path):
    """They are no characters and have no UTF-8; JSON can hold them, and a shell's bytes become them."""
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "king {i} \\ud83d of \\ud83d\\ude00"}}\n' for i in range(20)))
    source = open_source(path, reader="text", block=16)
    wanted = "20 halves of surrogate pairs, which are no characters, are read as U+FFFD (�)."
    assert said_of(source)[wanted] == "warning"
    assert source._read.texts[3] == "king 3 � of 😀"
    data, pipeline = source.make(0)
    [batch] = pipeline.transform_batches(["caf\udce9 and more"], 9)
    assert [each.text for each in batch.reports] == [about_replaced(1)]
    net = build_model("transformer(width=8, layers=1, heads=2)", data.shape)
    found = go_on(net, pipeline, "caf\udce9", tokens=3)
    assert (found.prompt, found.replaced) == ("caf�", 1)
    assert go_on(net, pipeline, "caf�", tokens=3).text == found.text


def test_a_problem_without_a_target_keeps_three_dimensions_for_members():
    """What a tabular model of several members returns is no text."""
    net = torch.nn.Linear(2, 3)
    from steepest.objectives import read_objective

    problem = SupervisedProblem(net, read_objective("cross-entropy"))
    outputs = torch.zeros(4, 5, 3)
    batch = Part((torch.zeros(4, 2),), torch.zeros(4).long())
    assert float(problem.batch_loss(outputs, batch)) == pytest.approx(math.log(3))
    assert predict(net, (torch.zeros(4, 2),)).shape == (4, 3)
