"""Models of Hugging Face by folder: refused where something in them could run, else the logits of their library."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from steepest.components.prefixes.hf import find
from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models import build_model
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
