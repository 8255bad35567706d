"""Every rule, loss, regularizer and published model can be cited: its BibTeX parses and says who, what and when."""

from __future__ import annotations

import importlib
import re

import pytest

from steepest import models, objectives, optim, regularizers
from steepest.components.citation import bibtex_entries
from steepest.export.bibliography import bibliography


def parse(text: str) -> tuple[str, str, dict[str, str]]:
    """Read one BibTeX entry strictly: kind, key, and fields in balanced braces."""
    head = re.match(
        r"@(article|book|incollection|inproceedings|misc|techreport)\{([a-z]+\d{4}[a-z]+),\n", text
    )
    assert head, text
    fields: dict[str, str] = {}
    place = head.end()
    while not text.startswith("}", place):
        name = re.compile(r"\s*([a-z]+) = \{").match(text, place)
        assert name, text[place:]
        depth, end = 1, name.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        assert name[1] not in fields, name[1]
        fields[name[1]] = " ".join(text[name.end() : end - 1].split())
        assert text[end : end + 2] == ",\n", text[end:]
        place = end + 2
    assert text[place:] == "}", text[place:]
    return head[1], head[2], fields


NEEDED = {
    "article": {"journal"},
    "book": {"publisher"},
    "incollection": {"booktitle"},
    "inproceedings": {"booktitle"},
    "misc": {"howpublished"},
    "techreport": {"institution"},
}


@pytest.mark.parametrize("name", optim.registry.entries)
def test_every_rule_has_a_reference_that_parses(name):
    rule = optim.make_spec(name)
    found = [parse(each) for each in rule.references()]
    assert found
    check(found)


def check(found: list[tuple[str, str, dict[str, str]]]) -> None:
    """Say who, what and when."""
    for kind, key, fields in found:
        assert {"author", "title", "year"} | NEEDED[kind] <= set(fields)
        assert re.fullmatch(r"(19|20)\d\d", fields["year"])
        assert key.split(fields["year"])[0] in fields["author"].lower().replace('{\\"u}', "u")
        assert all(", " in each or each == "others" for each in fields["author"].split(" and "))


@pytest.mark.parametrize("name", optim.registry.entries)
def test_the_first_reference_is_the_paper_of_the_citation(name):
    rule = optim.make_spec(name)
    cited = f"{rule.citation} {getattr(rule, 'base', rule).citation}"  # also of a rule inside
    for each in rule.references():
        _, _, fields = parse(each)
        surname = fields["author"].split(",")[0]
        assert surname in cited
        assert fields["year"] in cited


CITED = {
    "sgd": ["robbins1951stochastic"],
    "sgd(momentum=0.5)": ["robbins1951stochastic", "polyak1964methods"],
    "nesterov": ["robbins1951stochastic", "sutskever2013importance"],
    "adam": ["kingma2015adam"],
    "adam(amsgrad=true)": ["kingma2015adam", "reddi2018convergence"],
    "adamw(amsgrad=true)": ["loshchilov2019decoupled", "reddi2018convergence"],
    "amsgrad": ["reddi2018convergence"],
    "rmsprop(centered=true)": ["tieleman2012rmsprop", "graves2013generating"],
    "torch:Adamax": [],
}


@pytest.mark.parametrize("text", CITED)
def test_a_variant_is_cited_where_it_is_used(text):
    assert [parse(each)[1] for each in optim.make_spec(text).references()] == CITED[text]


DECLARED = {
    name: registry.load(name)
    for registry in (objectives.registry, regularizers.registry)
    for name in registry.entries
}


@pytest.mark.parametrize("name", DECLARED)
def test_losses_and_regularizers_have_the_papers_of_their_docstrings(name):
    """Each paper is named as "surnames, title, …, year", and those without a source have no entry."""
    _, _, rest = (DECLARED[name].__doc__ or "").partition("Source: ")
    source = " ".join(rest.partition("\n\n")[0].split())
    papers = source.split("; ") if source else []
    found = [parse(each) for each in bibtex_entries(DECLARED[name].bibtex)]
    check(found)
    assert len(found) == len(papers)
    for (_, _, fields), paper in zip(found, papers, strict=True):
        first = re.sub(r"\W+", " ", fields["title"].split(":")[0]).strip().lower()
        assert paper.startswith(fields["author"].split(",")[0])
        assert first in re.sub(r"\W+", " ", paper).lower()
        assert paper.rstrip(".").endswith(fields["year"])


PUBLISHED = {
    "wide-deep": ["cheng2016wide"],
    "deep-cross": ["wang2017deep", "wang2021dcn"],
    "tabm": ["gorishniy2025tabm", "wen2020batchensemble"],
    "embedding-mlp": ["guo2016entity"],
    "embedding-net": ["he2017neural"],
    "dot": ["koren2009matrix"],
    "dot-bias": ["koren2009matrix"],
}


@pytest.mark.parametrize("name", models.registry.entries)
def test_models_with_a_paper_have_its_entry(name):
    kind = models.registry.load(name)
    found = [parse(each) for each in bibtex_entries(getattr(kind, "bibtex", ""))]
    check(found)
    assert [key for _, key, _ in found] == PUBLISHED.get(name, [])
    source = (importlib.import_module(kind.__module__).__doc__ or "").partition("Source: ")[2]
    assert bool(source) == bool(found)
    for _, _, fields in found:
        assert fields["author"].split(",")[0] in source
        assert fields["year"] in source


def test_a_comparison_cites_what_it_used():
    text = bibliography(
        ["adam"],
        ["huber(1.0)", "squared", "mine.py:Focal"],
        ["none", "l1(0.1) + ema(0.9)", "l1(0.2)", "nets.py:Own"],
        ["tabm(k=4)", "linear", "nets.py:Net", "<callable>"],
    )
    entries = [each for each in text.split("\n\n") if each.startswith("@")]
    assert [parse(each.strip())[1] for each in entries] == [
        "kingma2015adam",
        "huber1964robust",
        "tibshirani1996regression",
        "polyak1992acceleration",
        "tarvainen2017mean",
        "gorishniy2025tabm",
        "wen2020batchensemble",
    ]
    assert [each for each in text.splitlines() if each.startswith("%")] == [
        "% mine.py:Focal: no reference is known",
        "% nets.py:Own: no reference is known",
    ]


def test_what_a_regularizer_does_not_do_is_not_cited():
    for text, keys in (
        ("l1(0.1)", ["tibshirani1996regression"]),
        ("l1(0.1, proximal=true)", ["tibshirani1996regression", "daubechies2004iterative"]),
    ):
        [made] = regularizers.read_regularizers(text)
        assert [parse(each)[1] for each in made.references()] == keys
        written = bibliography([], (), (text,), ())
        assert ("daubechies" in written) == ("proximal" in text)


def test_one_key_is_one_paper():
    entries: dict[str, str] = {}
    specs = [optim.make_spec(each).references() for each in optim.registry.entries]
    for some in (*specs, *(bibtex_entries(each.bibtex) for each in DECLARED.values())):
        for each in some:
            key = parse(each)[1]
            assert entries.setdefault(key, each) == each
