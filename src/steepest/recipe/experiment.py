"""The configuration tree, its files and its errors."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import tomli_w
from pydantic import BaseModel, Field, ValidationError, model_validator

from steepest.data.numbers import STANDARD
from steepest.data.options import TableOptions
from steepest.errors import DataError, OptionError, hint_of, unknown_name
from steepest.files import local
from steepest.recipe.execution import EXECUTION_OPTIONS, ExecutionOptions, ExecutionPlan
from steepest.recipe.options import (
    WHOLE_BATCH,
    ArmOptions,
    Factors,
    FrozenOptions,
    ModelOptions,
    Protocol,
    flag_of,
)


class Experiment(FrozenOptions):
    """A dataset, the optimizers and the protocol."""

    name: str = "experiment"
    optimizers: tuple[str, ...] = Field(("default",), description="names, specifications or groups")
    factors: Factors = Field(default_factory=lambda: Factors.model_validate({}))
    arms: tuple[ArmOptions, ...] = Field(
        (), description="a list of arms, instead of all combinations of values"
    )
    data: TableOptions
    model: ModelOptions = Field(default_factory=lambda: ModelOptions.model_validate({}))
    protocol: Protocol = Field(default_factory=lambda: Protocol.model_validate({}))
    execution: ExecutionOptions = Field(default_factory=lambda: ExecutionOptions.model_validate({}))
    plan: ExecutionPlan | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are named, as texts."""
        named = (self.model.model, *self.factors.model, *(each.model for each in self.arms))
        return tuple(each for each in named if isinstance(each, str))

    @model_validator(mode="before")
    @classmethod
    def _earlier_plan(cls, given: Any) -> Any:
        """Leave what a folder of an earlier format measured out of what was asked for; its numbers are scores."""
        fields = dict(cast("Mapping[str, Any]", given)) if isinstance(given, Mapping) else {}
        model = fields.get("model")
        if fields.get("plan") and isinstance(model, Mapping) and "numbers" not in model:
            fields["model"] = {**cast("Mapping[str, Any]", model), "numbers": STANDARD}
            given = fields
        stored = fields.get("execution")
        if not isinstance(stored, Mapping) or "torch" not in stored:
            return given
        return fields | {"execution": {name: stored[name] for name in EXECUTION_OPTIONS if name in stored}}


THE_OPTIONS, THE_FLAGS = "the options", "the command line"
"""Where a value comes from that no file holds."""


def validate_experiment(tree: Mapping[str, Any], *, where: str = THE_OPTIONS) -> Experiment:
    """Return the experiment that a nested mapping describes.

    Raises:
        OptionError: a name does not exist or a value is not allowed; the message says which.
    """
    if where == THE_OPTIONS:
        check_numbers(tree, where)
    if tree.get("arms") == [] and "optimizers" not in tree:  # a folder's file has both
        raise OptionError(f"the list of arms in {where} is empty", hint="give some, or leave arms out.")
    try:
        return Experiment.model_validate(tree)
    except ValidationError as error:
        raise option_error(error, Experiment, where) from None


def with_workers(experiment: Experiment, workers: int | str | None) -> Experiment:
    """Return an experiment whose runs are made by other workers, which changes none of their numbers; None: the same.

    Raises:
        OptionError: that is neither a number of workers nor a cluster.
    """
    if workers is None:
        return experiment
    given = experiment.execution.model_dump(exclude_unset=True) | {"workers": workers}
    try:
        execution = ExecutionOptions.model_validate(given)
    except ValidationError as error:
        raise option_error(error, ExecutionOptions, THE_OPTIONS) from None
    return experiment.model_copy(update={"execution": execution})


def option_error(error: ValidationError, model: type[BaseModel], where: str) -> OptionError:
    """Turn the first complaint of pydantic into a fact with the value and a hint."""
    first, *others = error.errors(include_url=False)
    path = [
        str(each)
        for each in first["loc"]
        if not str(each).startswith(("function-", "constrained-", "tuple[", "literal["))
    ]
    name = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, path[:-1])
        wrong = unknown_name("option", path[-1], known)
        section = f" in [{'.'.join(path[:-1])}]" if path[:-1] else ""
        return OptionError(f"{wrong.fact}{section} of {where}", hint=wrong.hint)
    if first["type"] == "missing":
        return OptionError(
            f"{where} lacks {name!r}", hint=f"add {path[-1]!r}, for example with --{path[-1]}."
        )
    said = first["msg"].removeprefix("Value error, ")
    said = said[0].lower() + said[1:]
    said = said.replace("input should be", "it must be").replace("a valid integer", "a whole number")
    said = said.replace("tuple should have", "give").replace(" item after validation, not 0", "")
    said = said.replace("a valid number", "a number").partition(", unable to parse")[0]
    hint = hint_of(first)
    if hint is not None:
        place = {
            THE_OPTIONS: ".".join(path[1:]) or name,
            THE_FLAGS: flag_of(path[-1]),
        }.get(where, f"{name} in {where}")
        return OptionError(f"{place}: {said}", hint=hint)
    words = [each["ctx"]["expected"] for each in others if each["type"] == "literal_error" and "ctx" in each]
    said = ", or ".join([said, *words])
    if where == THE_OPTIONS:  # keywords have no sections
        return OptionError(
            f"{'.'.join(path[1:]) or name} = {first['input']!r} is not allowed", hint=f"{said.rstrip('.')}."
        )
    if where == THE_FLAGS:
        flag = flag_of(".".join(each for each in path[1:] if not each.isdigit()))
        return OptionError(f"{flag} {first['input']!r} is not allowed", hint=f"{said.rstrip('.')}.")
    return OptionError(f"{name} = {first['input']!r} in {where} is not allowed", hint=f"{said.rstrip('.')}.")


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    for part in (each for each in path if not each.isdigit()):
        field = model.model_fields.get(part)
        kinds = [field.annotation, *get_args(field.annotation)] if field else []
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def load_tree(path: str | Path) -> dict[str, Any]:
    """Read an experiment's TOML or JSON file as a nested mapping, paths in it made relative to the file.

    Raises:
        DataError: the file does not exist or is not TOML (or JSON).
    """
    path = local(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"there is no file {str(path)!r}", hint="check the path.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {str(path)!r}: {error}", hint="give a TOML text file.") from None
    try:
        tree: Any = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error}", hint="fix the line that it names."
        ) from None
    if not isinstance(tree, dict):
        raise DataError(f"{str(path)!r} is not a table of options", hint="write sections such as [data].")
    check_numbers(cast("dict[str, Any]", tree), str(path))
    return cast("dict[str, Any]", tree)


def check_numbers(tree: Mapping[str, Any], where: str) -> None:
    """Refuse text where a number belongs, which only the command line has to give as text.

    Raises:
        OptionError: a number is written as text; the message says which.
    """
    for section, model in {"model": ModelOptions, "protocol": Protocol, "factors": Factors}.items():
        _check_numbers(tree.get(section), model, where)
    arms = tree.get("arms")
    for arm in cast("list[Any]", arms) if isinstance(arms, list | tuple) else ():
        _check_numbers(arm, ArmOptions, where)


def _check_numbers(values: Any, model: type[BaseModel], where: str) -> None:
    for name, value in cast("dict[str, Any]", values if isinstance(values, Mapping) else {}).items():
        field = model.model_fields.get(name)
        kinds = _kinds(field.annotation) if field else set[Any]()
        several = name == "batch_size" and isinstance(value, list | tuple)
        given = cast("list[Any]", value) if several else [value]
        text = next((each for each in given if isinstance(each, str) and each != WHOLE_BATCH), None)
        if text is not None and str not in kinds and (several or kinds & {int, float}):
            place = name if where == THE_OPTIONS else f"{name} in {where}"
            raise OptionError(
                f"{place} is the text {text!r}",
                hint=f"write a {'whole number' if float not in kinds else 'number'}, without quotes.",
            )


def _kinds(annotation: Any) -> set[Any]:
    """Return the types that a value may have, without what restricts them."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return {kind for each in members for kind in _kinds(each)} or {annotation}


def experiment_toml(experiment: Experiment) -> str:
    """Return the experiment as TOML; :func:`validate_experiment` of its parse is the same value."""
    return tomli_w.dumps(without_none(experiment.model_dump(mode="json")))


def without_none(tree: Any) -> Any:
    """Return the tree without its empty values, which TOML cannot write."""
    if isinstance(tree, dict):
        return {key: without_none(value) for key, value in tree.items() if value is not None}
    if isinstance(tree, list | tuple):
        return [without_none(each) for each in tree]
    return tree
