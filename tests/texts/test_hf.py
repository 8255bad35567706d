"""Models of Hugging Face by folder: refused where something in them could run, else the logits of their library."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from steepest.components.prefixes.hf import find
from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.generating.sampling import sampled
from steepest.models import build_model
from steepest.rng import torch_stream
from tests.texts.test_transformer import SIZES, made, saved_llama, shape


def test_what_could_run_code_is_refused_before_anything_is_opened(tmp_path):
    folder = saved_llama(tmp_path / "llama", made().float(), auto_map={"AutoModel": "mine.Model"})
    with pytest.raises(ModelError, match="needs code of its own, which is not run"):
        find(str(folder))
    (folder / "config.json").write_text(json.dumps({"vocab_size": 11}))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"are a pickle, pytorch_model\.bin"):
        find(str(folder))
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match=r"has no weights \(model\.safetensors\)"):
        find(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no config\.json"):
        find(str(folder))
    with pytest.raises(ModelError, match="there is no folder"):
        find(str(tmp_path / "none"))


def test_a_model_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    folder = saved_llama(tmp_path / "llama", made().float())
    with pytest.raises(ModelError, match="has 11 pieces, the text's tokenizer 257"):
        build_model(f"hf:{folder.as_posix()}", shape(257))
    with pytest.raises(ModelError, match="is of texts, but the data is codes, values"):
        build_model(f"hf:{folder.as_posix()}", Shape("regression", {}, ("x",), 1))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install '\.\[language\]'"):
        build_model(f"hf:{folder.as_posix()}", shape())


def test_its_logits_are_those_of_our_own(tmp_path):
    pytest.importorskip("transformers")
    folder = saved_llama(tmp_path / "llama", made(SIZES).float(), architectures=["LlamaForCausalLM"])
    own = build_model(f"transformer(start='{folder.as_posix()}')", shape()).eval()
    other = build_model(f"hf:{folder.as_posix()}", shape()).eval()
    tokens = torch.randint(0, 11, (2, 6), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(own(tokens), other(tokens), atol=1e-4)


SMALL = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 0}
FAMILIES = {
    "llama": {"hidden_size": 16, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4}
    | {"num_key_value_heads": 2, "pad_token_id": 0},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40},
    "openai-gpt": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40},
}
"""Two that keep keys and values, and one for which the library keeps none."""


def family(name: str, folder: Path):
    """A network of a family with weights that make tokens differ, from its folder."""
    library = pytest.importorskip("transformers")
    net = library.AutoModelForCausalLM.from_config(
        library.AutoConfig.for_model(name, **SMALL, **FAMILIES[name])
    )
    with torch_stream(0, "init"), torch.no_grad():
        for each in net.parameters():
            each.normal_(std=0.5)
    net.save_pretrained(folder)
    return build_model(f"hf:{folder.as_posix()}", shape(block=40))


@pytest.mark.parametrize("name", FAMILIES)
def test_generation_draws_the_tokens_that_it_draws_without_a_cache(name, tmp_path):
    net = family(name, tmp_path / name)
    given: list[int] = []

    class Plain(torch.nn.Module):
        def forward(self, tokens):
            return net(tokens)

    inner = net.net.get_input_embeddings()
    inner.register_forward_pre_hook(lambda _, args: given.append(args[0].shape[1]))
    how = {"window": 40, "tokens": 25, "temperature": 1.5, "top_k": 5, "seed": 3}
    found = sampled(net, [1, 2], **how)
    seen = [*given]
    assert found == sampled(Plain(), [1, 2], **how)
    assert len({*found}) > 3
    assert seen == ([*range(2, 27)] if name == "openai-gpt" else [2] + [1] * 24)
    given.clear()
    assert len(sampled(net, [1], window=8, tokens=20)) == 20
    assert max(given) <= 8
