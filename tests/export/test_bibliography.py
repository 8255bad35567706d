"""Every rule can be cited: its BibTeX parses and says who, what and when."""

from __future__ import annotations

import re

import pytest

from steepest import optim


def parse(text: str) -> tuple[str, str, dict[str, str]]:
    """Read one BibTeX entry strictly: kind, key, and fields in balanced braces."""
    head = re.match(r"@(article|inproceedings|misc|techreport)\{([a-z]+\d{4}[a-z]+),\n", text)
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
    "inproceedings": {"booktitle"},
    "misc": {"howpublished"},
    "techreport": {"institution"},
}


@pytest.mark.parametrize("name", optim.registry.entries)
def test_every_rule_has_a_reference_that_parses(name):
    rule = optim.make_spec(name)
    found = [parse(each) for each in rule.references()]
    assert found
    for kind, key, fields in found:
        assert {"author", "title", "year"} | NEEDED[kind] <= set(fields)
        assert re.fullmatch(r"(19|20)\d\d", fields["year"])
        assert key.split(fields["year"])[0] in fields["author"].lower().replace('{\\"u}', "u")
        assert all(", " in each or each == "others" for each in fields["author"].split(" and "))


@pytest.mark.parametrize("name", optim.registry.entries)
def test_the_first_reference_is_the_paper_of_the_citation(name):
    rule = optim.make_spec(name)
    for each in rule.references():
        _, _, fields = parse(each)
        surname = fields["author"].split(",")[0]
        assert surname in rule.citation
        assert fields["year"] in rule.citation


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


def test_one_key_is_one_paper():
    entries: dict[str, str] = {}
    for name in optim.registry.entries:
        for each in optim.make_spec(name).references():
            key = parse(each)[1]
            assert entries.setdefault(key, each) == each
