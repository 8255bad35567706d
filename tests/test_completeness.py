"""Whatever has a name has its page, and an optimizer its citation, its cases and its place on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import write_reference
from steepest import optim
from steepest.cli import KINDS
from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.data.options import TableOptions
from steepest.recipe import ExecutionOptions, Experiment, Factors, ModelOptions, Protocol
from tests.optim.cases import CASES
from tests.optim.test_methods import METHODS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

PAGES = {
    "optimizers": "reference/optimizers.md",
    "schedules": "reference/schedules.md",
    "models": "reference/models.md",
    "steps": "reference/preparation-steps.md",
    "losses": "reference/losses.md",
    "regularizers": "reference/regularizers.md",
    "labels": "reference/labels.md",
    "procedures": "reference/procedures.md",
    "finetuning": "reference/finetuning.md",
    "metrics": "reference/metrics.md",
    "baselines": "reference/baselines.md",
    "datasets": "reference/data-sets.md",
    "sources": "reference/sources.md",
    "problems": "reference/problems.md",
    "projections": "reference/projections.md",
    "planes": "reference/planes.md",
    "planners": "reference/planners.md",
    "trackers": "how-to/many-comparisons.md",
    "studies": "reference/studies.md",
    "suites": "reference/suites.md",
    "pages": "how-to/pages.md",
}

NAMES = [(kind, name) for kind, where in KINDS.items() for name in load_reference(where).entries]


def test_every_kind_of_component_has_a_page():
    assert set(PAGES) == set(KINDS)


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_registered_name_is_in_its_page(kind, name):
    page = (DOCS / PAGES[kind]).read_text(encoding="utf-8")
    assert f"`{name}`" in page, f"add {name} to docs/{PAGES[kind]}"


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_registered_name_loads_and_is_documented(kind, name):
    found = load_reference(KINDS[kind]).load(name)
    assert (found.__doc__ or "").strip()


@pytest.mark.parametrize("page", write_reference.PAGES)
def test_the_reference_says_what_the_code_says(page):
    written = (DOCS / "reference" / page).read_text(encoding="utf-8")
    assert written == write_reference.renewed(page), "run .venv/bin/python scripts/write_reference.py"


@pytest.mark.parametrize("name", optim.registry.entries)
def test_every_optimizer_has_a_citation_and_a_case(name):
    rule = optim.make_spec(name)
    assert re.search(r"\b(19|20)\d\d\b", rule.citation), "the citation has no year"
    assert name in METHODS or [case for case in CASES if grammar.parse(case.text).name == name], (
        "add a row to tests/optim/cases.py, or for a method to tests/optim/test_methods.py"
    )
    fields = type(rule).Hyper.model_fields
    assert all(field.description for field in fields.values())


def test_the_groups_lie_in_each_other():
    assert set(optim.names("default")) == {"sgd", "momentum", "adam", "adamw"}
    assert set(optim.names("default")) <= set(optim.names("classic")) <= set(optim.names("all"))


SECTIONS = {
    "data": TableOptions,
    "model": ModelOptions,
    "protocol": Protocol,
    "factors": Factors,
    "execution": ExecutionOptions,
}
OPTIONS = [(section, name) for section, model in SECTIONS.items() for name in model.model_fields]


@pytest.mark.parametrize(("section", "name"), OPTIONS)
def test_every_option_is_in_the_configuration_page(section, name):
    page = (DOCS / "reference/configuration.md").read_text(encoding="utf-8")
    part = page.partition(f"## `[{section}]`")[2].partition("\n## ")[0]
    assert f"`{name}`" in part, f"add {section}.{name} to docs/reference/configuration.md"


def test_every_section_is_in_the_configuration_page():
    assert {*SECTIONS, "name", "optimizers", "arms", "plan"} == set(Experiment.model_fields)


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert page.relative_to(DOCS).as_posix() in navigation


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("*.md")), ids=lambda page: page.stem)
def test_every_guide_is_called_what_it_does_and_is_in_the_readme(page):
    assert page.read_text(encoding="utf-8").startswith("# How to ")
    assert f"(docs/how-to/{page.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
