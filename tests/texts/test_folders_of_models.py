"""Folders of models that cannot be used, and those whose content has changed, from the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from steepest.cli import main
from steepest.components.identity.weights import of_weights
from steepest.data.sources.opening import open_source
from steepest.models import begins_from, build_model, tokenizer_of, with_whole_path
from steepest.record.store import Folder
from steepest.train.doubts import about_outputs, check_model
from tests.texts.test_transformer import saved_llama, shape

TEXT = "the king of rome and a queen of war.\n" * 60
OPTIONS = [
    "-o",
    "adam(lr=0.01)",
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--compile",
    "off",
    "--device",
    "cpu",
    "--quiet",
]
OPTIONS += ["--block", "16", "--baseline", "none", "--tokenizer", "bytes"]


def llama(folder: Path, **changes) -> Path:
    """A model of bytes as a folder of Hugging Face."""
    net = build_model("transformer(width=8, layers=1, heads=2)", shape(257))
    return saved_llama(folder, net, architectures=["LlamaForCausalLM"], **changes)


def compared(tmp_path: Path, model: str, *options: str) -> int:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    command = ["compare", str(path), "--kind", "text", "--model", model, *OPTIONS]
    return main([*command, "--out", str(tmp_path / "run"), *options])


def cut(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def without_a_weight(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop("model.layers.0.mlp.up_proj.weight")
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def said(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text)


def changed(**values) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return change


def only(suffix: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.safetensors").rename(folder / f"pytorch_model{suffix}")


def lacking(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "some/base", "peft_type": "LORA"}'
    )


def adapter_alone(folder: Path) -> None:
    adapter(folder)
    (folder / "config.json").unlink()
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")


HF, START, FILE = "hf:{}", "transformer(start='{}')", "hf:{}/model.safetensors"
BROKEN = {
    "without config": (lacking("config.json"), HF, "has no config.json"),
    "start without config": (lacking("config.json"), START, "neither config.json nor a checkpoint of llama2.c"),
    "a cut config": (said('{"vocab'), HF, "config.json' cannot be read"),
    "start with a cut config": (said('{"vocab'), START, "cannot read"),
    "a list as config": (said("[1]"), HF, "it holds a list"),
    "start with a list as config": (said("[1]"), START, "it holds a list"),
    "no number of pieces": (changed(vocab_size="x"), HF, "says no size of a vocabulary"),
    "without weights": (lacking("model.safetensors"), HF, "has no weights"),
    "start without weights": (lacking("model.safetensors"), START, "has no weights"),
    "a pickle": (only(".bin"), HF, "are a pickle, pytorch_model.bin, which could run code"),
    "start with a pickle": (only(".bin"), START, "are a pickle, pytorch_model.bin, which could run code"),
    "a GGUF": (only(".gguf"), HF, "pytorch_model.gguf' is a file of GGUF"),
    "code of its own": (changed(auto_map={"AutoModel": "mine.M"}), HF, "needs code of its own, which is not run"),
    "a file": (lambda folder: None, FILE, "is a file, and models are read from folders"),
    "cut weights": (cut, HF, "cannot be loaded"),
    "start with cut weights": (cut, START, "model.safetensors'"),
    "a lacking weight": (without_a_weight, HF, "they lack model.layers.0.mlp.up_proj.weight"),
    "start with a lacking weight": (without_a_weight, START, "up_proj"),
    "other sizes": (changed(hidden_size=16), HF, "they have other sizes: "),
    "start with other sizes": (changed(hidden_size=16), START, "do not belong to its config.json"),
    "fewer pieces than the tokenizer": (changed(vocab_size=11), HF, "has 11 pieces, the text's tokenizer 257"),
    "fewer positions than a row": (changed(max_position_embeddings=8), HF, "longer than the 8 positions"),
    "an encoder and decoder": (changed(model_type="t5"), HF, "of the type 't5', which is no causal"),
    "another kind": (changed(model_type="bert"), START, "of the type 'bert', which is no plain Llama"),
    "an adapter beside it": (adapter, HF, "has an adapter beside it, adapter_config.json"),
    "start with an adapter beside it": (adapter, START, "has an adapter beside it, adapter_config.json"),
    "an adapter alone": (adapter_alone, HF, "has an adapter of PEFT (adapter_config.json) of 'some/base', which is no"),
    "start with an adapter alone": (adapter_alone, START, "of 'some/base', which is no model by itself"),
    "an unknown kind": (changed(model_type="nosuch"), HF, "cannot be loaded"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_folder_that_is_no_model_is_refused_with_its_cure(name, tmp_path, capfd):
    if name.startswith("start") is False:
        pytest.importorskip("transformers")
    spoil, model, fact = BROKEN[name]
    folder = llama(tmp_path / "model")
    spoil(folder)
    assert compared(tmp_path, model.replace("{}", folder.as_posix())) == 2
    err = " ".join(capfd.readouterr().err.split())
    assert fact in err
    assert "Hint: " in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_an_encoder_is_refused_because_it_looks_ahead(tmp_path, capfd):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    net = transformers.BertForMaskedLM(transformers.BertConfig(vocab_size=257, **sizes))
    net.save_pretrained(tmp_path / "bert")
    assert compared(tmp_path, f"hf:{(tmp_path / 'bert').as_posix()}") == 2
    assert "the model looks ahead" in capfd.readouterr().err


def test_a_model_of_the_users_own_that_looks_ahead_is_refused():
    class Net(torch.nn.Module):
        def __init__(self, sees: int):
            super().__init__()
            self.weight, self.sees = torch.nn.Parameter(torch.ones(257, 257)), sees

        def forward(self, tokens):
            return self.weight[tokens.roll(-self.sees, 1)]

    data, _ = open_source([TEXT], reader="text", block=16).make(0)
    check_model(Net(0), data)
    net = Net(1)
    torch.nn.init.normal_(net.weight)
    with pytest.raises(Exception, match="the model looks ahead"):
        check_model(net, data)


@pytest.mark.parametrize(
    ("pieces", "cautioned"), [(257, False), (320, False), (384, False), (385, True), (5000, True)]
)
def test_a_vocabulary_that_is_larger_than_padding_is_warned_of(tmp_path, pieces, cautioned):
    """With both numbers; a multiple of 64 or 128 is what vocabularies are padded to."""
    pytest.importorskip("transformers")
    net = build_model("transformer(width=8, layers=1, heads=2)", shape(pieces))
    folder = saved_llama(tmp_path / "llama", net)
    data, _ = open_source([TEXT], reader="text", block=16).make(0)
    notes = [each.text for each in about_outputs(build_model(f"hf:{folder.as_posix()}", data.shape), data)]
    assert bool(notes) is cautioned
    if cautioned:
        assert (
            f"the text's tokenizer has 257 pieces, the model in '{folder.as_posix()}' has {pieces:,}"
            in notes[0]
        )


def test_a_model_of_hugging_face_brings_its_tokenizer(tmp_path):
    folder = llama(tmp_path / "model")
    assert tokenizer_of([f"hf:{folder.as_posix()}"]) == folder.as_posix()
    assert begins_from("hf:a/b") == "a/b"
    file = (folder / "model.safetensors").as_posix()
    assert tokenizer_of([f"transformer(start='{file}')"]) == folder.as_posix()


def test_a_path_of_a_model_is_written_from_the_root_on(tmp_path, monkeypatch):
    llama(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    whole = (tmp_path / "model").as_posix()
    assert with_whole_path("hf:model") == f"hf:{whole}"
    assert begins_from(with_whole_path("transformer(start=model, dropout=0.1)")) == whole
    assert with_whole_path("transformer(dropout=0.1)") == "transformer(dropout=0.1)"


def test_the_identity_of_a_folder_is_its_content(tmp_path):
    folder = llama(tmp_path / "one")
    shutil.copytree(folder, tmp_path / "two")
    (tmp_path / "two/README.md").write_text("the same")
    assert of_weights(folder) == of_weights(tmp_path / "two") != ""
    changed(rms_norm_eps=0.5)(tmp_path / "two")
    assert of_weights(folder) != of_weights(tmp_path / "two")


def altered(folder: Path) -> bytes:
    """Change one number of a model's weights; return what the file was."""
    before = (folder / "model.safetensors").read_bytes()
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] += 0.25
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    return before


def test_weights_that_changed_in_place_are_refused_and_the_old_ones_go_on(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = llama(tmp_path / "model")
    assert compared(tmp_path, "transformer(start='model')") == 0
    runs = [each.key for each in Folder(tmp_path / "run").records()]
    before = altered(folder)
    capfd.readouterr()
    (tmp_path / "elsewhere").mkdir()
    for command in (
        lambda: compared(tmp_path, "transformer(start='model')"),
        lambda: compared(tmp_path, "transformer(start='model')", "--seeds", "2"),
        lambda: main(["resume", str(tmp_path / "run"), "--quiet"]),
        lambda: main(["refit", str(tmp_path / "run"), "--quiet"]),
    ):
        assert command() == 2
        err = capfd.readouterr().err
        assert "its files have changed since" in err
        assert "bring the old files back" in err
    (folder / "model.safetensors").write_bytes(before)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["resume", str(tmp_path / "run"), "--quiet"]) == 0
    assert [each.key for each in Folder(tmp_path / "run").records()] == runs


WARM = """
from steepest.procedures import Procedure, Stage

def warm(start):
    return Procedure((Stage(0.5, model=start), Stage(0.5, "best")))
"""


def test_weights_that_a_stage_begins_from_are_as_those_of_an_arm(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("warm.py").write_text(WARM)
    folder = llama(tmp_path / "model")
    command = [
        "transformer(width=8, layers=1, heads=2)",
        "--procedure",
        "warm.py:warm('transformer(start=model)')",
    ]
    assert compared(tmp_path, *command) == 0
    runs = [each.key for each in Folder(tmp_path / "run").records()]
    before = altered(folder)
    capfd.readouterr()
    for again in (
        lambda: compared(tmp_path, *command, "--seeds", "2"),
        lambda: main(["refit", str(tmp_path / "run"), "--quiet"]),
    ):
        assert again() == 2
        assert f"the model in '{folder.as_posix()}' is not the one that the runs" in capfd.readouterr().err
    assert compared(tmp_path, *command, "--out", str(tmp_path / "other")) == 0
    assert runs != [each.key for each in Folder(tmp_path / "other").records()]
    (folder / "model.safetensors").write_bytes(before)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["resume", str(tmp_path / "run"), "--quiet"]) == 0
    assert [each.key for each in Folder(tmp_path / "run").records()] == runs


@pytest.mark.parametrize("teacher", ["'transformer(width=8, layers=1, heads=2)'", "'hf:model'", "runs/x"])
def test_a_text_is_not_distilled(tmp_path, capfd, teacher):
    """Before a teacher is looked for or trained."""
    command = ["transformer(width=4, layers=1, heads=1)", "--procedure", f"distil({teacher})"]
    assert compared(tmp_path, *command) == 2
    err = " ".join(capfd.readouterr().err.split())
    assert "has a teacher, but the data is a text" in err
    assert "as two values of --model" in err
    assert not (tmp_path / "run").exists()


def test_the_tokenizer_of_a_text_is_its_content(tmp_path):
    """Wherever it is; another content is other data."""
    pytest.importorskip("tokenizers")
    from steepest.data.texts.bpe import learned

    documents = [f"the king of rome {i} and a queen" * 9 for i in range(20)]
    prints = []
    for name, size in (("one", 280), ("two", 280), ("three", 290)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(learned(documents, size).stored)
        source = open_source(documents, reader="text", block=16, tokenizer=str(tmp_path / name))
        prints.append(source.make(0)[0].fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_a_tokenizer_without_padding_serves_both_layouts(tmp_path):
    """Rows are padded with the boundary, which is never scored."""
    pytest.importorskip("tokenizers")
    from steepest.data.texts.bpe import learned
    from steepest.data.texts.vocabulary import IGNORE

    documents = ["the king\nof rome and a queen of war\nno more"] * 12
    stored = json.loads(learned(documents, 280).stored)
    assert stored["padding"] is None
    (tmp_path / "tokenizer.json").write_text(json.dumps(stored))
    for layout in ("packed", "lines"):
        data, _ = open_source(
            documents, reader="text", block=16, layout=layout, tokenizer=str(tmp_path), split="none"
        ).make(0)
        tail = data.train.inputs[0][data.train.target == IGNORE]
        assert (layout == "lines") is (len(tail) > 15)
        assert len(set(tail.tolist())) <= 1
