"""Unequal tuning is refused before anything is written, from Python, the command line and a file."""

from __future__ import annotations

import re
from typing import Any

import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError
from steepest.optim import make_spec
from steepest.record.store import Folder
from steepest.rng import stream
from steepest.sweep.contestants import contestants
from steepest.sweep.observer import Observer

UNEQUAL = [
    (
        ["sgd", "adam"],
        {"tune": ("adam: eps=1e-8,1e-4", "sgd: weight_decay=0,1e-4,1e-3"), "learning_rates": (0.1, 0.01)},
        "6 for sgd, 4 for adam",
    ),
    (
        ["sgd", "adam(lr=0.1)"],
        {"tune": ("eps=1,2,3,4,5",)},
        "7 for sgd, 5 for adam(lr=0.1)",
    ),
]


@pytest.mark.parametrize(
    ("text", "tune", "axes"),
    [
        ("hessian-free", (), ["damping=0.0316..31.6"]),
        ("hessian-free", ("damping=1..2",), ["damping=1..2"]),
        ("hessian-free", ("decay=0.5,0.9",), ["damping=0.0316..31.6", "decay=0.5,0.9"]),
        ("hessian-free(damping=2)", (), []),
        ("hessian-free(lr=1)", (), []),
        ("hessian-free(lr=1)", ("damping=1..2",), ["damping=1..2"]),
        ("newton", (), []),
    ],
)
def test_what_is_tuned_beside_the_rate_by_default(text, tune, axes) -> None:
    [who] = contestants([text], tune)
    assert [str(axis) for axis in who.axes] == axes
    assert who.name == str(make_spec(text))


def test_two_axes_by_default_give_everyone_14_trials(churn) -> None:
    def trials_of(**options: Any) -> int:
        made = st.plan(
            churn,
            target="churned",
            optimizers=["adam", "hessian-free(cg_iterations=2)"],
            epochs=1,
            hidden=(4,),
            compile="off",
            device="cpu",
            **options,
        )
        [found] = re.findall(r"\((\d+) (?:trials|rates) at", made.preview(observer=Observer()))
        return int(found)

    assert trials_of() == 14
    assert trials_of(learning_rates=(0.1, 0.3, 1.0)) == 3
    assert trials_of(sweep=True) == 7


@pytest.mark.parametrize(("optimizers", "options", "fact"), UNEQUAL)
def test_from_python(churn, tmp_path, optimizers, options, fact) -> None:
    made = st.plan(churn, target="churned", optimizers=optimizers, device="cpu", **options)
    for act in (made.preview, lambda out: made.run(out, observer=Observer())):
        with pytest.raises(OptionError) as caught:
            act(tmp_path / "out")
        assert fact in caught.value.fact
        assert caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
@pytest.mark.parametrize(("optimizers", "options", "fact"), UNEQUAL)
def test_from_the_command_line(churn_csv, tmp_path, capsys, optimizers, options, fact, dry) -> None:
    flags = [each for name in optimizers for each in ("-o", name)]
    for name, value in options.items():
        texts = (
            value
            if name == "tune"
            else [value if isinstance(value, str | int) else ",".join(map(str, value))]
        )
        flags += [each for text in texts for each in (f"--{name.replace('_', '-')}", str(text))]
    assert (
        main(["compare", str(churn_csv), "--target", "churned", *flags, "--out", str(tmp_path / "out"), *dry])
        == 2
    )
    said = capsys.readouterr().err
    assert fact in said
    assert "Hint: " in said
    assert not (tmp_path / "out").exists()


def test_from_a_file(churn_csv, tmp_path, capsys) -> None:
    (tmp_path / "unequal.toml").write_text(
        f'optimizers = ["sgd", "adam"]\n[data]\nsource = "{churn_csv}"\ntarget = "churned"\n'
        '[protocol]\nlearning_rates = [0.1, 0.01]\ntune = ["adam: eps=1,2", "sgd: weight_decay=0,1,2"]\n'
    )
    assert main(["compare", str(tmp_path / "unequal.toml"), "--out", str(tmp_path / "out")]) == 2
    assert "6 for sgd, 4 for adam" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_values_to_try_as_a_group_of_python(churn, tmp_path) -> None:
    both = [st.tune("adam(lr=0.1)", eps=[1e-8, 1e-4]), st.tune("momentum", momentum=st.Range(0.8, 0.95))]
    with pytest.raises(OptionError, match=r"2 for adam\(lr=0.1\), 14 for momentum"):
        st.plan(churn, target="churned", optimizers=both).run(tmp_path / "out", observer=Observer())


def test_one_gradient_a_step_is_counted_as_a_step(churn, tmp_path) -> None:
    """Where every optimizer evaluates one gradient a step, equal gradients are equal steps."""
    options = {"epochs": 1, "seeds": 1, "batch_size": 64, "hidden": (4,), "device": "cpu", "compile": "off"}
    optimizers = ["adam(lr=0.01)", "torch:Adamax(lr=0.01)"]
    results = [
        st.plan(churn, target="churned", optimizers=optimizers, equal=equal, **options).run(
            tmp_path / equal, observer=Observer()
        )
        for equal in ("epochs", "steps", "gradients")
    ]
    first, second, third = ([row.metrics for row in each.comparison.rows] for each in results)
    assert first == second == third


SMALL = {
    "epochs": 2,
    "seeds": 2,
    "batch_size": 64,
    "hidden": (4,),
    "device": "cpu",
    "compile": "off",
    "threads": 1,
    "baseline": "none",
}


class Stop(Observer):
    """Interrupts after so many runs."""

    def __init__(self, after: int) -> None:
        self.left = after

    def run(self, record) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_a_method_that_is_no_rule_is_tuned_beside_a_rule_and_resumed(churn, tmp_path, capsys) -> None:
    plan = st.plan(churn, target="churned", optimizers=["adam", "l-bfgs(max_iter=3)"], **SMALL)
    whole = plan.run(tmp_path / "whole", observer=Observer())
    for after in (4, 20):
        with pytest.raises(KeyboardInterrupt):
            plan.run(tmp_path / "cut", observer=Stop(after))
    cut = plan.run(tmp_path / "cut", observer=Observer())
    first, second = ([row.metrics for row in each.comparison.rows] for each in (whole, cut))
    assert first == second
    records = [each for each in Folder(tmp_path / "whole").records() if each.key.name.startswith("l-bfgs")]
    for each in records:
        last = each.curve[-1]
        assert last.step == each.steps
        assert last.gradients > each.steps
    rates = {each.lr for each in records if each.key.phase == "scan"}
    assert {0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6} <= rates


def test_methods_of_several_gradients_are_made_by_workers_and_resumed_to_the_same_bits(
    churn, tmp_path
) -> None:
    optimizers = ["sam(adam)", "asam(sgd, lr=0.1)", "newton(damping=0.1)", "levenberg-marquardt"]
    options = {
        **SMALL, "optimizers": optimizers, "task": "regression", "target": "age", "numbers": "standard",
    }  # fmt: skip
    data = churn.select("age", "plan", "minutes")
    alone = st.plan(data, **options)
    whole = alone.run(tmp_path / "whole", observer=Observer())
    with pytest.raises(KeyboardInterrupt):
        st.plan(data, **options, workers=2).run(tmp_path / "cut", observer=Stop(5))
    cut = alone.run(tmp_path / "cut", observer=Observer())
    first, second = ([row.metrics for row in each.comparison.rows] for each in (whole, cut))
    assert first == second
    assert {row.outcome for row in whole.comparison.rows} == {"finished"}


def test_a_mean_of_the_last_steps_begins_after_its_share_of_a_run_whose_length_is_in_gradients(
    churn, tmp_path
) -> None:
    """A step of SAM takes two gradients: its run of as many gradients has half the steps, and the mean begins there."""
    options = {**SMALL, "optimizers": ["sam(sgd, lr=0.1)"], "compile": "off"}
    averaged = {**options, "regularizer": "swa(0.5)"}
    half = st.plan(churn, target="churned", **{**averaged, "epochs": 2}).run(
        tmp_path / "half", observer=Observer()
    )
    whole = {**averaged, "epochs": 4, "equal": "gradients"}
    equal = st.plan(churn, target="churned", **whole).run(tmp_path / "equal", observer=Observer())
    first, second = (each.comparison.rows[0].metrics for each in (half, equal))
    assert first == second


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("torch:LBFGS(max_iter=3)", {"equal": "gradients"}),
        ("adam(lr=0.1)", {"equal": "seconds", "epochs": None, "max_seconds": 1.0}),
    ],
)
def test_a_mean_of_the_last_steps_is_refused_where_nobody_knows_how_many_there_are(
    optimizer, options, churn, tmp_path
) -> None:
    given = {**SMALL, "optimizers": [optimizer], "regularizer": "swa", **options}
    with pytest.raises(OptionError, match=r"swa.* begins after a share of a run's steps, and nobody knows"):
        st.compare(churn, target="churned", out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


def test_what_a_method_cannot_take_is_refused(churn) -> None:
    with pytest.raises(OptionError, match="clip has no effect on l-bfgs"):
        st.compare(churn, target="churned", optimizers=["adam", "l-bfgs"], clip=1.0)


@pytest.mark.parametrize(("optimizer", "least"), [("newton", 31), ("levenberg-marquardt", 16)])
def test_a_first_step_beyond_the_gradients_of_a_run_is_refused(optimizer, least, tmp_path) -> None:
    """A linear model of 15 weights, 16 rows in a step: 1 + 2n gradients, and 1 + min(B, n)."""
    draw = stream(0, "data")
    data = {f"x{i}": draw.standard_normal(60) for i in range(14)} | {"y": draw.standard_normal(60)}
    options = {"target": "y", "optimizers": ["sgd(lr=0.05)", optimizer], "model": "linear", "batch_size": 16,
               "equal": "gradients", "split": "none", "seeds": 1, "device": "cpu", "baseline": "none"}  # fmt: skip
    with pytest.raises(
        OptionError, match=rf"first step of {optimizer}.* alone costs {least} gradients"
    ) as error:
        st.compare(data, epochs=1, out=tmp_path / "run", **options)
    assert "--equal seconds" in error.value.hint
    assert not (tmp_path / "run").exists()


def test_gradients_are_equal_where_a_step_takes_several(churn, tmp_path) -> None:
    """Both arms end within a step of the budget; a rule's run is the run of as many steps."""
    optimizers = ["adam(lr=0.01)", "l-bfgs(lr=1.0, max_iter=3)", "torch:LBFGS(lr=1.0, max_iter=3)"]
    options = {**SMALL, "epochs": 4}
    st.plan(churn, target="churned", optimizers=optimizers, equal="gradients", **options).run(
        tmp_path / "gradients", observer=Observer()
    )
    st.plan(churn, target="churned", optimizers=optimizers[:1], **options).run(
        tmp_path / "epochs", observer=Observer()
    )
    records = Folder(tmp_path / "gradients").records()
    (budget,) = {each.steps for each in records if each.key.name.startswith("adam")}
    assert len(records) >= 8
    for each in records:
        spent = [point.gradients for point in each.curve]
        steps = [point.step for point in each.curve]
        dearest = max(
            (b - a) / (t - s) for a, b, s, t in zip(spent, spent[1:], steps, steps[1:], strict=False)
        )
        assert budget <= spent[-1] < budget + 2 * dearest + 1
        assert each.steps == steps[-1]
        assert (each.steps == budget) == each.key.name.startswith("adam")
    alone = {(each.key.recipe, each.key.seed): each.last for each in Folder(tmp_path / "epochs").records()}
    among = {(each.key.recipe, each.key.seed): each.last for each in records}
    shared = alone.keys() & among.keys()
    assert len(shared) >= 4, "its seeds at its rate and at its default"
    assert all(alone[each] == among[each] for each in shared)
