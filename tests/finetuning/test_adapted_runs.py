"""Comparisons of adapters from the command line: what is said, stored, opened again, and refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

import steepest as st
from steepest.cli import main
from steepest.landscape.stored import open_run
from steepest.models import build_model
from steepest.record.inventory import removable
from steepest.record.store import Folder
from tests.finetuning.test_adapters import by_its_page

pytest.importorskip("peft", reason="pip install '.[language]'")

MODEL = "mlp(hidden=[8, 8])"
SHORT = [
    "-o",
    "adam(lr=0.01)",
    "--epochs",
    "2",
    "--seeds",
    "2",
    "--compile",
    "off",
    "--baseline",
    "none",
    "-q",
]
LORA, DORA = "fine-tuned lora(2, 4)", "fine-tuned dora(2, 4)"


def command(table: Path, out: Path, *more: str) -> list[str]:
    return ["compare", str(table), "--target", "churned", "--model", MODEL, *SHORT, "--out", str(out), *more]


@pytest.fixture(scope="module")
def run(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapted") / "run"
    ways = ["--finetune", "full", "--finetune", "lora(2)", "--finetune", "lora(r=4)", "--finetune", "dora(2)"]
    assert main(command(churn_csv, out, *ways)) == 0
    return out


def test_the_report_says_what_is_trained_and_the_scale(
    run: Path, churn_csv: Path, tmp_path: Path, capfd
) -> None:
    stored = json.loads((run / "results.json").read_text())
    assert {arm["title"] for arm in stored["arms"]} == {
        "fully fine-tuned", LORA, "fine-tuned lora(4, 8)", DORA,
    }  # fmt: skip
    facts = {each["label"]: each["value"] for each in stored["recipe"]}
    assert "of them trained" in facts["model"]
    assert "scale α/r = 2, held" in facts["model"]
    assert "scale α/r = 2, held" in (run / "report.html").read_text("utf-8")
    shape = st.load(run / "model").about.shape
    net = build_model(MODEL, shape, finetune="lora(2)")
    count = sum(each.numel() for each in net.parameters())
    thin = sum(each.numel() for each in net.parameters() if each.requires_grad)
    asked = [each for each in command(churn_csv, tmp_path / "x", "--finetune", "lora(2)") if each != "-q"]
    assert main([*asked, "--dry-run"]) == 0
    said = (
        f"fine-tuning lora(2, 4): {count:,} parameters, {thin:,} of them trained ({100 * thin / count:.2g} %)"
    )
    assert said in " ".join(capfd.readouterr().err.split())


def test_every_arm_begins_at_the_base(run: Path) -> None:
    first: dict[int, set[float]] = {}
    for each in Folder(run).records():
        if each.key.phase == "final":
            first.setdefault(each.key.seed, set()).add(round(each.curve[0].validation["log_loss"], 6))
    assert [len(each) for each in first.values()] == [1, 1]


@pytest.mark.parametrize("arm", [LORA, DORA])
def test_a_saved_network_is_the_one_that_was_measured(
    run: Path, arm: str, churn_csv: Path, tmp_path: Path
) -> None:
    model = st.load(run, arm=arm)
    seed = model.about.trained["seed"]
    records = [each for each in Folder(run).records() if each.key.recipe == model.about.trained["recipe"]]
    [record] = [each for each in records if each.key.seed == seed and each.key.phase == "final"]
    opened = open_run(run, arm=arm)
    rows = opened.dataset.test
    with torch.no_grad():
        net, plain = model.net(*rows.inputs), model.plain(*rows.inputs)
        loss = torch.nn.functional.cross_entropy(net.double(), rows.target)
    assert float(loss) == pytest.approx(record.test["log_loss"], abs=1e-7)
    assert (net - plain).abs().max() <= 1e-5 * net.abs().max()
    first = build_model(MODEL, model.about.shape, seed=seed).state_dict()
    assert all(torch.equal(each, first[name]) for name, each in model.base.state_dict().items())
    assert set(opened.parameters) == {name for name, _ in opened.net.named_parameters() if "lora_" in name}
    assert model.layers == st.load(run, arm="fully fine-tuned").layers
    assert (
        main(["predict", str(run), str(churn_csv), "--arm", arm, "--out", str(tmp_path / "p.parquet"), "-q"])
        == 0
    )


def test_a_run_that_is_made_again_has_the_same_bits(run: Path, churn_csv: Path, tmp_path: Path) -> None:
    """An interrupted comparison, of which one arm was left out, goes on to what it would have been."""
    out = tmp_path / "run"
    assert main(command(churn_csv, out, "--finetune", "dora(2)")) == 0
    lines = (out / "journal.jsonl").read_text().splitlines(keepends=True)
    last = max(i for i, each in enumerate(lines) if '"final"' in each)
    (out / "journal.jsonl").write_text("".join(lines[:last]))
    for each in ("results.json", "report.html"):
        (out / each).unlink()
    assert main(["resume", str(out), "-q"]) == 0
    one, other = st.load(out / "model"), st.load(run, arm=DORA)
    assert one.about.trained["seed"] == other.about.trained["seed"]
    for name, each in other.net.state_dict().items():
        assert torch.equal(one.net.state_dict()[name], each), name


def test_exports_merge_an_adapter_or_write_it(
    run: Path, churn_csv: Path, tmp_path: Path, capfd, monkeypatch
) -> None:
    assert (
        main(["export", str(run), "--arm", LORA, "--adapter", "--format", "torch", "--out", str(tmp_path)])
        == 0
    )
    assert sorted(each.name for each in (tmp_path / "adapter").iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    page = (tmp_path / "adapter/README.md").read_text("utf-8")
    assert "It comes from the network of the arm" in page
    opened = by_its_page(tmp_path / "adapter", monkeypatch)["model"].eval()
    rows = open_run(run, arm=LORA).dataset.test.inputs
    torch.testing.assert_close(opened(*rows), st.load(run, arm=LORA).net(*rows), rtol=0, atol=1e-6)
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_dora"]) == (2, 4, False)
    assert config["base_model_name_or_path"] == "mlp(hidden=(8, 8))"
    weights = safetensors.torch.load_file(tmp_path / "torch/weights.safetensors")
    assert not any("lora" in name for name in weights)
    model = st.load(run, arm=LORA)
    exported = {each.shape for each in weights.values()}
    assert exported == {each.shape for each in model.base.state_dict().values()}
    capfd.readouterr()
    assert (
        main(["export", str(run), "--arm", "fully fine-tuned", "--adapter", "--out", str(tmp_path / "y")])
        == 2
    )
    said = capfd.readouterr().err.replace("\n", " ")
    assert "has no adapter: its own weights were trained" in said
    assert "Hint: name an arm that has one: --arm 'fine-tuned" in said


REFUSED = [
    (
        ["--finetune", "lora(targets='q_proj')"],
        "no module's name ends in 'q_proj'; its linear layers are layers.0",
    ),
    (["--finetune", "lora(targets='layers.0, q_proj')"], "ends in 'q_proj', though 'layers.0' does"),
    (["--finetune", "lora(r=0)"], "r is 0"),
    (["--finetune", "dora(alpha=-1)"], "alpha is -1"),
    (["--finetune", "lora(2)", "--model", "tabm(hidden=[4])"], "the model has no linear layers"),
    (["--finetune", "lora(2)", "--model", "linear"], "but the output layer"),
    (["--finetune", "lora(2)", "--procedure", "prune(0.5)"], "cannot prune a model with adapters"),
    (
        ["--finetune", "dora(2)", "-o", "l-bfgs"],
        "l-bfgs cannot train --finetune 'dora(2, 4)': it uses curvature",
    ),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_trained(
    given: list[str], said: str, churn_csv: Path, tmp_path: Path, capfd
) -> None:
    base = command(churn_csv, tmp_path / "x")
    for option in ("--model", "-o"):
        if option in given:
            at = base.index(option)
            del base[at : at + 2]
    assert main([*base, *given]) == 2
    told = " ".join(capfd.readouterr().err.split())
    assert said in told
    assert "Hint: " in told


def test_without_the_library_the_cure_is_named(churn_csv: Path, tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    assert main(command(churn_csv, tmp_path / "x", "--finetune", "lora(2)")) == 2
    told = " ".join(capfd.readouterr().err.split())
    assert "--finetune lora needs the library peft, which is not installed" in told
    assert "pip install '.[language]'" in told


def test_a_spectrum_of_lora_is_of_its_adapters_and_of_dora_is_refused(
    churn_csv: Path, tmp_path: Path, capfd
) -> None:
    out = tmp_path / "run"
    assert (
        main(command(churn_csv, out, "--finetune", "lora(2)", "--finetune", "dora(2)", "--keep-path", "2"))
        == 0
    )
    assert (
        main(["spectrum", str(out), "--arm", LORA, "--points", "1", "--out", str(tmp_path / "s.html")]) == 0
    )
    assert (
        main(["landscape", str(out), "--arm", DORA, "--points", "3", "--out", str(tmp_path / "l.html")]) == 0
    )
    capfd.readouterr()
    assert main(["spectrum", str(out), "--arm", DORA, "--out", str(tmp_path / "t.html")]) == 2
    assert "there is no curvature to measure: dora(2, 4)" in " ".join(capfd.readouterr().err.split())
    assert (
        main(["landscape", str(out), "--arm", DORA, "--plane", "gradient", "--out", str(tmp_path / "g.html")])
        == 2
    )
    assert "no direction of steepest descent" in " ".join(capfd.readouterr().err.split())


def test_a_frozen_base_is_stored_once(churn_csv: Path, tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.setattr("steepest.finetuning.frozen.LEAST", 1)
    out = tmp_path / "run"
    ways = ["--finetune", "lora(2)", "--finetune", "dora(2)", "--finetune", "last(1)"]
    assert main(command(churn_csv, out, *ways, "--seeds", "1")) == 0
    kinds = {each.stem: {*safetensors.torch.load_file(each)} for each in (out / "frozen").iterdir()}
    assert len(kinds) == 2  # that of both adapters, and what last(1) leaves
    named = ["checkpoints/*-*.safetensors", "arms/*/model.safetensors"]
    files = [path for pattern in named for path in out.glob(pattern)]
    assert len(files) == 6
    for path in files:
        names = {*safetensors.torch.load_file(path)}
        assert not any("base_layer" in name for name in names)
        assert not any(names & frozen for frozen in kinds.values() if "lora" in " ".join(names))
    model = st.load(out, arm=LORA)
    own = {*safetensors.torch.load_file(out / "model/model.safetensors")}
    assert own == {*st.load(out / "model").net.state_dict()}  # it can be moved alone
    base = build_model(MODEL, model.about.shape, seed=model.about.trained["seed"]).state_dict()
    assert all(torch.equal(each, base[name]) for name, each in model.base.state_dict().items())
    for path in out.glob("arms/*/model.safetensors"):
        if "lora_A" not in " ".join(safetensors.torch.load_file(path)):
            path.unlink()  # then only the checkpoint has what last(1) leaves
    going = {
        each.relative_to(out).parts[0] for what in removable(out, checkpoints=True) for each in what.files
    }
    [left] = [
        each
        for what in removable(out, checkpoints=True)
        for each in what.files
        if each.parent.name == "frozen"
    ]
    assert going == {"checkpoints", "rows", "frozen"}
    assert not any("base_layer" in name for name in safetensors.torch.load_file(left))
    for path in (out / "frozen").iterdir():
        path.write_bytes(b"damaged")
    capfd.readouterr()
    assert main(["predict", str(out), str(churn_csv), "--arm", LORA, "--out", str(tmp_path / "p.csv")]) == 2
    assert "frozen" in capfd.readouterr().err
    Folder(out).forget_unused()
    assert len([*(out / "frozen").iterdir()]) == 2
    for path in files:
        path.unlink(missing_ok=True)
    Folder(out).forget_unused()
    assert not [*(out / "frozen").iterdir()]
    (out / "results.json").unlink()
    assert main(["resume", str(out), "-q"]) == 0  # it makes again what is gone
    again = st.load(out, arm=LORA)
    assert all(
        torch.equal(each, model.net.state_dict()[name]) for name, each in again.net.state_dict().items()
    )
