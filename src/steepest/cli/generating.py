"""``steepest generate``: a language model goes on with a text."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from steepest.cli.networks import NetworkArm, OwnModel
from steepest.cli.output import line
from steepest.generating import TEMPERATURE, TOKENS, TOP_K


def generate(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of a comparison of texts, or of one of its models.", metavar="FOLDER"),
    ],
    prompt: Annotated[
        str,
        typer.Argument(help="The beginning of the text; without it, that of a document.", metavar="[TEXT]"),
    ] = "",
    tokens: Annotated[int, typer.Option(help="How many tokens at most.", metavar="NUMBER")] = TOKENS,
    temperature: Annotated[
        float,
        typer.Option(
            help="From 0 (the most probable token each time); 1: as the model says.", metavar="NUMBER"
        ),
    ] = TEMPERATURE,
    top_k: Annotated[
        int, typer.Option(help="Draw from the so many most probable tokens; 0: from all.", metavar="NUMBER")
    ] = TOP_K,
    seed: Annotated[int, typer.Option(help="Random seed of the draws.", metavar="NUMBER")] = 0,
    arm: NetworkArm = None,
    model: OwnModel = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print the result as JSON.")] = False,
) -> None:
    """Go on with a text by a model that a comparison of texts has trained."""
    from steepest.data.texts.described import about_replaced
    from steepest.generating.generate import generate as made

    found = made(
        folder, prompt, tokens=tokens, temperature=temperature, top_k=top_k, seed=seed, arm=arm, own=model
    )
    if found.replaced:
        line(about_replaced(found.replaced))
    if not as_json:
        line(f"written by {found.writer}", style="dim")
    line(json.dumps(asdict(found), ensure_ascii=False) if as_json else str(found), out=True)
