"""A comparison of arms on the command line and in Python: named, predicted with, listed, and given again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import FolderError, ModelError, OptionError
from steepest.experiment.settings import decide
from steepest.recipe import RunLength
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.plan import finals

QUICK = ["--seeds", "2", "--epochs", "1", "--compile", "off"]
TWO_FACTORS = ["-o", "adam(lr=0.01)", "--model", "linear", "--model", "embedding-mlp(hidden=[4])",
               "--batch-size", "32", "--batch-size", "64"]  # fmt: skip


@pytest.fixture(scope="session")
def crossed(churn_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two models × two batch sizes; copy it before changing it."""
    out = tmp_path_factory.mktemp("runs") / "crossed"
    command = ["compare", churn_csv, "--target", "churned", *TWO_FACTORS, *QUICK, "--out", out]
    assert main([str(each) for each in command]) == 0
    return out


@pytest.fixture
def copied(crossed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(crossed, tmp_path / "x"))


def ids(folder: Path) -> dict[str, str]:
    stored = json.loads((folder / "results.json").read_text())
    return {arm["title"]: arm["id"] for arm in stored["arms"]}


def test_every_arm_predicts_by_name_or_id_as_its_own_folder(steepest, crossed, churn_csv, tmp_path) -> None:
    known = ids(crossed)
    assert list(known) == [
        "linear, batch 32",
        "linear, batch 64",
        "embedding-mlp, batch 32",
        "embedding-mlp, batch 64",
    ]
    texts: dict[str, str] = {}
    for title, of in known.items():
        for given in (title, of, of[:6]):
            out = tmp_path / "p.csv"
            said = steepest("predict", crossed, churn_csv, "--arm", given, "--out", out)
            assert said.status == 0, said.err
            assert f"by the network of the arm {title!r}" in said.err
            assert texts.setdefault(title, out.read_text()) == out.read_text()
        assert steepest("predict", crossed / "arms" / of, churn_csv, "--out", out).status == 0
        assert texts[title] == out.read_text()
        found = pl.read_csv(out).select("p_no", "p_yes").to_numpy()
        assert (st.load(crossed, arm=title).predict_proba(churn_csv) == found).all()
    assert len(set(texts.values())) == 4
    result = st.Result.load(crossed)
    winner = result.comparison.winner
    assert repr(result.arm(winner)) == repr(st.load(crossed / "model"))


@pytest.mark.parametrize(
    ("given", "fact", "hint"),
    [
        ("linear", "this comparison has no arm 'linear'", "did you mean 'linear, batch 32' or 'linear, batch 64'? "),
        ("embeding-mlp, batch 32", "no arm 'embeding-mlp, batch 32'", "did you mean 'embedding-mlp, batch 32'"),
        ("", "this comparison has no arm ''", "The arms: 'linear, batch 32' ("),
    ],
)  # fmt: skip
def test_an_unknown_arm(steepest, crossed, churn_csv, tmp_path, given, fact, hint) -> None:
    said = steepest("predict", crossed, churn_csv, "--arm", given, "--out", tmp_path / "p.csv")
    assert said.status == 2
    assert fact in said.err
    assert hint in said.err
    for of in ids(crossed).values():
        assert of in said.err
    with pytest.raises(OptionError, match="has no arm"):
        st.load(crossed, arm=given)


def test_an_ambiguous_arm_is_named_by_its_id(steepest, copied, churn_csv) -> None:
    path = copied / "results.json"
    stored = json.loads(path.read_text())
    first, second = stored["arms"][:2]
    first["name"] = first["title"] = second["label"]  # a name of one's own that another one's label is
    path.write_text(json.dumps(stored))
    said = steepest("predict", copied, churn_csv, "--arm", second["label"], "--out", copied / "p.csv")
    assert said.status == 2
    assert f"the arm {second['label']!r} can be any of 2" in said.err
    assert f"give its id: {first['id']} is" in said.err
    assert steepest("predict", copied, churn_csv, "--arm", first["id"], "--out", copied / "p.csv").status == 0


def test_an_arm_of_something_else(steepest, copied, churn_csv, tmp_path) -> None:
    said = steepest("predict", copied / "model", churn_csv, "--arm", "linear", "--out", tmp_path / "p.csv")
    assert said.status == 2
    assert "--arm 'linear' has no effect" in said.err
    assert f"name the folder of the comparison: {copied.as_posix()}," in said.err
    with pytest.raises(FolderError, match="there is no folder"):
        st.load(tmp_path / "nowhere", arm="linear")
    stored = json.loads((copied / "results.json").read_text())
    del stored["arms"]
    (copied / "results.json").write_text(json.dumps(stored))
    with pytest.raises(FolderError, match="made by an earlier version, which kept no arms"):
        st.load(copied, arm="linear")


def test_with_several_test_sets_only_the_winner_has_a_network(steepest, churn_csv, tmp_path) -> None:
    out = tmp_path / "x"
    command = [
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "adam(lr=0.01),sgd(lr=0.1)",
        "--split",
        "folds:2",
    ]
    said = steepest(*command, "--seeds", "1", "--epochs", "1", "--compile", "off", "--out", out)
    assert said.status == 0, said.err
    winner = st.Result.load(out).comparison.winner
    loser = next(each for each in ids(out) if each != winner)
    assert len(st.load(out, arm=winner).predict(churn_csv)) == 600
    with pytest.raises(ModelError, match="with 2 test sets only that of the winner"):
        st.load(out, arm=loser)


def test_one_arm_alone_is_the_model(finished, crossed, churn_csv, tmp_path, steepest) -> None:
    out = tmp_path / "x"
    said = steepest("compare", churn_csv, "--target", "churned", "-o", "sgd(lr=0.1)", *QUICK, "--out", out)
    assert said.status == 0, said.err
    assert repr(st.load(out, arm="sgd(lr=0.1)")) == repr(st.load(out / "model"))


def test_an_arm_is_exported(steepest, crossed, tmp_path) -> None:
    said = steepest("export", crossed, "--format", "torch", "--arm", "linear, batch 64", "--out", tmp_path)
    assert said.status == 0, said.err
    readme = (tmp_path / "torch/README.md").read_text()
    assert "the network of the arm 'linear, batch 64'" in readme.splitlines()[0]
    said = steepest("export", crossed, "--format", "csv", "--arm", "linear, batch 64", "--out", tmp_path)
    assert said.status == 2
    assert "--arm 'linear, batch 64' is given, and no model is exported as csv" in said.err


def test_very_many_runs_need_a_yes(steepest, churn_csv, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("steepest.experiment.budget.MANY_RUNS", 7)
    out = tmp_path / "x"
    command = ["compare", churn_csv, "--target", "churned", *TWO_FACTORS, *QUICK, "--out", out]
    said = steepest(*command)
    assert said.status == 2
    assert "error: 8 runs are to be made, more than 7, which takes about " in said.err
    assert "Hint: give --yes (yes=True)" in said.err
    assert Folder(out).untouched
    assert "→ 8 runs" in steepest(*command, "--dry-run").out
    several = {
        "model": ["linear", "embedding-mlp(hidden=[4])"],
        "batch_size": [32, 64],
        "seeds": 2,
        "epochs": 1,
    }
    table = st.read_table(churn_csv, target="churned")
    with pytest.raises(OptionError, match="8 runs are to be made"):
        st.compare(table, out, optimizers=["adam(lr=0.01)"], compile="off", **several)
    assert steepest(*command, "--yes").status == 0
    assert len(Folder(out).records()) == 8
    assert steepest("resume", out).status == 0
    assert steepest(*command).status == 0  # none are left to make


def test_the_result_in_python(crossed) -> None:
    result = st.Result.load(crossed)
    arms = result.arms
    assert dict(zip(arms["title"], arms["id"], strict=True)) == ids(crossed)
    assert arms["batch_size"].to_list() == ["32", "64", "32", "64"]
    table = result.table
    assert table.columns[:5] == ["kind", "name", "model", "batch_size", "lr"]
    assert set(zip(table["name"], table["model"], table["batch_size"], strict=True)) >= {
        (arm["title"], arm["model"], int(arm["batch_size"])) for arm in arms.to_dicts()
    }
    assert set(table.filter(kind="baseline")["model"]) == {None}
    first, second = arms["title"][:2]
    by_title = result.difference(first, second)
    assert by_title == result.difference(arms["id"][0], arms["id"][1][:8])
    values = {row.name: row.values["log_loss"] for row in result.comparison.rows}
    assert by_title.mean == pytest.approx(
        sum(a - b for a, b in zip(values[first], values[second], strict=True)) / 2
    )
    with pytest.raises(OptionError, match="has no arm 'adm'"):
        result.difference("adm", first)
    assert result.effects is not None
    with pytest.raises(OptionError, match="Known: batch_size, model"):
        result.effects["optimizer"]
    assert result.effects is not None
    effect = result.effects["model"].effect
    means = {
        name: sum(sum(values[arm["title"]]) for arm in arms.to_dicts() if arm["model"].startswith(name)) / 4
        for name in ("linear", "embedding-mlp")
    }
    assert abs(effect.mean) == pytest.approx(abs(means["linear"] - means["embedding-mlp"]))


def test_effects_are_none_with_one_factor(finished) -> None:
    result = st.Result.load(finished)
    assert result.effects is None
    assert result.arms["title"].to_list() == ["adam(lr=0.01)", "sgd(lr=0.1)"]
    assert result.table.columns[:3] == ["kind", "name", "lr"]


def test_a_plan_says_what_it_compares(churn_csv) -> None:
    table = st.read_table(churn_csv, target="churned")
    one = {"optimizers": ["adam(lr=0.01)"], "seeds": 2, "epochs": 1}
    assert "compare adam(lr=0.01) on " in str(st.plan(table, **one))
    crossed = st.plan(
        table, **one, model=["linear", "embedding-mlp(hidden=[4])"], schedule=["cosine", "constant"]
    )
    assert str(crossed).startswith("compare 4 arms (2 models × 2 schedules) on ")
    assert str(crossed).endswith(": 2 seeds, 1 epoch")
    assert "2 models × 2 schedules" in crossed._repr_html_()
    assert [arm.schedule for arm in crossed.arms] == ["cosine", "constant"] * 2
    arms = [
        st.Arm(name="a"),
        st.Arm(model="linear", name="b"),
        st.Arm(model="linear", batch_size=32, name="c"),
    ]
    assert str(st.plan(table, arms=arms, epochs=1)).startswith("compare 3 arms (a, b, c) on ")


@pytest.mark.parametrize("given", [["-o", "sgd"], ["--schedule", "constant"]])
def test_what_a_list_of_arms_decides_is_not_dropped_silently(steepest, churn_csv, tmp_path, given) -> None:
    arms = "".join(
        f'[[arms]]\noptimizer = "{each}"\nschedule = "cosine"\n' for each in ("sgd(lr=0.1)", "adam(lr=0.01)")
    )
    path = tmp_path / "e.toml"
    path.write_text(f'[data]\nsource = "{churn_csv}"\ntarget = "churned"\n{arms}')
    said = steepest("compare", path, *given, "--dry-run", "--out", tmp_path / "x")
    assert said.status == 2
    assert f"{given[0]} has no effect: every arm in the list of arms has its own" in said.err
    assert "unknown option 'optimiser'" in steepest("compare", _misspelt(path), "--dry-run").err


def _misspelt(path: Path) -> Path:
    path.write_text(path.read_text().replace("optimizer =", "optimiser ="))
    return path


def test_a_width_that_every_model_has_already(steepest, churn_csv, tmp_path) -> None:
    models = ["--model", "linear", "--model", "embedding-mlp(hidden=[4])"]
    command = [
        "compare",
        churn_csv,
        "--target",
        "churned",
        "-o",
        "sgd(lr=0.1)",
        *QUICK,
        "--hidden",
        "8",
        "--dry-run",
    ]
    said = steepest(*command, *models, "--out", tmp_path / "x")
    assert said.status == 2
    assert "--hidden has no effect: --model 'embedding-mlp(hidden=[4])' gives hidden too" in said.err
    assert steepest(*command, *models, "--model", "embedding-mlp", "--out", tmp_path / "x").status == 0


def test_names_that_could_be_taken_for_another_arm_are_refused(churn) -> None:
    table = st.read_table(churn, target="churned")
    for name, what in (("sgd(lr=0.1)", "another arm"), ("logistic regression", "a baseline")):
        arms = [st.Arm("adam(lr=0.01)", name=name), st.Arm("sgd(lr=0.1)")]
        with pytest.raises(st.SteepestError, match=f"is called .*, as {what} is"):
            st.plan(table, arms=arms, seeds=1, epochs=1).preview()


def test_values_to_try_in_a_list_of_arms(churn) -> None:
    table = st.read_table(churn, target="churned")
    three = [
        st.Arm("adam"),
        st.Arm(st.tune("adam", eps=st.Range(1e-8, 1e-4))),
        st.Arm("adam; betas=(0.9,0.99),(0.9,0.9)"),
    ]
    found = st.plan(table, arms=three, tune="amsgrad=false,true").arms
    axes = [[axis.name for axis in arm.optimizer.axes] for arm in found]
    assert axes == [["amsgrad"], ["eps", "amsgrad"], ["betas", "amsgrad"]]
    with pytest.raises(st.SteepestError, match=r"'lion: betas=.*belong to no arm"):
        _ = st.plan(table, arms=[st.Arm("adam")], tune=["lion: betas=(0.9,0.99),(0.5,0.9)"]).arms


def test_one_optimizer_with_several_values_to_try(churn, churn_csv, tmp_path, steepest) -> None:
    names = ["adam", "adam; eps=1e-08..0.0001"]
    given = ["adam", st.tune("adam", eps=st.Range(1e-8, 1e-4))]
    made = st.plan(st.read_table(churn, target="churned"), optimizers=given)
    assert [arm.optimizer.name for arm in made.arms] == names
    values = "(0.9, 0.99),(0.9, 0.999)"
    both = [
        st.tune("adam(lr=0.1)", betas=[(0.9, 0.99), (0.9, 0.999)]),
        st.tune("adam(lr=0.1)", eps=[1e-8, 1e-6]),
    ]
    made = st.plan(st.read_table(churn, target="churned"), optimizers=both)
    assert [arm.optimizer.name for arm in made.arms] == [
        f"adam(lr=0.1); betas={values}",
        "adam(lr=0.1); eps=1e-08,1e-06",
    ]
    command = ["compare", churn_csv, "--target", "churned", *QUICK, "--hidden", "4"]
    assert (
        steepest(*command, "-o", names[0], "-o", "adam; eps=1e-8..1e-4", "--out", tmp_path / "x").status == 0
    )
    assert list(ids(tmp_path / "x")) == names
    count = len(Folder(tmp_path / "x").records())
    tree = f'[data]\nsource = "{churn_csv}"\ntarget = "churned"\n[model]\nhidden = [4]\n'
    for name, listed in {"y": f"optimizers = {names}\n{tree}", "z": f'{tree}[[arms]]\noptimizer = "{names[0]}"\n'
                         f'[[arms]]\noptimizer = "{names[1]}"\n'}.items():  # fmt: skip
        (tmp_path / f"{name}.toml").write_text(listed)
        said = steepest("compare", tmp_path / f"{name}.toml", *QUICK, "--out", tmp_path / "x", "--dry-run")
        assert f"{count} already done" in said.out.replace("runs, ", "")
    assert steepest("resume", tmp_path / "x").status == 0
    assert len(Folder(tmp_path / "x").records()) == count


def test_what_arms_cannot_have_is_refused_alike_everywhere(churn, churn_csv, tmp_path, steepest) -> None:
    table = st.read_table(churn, target="churned")
    with pytest.raises(OptionError, match=r"'optimiser'[\s\S]*did you mean 'optimizer'"):
        st.Arm(optimiser="adam")
    for given in ({"batch_size": "32"}, {"batch_size": [64, "32"]}, {"arms": [st.Arm(batch_size="32")]}):
        with pytest.raises(OptionError, match="batch_size is the text '32'"):
            st.plan(table, **given)
    with pytest.raises(OptionError, match="of the arm 'adam' is larger than its 100 training rows"):
        st.plan(table, optimizers="adam", batch_size=[32, 200], train_rows=[100, "all"]).preview()
    head = f'[data]\nsource = "{churn_csv}"\ntarget = "churned"\n'
    arms = '[[arms]]\nschedule = "linear"\n[[arms]]\nschedule = "constant"\n'
    for text, fact in {
        f'{head}[protocol]\nbatch_size = "32"\n': "is the text '32'",
        f'{head}[[arms]]\nbatch_size = "32"\n': "is the text '32'",
        f'optimizers = ["sgd"]\n{head}{arms}': "-o has no effect",
        f'{head}[protocol]\nschedule = "cosine"\n{arms}': "--schedule has no effect",
    }.items():
        (tmp_path / "e.toml").write_text(text)
        said = steepest("compare", tmp_path / "e.toml", "--dry-run")
        assert (said.status, fact in said.err) == (2, True), said.err
    (tmp_path / "e.toml").write_text(f'{head}[protocol]\nschedule = "cosine"\n{arms}[[arms]]\n')
    said = steepest("compare", tmp_path / "e.toml", *QUICK, "--dry-run")
    assert "linear schedule, constant schedule, cosine schedule" in said.out


def test_the_plan_names_the_run_on_all_rows_and_the_flag_that_many_runs_need(steepest, churn_csv) -> None:
    command = ["compare", churn_csv, "--target", "churned", *QUICK, "--dry-run"]
    said = steepest(*command, "-o", "sgd(lr=0.1)", "--split", "folds:3")
    assert (
        "(3 test sets × 2 seeds + 6 at default) + 6 without schedule + 1 on the rows of all test sets → 19 runs"
        in (said.out)
    )
    assert "--yes" not in said.out
    assert "begin  only with --yes" in steepest(*command, "-o", "sgd(lr=0.1)", "--seeds", "400").out


def test_options_of_arms_say_that_they_are_repeatable(steepest) -> None:
    said = " ".join(steepest("compare", "--help").out.replace("│", " ").split())
    assert said.count("repeatable") >= 11
    assert "Compare optimizers" not in said


def test_a_misspelt_option_of_an_arm_gets_a_suggestion(churn_csv, tmp_path, capsys) -> None:
    path = tmp_path / "e.toml"
    path.write_text(f'[data]\nsource = "{churn_csv}"\ntarget = "churned"\n[[arms]]\nmodle = "linear"\n')
    assert main(["compare", str(path)]) == 2
    assert "did you mean 'model'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("again", [["-o", "sgd(lr=0.1)"], ["-o", "adam(lr=0.01)"]])
def test_an_arm_stays_only_if_it_would_be_tuned_alike(churn_csv, tmp_path, capsys, again) -> None:
    command = ["compare", str(churn_csv), "--target", "churned", "--seeds", "1", "--epochs", "1"]
    command += ["--batch-size", "64", "--hidden", "4", "--compile", "off", "--out", str(tmp_path / "out")]
    assert main([*command, "-o", "adam(lr=0.01)", "--tune", "adam: eps=1e-8,1e-4"]) == 0
    capsys.readouterr()
    assert main([*command, *again]) == 0
    assert "kept in the comparison" not in capsys.readouterr().err


def test_each_test_set_has_the_class_weights_of_its_own_training_rows(churn) -> None:
    table = st.read_table(churn.head(303), target="churned", split="folds:3,random")
    made = st.plan(table, optimizers=["sgd(lr=0.1)"], class_weights="balanced", epochs=1, seeds=1)
    settings = decide(made.experiment, table, made.given, Observer())
    setup, [arm] = settings.setup(RunLength(epochs=1)), settings.arms
    runs = finals(setup, arm, {arm.id: arm.rule})
    for run in runs:
        target = settings.datasets[run.recipe.data].train.target
        counts = target.bincount().double()
        assert run.recipe.class_weights == pytest.approx((len(target) / (2 * counts)).tolist())
    assert len({run.recipe.class_weights for run in runs}) > 1


@pytest.mark.parametrize("arms", ["true", "3", '"adam"', "[1]"])
def test_a_list_of_arms_that_is_none_is_refused_by_its_name(steepest, tmp_path, arms):
    path = tmp_path / "e.toml"
    path.write_text(f'arms = {arms}\n[data]\nsource = "a.csv"\ntarget = "y"\n')
    said = steepest("compare", path)
    assert said.status == 2
    assert "arms" in said.err
    assert "Hint: " in said.err


def test_arms_in_python_may_be_tables_and_must_be_some(churn) -> None:
    made = st.plan(
        churn, target="churned", arms=[{"optimizer": "adam", "model": "linear"}, st.Arm(optimizer="sgd")]
    )
    assert [(arm.optimizer.name, arm.model_text.partition("(")[0]) for arm in made.arms] == [
        ("adam", "linear"),
        ("sgd", "embedding-mlp"),
    ]
    for arms, fact in (([], "the list of arms is empty"), (["adam"], "'adam' is no arm")):
        with pytest.raises(OptionError, match=fact):
            st.plan(churn, target="churned", arms=arms)
