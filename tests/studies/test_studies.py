"""Studies: an ordinary folder, an answer that follows the measured numbers, and budgets that are kept."""

from __future__ import annotations

import ast
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats

from steepest.api import Result
from steepest.cli import main
from steepest.compare.studied import Beside, Check, Drawing, FigureLine, StudyRow
from steepest.data.catalog import SOURCES, places
from steepest.data.texts.bpe import learned
from steepest.data.variants import Variant
from steepest.errors import DataError, FolderError, ModelError, OptionError, UnknownNameError
from steepest.experiment.given import Arm
from steepest.models import build_model
from steepest.record.store import STUDY
from steepest.report.html import render_html
from steepest.report.studied import ArmTable
from steepest.studies import plan_study, registry, study
from steepest.studies.base import keeping, making, tuned
from steepest.studies.base.code import code_hash
from steepest.studies.base.data import StudyData, kept_images
from steepest.studies.base.folder import read_study
from steepest.studies.base.found import Found, StudyColumn, gaps, mean_text
from steepest.studies.base.keeping import kept_answer, kept_text
from steepest.studies.base.making import StudyPlan, finished, planned
from steepest.studies.base.notebook import notebook
from steepest.studies.base.study import MAIN, SIZES, Answer, Comparing, Size, Study, StudyArm
from steepest.studies.base.texts import stories_folder
from steepest.studies.base.watching import CURVATURE, FITTED, LOSS, MEMORISED, NORM_1, NORM_2, RIGHT, WRONG
from steepest.sweep.observer import Observer
from steepest.version import version
from steepest.wording import plain_text
from tests.texts.test_transformer import saved_llama
from tests.texts.test_transformer import shape as text_shape

CASES = {
    "all-together": 16,
    "annealing": 4,
    "augmentation": 4,
    "batch-norm": 8,
    "batch-size": 3,
    "batch-size-regularisation": 4,
    "compare-optimizers": 3,
    "compression": 10,
    "covertype": 13,
    "covertype-published": 2,
    "crimes": 6,
    "crimes-larger": 10,
    "distillation": 6,
    "dropout": 5,
    "early-stopping": 5,
    "filters": 0,
    "full-lora-frozen": 6,
    "lora": 3,
    "lora-grid": 16,
    "losses": 5,
    "lottery-ticket": 13,
    "memorisation": 4,
    "metric-choice": 2,
    "minibatch-time": 0,
    "mnist-benchmark": 3,
    "momentum": 0,
    "movielens": 2,
    "optimizers": 8,
    "overparameterisation": 8,
    "penalties": 13,
    "pruning": 13,
    "qlora": 3,
    "residual": 4,
    "sensitivity": 5,
    "step-cost": 0,
}
"""Every study, with the arms of its own comparison with ``--quick``; 0 where it trains nothing."""

SAME_ROWS = {"lora", "lora-grid", "losses", "mnist-benchmark", "overparameterisation", "qlora"}
"""Studies whose seeds draw no training rows, as the published ones did not."""

MOST = {"quick": (0.5, 20.0), "default": (5.0, 20.0), "full": (math.inf, math.inf)}
"""Minutes and Tflop that a study of each size may take."""


def test_every_study_has_a_row():
    assert set(CASES) == set(registry.names())


TABLES = {
    "covertype": "covertype",
    "covertype-published": "covertype",
    "crimes": "crimes-2018",
    "crimes-larger": "crimes-2018",
    "movielens": "movielens-small-2016",
}
"""Studies of a table of the catalog, which is slow to read where it is the published one."""


TEXTS = {"full-lora-frozen": "shakespeare", "lora": "wikitext", "lora-grid": "wikitext", "qlora": "wikitext"}
"""Studies of a text, which begin with a network that the user has, too."""


def _lacking(name: str) -> str:
    """Return what is not on this machine of what a study needs, or nothing."""
    if name in TEXTS:
        try:
            stories_folder()
        except DataError as error:
            return str(error)
    own = {**TABLES, **TEXTS}
    needed = [own[name]] if name in own else ["mnist", "fashion-mnist"]
    there = all(places(SOURCES.load(each)) for each in needed)
    return "" if there else f"STEEPEST_DATA names no folder with {' and '.join(needed)}"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param(
            name, size, marks=[pytest.mark.slow] if name in {*TABLES, *TEXTS} and size == "full" else []
        )
        for name in CASES
        for size in SIZES
    ],
)
def test_a_study_keeps_its_budget(name: str, size: str) -> None:
    """Its steps cost no more than it says, and it says no more than a study of its size may cost."""
    if name in TEXTS:
        pytest.importorskip("bitsandbytes", reason="pip install '.[language]'")
    if size != "quick" and (lacking := _lacking(name)):
        pytest.skip(lacking)
    says = {of: registry.entry(name).more[of][size] for of in ("minutes", "tflop")}
    found = plan_study(name, size)
    assert (found.tflop > 0) == bool(found.plans)
    assert found.tflop <= says["tflop"] <= MOST[size][1]
    assert says["minutes"] <= MOST[size][0]
    assert found.data.text in str(found)
    for of, comparing in found.study.comparisons(found.size, found.data).items():
        names = [each.arm.name for each in comparing.arms]
        assert all(names)
        assert sorted(arm.name for arm in found.plans[of].arms) == sorted(names)
        tuned = {arm.name for arm in found.plans[of].arms if arm.optimizer.tuned}
        assert tuned == {each.arm.name for each in comparing.arms if each.way == "tuned"}
        drawn = {arm.train_rows.startswith("run:") for arm in found.plans[of].arms}
        assert drawn == {name not in SAME_ROWS and name not in TABLES}
    if size == "quick":
        assert len(found.plans[MAIN].arms if found.plans else ()) == CASES[name]
        assert found.data.path.is_file()


class Small(Study):
    """Two kinds of labels, of which one cannot be learned from."""

    name = "small"
    question = "Do shuffled labels harm?"
    source = "made for this test"
    headlines: ClassVar = {
        "less": "Yes: {gap}.",
        "same": "Not told apart: {gap}.",
        "more": "They help: {gap}.",
    }

    def comparisons(self, size: Size, data: StudyData) -> Mapping[str, Comparing]:
        del data
        arms = [
            StudyArm(Arm(optimizer="momentum(lr=0.05)", labels=labels, name=name), "published")
            for name, labels in (("clean", "none"), ("shuffled", "shuffle(draw=run)"))
        ]
        options = {
            "model": "mlp(hidden=[16])", "train_rows": "run:60", "batch_size": "all", "epochs": 60, "seeds": 3,
        }  # fmt: skip
        watching = [
            f"steepest.studies.base.watching:{each}" for each in ("EveryStep", "Norms", "TopEigenvalue")
        ]
        own = Comparing(arms, options, watching)
        return {MAIN: own, "short": Comparing(arms, {**options, "epochs": 2, "seeds": 2})}

    def columns(self) -> Sequence[StudyColumn]:
        return [
            StudyColumn("new images", lambda found, of, arm: found.values("accuracy", arm, "last", of)),
            StudyColumn("norm", lambda found, of, arm: found.last_logged(NORM_2, arm, of), percent=False),
        ]

    def answer(self, found: Found) -> Answer:
        [gap] = gaps([[found.values("accuracy", name, "last") for name in ("shuffled", "clean")]])
        line = FigureLine(name="clean", x=[1.0, 2.0], y=[3.0, 4.0], low=[2.0, 3.0], high=[4.0, 5.0])
        return Answer(
            gap.verdict,
            {"gap": gap.text()},
            beside=[Beside(what="gap", published="−50", measured=gap.text(), reason="other images")],
            checks=[Check(what="shuffled labels are worse", passed=gap.mean < 0, found=gap.text())],
            drawings=[Drawing(title="A <b>figure</b>", x="x", y="y", lines=[line], ticks={"one": 1.0})],
        )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return planned(Small(), "quick").run(tmp_path_factory.mktemp("study") / "small", observer=Observer())


def test_the_answer_is_that_of_the_records(made):
    found = made.found
    by_seed = {
        name: [record.test_last.get("accuracy", record.test["accuracy"]) for record in found.records(name)]
        for name in ("clean", "shuffled")
    }
    assert all(found.values("accuracy", name, "last") == values for name, values in by_seed.items())
    difference = np.array(by_seed["shuffled"]) - np.array(by_seed["clean"])
    mean, error = difference.mean(), stats.sem(difference)
    half = stats.t.ppf(0.975, 2) * error
    [gap] = gaps([(by_seed["shuffled"], by_seed["clean"])])
    assert gap[:3] == pytest.approx((mean, mean - half, mean + half))
    assert made.sentence == Small.headlines[gap.verdict].format(gap=gap.text())
    assert [row.cells[0] for row in made.studied.rows[:2]] == [mean_text(by_seed[n]) for n in by_seed]
    assert [row.name for row in made.studied.rows][2:] == ["short: clean", "short: shuffled"]
    assert made.passed


def test_what_is_logged_is_what_it_says(made):
    found = made.found
    for name, least, most in (("clean", 0.0, 0.0), ("shuffled", 0.4, 0.9)):
        assert all(least <= each <= most for each in found.last_logged(WRONG, name))
        for record in found.records(name):
            logged = record.logged
            assert [step for step, _ in logged[FITTED]][:3] == [0, 1, 2]
            assert logged[LOSS][-1][0] == 60
            assert logged[CURVATURE][0][1] > 0
            assert logged[NORM_1][-1][1] > logged[NORM_2][-1][1]
            wrong, fitted, right = (logged[each][-1][1] for each in (WRONG, FITTED, RIGHT))
            memorised = logged[MEMORISED][-1][1] if wrong else 0.0
            assert fitted - wrong * memorised <= right + 1e-12  # of the rows whose label is right
            assert right <= 1 - wrong * memorised + 1e-12
            assert wrong or right == fitted
    assert found.reached(FITTED, "clean", 0.0) == [0.0, 0.0, 0.0]
    assert found.reached(FITTED, "clean", 1.1) == [math.inf] * 3


def test_seeds_draw_images_and_arms_share_them():
    table = planned(Small(), "quick").plans[MAIN].table
    clean, shuffled = (table.vary(Variant("run:60", labels))[0] for labels in ("", "shuffle(draw=run)"))
    one, other = clean.training(0), clean.training(1)
    assert not (one.inputs[0] == other.inputs[0]).all()
    assert (one.inputs[0] == shuffled.training(0).inputs[0]).all()


def test_a_study_is_an_ordinary_folder_whose_report_begins_with_the_answer(made):
    loaded = Result.load(made.result.path)
    assert loaded.comparison.study == made.studied
    assert loaded.difference("clean", "shuffled", "accuracy").metric == "accuracy"
    page = made.report.read_text(encoding="utf-8")
    assert page.index(Small.question) < page.index("The comparison that this is made from")
    assert "A &lt;b&gt;figure&lt;/b&gt;" in page
    assert "A <b>figure</b>" not in page
    assert "study-arms" not in render_html(loaded.comparison.model_copy(update={"study": None}))
    kept = json.loads((made.result.path / STUDY).read_text())
    assert (kept["study"], kept["size"]) == ("small", "quick")
    assert kept["data"]["source"] == "digits"
    assert kept["data"]["digest"] in kept["data"]["file"]
    assert (made.result.path / "short" / "report.html").is_file()


def test_a_kept_answer_says_what_it_was_made_with(made):
    """The hash of the folder is that of the plan."""
    kept = kept_answer(made.result.path, Small)
    assert kept["answer"] == made.sentence
    assert kept["made"]["arms"] == planned(Small(), "quick").arms_hash
    assert kept["made"]["steepest"] == version()
    assert "core" in kept["made"]["machine"]
    assert kept["made"]["images"] == {
        "digest": made.found.data.digest,
        "pixels": 64,
        "options": {"validation": 0.2},
    }
    assert kept["made"]["seeds"] == [2, 3]
    assert kept["made"]["code"] == code_hash(Small)
    assert made.result.path.as_posix() not in json.dumps(kept)


def test_an_answer_is_of_the_code_that_its_folder_was_begun_with(made, monkeypatch):
    """Whatever the code is when it is kept, or when its folder goes on."""
    begun = json.loads((made.result.path / STUDY).read_text())["code"]
    assert begun == code_hash(Small, "measurements")
    for module in (making, keeping):
        monkeypatch.setattr(module, "code_hash", lambda *_: "another")
    told = Told()
    planned(Small(), "quick").run(made.result.path, observer=told)
    assert [each for each in told.lines if "the code of the study small has changed since" in each]
    assert json.loads((made.result.path / STUDY).read_text())["code"] == begun
    assert kept_answer(made.result.path, Small)["made"]["code"] == begun


class Told(Observer):
    """Keeps what is said."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        """Keep a line."""
        self.lines.append(text)


def test_a_kept_answer_has_the_table_and_the_figures_and_the_reasons(made):
    kept = json.loads(kept_text(kept_answer(made.result.path, Small)))
    assert kept["beside"] == [each.model_dump() for each in made.studied.beside]
    assert kept["columns"] == made.studied.columns
    assert [row["cells"] for row in kept["rows"]] == [row.cells for row in made.studied.rows]
    assert [Drawing.model_validate(each) for each in kept["drawings"]] == made.studied.drawings
    assert "other images" in made.report.read_text(encoding="utf-8")
    assert "other images" in repr(made)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_number_of_a_table_of_arms_is_cut(made, width):
    cells = ["−13.7 ±14.8", "100.0", "64.5 ±10.4", "1234.5", "0.01 ±0.02"]
    heads = [
        "in-sample, %",
        "new images, %",
        "new images, best weights, %",
        "compressed, kB",
        "1,000 images, ms",
    ]
    rows = [
        StudyRow(name=name, way=way, part=part, cells=cells)
        for name, way, part in (
            ("a network with a name of many words", "published", ""),
            ("many: none", "corrected", "many"),
            ("many: 1/4: low rank", "corrected", "many"),
        )
    ]
    lines = plain_text(
        ArmTable(made.studied.model_copy(update={"columns": heads, "rows": rows})), width
    ).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    for cell in cells:
        assert text.count(cell) == 3
    assert text.count(" rank") == sum(each.split()[:1] == ["arm"] for each in lines)
    if width == 200:
        assert sum(each.split()[:1] == ["arm"] for each in lines) == 1
        assert [each.strip() for each in lines if each.strip() == "many"] == ["many"]


def test_a_dry_run_says_how_long_a_study_takes(made, tmp_path):
    """Nothing is written, and finished runs take no time."""
    made_of = planned(Small(), "quick")
    told = made_of.preview(tmp_path / "new")
    assert told.seconds > 0
    assert told.startswith(str(made_of))
    assert "time   about " in told.splitlines()[-1]
    assert not (tmp_path / "new").exists()
    again = made_of.preview(made.result.path)
    assert again.seconds < told.seconds


def test_a_study_goes_on_and_repeats_nothing(made):
    class Runs(Observer):
        made: ClassVar[list[str]] = []

        def run(self, record):
            self.made.append(record.key.name)

    again = planned(Small(), "quick").run(made.result.path, observer=Runs())
    assert Runs.made == []
    assert again.studied == made.studied


def test_a_study_of_another_size_has_another_folder(made):
    full = replace(planned(Small(), "quick"), size="full")
    with pytest.raises(
        FolderError, match="holds the study small of the size quick, not small of the size full"
    ):
        full.run(made.result.path, observer=Observer())


def _other_images() -> StudyData:
    """Return images as they would be chosen on a machine that has others by now."""
    pixels = np.zeros((40, 1, 8, 8), dtype=np.uint8)
    labels = np.array(["a", "b"] * 20)
    test = np.arange(40) % 4 == 0
    return kept_images("others", "afhq-32", "other images", pixels, labels, test)


class Elsewhere(Small):
    """The same study where other images are found."""

    def data(self, size: Size) -> StudyData:
        return _other_images()


def test_a_begun_study_goes_on_with_its_own_images(made, tmp_path):
    """Images are decided when a study is begun, not anew at every resume."""
    folder = made.result.path
    here = planned(Elsewhere(), "quick", folder)
    assert here.data == read_study(folder).data == made.found.data
    assert here.run(folder, observer=Observer()).studied == made.studied
    with pytest.raises(FolderError, match=r"was begun on the digits 3, 5 and 8 .* go on with other images"):
        planned(Elsewhere(), "quick").run(folder, observer=Observer())
    stored = json.loads((folder / STUDY).read_text())
    stored["data"] |= {"file": "gone.npz", "digest": "gone"}
    (tmp_path / STUDY).write_text(json.dumps(stored))
    with pytest.raises(FolderError, match=r"no longer on this machine \(file gone.npz, from digits\)"):
        planned(Elsewhere(), "quick", tmp_path)


def test_a_folder_of_an_earlier_version_names_no_images_and_goes_on(made, tmp_path):
    copied = shutil.copytree(made.result.path, tmp_path / "copied")
    (copied / STUDY).write_text(json.dumps({"study": "small", "size": "quick"}))
    again = planned(Small(), "quick", copied).run(copied, observer=Observer())
    assert again.studied == made.studied
    assert json.loads((copied / STUDY).read_text())["data"]["source"] == "digits"


def test_a_study_writes_into_no_other_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FolderError, match="is not empty and contains no experiment"):
        planned(Small(), "quick").run(tmp_path, observer=Observer())
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


class Sized(Small):
    """A study with an option."""

    def __init__(self, width: int = 16) -> None:
        self.width = width


def test_options_of_a_study_stand_in_brackets(tmp_path):
    (tmp_path / "sized.py").write_text(
        "from tests.studies.test_studies import Sized as Own\n\n\nclass Sized(Own):\n    name = 'sized'\n"
    )
    reference = f"{tmp_path.as_posix()}/sized.py:Sized"
    assert making.make_study(f"{reference}(width=8)").width == making.make_study(f"{reference}(8)").width == 8
    assert making.make_study(reference).width == 16
    with pytest.raises(UnknownNameError, match="option of the study sized 'height'"):
        making.make_study(f"{reference}(height=8)")
    with pytest.raises(OptionError, match="the study sized has 1 option"):
        making.make_study(f"{reference}(8, 9)")
    with pytest.raises(OptionError, match="the study memorisation has 0 options"):
        making.make_study("memorisation(3)")


@pytest.fixture
def llama_with_tokenizer(tmp_path: Path) -> Path:
    """The folder of a small model of Hugging Face."""
    pytest.importorskip("transformers", reason="pip install '.[language]'")
    pytest.importorskip("peft", reason="pip install '.[language]'")
    stored = learned(["the king of rome and a queen of war"] * 3, 270).stored
    net = build_model("transformer(width=8, layers=1, heads=2)", text_shape(270))
    folder = saved_llama(tmp_path / "llama", net, architectures=["LlamaForCausalLM"])
    (folder / "tokenizer.json").write_text(stored)
    return folder


def test_a_study_of_fine_tuning_needs_the_folder_of_a_model(tmp_path, llama_with_tokenizer):
    with pytest.raises(ModelError, match=r"there is no folder '.*no/such'"):
        making.make_study("lora(model='no/such')")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        making.make_study(f"lora(model='{tmp_path.as_posix()}')")
    (llama_with_tokenizer / "tokenizer.json").unlink()
    with pytest.raises(DataError, match="has no tokenizer") as caught:
        making.make_study(f"qlora(model='{llama_with_tokenizer.as_posix()}')")
    assert caught.value.hint.startswith("put the model's tokenizer.json")


@pytest.mark.parametrize("name", ["lora", "qlora", "lora-grid", "full-lora-frozen"])
def test_a_study_of_fine_tuning_begins_with_the_model_that_is_named(
    name, tmp_path, monkeypatch, llama_with_tokenizer
):
    """On text of the catalog, cut by the model's tokenizer; adapters are beside its layers of attention."""
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    for each in ("wikitext", "shakespeare"):
        text = dict.fromkeys(("train", "validation", "test"), "the king of rome and a queen of war\n" * 400)
        monkeypatch.setattr(tuned, each, lambda *_, text=text: text)
    made = making.make_study(f"{name}(model='{llama_with_tokenizer.as_posix()}')")
    assert made.attention == "q_proj,k_proj,v_proj"
    with pytest.raises(OptionError, match=r"has no effect with (--)?quick"):
        made.data("quick")
    [plan, *_] = making.planned(made, "full").plans.values()
    assert {arm.model_text for arm in plan.arms} == {f"hf:{llama_with_tokenizer.as_posix()}"}
    assert plan.table.make(0)[0].shape.outputs == 270


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="memorization"):
        plan_study("memorization")
    with pytest.raises(UnknownNameError, match="size of a study 'quik'"):
        plan_study("memorisation", "quik")
    with pytest.raises(FolderError, match="holds no study"):
        finished(tmp_path)
    (tmp_path / STUDY).write_text("[]")
    with pytest.raises(FolderError, match="cannot read"):
        finished(tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_a_study_is_a_notebook_whose_cells_are_python(name, tmp_path):
    made = notebook(registry.load(name)(), "quick", str(tmp_path))
    for cell in made["cells"]:
        if cell["cell_type"] == "code":
            ast.parse(cell["source"])
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_quick_study_ends_with_an_answer(name, tmp_path):
    result = study(name, tmp_path / "study", size="quick", observer=Observer())
    assert "{" not in result.sentence
    assert len(result.studied.rows) >= CASES[name]
    assert all(len(row.cells) == len(result.studied.columns) for row in result.studied.rows)
    assert result.studied.checks
    assert result.studied.drawings
    assert finished(tmp_path / "study").studied == result.studied


def test_the_command_lists_plans_and_writes_studies(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["list", "studies"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in CASES)
    assert main(["study", "memorisation", "--quick", "--dry-run"]) == 0
    assert "4 arms" in capsys.readouterr().out
    file = tmp_path / "study.ipynb"
    assert main(["study", "memorisation", "--quick", "--notebook", str(file)]) == 0
    assert json.loads(file.read_text(encoding="utf-8"))["cells"]
    for wrong in (["--quick", "--full"], ["--dry-run", "--json"], ["--quiet", "--verbose"]):
        assert main(["study", "memorisation", *wrong]) == 2
    assert "Hint:" in capsys.readouterr().err


def test_a_statement_that_is_not_true_is_an_exit_status(made, capsys, monkeypatch):
    """The commands study and resume end alike."""
    failed = made.studied.model_copy(update={"checks": [Check(what="so", passed=False, found="not")]})
    other = replace(made, studied=failed)
    for result, status in ((made, 0), (other, 1)):
        monkeypatch.setattr(StudyPlan, "run", lambda self, out, observer, result=result: result)
        for command in (["study", "memorisation", "--quick", "-q"], ["resume", str(made.result.path), "-q"]):
            monkeypatch.setattr(registry, "load", lambda name: Small)
            assert main(command) == status
            assert made.sentence in " ".join(capsys.readouterr().out.split())
