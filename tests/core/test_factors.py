"""Every field of a recipe, of the protocol and of arms is declared where its bearing is decided."""

from __future__ import annotations

import dataclasses

import pytest

import steepest as st
from steepest.recipe import BEARINGS, FACTOR, FACTORS, NEUTRAL, STAYS, ArmOptions, Factors, Protocol, Recipe
from steepest.sweep.labels import shown_value
from steepest.sweep.wanted import Wanted

ELSEWHERE = ("numbers", "train_rows", "labels", "prepare", "procedure")
"""Factors that are in the fingerprint of the data, or in the recipes of stages."""


def test_every_field_is_declared() -> None:
    assert list(BEARINGS) == list(Recipe.model_fields), "declare what the field bears on in BEARINGS"
    assert {*STAYS} == {*Protocol.model_fields}, "declare in STAYS whether a folder's arms stay"
    assert tuple(Factors.model_fields) == FACTORS[1:]
    assert {*ArmOptions.model_fields} == {*FACTORS, "name", "control"}
    for kind in (Wanted, st.Arm):
        assert {*FACTORS} <= {each.name for each in dataclasses.fields(kind)}
    assert {*FACTORS} <= {*Recipe.model_fields, *ELSEWHERE}


def test_neutral_values_are_those_of_recipes_that_lack_the_field() -> None:
    for name, value in NEUTRAL.items():
        assert Recipe.model_fields[name].get_default(call_default_factory=True) == value


@pytest.mark.parametrize("name", [name for name, each in FACTOR.items() if each.later])
def test_an_empty_value_of_a_later_factor_leaves_identities(name: str) -> None:
    assert NEUTRAL[name] == ""
    assert FACTOR[name].plain
    assert shown_value(name, FACTOR[name].empty) == FACTOR[name].plain
