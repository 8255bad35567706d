"""The transformer against a plain implementation, with a cache, and from checkpoints."""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from steepest.data.dataset import InputField, Shape
from steepest.data.texts.checkpoints import NAMES, read_checkpoint
from steepest.data.texts.scored import read_scored
from steepest.data.texts.tokenizers import load_tokenizer, stored_tokenizer
from steepest.errors import DataError, ModelError
from steepest.generating.sampling import chosen, sampled
from steepest.models import build_model
from steepest.models.transformer import Transformer
from steepest.rng import stream, torch_stream

SIZES = "width=16, layers=2, heads=4, kv_heads=2, hidden=12"
STORIES = Path(os.environ.get("STEEPEST_DATA", "none")) / "stories260k"
needs_stories = pytest.mark.skipif(not STORIES.is_dir(), reason="STEEPEST_DATA has no stories260k")


def shape(size: int = 11, block: int = 6) -> Shape:
    return Shape("language", {}, (), size, (InputField("tokens", "tokens", (block,)),))


def made(options: str = SIZES) -> Transformer:
    net = build_model(f"transformer({options})", shape())
    with torch_stream(0, "init"), torch.no_grad():
        for each in net.parameters():
            each.normal_()
    return net.double().eval()


def plain(weights, tokens, heads, kv_heads, eps=1e-5, base=10_000.0):
    """Logits of one row of tokens, one number at a time: norms, turned pairs, sums over the tokens before."""
    w = {name: each.double().numpy() for name, each in weights.items()}
    x = [w["embedding.weight"][each] for each in tokens]
    layers = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("blocks."))

    def norm(v, g):
        return v / math.sqrt(sum(v**2) / len(v) + eps) * g

    def turned(v, place):
        half = len(v) // 2
        out = np.empty(len(v))
        for i in range(half):
            angle = place / base ** (i / half)
            out[i] = v[i] * math.cos(angle) - v[i + half] * math.sin(angle)
            out[i + half] = v[i + half] * math.cos(angle) + v[i] * math.sin(angle)
        return out

    for layer in range(layers):
        own = {name: w[f"blocks.{layer}.{name}.weight"] for name in NAMES}
        normed = [norm(v, own["norm"]) for v in x]
        size = len(own["query"]) // heads
        queries = [(own["query"] @ v).reshape(heads, size) for v in normed]
        keys = [(own["key"] @ v).reshape(kv_heads, size) for v in normed]
        values = [(own["value"] @ v).reshape(kv_heads, size) for v in normed]
        for t in range(len(x)):
            mixed = []
            for head in range(heads):
                of = head * kv_heads // heads
                query = turned(queries[t][head], t)
                scores = [query @ turned(keys[s][of], s) / math.sqrt(size) for s in range(t + 1)]
                shares = np.exp(np.array(scores) - max(scores))
                mixed.append(sum(a * values[s][of] for s, a in enumerate(shares / shares.sum())))
            x[t] = x[t] + own["out"] @ np.concatenate(mixed)
        for t, v in enumerate(x):
            h = norm(v, own["hidden_norm"])
            gate = own["gate"] @ h
            x[t] = v + own["down"] @ (gate / (1 + np.exp(-gate)) * (own["up"] @ h))
    head = w.get("head.weight", w["embedding.weight"])
    return np.array([head @ norm(v, w["norm.weight"]) for v in x])


@pytest.mark.parametrize(
    "options", [SIZES, f"{SIZES}, tied=false, base=100.0, eps=0.1", "width=8, layers=1, heads=2"]
)
def test_it_is_the_plain_one(options):
    net = made(options)
    tokens = [3, 1, 4, 1, 5, 9]
    sizes = net.sizes
    expected = plain(net.state_dict(), tokens, sizes.heads, sizes.kv_heads, sizes.eps, sizes.base)
    found = net(torch.tensor([tokens, tokens[::-1]]))[0]
    assert np.allclose(found.detach().numpy(), expected, atol=1e-9)


def test_a_cache_changes_nothing():
    net = made()
    tokens = torch.from_numpy(stream(0, "data").integers(0, 11, (2, 9)))
    whole = net(tokens)
    first, cache = net.continued(tokens[:, :4], None)
    found = [first]
    for at in range(4, 9):
        each, cache = net.continued(tokens[:, at : at + 1], cache)
        found.append(each)
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-12)


def test_generation_with_a_cache_draws_what_it_draws_without():
    net = made()

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, tokens):
            return self.net(tokens)

    how = {"window": 40, "tokens": 25, "temperature": 1.5, "top_k": 5, "seed": 3}
    assert sampled(net, [1, 2], **how) == sampled(Plain(), [1, 2], **how)
    assert sampled(net, [1, 2], **how) != sampled(net, [1, 2], **{**how, "seed": 4})
    assert len(sampled(net, [1], window=4, tokens=20)) == 20


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-320, 1e-300])
def test_a_temperature_near_0_takes_the_most_probable_token(temperature):
    logits = torch.tensor([0.0, 5.0, 4.999, -math.inf])
    assert [chosen(logits, temperature, k, draw) for k in (0, 3) for draw in (0.0, 0.5, 0.999)] == [1] * 6


def saved_llama(folder: Path, net: Transformer, **changes) -> Path:
    """Write a network as Hugging Face's Llama."""
    folder.mkdir(exist_ok=True)
    s = net.sizes
    config = {
        "model_type": "llama", "vocab_size": s.pieces, "hidden_size": s.width, "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "intermediate_size": s.hidden,
        "rms_norm_eps": s.eps, "rope_theta": s.base, "tie_word_embeddings": s.tied,
    }  # fmt: skip
    weights = {name: each.float().contiguous() for name, each in net.state_dict().items()}
    stored = {
        "model.embed_tokens.weight": weights["embedding.weight"],
        "model.norm.weight": weights["norm.weight"],
    }
    if not s.tied:
        stored["lm_head.weight"] = weights["head.weight"]
    for layer in range(s.layers):
        for mine, theirs in NAMES.items():
            stored[f"model.layers.{layer}.{theirs}.weight"] = weights[f"blocks.{layer}.{mine}.weight"]
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    safetensors.torch.save_file(stored, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("options", [SIZES, f"{SIZES}, tied=false, base=100.0, eps=0.1"])
def test_a_llama_is_loaded_to_the_same_logits(tmp_path, options):
    net = made(options).float()
    again = build_model(
        f"transformer(start='{saved_llama(tmp_path / 'llama', net).as_posix()}')", shape()
    ).eval()
    tokens = torch.tensor([[1, 2, 3]])
    assert torch.equal(again(tokens), net(tokens))
    bare = build_model(again.self_contained, shape())
    bare.load_state_dict(again.state_dict())
    assert torch.equal(bare.eval()(tokens), net(tokens))


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"model_type": "gpt2"}, "is of the type 'gpt2', which is no plain Llama"),
        ({"attention_bias": True}, "which is no plain Llama"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rotary positions of the type 'yarn'"),
        ({"num_hidden_layers": 3}, "cannot read"),
        ({"hidden_size": "wide"}, "cannot read"),
    ],
)
def test_other_models_are_refused(tmp_path, change, fact):
    folder = saved_llama(tmp_path / "llama", made().float(), **change)
    with pytest.raises(ModelError, match=fact):
        read_checkpoint(folder)


def test_pickles_and_what_is_no_model_are_refused_unopened(tmp_path):
    folder = saved_llama(tmp_path / "llama", made().float())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"are a pickle, pytorch_model.bin, which could run code"):
        read_checkpoint(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"has no weights \(model.safetensors\)"):
        read_checkpoint(folder)
    torch.save({"a": torch.zeros(2)}, tmp_path / "weights.bin")
    with pytest.raises(ModelError, match="is a pickle"):
        read_checkpoint(tmp_path / "weights.bin")
    (tmp_path / "odd.bin").write_bytes(b"not a checkpoint of anything at all....")
    with pytest.raises(ModelError, match=r"is no checkpoint of llama2\.c"):
        read_checkpoint(tmp_path / "odd.bin")
    (tmp_path / "none").mkdir()
    with pytest.raises(ModelError, match="has no model"):
        read_checkpoint(tmp_path / "none")
    with pytest.raises(ModelError, match="there is no model at"):
        read_checkpoint(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ("width=10, heads=4", "the width 10 is no multiple of twice the 4 heads"),
        ("heads=4, kv_heads=3", "4 heads cannot share 3"),
        ("layers=0", "0 layers"),
        ("dropout=1", "a dropout of 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, fact):
    with pytest.raises(ModelError, match=fact):
        build_model(f"transformer({options})", shape())


def test_another_tokenizer_than_the_model_s_is_refused(tmp_path):
    folder = saved_llama(tmp_path / "llama", made().float())
    with pytest.raises(ModelError, match="has a vocabulary of 11 pieces, the text's tokenizer 257"):
        build_model(f"transformer(start='{folder.as_posix()}')", shape(257))


def scored_file(path: Path, extra: list[tuple[bytes, float]]) -> Path:
    pieces = [
        (b"<unk>", 0.0),
        (b"\n<s>\n", 0.0),
        (b"\n</s>\n", 0.0),
        *((b"<0x%02X>" % i, 0.0) for i in range(256)),
        *extra,
    ]
    content = struct.pack("<i", 20) + b"".join(
        struct.pack("<fi", score, len(piece)) + piece for piece, score in pieces
    )
    path.write_bytes(content)
    return path


def test_pieces_with_scores_join_the_best_pair_first(tmp_path):
    extra = [
        (b" ", -9.0),
        (b"a", -9.0),
        (b"b", -9.0),
        (b"ab", -2.0),
        (b" a", -1.0),
        (b" ab", -3.0),
        (b"abab", -4.0),
    ]
    found = read_scored(scored_file(tmp_path / "tok.bin", extra))
    first = 3 + 256
    # " abab": " a" is joined first, then "ab", and then " a" + "b" has a piece
    assert found.encode("abab").tolist() == [first + 5, first + 3]
    assert found.encode("é").tolist() == [first, 3 + 0xC3, 3 + 0xA9]
    for text in ("abab  ab\nba é", " ", "aab b"):
        again = stored_tokenizer(json.loads(json.dumps(found.to_dict())))
        assert again.encode(text).tolist() == found.encode(text).tolist()
        assert found.decode([1, *found.encode(text)]) == text
    words, size = found.vocabulary.counted(
        torch.tensor([[1, first + 5]]), torch.tensor([[first + 5, first + 3]])
    )
    assert (words.tolist(), size.tolist()) == ([1], [4])  # the space before the document is none of the text


def test_files_that_are_no_tokenizer_are_refused(tmp_path):
    (tmp_path / "tok.bin").write_bytes(b"\x01\x02\x03\x04\x05\x06")
    with pytest.raises(DataError, match=r"tok.bin is no tokenizer of llama2.c"):
        load_tokenizer(tmp_path / "tok.bin")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no tokenizer"):
        load_tokenizer(tmp_path / "empty")
    (tmp_path / "spiece.model").write_bytes(b"x")
    with pytest.raises(DataError, match="is no tokenizer that can be read"):
        load_tokenizer(tmp_path / "spiece.model")


@needs_stories
def test_stories_have_the_same_logits_from_either_file():
    own = build_model(f"transformer(start='{(STORIES / 'hf').as_posix()}')", shape(512)).eval()
    other = build_model(f"transformer(start='{STORIES.as_posix()}')", shape(512)).eval()
    tokens = load_tokenizer(STORIES).encode("Once upon a time, there was a little girl named Lily.")
    given = torch.tensor([[1, *tokens]])
    assert torch.allclose(own(given), other(given), atol=1e-4)
    expected = plain(own.state_dict(), given[0].tolist()[:12], 8, 4)
    assert np.allclose(own(given)[0, :12].detach().numpy(), expected, atol=1e-4)


@needs_stories
def test_stories_go_on_as_the_model_is_known_to():
    """What transformers' Llama gives greedily from the boundary on, as the data's notes have it."""
    tokenizer = load_tokenizer(STORIES)
    net = build_model(f"transformer(start='{STORIES.as_posix()}')", shape(512))
    found = sampled(net, [1], window=512, tokens=60, temperature=0.0)
    expected = (
        "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day"
    )
    assert tokenizer.decode([1, *found]).startswith(f"\n{expected}") or tokenizer.decode(
        [1, *found]
    ).startswith(expected)
    assert tokenizer.encode(expected).tolist() == found[: len(tokenizer.encode(expected))]
