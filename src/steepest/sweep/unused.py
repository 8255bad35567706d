"""Options that would have no effect: refused before anything is read, so that none is dropped silently."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from inspect import signature

from pydantic import BaseModel

from steepest.components import grammar
from steepest.data.dataset import Note, Shape
from steepest.errors import OptionError
from steepest.models import registry
from steepest.procedures import make_procedure
from steepest.recipe import CALLABLE, SHARED_FACTORS, Experiment, ModelOptions, Protocol, flag_of
from steepest.regularizers import read_regularizers
from steepest.sweep.contestants import Contestant
from steepest.sweep.planner import make_planner
from steepest.sweep.trials import trials
from steepest.sweep.wanted import Wanted

WITH_OPTIONS = "embedding-mlp"
"""The model that takes the options of the model section."""
_RATES = ("scan_rates", "full_rates", "learning_rates", "planner")


def check_used(
    experiment: Experiment, asked: Collection[str], arms: Sequence[Wanted], beside: Sequence[Wanted] = ()
) -> None:
    """Complain about an option of the model or the protocol that this comparison would not use.

    Args:
        experiment: the whole configuration.
        asked: names of options that were given; those whose value is not the default are taken to be.
        arms: what is compared.
        beside: the arms of the folder that it goes into, which are tuned by the same options.

    Raises:
        OptionError: an option has no effect; the message names it and what makes it useless.

    Example:
        >>> from steepest.recipe import validate_experiment
        >>> from steepest.sweep.wanted import Objects, wanted_arms
        >>> tree = {"data": {"target": "y"}, "model": {"model": "linear", "hidden": [8]}}
        >>> experiment = validate_experiment(tree)
        >>> check_used(experiment, (), wanted_arms(experiment, Objects()))
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: hidden has no effect: the model 'linear' has no such option
        Hint: leave it out, or choose model='embedding-mlp'.
    """
    given = {*asked, *_changed(experiment.model), *_changed(experiment.protocol)}
    _check_listed(experiment, asked)
    _check_model(experiment, given, asked, arms)
    _check_tuning(given, [arm.optimizer for arm in (*arms, *beside)], experiment.protocol)
    _check_rules(experiment, arms)
    _check_twice(experiment, asked, arms)
    _check_controls(experiment, (*arms, *beside))
    unclipped = [arm.optimizer.name for arm in arms if not arm.optimizer.rule.clips]
    if experiment.protocol.clip is not None and unclipped:
        raise OptionError(
            f"--clip has no effect on {unclipped[0]}, which needs the gradient as it is",
            hint=f"leave it out, or leave {unclipped[0]} out of -o.",
        )


def _check_rules(experiment: Experiment, arms: Sequence[Wanted]) -> None:
    """Refuse learning rates and micro-batches for optimizers whose step is not one gradient and one update."""
    for arm in arms:
        rule, what = arm.optimizer.rule, ""
        if arm.rates and not rule.is_rule:
            what = "--rates"
        if experiment.protocol.accumulate > 1 and (not rule.is_rule or rule.gradients_a_step != 1):
            what = "--accumulate"
        if what:
            raise OptionError(
                f"{what} has no effect on {arm.optimizer.name}, whose step is not one gradient and one update",
                hint=f"leave it out, or leave {arm.optimizer.name} out of -o.",
            )


def _check_controls(experiment: Experiment, arms: Sequence[Wanted]) -> None:
    """Refuse to leave out controls where there would be none; a folder's file has every option."""
    prunes = any(make_procedure(arm.procedure).prunes for arm in arms)
    if not experiment.protocol.controls and not prunes and experiment.plan is None:
        raise OptionError(
            "--no-controls has no effect: no procedure prunes",
            hint="leave it out.",
        )


def _check_twice(experiment: Experiment, asked: Collection[str], arms: Sequence[Wanted]) -> None:
    """Refuse a value of a model's option that was given beside a regularizer that does the same."""
    listed = [arm.model for arm in experiment.arms if arm.model]
    written = [*listed, *experiment.factors.model, experiment.model.model]
    if experiment.plan is None:  # a folder's file has every option
        asked = {*asked, *experiment.model.model_fields_set}
    spelled_out = bool(experiment.arms) and experiment.plan is not None  # as a folder's list of arms is
    for arm in arms:
        own = next((each for each in written if str(experiment.model.spec_of(each)) == arm.model), None)
        for each in read_regularizers(arm.regularizer) if own else ():
            name = each.in_place_of
            brackets = not spelled_out and grammar.parse(own or "").options.get(name)
            beside = name in asked and _takes_options(own or "") and getattr(experiment.model, name)
            if brackets or beside:
                said = (
                    f"--model {own!r}" if brackets else f"{flag_of(name)} {getattr(experiment.model, name):g}"
                )
                raise OptionError(
                    f"{said} gives the model a {name} of its own, beside the regularizer {str(each)!r}",
                    hint=f"leave one of the two out: the regularizer replaces the {name} that a model has by default.",
                )


def without_effect(options: ModelOptions, shape: Shape) -> tuple[Note, ...]:
    """Return a warning if dropout was chosen for embeddings that the data does not need."""
    if shape.cardinalities or "dropout" not in _changed(options):
        return ()
    text = (
        "--dropout has no effect: no column holds categories, so nothing is embedded; for the hidden layers: "
    )
    return (Note("warning", f"{text}--model '{WITH_OPTIONS}(hidden_dropout={options.dropout:g})'."),)


def _changed(options: BaseModel) -> set[str]:
    """Return the options whose value is not the default."""
    fields = type(options).model_fields
    return {
        name
        for name, field in fields.items()
        if getattr(options, name) != field.get_default(call_default_factory=True)
    }


def _check_listed(experiment: Experiment, asked: Collection[str]) -> None:
    """Complain about what was asked for beside a list of arms that name it all."""
    if not experiment.arms:
        return
    if experiment.plan is None:  # a folder's file has every option
        asked = {*asked, *experiment.protocol.model_fields_set, *experiment.model.model_fields_set}
        asked = {*asked, *(["optimizers"] if experiment.optimizers != ("default",) else [])}
    for name in ("optimizers", *SHARED_FACTORS):
        named = name == "optimizers" or all(getattr(arm, name) is not None for arm in experiment.arms)
        if name in asked and named:
            flag = "-o" if name == "optimizers" else flag_of(name)
            raise OptionError(
                f"{flag} has no effect: every arm in the list of arms has its own",
                hint=f"change it in the arms, or leave {flag} out.",
            )


def _check_model(
    experiment: Experiment, given: Collection[str], asked: Collection[str], arms: Sequence[Wanted]
) -> None:
    named = [each for each in ("hidden", "dropout", "embedding") if each in given]
    if not named:
        return
    flags = " and ".join(map(flag_of, named))
    have = "have" if len(named) > 1 else "has"
    texts = [arm.model for arm in arms if isinstance(arm.model, str)]
    if not texts:
        raise OptionError(
            f"{flags} {have} no effect on a model that a callable builds",
            hint="set it in the callable: model=lambda shape: MyNet(shape, …).",
        )
    specs = [grammar.parse(each) for each in texts]
    if not any(spec.name == WITH_OPTIONS for spec in specs):
        spec = specs[0]
        brackets = f"{spec.name}({named[0]}=…)"
        its = not spec.is_reference and named[0] in signature(registry.entry(spec.name).load()).parameters
        raise OptionError(
            f"{flags} {have} no effect on the model {spec.name!r}, which takes it in brackets"
            if its
            else f"{flags} {have} no effect: the model {spec.name!r} has no such option",
            hint=f"give your own model its options in brackets: {brackets}."
            if spec.is_reference
            else f"write --model '{brackets}'."
            if its
            else f"leave it out, or choose --model {WITH_OPTIONS}.",
        )
    if experiment.arms and experiment.plan is not None:  # a folder's list of arms spells every option out
        named = [each for each in named if each in asked]
    listed = [arm.model or experiment.model.model for arm in experiment.arms]
    written = listed or [*experiment.factors.model] or [experiment.model.model]
    takes = [each for each in written if _takes_options(each)]
    twice = [each for each in named if all(each in grammar.parse(text).options for text in takes)]
    if takes and twice:
        raise OptionError(
            f"{flag_of(twice[0])} has no effect: --model {takes[0]!r} gives {twice[0]} too",
            hint="give it once.",
        )


def _takes_options(model: str) -> bool:
    return not model.startswith(CALLABLE) and grammar.parse(model).name == WITH_OPTIONS


def _check_tuning(given: Collection[str], who: Sequence[Contestant], protocol: Protocol) -> None:
    named = [each for each in _RATES if each in given]
    if "scan_rates" in named and "learning_rates" in named:
        raise OptionError(
            f"{flag_of('scan_rates')} has no effect: --learning-rates lists the rates",
            hint="leave one of the two out.",
        )
    planner, tuned = make_planner(protocol.planner), any(each.tuned for each in who)
    if "full_rates" in named and tuned and not planner.takes_finalists:
        raise OptionError(
            f"{flag_of('full_rates')} has no effect: the planner {str(planner)!r} says itself how many trials run at "
            "full length",
            hint="leave one of the two out.",
        )
    used = {
        "full_rates": tuned,
        "planner": tuned,
        "scan_rates": _trials_depend(who, protocol.scan_rates),
        "learning_rates": any(_takes_rates(each) for each in who),
    }
    useless = [each for each in named if not used[each]]
    if useless:
        fixed = all(each.fixed_rate for each in who)
        raise OptionError(
            f"{flag_of(useless[0])} has no effect: every optimizer has "
            f"{'a learning rate' if fixed else 'values to try'} of its own",
            hint=f"leave it out, or leave the rate out of {who[0].name!r}."
            if fixed
            else "leave it out, or leave --tune out.",
        )


def _takes_rates(who: Contestant) -> bool:
    return not who.fixed_rate and all(axis.name != "lr" for axis in who.axes)


def _trials_depend(who: Sequence[Contestant], scan_rates: int) -> bool:
    """Return whether the numbers of trials would be others with another number of trials."""
    other = scan_rates - 1 if scan_rates > 1 else 2
    return trials(who, None, scan_rates) != trials(who, None, other)
