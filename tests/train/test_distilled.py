"""Distillation: a student's loss and weights are those of plain torch, and answers stay with their rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import steepest as st
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part
from steepest.data.table import read_table
from steepest.errors import ModelError, OptionError, SteepestError, UnknownNameError
from steepest.models import build_model
from steepest.objectives import make_objective, read_objective
from steepest.objectives import registry as losses
from steepest.objectives.target import ClassTarget
from steepest.objectives.taught import TEACHABLE, teacher_losses
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.procedures import make_procedure
from steepest.procedures.teaching import Teaching, read_teaching
from steepest.record.store import Folder
from steepest.rng import stream, torch_stream
from steepest.schedules import make_schedule
from steepest.sweep.observer import Observer
from steepest.sweep.stages import check_teachable
from steepest.testing import ProcedureConformance
from steepest.train.compiled import CompiledMethod
from steepest.train.problem import SupervisedProblem
from steepest.train.program import flat, step_of, trace
from tests.train.test_continued import last_weights

SHORT: dict[str, Any] = {
    "epochs": 4, "batch_size": 64, "device": "cpu", "compile": "off", "seeds": 1, "schedule": "constant",
    "embedding_rows": "off", "baseline": "none",
}  # fmt: skip
MODEL, BIG = "mlp(hidden=(4,), embedding={'plan': 2})", "mlp(hidden=(16,), embedding={'plan': 2})"


class TestDistil(ProcedureConformance):
    procedures = (
        "distil",
        "distil('mlp(hidden=(8,))', 1.0)",
        "distil(linear, 0.5, temperature=2, at=0.2, reduction=mean, squared=false, point=last)",
        "distil(linear, targets=hard)",
    )
    refused = (
        "distil(alpha=2)", "distil(alpha=true)", "distil(temperature=0)", "distil(at=1)", "distil(targets=firm)",
        "distil(reduction=sum)", "distil(squared=2)", "distil(point=first)", "distil(3)",
        "distil(targets=hard, temperature=2)",
    )  # fmt: skip


def compare(
    data: Any, out: Path, *procedures: str, optimizer: str = "sgd(lr=0.1)", **options: Any
) -> st.Result:
    wanted = {**SHORT, "model": MODEL, "procedure": list(procedures), **options}
    return st.plan(data, target="churned", optimizers=[optimizer], **wanted).run(out, observer=Observer())


@pytest.mark.parametrize("teaching", [Teaching(1.0), Teaching(1.0, 2.5), Teaching(1.0, 3.0, squared=False)])
def test_the_divergence_is_that_of_probabilities(teaching: Teaching) -> None:
    draw = stream(0, "data", 3)
    ours, theirs = (torch.from_numpy(3 * draw.standard_normal((9, 5))) for _ in range(2))
    heat = teaching.temperature or 4.0
    p, q = torch.softmax(ours / heat, 1), torch.softmax(theirs / heat, 1)
    right = (q * (q / p).log()).sum(1) * (heat**2 if teaching.squared else 1.0)
    loss = read_objective("cross-entropy")
    assert torch.allclose(teacher_losses(ours, theirs, teaching, loss), right, rtol=1e-10)
    mean = replace(teaching, reduction="mean")
    assert torch.allclose(teacher_losses(ours, theirs, mean, loss), right / 5, rtol=1e-10)
    hard = teacher_losses(ours, theirs, Teaching(1.0, targets="hard"), loss)
    assert torch.equal(hard, functional.cross_entropy(ours, theirs.argmax(1), reduction="none"))


@pytest.mark.parametrize("name", losses.names())
def test_a_loss_compares_a_student_with_its_teacher_or_its_task_is_refused(name: str) -> None:
    objective = read_objective({"quantile": "quantile(0.9)"}.get(name, name))
    procedure = make_procedure("distil")
    outputs, _ = objective.made_up(stream(0, "data", 4))
    if objective.serves not in TEACHABLE:
        with pytest.raises(OptionError, match=r"distil\(.*\) has a teacher, but the data is a text"):
            check_teachable(procedure, objective.serves)
        return
    check_teachable(procedure, objective.serves)
    found = teacher_losses(outputs, outputs.flip(0), Teaching(1.0), objective)
    assert found.shape == outputs.shape[:1]
    assert found.isfinite().all()
    assert found.min() > 0.0


@pytest.mark.parametrize("whole", [False, True])
def test_a_teacher_by_a_prefix_is_a_model_wherever_it_is(
    churn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """A path of its own makes no comparison's folder of it."""
    monkeypatch.chdir(tmp_path)
    Path("m1").mkdir()
    Path("m1/config.json").write_text("{}")
    Path("m1/model.safetensors").touch()
    teacher = f"hf:{(tmp_path / 'm1').as_posix()}" if whole else "hf:m1"
    with pytest.raises(ModelError, match="is of texts, but the data is codes, values"):
        compare(churn, tmp_path / "x", f"distil({teacher!r})")


def test_answers_go_with_their_rows() -> None:
    part = Part((torch.arange(5.0)[:, None],), torch.arange(5), answers=10.0 * torch.arange(5.0)[:, None])
    for each in (part, replace(part, weights=torch.ones(5))):
        taken = each.take(torch.tensor([3, 0, 4])).wide().to("cpu")
        assert taken.answers is not None
        assert taken.answers.flatten().tolist() == [30.0, 0.0, 40.0]
        assert (taken.weights is None) == (each.weights is None)


def test_a_student_is_that_of_plain_torch(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = last_weights(monkeypatch)
    compare(churn_csv, tmp_path / "run", f"distil({BIG!r}, 0.7, temperature=3.0, at=0.4, point=last)")
    data = read_table(churn_csv, target="churned").dataset()
    plan = BatchPlan(len(data.train), 64, 0)
    steps = {
        "stage" in each.key.name: each.steps
        for each in Folder(tmp_path / "run").records()
        if each.key.phase == "final"
    }

    def trained(model: str, count: int, loss: Any) -> nn.Module:
        net = build_model(model, data.shape, seed=0)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(count):
            batch = data.train.take(plan.indices(step))
            optimizer.zero_grad()
            loss(net(*batch.inputs), batch).backward()
            optimizer.step()
        return net

    def taught(outputs: Tensor, batch: Part) -> Tensor:
        with torch.no_grad():
            theirs = functional.log_softmax(teacher(*batch.inputs) / 3.0, 1)
        ours = functional.log_softmax(outputs / 3.0, 1)
        soft = functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        return 0.3 * functional.cross_entropy(outputs, batch.target) + 0.7 * 9.0 * soft

    teacher = trained(
        BIG, steps[True], lambda outputs, batch: functional.cross_entropy(outputs, batch.target)
    )
    right = trained(MODEL, steps[False], taught).state_dict()
    [weights] = [each for (name, _), each in found.items() if "stage" not in name]
    for name, value in right.items():
        assert torch.allclose(weights[name], value, rtol=1e-4, atol=1e-5), name


def test_without_a_share_of_the_teacher_it_is_plain_training(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, with dropout, a schedule and an optimizer with state."""
    found = last_weights(monkeypatch)
    texts = (f"distil({BIG!r}, 0.0)", "train-for(0.5)")
    compare(
        churn_csv, tmp_path / "run", *texts, optimizer="adamw(lr=0.01)",
        model="embedding-mlp(hidden=(8,), dropout=0.2)", schedule="cosine",
    )  # fmt: skip
    one, other = (found[make_procedure(text).title, 0] for text in texts)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_published_mean_is_a_rate_divided_by_the_classes() -> None:
    """Of two classes, with alpha 1 and SGD: half the rate."""
    found: dict[str, dict[str, Tensor]] = {}
    for reduction, rate in (("batchmean", 0.1), ("mean", 0.2)):
        problem, part = small(Teaching(1.0, 2.0, reduction=reduction))
        method = GradientMethod(make_rule(f"sgd(lr={rate})"), make_schedule("constant", 4))
        list(method.steps(problem, method.init(problem), problem.feed(part, BatchPlan(24, 8, 0), 0), 0, 4))
        found[reduction] = dict(problem.model.state_dict())
    for name, value in found["mean"].items():
        assert torch.equal(value, found["batchmean"][name]), name


def small(teaching: Teaching, *, weights: bool = False) -> tuple[SupervisedProblem, Part]:
    draw = stream(0, "data", 8)
    with torch_stream(0, "init"):
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 2)).double().train()
    part = Part(
        (torch.from_numpy(draw.standard_normal((24, 3))),),
        torch.from_numpy(draw.integers(0, 2, 24)),
        torch.from_numpy(draw.uniform(0.5, 2.0, 24)) if weights else None,
        torch.from_numpy(draw.standard_normal((24, 2))),
    )
    classes = (1.0, 3.0) if weights else None
    problem = SupervisedProblem(
        net, make_objective("", ClassTarget(2)), classes, precision="float64" if weights else "float32"
    )
    problem.teaching = teaching
    return problem, part


@pytest.mark.parametrize("weights", [False, True])
def test_a_traced_step_is_the_eager_step(weights: bool) -> None:
    """With weights of rows and classes, too."""
    found: list[dict[str, Tensor]] = []
    for kind in (GradientMethod, CompiledMethod):
        problem, part = small(Teaching(0.6, 2.0), weights=weights)
        method: Any = kind(make_rule("adam(lr=0.1)"), make_schedule("constant", 4), clip=0.5)
        state, feed = method.init(problem), problem.feed(part, BatchPlan(24, 8, 0), 0)
        if kind is GradientMethod:
            list(method.steps(problem, state, feed, 0, 4))
        else:
            changing = method.prepared(problem, state, feed, 0, 4)
            graph = trace(state.program, state.state, step_of(changing, 0, "cpu")).graph
            with torch.no_grad():
                for step in range(4):
                    graph(*flat(state.state, step_of(changing, step, "cpu")))
        found.append({name: each.detach().clone() for name, each in problem.model.state_dict().items()})
    for name, value in found[0].items():
        assert torch.allclose(found[1][name], value, rtol=1e-9, atol=1e-11), name


def test_the_curvature_of_the_loss_is_that_of_both_parts() -> None:
    problem, part = small(Teaching(0.6, 2.0), weights=True)
    batch = part.take(torch.arange(6))
    outputs = torch.from_numpy(stream(0, "data", 9).standard_normal((6, 2)))
    vector = torch.from_numpy(stream(0, "data", 10).standard_normal((6, 2)))
    found = problem.bend(outputs, batch, vector)
    leaf = outputs.clone().requires_grad_()
    [slope] = torch.autograd.grad(problem.batch_loss(leaf, batch), leaf, create_graph=True)
    [right] = torch.autograd.grad((slope * vector).sum(), leaf)
    assert torch.allclose(found, right, rtol=1e-9, atol=1e-12)


def test_parts_of_a_batch_add_up() -> None:
    problem, part = small(Teaching(0.6, 2.0), weights=True)
    problem.model.eval()
    batch = part.take(torch.arange(9))
    parts = sum(share * problem.loss(some) for some, _, share in problem.parts(batch, 3))
    assert torch.allclose(problem.loss(batch), parts, rtol=1e-12)


def test_students_of_numbers_and_of_members(churn_csv: Path, tmp_path: Path) -> None:
    """A number's teacher gives values as targets, and has no temperature; members are all taught."""
    made = compare(
        churn_csv, tmp_path / "members", f"distil({BIG!r}, targets=hard)", model="tabm(hidden=(4,), k=2)"
    )
    assert made.comparison.rows[0].outcome == "finished"
    x = [float(each) for each in stream(0, "data", 4).standard_normal(200)]
    table = read_table({"x": x, "y": [each**2 for each in x]}, target="y")
    options = {**SHORT, "optimizers": ["sgd(lr=0.05)"], "model": "mlp(hidden=(4,))"}
    teacher = "'mlp(hidden=(8,))'"
    numbers = st.plan(table, procedure=[f"distil({teacher}, 1.0)"], **options)
    assert numbers.run(tmp_path / "numbers", observer=Observer()).comparison.rows[0].outcome == "finished"
    with pytest.raises(OptionError, match="temperature is given, but the target is a number"):
        st.plan(table, procedure=[f"distil({teacher}, 1.0, temperature=2.0)"], **options).run(
            tmp_path / "refused"
        )


def test_what_cannot_be_taught_is_refused(churn_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"the teacher of distil\('mpl.*: unknown model 'mpl'"):
        compare(churn_csv, tmp_path / "run", "distil('mpl(hidden=(8,))')")
    with pytest.raises(UnknownNameError, match=r"the teacher of distil\(nonsense, 0.9\): unknown model"):
        compare(churn_csv, tmp_path / "run", "distil(nonsense)")
    with pytest.raises(SteepestError, match=r"the teacher of distil.*: a layer's width is -1"):
        compare(churn_csv, tmp_path / "run", "distil('mlp(hidden=(-1,))')")
    with pytest.raises(OptionError, match="2 shares for 1 layer that take") as refused:
        compare(
            churn_csv, tmp_path / "run", f"distil({BIG!r})",
            model="mlp(hidden=(4, 4), embedding={'plan': 2})", regularizer="dropout((0.2, 0.5))",
        )  # fmt: skip
    assert "the teacher of distil" in str(refused.value)
    assert "A teacher has all that its arm has besides the model" in refused.value.hint
    assert not (tmp_path / "run" / "journal.jsonl").exists()
    with pytest.raises(OptionError, match="cannot read"):
        read_teaching("pupil(0.5)")
