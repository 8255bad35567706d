"""Tokenizers in JSON, as models have them: what their pieces mean, where documents begin, and what is padding."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

import steepest as st
from steepest.data.dataset import TargetScale
from steepest.data.sources.text import TextData
from steepest.data.texts.bpe import learned
from steepest.data.texts.tokenizer import Tokenizer
from steepest.data.texts.tokenizers import load_tokenizer, stored_tokenizer
from steepest.errors import DataError, ModelError, OptionError
from steepest.evaluate.judging import judge
from steepest.evaluate.metrics import evaluate
from steepest.generating.generate import go_on
from steepest.models import build_model
from steepest.objectives.target import target_of
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from tests.texts.test_transformer import made, saved_llama

pytest.importorskip("tokenizers")

SPACE = "▁"
PREPEND = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": SPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
    ],
}
METASPACE = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": False}
BEGIN, END = (
    {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {name: {"id": name, "ids": [code], "tokens": [name]}},
    }
    for name, code in (("<s>", 1), ("</s>", 2))
)


def written(folder: Path, config: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Write a tokenizer as Llama 2 has it: ``▁`` for a space, and bytes for characters without a piece."""
    folder.mkdir(exist_ok=True)
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{each:02X}>" for each in range(256))]
    pieces += [SPACE, *"abcdefhnt.é", "ca", "fé", "café", "th", "the", f"{SPACE}the"]
    content = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": code, "content": pieces[code], "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True,
            }
            for code in range(3)
        ],
        "normalizer": PREPEND,
        "pre_tokenizer": None,
        "post_processor": BEGIN,
        "decoder": {"type": "ByteFallback"},
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
            "vocab": {piece: code for code, piece in enumerate(pieces)},
            "merges": ["c a", "f é", "ca fé", "t h", "th e", f"{SPACE} the"],
        },
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps({**content, **changes}), encoding="utf-8")
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def counted(tokenizer: Tokenizer, text: str) -> tuple[int, int]:
    """Return the words and bytes that are counted in the tokens of a document."""
    row = [tokenizer.boundary, *tokenizer.encode(text).tolist(), tokenizer.boundary]
    words, size = tokenizer.vocabulary.counted(torch.tensor([row[:-1]]), torch.tensor([row[1:]]))
    return int(words), int(size)


def test_a_tokenizer_beside_the_folder_of_a_model_is_found_by_its_number_of_pieces(tmp_path):
    """As llama2.c's models are laid out; one of another number is none of the model's."""
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(DataError) as caught:
        load_tokenizer(folder)
    assert caught.value.fact.endswith("has no tokenizer (tokenizer.json or tok*.bin)")
    content = struct.pack("<i", 7)
    for at in range(512):
        piece = f"<0x{at - 3:02X}>".encode() if 3 <= at < 259 else f"p{at}".encode()
        content += struct.pack("<fi", -float(at), len(piece)) + piece
    (tmp_path / "tok512.bin").write_bytes(content)
    written(tmp_path)
    (folder / "config.json").write_text(json.dumps({"vocab_size": 512}))
    found = load_tokenizer(folder)
    assert (found.size, found.place) == (512, " of tok512.bin beside the model's folder")
    assert found.to_dict() == load_tokenizer(tmp_path / "tok512.bin").to_dict()
    (folder / "config.json").write_text(json.dumps({"vocab_size": 500}))
    with pytest.raises(DataError, match="nothing beside it has its 500 pieces") as caught:
        load_tokenizer(folder)
    assert "tok*.bin of 500 pieces: --tokenizer PATH" in caught.value.hint
    (folder / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        load_tokenizer(folder)
    assert "save_pretrained" in caught.value.hint


def test_vocab_and_merges_are_a_tokenizer(tmp_path):
    pytest.importorskip("transformers")
    stored = json.loads(learned(["the café Ġ ▁ the end"] * 3, 300).stored)
    (tmp_path / "vocab.json").write_text(json.dumps(stored["model"]["vocab"]))
    pairs = "\n".join(each if isinstance(each, str) else " ".join(each) for each in stored["model"]["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{pairs}\n")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": 320}))
    found, text = load_tokenizer(tmp_path), "the café <0x41> the end"
    assert found.encode(text).tolist() == learned(["the café Ġ ▁ the end"] * 3, 300).encode(text).tolist()
    assert found.decode(found.encode(text).tolist()) == text
    assert (found.size, found.pieces[found.boundary]) == (320, b"")
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(DataError, match="cannot be used as a tokenizer"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "changes", [{}, {"normalizer": None, "pre_tokenizer": METASPACE}], ids=["prepend", "metaspace"]
)
@pytest.mark.parametrize("text", ["the café\nthe end.", " the end", "  a", "naïve </s> 🙂", "a <0x41> b"])
def test_texts_come_back_and_their_bytes_and_words_are_counted(tmp_path, text, changes):
    """The alphabet is one of the tokenizer: café is of letters that stand for bytes in others."""
    tokenizer = load_tokenizer(written(tmp_path / "llama", **changes))
    assert b"caf\xc3\xa9" in tokenizer.pieces
    assert tokenizer.dummy
    for each in (tokenizer, stored_tokenizer(json.loads(json.dumps(tokenizer.to_dict())))):
        assert each.decode([each.boundary, *each.encode(text).tolist()]) == text
        assert counted(each, text) == (len(text.split()), len(text.encode()))


def test_letters_that_stand_for_bytes_are_read_so_in_every_piece():
    tokenizer = learned(["café Ġ ▁ the end"] * 3, 300)
    text = "the café ▁ Ġ <0x41>"
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text
    assert counted(tokenizer, text) == (5, len(text.encode()))


def test_special_pieces_in_a_text_are_plain_characters():
    """No boundary stands inside a document, and all of its bytes are scored."""
    text = "one story<|endoftext|>another"
    tokenizer = learned([text] * 3, 300)
    tokens = tokenizer.encode(text).tolist()
    assert tokenizer.boundary not in tokens
    assert tokenizer.decode(tokens) == text
    assert counted(tokenizer, text) == (2, 29)


@pytest.mark.parametrize(
    ("config", "changes", "code"),
    [
        (None, {}, 1),
        (None, {"post_processor": END}, 2),
        ({"bos_token_id": 2}, {}, 1),
        ({"bos_token_id": 2}, {"post_processor": None}, 2),
        ({"bos_token_id": [2]}, {"post_processor": None}, 1),
        ({"bos_token_id": 99_999}, {"post_processor": None}, 1),
        (None, {"post_processor": None}, 1),
    ],
)
def test_documents_begin_as_the_template_or_the_configuration_says(tmp_path, config, changes, code):
    tokenizer = load_tokenizer(written(tmp_path / "llama", config, **changes))
    assert tokenizer.boundary == code
    assert stored_tokenizer(tokenizer.to_dict()).boundary == code
    assert tokenizer.ends == {code, 2}


def test_a_document_ends_with_the_piece_that_says_so(tmp_path):
    """Also where another one begins the next."""
    folder = written(tmp_path / "llama")
    _, pipeline = st.open_source(
        ["the end " * 40], reader="text", tokenizer=str(folder), block=16
    ).make(0)  # fmt: skip

    class Next(torch.nn.Module):
        def forward(self, tokens):
            code = pipeline.tokenizer.encode("a")[-1]
            end = tokens == code
            return 50.0 * torch.nn.functional.one_hot(torch.where(end, 2, int(code)), pipeline.tokenizer.size)

    found = go_on(Next(), pipeline, "the", tokens=9, temperature=0)
    assert (found.text, found.tokens, found.ended) == ("a", 1, True)


def test_texts_are_never_cut_or_padded(tmp_path):
    """As a tokenizer's file may say for batches."""
    truncation = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    tokenizer = load_tokenizer(written(tmp_path / "llama", truncation=truncation))
    text = "the end. " * 9
    assert tokenizer.decode([1, *tokenizer.encode(text).tolist()]) == text


def test_a_vocabulary_that_the_model_has_padded_fits(tmp_path):
    folder = written(tmp_path / "llama")
    rows = load_tokenizer(folder).size + 26
    net = made().float()
    net.sizes = type(net.sizes)(**{**vars(net.sizes), "pieces": rows})
    net.embedding = torch.nn.Embedding(rows, 16)
    saved_llama(folder, net)
    tokenizer = load_tokenizer(folder)
    assert tokenizer.size == rows
    assert tokenizer.pieces[-26:] == [b""] * 26
    assert stored_tokenizer(tokenizer.to_dict()).size == rows
    assert "26 of whose pieces are empty" in tokenizer.title
    model = f"transformer(start='{folder.as_posix()}')"
    data, _ = st.open_source(["the end " * 40], reader="text", tokenizer=str(folder), block=16).make(0)
    assert build_model(model, data.shape)(data.train.inputs[0][:1]).shape == (1, 16, rows)
    data, _ = st.open_source(["the end " * 40], reader="text", block=16).make(0)
    with pytest.raises(ModelError, match="has a vocabulary of 303 pieces, the text's tokenizer 257"):
        build_model(model, data.shape)


def lossy(folder: Path, kind: str) -> Path:
    """Write a tokenizer that does not give texts back: by unknown words, in lower case, or with other characters."""
    library = pytest.importorskip("tokenizers")
    words = ["<unk>", "</s>", "the", "king", "end", *"abcdefghijklmnopqrstuvwxyz.", "1"]
    if kind == "words":
        made = library.Tokenizer(
            library.models.WordLevel({each: at for at, each in enumerate(words)}, "<unk>")
        )
        made.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    elif kind == "lower case":
        vocab = {
            each: at
            for at, each in enumerate([*words, *(f"##{each}" for each in "abcdefghijklmnopqrstuvwxyz.")])
        }
        made = library.Tokenizer(library.models.WordPiece(vocab, unk_token="<unk>"))
        made.normalizer = library.normalizers.Lowercase()
        made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    else:
        pieces = [(each, -1.0 - at) for at, each in enumerate([*words, SPACE, f"{SPACE}the", f"{SPACE}king"])]
        made = library.Tokenizer(library.models.Unigram(pieces, unk_id=0))
        made.normalizer = library.normalizers.NFKC()
        made.pre_tokenizer = library.pre_tokenizers.Metaspace(prepend_scheme="always")
    made.add_special_tokens(["</s>"])
    folder.mkdir()
    made.save(str(folder / "tokenizer.json"))
    return folder


LOST = {
    "words": ("the king and the queen", "the king", "40.00 % of the tokens are of what it does not know"),
    "lower case": ("The King", None, "it changes characters or leaves some out"),
    "NFKC": ("the king ¹", "the king", "it changes characters or leaves some out"),
}


@pytest.mark.parametrize("kind", LOST)
def test_text_that_its_tokens_do_not_give_back_is_said_and_not_counted(tmp_path, kind):
    """By comparison, training and prediction: no bits per byte and no perplexity by word of what is left."""
    text, exact, what = LOST[kind]
    folder = lossy(tmp_path / "tokenizer", kind)
    source = {"reader": "text", "tokenizer": str(folder), "block": 16}
    data, pipeline = st.open_source([f"{text} " * 40] * 12, **source).make(0)
    [note] = [each for each in data.notes if "as another text" in each.text]
    assert note.kind == "warning"
    assert f"gives 12 of 12 documents back as another text: {what}" in note.text
    assert not {"bits_per_byte", "word_perplexity"} & {*judge(data).metrics}
    with pytest.raises(OptionError, match="its tokens do not give the text back") as error:
        judge(data, "bits-per-byte")
    assert "bits-per-byte compares" not in error.value.hint
    target = target_of(data)
    kept = target.condense(torch.zeros(2, 16, pipeline.tokenizer.size), data.test.take(torch.arange(2)))
    found = evaluate(kept, data.test.target[:2], target, ["token-loss", "bits-per-byte", "word-perplexity"])
    assert [math.isnan(each) for each in found.values()] == [False, True, True]
    again = TextData.stored_pipeline(json.loads(json.dumps(pipeline.to_dict())))
    assert again.shape.vocabulary.exact is pipeline.shape.vocabulary.exact is False
    if (
        exact is not None and kind == "NFKC"
    ):  # a text that comes back is scored by all metrics, until another does not
        data, pipeline = st.open_source([f"{exact} " * 40] * 12, **source).make(0)
        assert {"bits_per_byte", "word_perplexity"} < {*judge(data).metrics}
        assert not [each for each in data.notes if "another text" in each.text]
        net = build_model("transformer(width=8, layers=1, heads=2)", data.shape)
        names = {"test": dict.fromkeys(judge(data).metrics, 1.0)}
        model = TrainedModel(
            net, About("transformer", data.shape, (), data.target, TargetScale(), names), pipeline
        )
        for new, measured in ((exact, True), (text, False)):
            (tmp_path / "new.txt").write_text(f"{new} " * 30)
            found = model.predict(tmp_path / "new.txt")
            assert ("bits_per_byte" in {each.name for each in found.scores.metrics}) is measured
            assert any("as another text" in each.text for each in found.reports) is not measured
