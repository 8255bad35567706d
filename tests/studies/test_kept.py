"""The stored answers of studies are of the arms, the data and the code that the studies have now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from scripts.keep_study import accept
from steepest.data import catalog
from steepest.errors import DataError, FolderError
from steepest.studies import registry
from steepest.studies.base import code
from steepest.studies.base.code import ANSWERS, code_hash, computing, shared_modules
from steepest.studies.base.data import StudyData, three_classes
from steepest.studies.base.identity import arms_hash
from steepest.studies.base.keeping import kept_answer
from steepest.studies.base.making import planned_on

KEPT = Path(__file__).parents[2] / "docs" / "studies"


@pytest.mark.parametrize("name", sorted(each.stem for each in KEPT.glob("*.json")))
def test_a_stored_answer_is_of_the_study_of_today(name: str) -> None:
    kept = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
    made, images = registry.load(kept["name"])(), kept["made"]["images"]
    data = replace(
        made.data("quick"), pixels=images["pixels"]
    )  # what a plan needs of data that may not be here
    size = "" if kept["size"] == "default" else f" --{kept['size']}"
    again = (
        f"docs/studies/{name}.json is of other {{}} than the study has now: make it again by `steepest study "
        f"{kept['name']}{size}` and `python scripts/keep_study.py` with its folder, then scripts/write_gallery.py"
    )
    assert kept["made"]["arms"] == planned_on(made, kept["size"], data).arms_hash, again.format("arms")
    same = f" (python scripts/keep_study.py --same-answer {kept['name']}, if its answer is not touched)"
    assert kept["made"]["code"] == code_hash(type(made)), again.format("code") + same
    if kept["size"] == "quick":
        _is_of(kept, made.data("quick"), again.format("data"))


def _is_of(kept: dict[str, Any], data: StudyData, otherwise: str) -> None:
    images = kept["made"]["images"]
    assert images.get("digest", data.digest) == data.digest, otherwise
    assert images["options"] == data.options, otherwise


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted(each.stem for each in KEPT.glob("*.json") if "-quick" not in each.stem)
)
def test_a_stored_answer_is_of_the_data_of_today(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(catalog, "download", _absent)
    try:
        data = registry.load(kept["name"])().data(kept["size"])
    except DataError as error:
        pytest.skip(f"STEEPEST_DATA names no folder with the data: {error}")
    _is_of(kept, data, f"docs/studies/{name}.json is of other data than the study has now")


def _absent(*_: object, **__: object) -> NoReturn:
    raise DataError("it is not on this machine", hint="STEEPEST_DATA names the folder that has it.")


def test_the_hash_of_the_code_is_of_what_the_file_computes() -> None:
    """An option of the data, a measurement or a formula changes it; a comment, a docstring or a headline does not."""
    file = '''"""A study."""
COMPONENTS = {
    "widths": {"what": "two nets"},
}
SHARE = 0.1  # of the images


class Widths(Study):
    """Two nets."""

    headlines: ClassVar = {"more": "It is."}

    @staticmethod
    def seen(size):
        """Return a sum."""
        return {"sum": 1.0}

    def answer(self, found):
        # of all seeds
        return Answer("more", {"gap": min(found)})
'''
    said = (
        ('"""A study."""', '"""Another\n\nstudy."""'),
        ("two nets", "several nets"),
        ("# of the images", "# a tenth"),
        ("It is.", "It was."),
        ("# of all seeds", "# of ten seeds"),
        ('"""Return a sum."""', '"""Return it."""'),
    )
    for old, new in said:
        assert old in file
        assert computing(file.replace(old, new)) == computing(file), old
    for old, new in (("SHARE = 0.1", "SHARE = 0.2"), ('"sum": 1.0', '"sum": 2.0'), ("min(", "max(")):
        assert computing(file.replace(old, new)) != computing(file), old
        same = computing(file.replace(old, new), ANSWERS) == computing(file, ANSWERS)
        assert same == (old == "min("), old  # an answer is made anew of finished measurements


def test_the_hash_of_the_code_is_of_the_shared_modules_that_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    study, source = registry.load("memorisation"), code._source
    before = code_hash(study), code_hash(study, "measurements")
    monkeypatch.setattr(code, "_source", lambda name: f"# said\n{source(name)}")
    assert (code_hash(study), code_hash(study, "measurements")) == before
    changed = "steepest.studies.base.watching"
    assert changed in shared_modules("from steepest.studies.base.shapes import SOURCE")
    monkeypatch.setattr(code, "_source", lambda name: source(name) + "\nMORE = 1" * (name == changed))
    for old, now in zip(before, (code_hash(study), code_hash(study, "measurements")), strict=True):
        assert old != now


UNANSWERED: set[str] = set()
"""Studies whose default size has not been run to its end yet; a quick run on generated rows would say nothing."""


def test_every_study_has_a_stored_answer() -> None:
    stored = {json.loads(each.read_text(encoding="utf-8"))["name"] for each in KEPT.glob("*.json")}
    assert not stored & UNANSWERED
    assert stored | UNANSWERED == set(registry.names())


def test_a_change_that_leaves_the_answer_is_accepted_in_the_answers_of_its_study_alone(
    tmp_path: Path,
) -> None:
    stored = {
        "batch-size": "batch-size",
        "batch-size-quick": "batch-size",
        "batch-size-regularisation": "other",
    }
    for file, name in stored.items():
        (tmp_path / f"{file}.json").write_text(
            json.dumps({"name": name, "made": {"code": "before", "arms": "1"}})
        )
    assert [each.stem for each in accept("batch-size", tmp_path)] == ["batch-size-quick", "batch-size"]
    found = {each.stem: json.loads(each.read_text())["made"] for each in tmp_path.glob("*.json")}
    now = {"code": code_hash(registry.load("batch-size")), "arms": "1"}
    before = {"code": "before", "arms": "1"}
    assert found == {"batch-size": now, "batch-size-quick": now, "batch-size-regularisation": before}


def test_the_hash_is_of_what_is_run_and_not_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    images = three_classes(bundled=True)
    made = registry.load("memorisation")()
    planned = planned_on(made, "quick", images)
    assert planned_on(made, "default", images).arms_hash != planned.arms_hash

    monkeypatch.setattr(type(made), "question", "Other words?")
    assert planned_on(made, "quick", images).arms_hash == planned.arms_hash
    experiments = {of: each.experiment for of, each in planned.plans.items()}
    for changed in ({"seeds": 7}, {"epochs": 399.0}, {"callbacks": ()}, {"batch_size": 32}):
        protocol = experiments[""].protocol.model_copy(update=changed)
        other = {**experiments, "": experiments[""].model_copy(update={"protocol": protocol})}
        assert arms_hash(other) != planned.arms_hash, changed


def test_what_is_no_finished_study_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(FolderError):
        kept_answer(tmp_path, registry.load("memorisation"))
