"""Networks of a comparison are made smaller, beside controls; pruned neurons leave the saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import steepest as st
from steepest.cli.compressing import distil, prune
from steepest.data.dataset import InputField, Shape
from steepest.errors import FolderError
from steepest.experiment.sizes import sizes_of
from steepest.models import build_model
from steepest.procedures.pruning import Pruning
from steepest.record.store import Folder
from steepest.sweep.baselines import Fitting
from steepest.sweep.observer import Observer
from steepest.train.masks import apply_masks, masks_of
from steepest.train.smaller import like_pruned, what_is_left, without_neurons

SHORT: dict[str, Any] = {
    "epochs": 2, "batch_size": 64, "device": "cpu", "compile": "off", "seeds": 1, "baseline": "none",
    "model": "mlp(hidden=(8, 6), norm='batch', embedding={'plan': 2})",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    out = tmp_path_factory.mktemp("compressed") / "x"
    st.plan(churn_csv, target="churned", optimizers=["adam(lr=0.01)"], **SHORT).run(out, observer=Observer())
    return out


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_a_network_without_its_pruned_neurons_answers_alike(norm: str, activation: str) -> None:
    shape = Shape("classification", {"day": 4}, ("x", "y"), 3)
    model = f"mlp(hidden=(9, 7), norm={norm!r}, activation={activation!r})"
    net = build_model(model, shape)
    rows = torch.zeros(20, 1, dtype=torch.int64), torch.arange(40.0).reshape(20, 2).sin()
    net.train()(*rows)  # batch norm has statistics of its own
    apply_masks(net, masks_of(net, net.state_dict(), Pruning(0.5, 0.5, unit="neuron"), 0))
    found = without_neurons(model, shape, net.state_dict())
    assert found is not None
    smaller = build_model(found[0], shape).eval()
    smaller.load_state_dict(found[1])
    assert "hidden=(5, 3)" in found[0]
    assert torch.allclose(smaller(*rows), net.eval()(*rows), rtol=1e-5, atol=1e-6)
    assert without_neurons("linear", shape, build_model("linear", shape).state_dict()) is None


@pytest.mark.parametrize(
    ("model", "smaller"),
    [
        ("embedding-mlp(hidden=(9, 7), hidden_dropout=0.2)", "hidden=(5, 3)"),
        ("cnn(channels=(6, 4), hidden=8)", "channels=(3, 2), hidden=4"),
        ("cnn(channels=(6, 4), hidden=0)", "channels=(3, 2)"),
    ],
)
def test_neurons_leave_models_whose_layers_follow_each_other(model: str, smaller: str) -> None:
    """Behind a batch norm that stands in the next block, and as channels of convolutions that are flattened."""
    image = InputField("image", "image", (1, 8, 8))
    pictures = model.startswith("cnn")
    shape = (
        Shape("classification", {}, (), 3, (image,))
        if pictures
        else Shape("classification", {"day": 4}, ("x",), 3)
    )
    net = build_model(model, shape)
    values = torch.arange(640.0).reshape(10, 1, 8, 8).sin()
    rows = (values,) if pictures else (torch.arange(10).reshape(10, 1) % 4, values[:, 0, 0, :1])
    net.train()(*rows)  # batch norm has statistics of its own
    masks = masks_of(net, net.state_dict(), Pruning(0.5, 0.5, unit="neuron"), 0)
    before = net.eval()(*rows)
    apply_masks(net, masks)
    assert not torch.allclose(net(*rows), before, atol=1e-3)
    found = without_neurons(model, shape, net.state_dict())
    assert found is not None
    assert smaller in found[0]
    other = build_model(found[0], shape).eval()
    other.load_state_dict(found[1])
    assert torch.allclose(other(*rows), net(*rows), rtol=1e-5, atol=1e-6)
    assert found[0] == like_pruned(model, shape, Pruning(0.5, 0.5, unit="neuron"))


def test_prune_leaves_a_smaller_model_beside_its_controls(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prune(run, 0.5, 1, unit="neuron", quiet=True)
    said = capsys.readouterr().out
    result = st.Result.load(run.with_name("x-pruned"))
    assert {arm.title for arm in result.comparison.arms} == {"pruned", "not pruned", "small"}
    assert result.arm("pruned").about.model.startswith("mlp(hidden=(4, 3)")
    assert all(f"{name}: " in said for name in ("pruned", "not pruned", "small"))
    assert f"pruned - not pruned on {result.comparison.metric}: " in said.replace("−", "-")
    assert f"pruned - small on {result.comparison.metric}: " in said.replace("−", "-")
    prune(run, 0.75, 2, out=run.with_name("weights"), quiet=True)
    result = st.Result.load(run.with_name("weights"))
    left = what_is_left(result.arm("pruned").net)
    assert "layers.0.weight 75.0 %" in left
    assert result.arm("pruned").about.model.startswith("mlp(hidden=(8, 6)")
    assert left in capsys.readouterr().out
    sizes = {each.arm: each for each in result.comparison.sizes}
    assert {*sizes} == {"pruned", "not pruned", "small"}
    assert [sizes["pruned"].sparsity, sizes["not pruned"].sparsity] == [pytest.approx(0.75, abs=0.02), 0.0]
    file = next((result.path / "arms").glob("*/*.safetensors"))
    assert file.stat().st_size in {each.size for each in sizes.values()}
    other = result.arm("not pruned")
    again = sizes_of(result.folder, {"pruned": (pruned_run(result), other.net, other.about.shape)})
    assert again == [sizes["pruned"]]  # what was measured once is kept
    page = result.report.read_text(encoding="utf-8")
    assert "Size of the saved networks" in page
    assert any(
        fact.label == "what is left of pruned" and fact.value == left for fact in result.comparison.recipe
    )


def pruned_run(result: st.Result) -> str:
    """Return the run whose network of the pruned arm is saved, as ``recipe-seed``."""
    about = result.arm("pruned").about.trained
    return f"{about['recipe']}-{about['seed']}"


def test_distil_teaches_a_smaller_model(run: Path) -> None:
    distil(run, "mlp(hidden=[4])", temperature=2.0, quiet=True)
    result = st.Result.load(run.with_name("x-distilled"))
    assert {arm.title for arm in result.comparison.arms} == {"taught", "alone", "teacher's model"}
    assert result.arm("taught").about.model == "mlp(hidden=(4,))"


@pytest.mark.parametrize(
    "options",
    [
        {"optimizers": ["sam(adam)"], "regularizer": "l2"},
        {"optimizers": ["adam; eps=1e-8..1e-4"]},
        {"optimizers": ["momentum"], "tune": ["momentum=0.5..0.95"]},
    ],
    ids=["a rule in a rule, and a strength", "a range", "tune"],
)
def test_what_was_chosen_is_taken_over_and_nothing_is_tuned(
    options: dict[str, Any], churn_csv: Path, tmp_path: Path
) -> None:
    """The rule with all its numbers, and the regularizer at its strength."""
    plan = st.plan(churn_csv, target="churned", **SHORT, learning_rates=[0.01], **options)
    plan.run(tmp_path / "x", observer=Observer())
    prune(tmp_path / "x", 0.5, quiet=True)
    before = st.load(tmp_path / "x" / "model").about.trained
    result = st.Result.load(tmp_path / "x-pruned")
    assert {each.key.phase for each in Folder(tmp_path / "x-pruned").records()} == {"final"}
    for name in ("pruned", "not pruned", "small"):
        about = result.arm(name).about.trained
        assert about["rule"] == before["rule"]
        assert about["regularizer"] == before["regularizer"]


def test_what_is_no_folder_of_a_comparison_is_named(tmp_path: Path, churn_csv: Path) -> None:
    for make in (prune, lambda folder: distil(folder, "linear")):
        with pytest.raises(FolderError, match=r"there is no folder .*nowhere'\nHint: "):
            make(tmp_path / "nowhere")
        with pytest.raises(FolderError, match=r"is a file, not the folder of a comparison\nHint: "):
            make(churn_csv)


def test_baselines_that_are_there_are_not_fitted_again(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {
        **SHORT,
        "baseline": ["majority", "logistic-regression"],
        "optimizers": ["adam(lr=0.01)"],
        "epochs": 1,
    }
    before = st.plan(churn_csv, target="churned", **options).run(tmp_path / "x", observer=Observer())

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a baseline is fitted again")

    monkeypatch.setattr(Fitting, "fit", never)
    distil(tmp_path / "x", "linear", quiet=True)
    after = st.Result.load(tmp_path / "x-distilled")
    rows = [[row for row in each.comparison.rows if row.kind == "baseline"] for each in (before, after)]
    assert len(rows[0]) == 2
    assert [row.metrics for row in rows[0]] == [row.metrics for row in rows[1]]
    assert (
        st.load(tmp_path / "x-distilled" / "baselines" / "logistic-regression").about.model
        == "baseline logistic-regression"
    )
