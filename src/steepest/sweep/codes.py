"""The identity of everything in a comparison that its user wrote: optimizers, models, losses and so on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steepest import schedules
from steepest.components import grammar
from steepest.components.identity import Code, of_reference, of_value
from steepest.components.identity.weights import of_weights
from steepest.components.prefixes import prefix_of
from steepest.components.prefixes import registry as prefixes
from steepest.components.registry import Registry
from steepest.finetuning import registry as ways
from steepest.models import ModelBuilder, begins_from, with_whole_path
from steepest.procedures import make_procedure
from steepest.recipe import DEFAULT_PLANNER
from steepest.regularizers import specs_of
from steepest.sweep.contestants import Contestant
from steepest.sweep.planner import registry as planners
from steepest.sweep.wanted import Wanted
from steepest.train.callback import Callback
from steepest.version import version_if_installed

WATCHING = "watching callback "
"""How a folder calls the code of a callback that only watches, before its text."""
WEIGHTS = "weights of "
"""How a folder calls the content of the files that a model begins from, before its text."""


@dataclass(frozen=True)
class Codes:
    """The code of a comparison.

    Attributes:
        of: by its kind, such as ``loss``, and by the text that names it; of an optimizer by its name.
        callbacks: of the callbacks that can change runs, together.
        watching: of those that only watch, by their texts: no run is made anew for another code.
        weights: of the files that models begin from, by the models' texts.
        libraries: versions of the libraries besides torch that its components declare, by their names.
    """

    of: Mapping[str, Mapping[str, Code]]
    callbacks: Code
    watching: dict[str, Code] = field(default_factory=dict[str, Code])
    weights: dict[str, Code] = field(default_factory=dict[str, Code])
    libraries: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def run_libraries(self) -> list[str]:
        """The names of those libraries that the runs themselves need, wherever they are made."""
        return [name for name in self.libraries if name not in _only_draw()]

    def kept(self) -> Iterator[tuple[str, Code]]:
        """Yield what a folder keeps: every code of the user, that of callbacks that only watch, and of weights."""
        yield from self
        for text, code in self.weights.items():
            yield f"{WEIGHTS}{text}", code
        for text, code in self.watching.items():
            if code.digest:
                yield f"{WATCHING}{text}", code

    def __iter__(self) -> Iterator[tuple[str, Code]]:
        """Yield every code of the user with what it is the code of, such as ``optimizer mine.py:MyOpt``."""
        for kind, codes in self.of.items():
            for text, code in codes.items():
                if code.digest:
                    yield f"{kind} {text}", code
        if self.callbacks.digest:
            yield "callbacks", self.callbacks


def codes_of(arms: Sequence[Wanted], planner: str = DEFAULT_PLANNER) -> Codes:
    """Return the code of the optimizers, models, losses, regularizers and so on of arms, and of what plans their runs.

    Args:
        arms: what is compared.
        planner: how their trials are drawn.
    """
    models = models_of(arms)
    return Codes(
        {
            "model": {text: of_model(model) for text, model in models.items()},
            "loss": {arm.loss: of_component(arm.loss) for arm in arms if arm.loss},
            "regularizer": {
                arm.regularizer: of_regularizers(arm.regularizer) for arm in arms if arm.regularizer
            },
            "schedule": {arm.schedule: of_schedule(arm.schedule) for arm in arms},
            "procedure": {arm.procedure: of_component(arm.procedure) for arm in arms},
            "planner": {planner: of_component(planner)},
            "optimizer": {arm.optimizer.name: of_optimizer(arm.optimizer) for arm in arms},
        },
        of_callbacks(arms[0].callbacks),
        of_watching(arms[0].callbacks),
        weights_of(models.values()),
        libraries_of(models, arms, planner),
    )


def models_of(arms: Iterable[Wanted]) -> dict[str, str | ModelBuilder]:
    """Return the models that arms train, those of the stages of their procedures included, by their texts."""
    found: dict[str, str | ModelBuilder] = {}
    for arm in arms:
        found[arm.model_text] = arm.model
        found |= {text: text for text in map(with_whole_path, make_procedure(arm.procedure).models)}
    return found


def libraries_of(models: Iterable[str], arms: Iterable[Wanted], planner: str) -> dict[str, str]:
    """Return the versions of the libraries that runs depend on, by their names; what is not installed is left out.

    A component declares them under ``libraries``, and those of single values of its options under ``libraries_with``.

    Args:
        models: the models that are trained, as texts.
        arms: what is compared.
        planner: how their trials are drawn.

    Example:
        >>> libraries_of(["linear", "nets.py:Net"], [], DEFAULT_PLANNER)
        {}
    """
    named = [(prefixes, grammar.Spec(prefix_of(text))) for text in models]
    named += [(ways, grammar.parse(arm.finetune)) for arm in arms if arm.finetune]
    named.append((planners, grammar.parse(planner)))
    names: set[str] = set()
    for registry, spec in named:
        if spec.name and not spec.is_reference:
            entry = registry.entry(spec.name)
            names |= {*entry.more.get("libraries", ())}
            of_values = entry.more.get("libraries_with", {})
            for value in (*spec.arguments, *spec.options.values()):
                names |= {*of_values.get(str(value), ())}
    return {name: found for name in sorted(names) if (found := version_if_installed(name))}


def kept_libraries(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that a folder keeps: of what its arms need, and of what runs in it were made with.

    A planner that is named no longer leaves nothing behind: what it drew is in the recipes of its runs.

    Args:
        before: the versions that it has.
        now: those that its arms need now.

    Example:
        >>> kept_libraries({"optuna": "4.0", "peft": "0.20"}, {"transformers": "5.2"})
        {'peft': '0.20', 'transformers': '5.2'}
    """
    drawn = _only_draw()
    return {name: version for name, version in before.items() if name not in drawn} | dict(now)


def is_optional(library: str) -> bool:
    """Return whether a library is one that only some components need.

    Example:
        >>> is_optional("cmaes"), is_optional("scipy")
        (True, False)
    """
    return any(library in _declared(each) for each in (prefixes, ways, planners))


def _only_draw() -> set[str]:
    """Return the libraries that only planners need, which draw trials where a comparison is led."""
    return _declared(planners) - _declared(prefixes) - _declared(ways)


def _declared(registry: Registry) -> set[str]:
    """Return the libraries that the components of a kind declare."""
    found: set[str] = set()
    for entry in registry.entries.values():
        of_values = entry.more.get("libraries_with", {}).values()
        found |= {*entry.more.get("libraries", ()), *(each for names in of_values for each in names)}
    return found


def weights_of(models: Iterable[str | ModelBuilder]) -> dict[str, Code]:
    """Return the identity of what is in the files that models begin from, by the models' texts."""
    starts = {text: start for text in models if isinstance(text, str) and (start := begins_from(text))}
    found = {text: Code(start, of_weights(start)) for text, start in starts.items()}
    return {text: code for text, code in found.items() if code.digest}


def of_callbacks(callbacks: Sequence[tuple[str, Callback]]) -> Code:
    """Return the code and values of the callbacks that can change runs, in their order."""
    some = {text: each for text, each in callbacks if not each.only_watches}
    found = {text: _of_callback(text, each) for text, each in some.items()}
    if not found:
        return Code("callbacks")
    digest = of_value(tuple((text, each.digest) for text, each in found.items()), "callbacks").digest
    why = "; ".join(each.why for each in found.values() if each.why)
    sources = {file: text for each in found.values() for file, text in each.sources.items()}
    return Code(", ".join(found), digest, why, sources)


def of_watching(callbacks: Sequence[tuple[str, Callback]]) -> dict[str, Code]:
    """Return the code of the callbacks that only watch; of an object its class alone, since it may hold what it saw."""
    return {
        text: _of_callback(text, each) if ":" in text else of_value(type(each), text)
        for text, each in callbacks
        if each.only_watches
    }


def _of_callback(text: str, callback: Callback) -> Code:
    return of_reference(grammar.parse(text).name) if ":" in text else of_value(callback, text)


def of_model(model: str | ModelBuilder) -> Code:
    """Return the code of a model."""
    if isinstance(model, str):
        name = grammar.parse(model).name
        return of_reference(name) if ":" in name else Code(name)
    return of_value(model, getattr(model, "__qualname__", type(model).__qualname__))


def of_optimizer(who: Contestant) -> Code:
    """Return the code of an optimizer."""
    if isinstance(who.origin, str | grammar.Spec):
        called = who.rule.made_by
        if ":" not in called:
            return Code(who.name)
        return of_reference(
            called.replace("torch:", "torch.optim:", 1) if called.startswith("torch:") else called
        )
    return of_value(who.rule.own_class, who.name)


def of_schedule(schedule: str) -> Code:
    """Return the code of a schedule; one that is made of others has that of all."""
    return _of_all(schedule, _references(grammar.parse(schedule)))


def of_regularizers(text: str) -> Code:
    """Return the code of regularizers that are joined in a text."""
    return _of_all(text, (spec.name for spec in specs_of(text) if spec.is_reference))


def _of_all(text: str, references: Iterable[str]) -> Code:
    found = [of_reference(name) for name in dict.fromkeys(references)]
    if len(found) < 2:
        return found[0] if found else Code(text)
    digest = of_value(tuple(each.digest for each in found), text).digest
    return Code(text, digest, sources={k: v for each in found for k, v in each.sources.items()})


def of_component(text: str) -> Code:
    """Return the code of a loss, planner or procedure; what a procedure does is in the recipes of its stages."""
    name = grammar.parse(text).name
    return of_reference(name) if ":" in name else Code(name)


def _references(spec: grammar.Spec) -> Iterator[str]:
    if spec.is_reference:
        yield spec.name
        return
    parts: list[Any] = [*spec.arguments, *spec.options.values()]
    combines = spec.name in schedules.registry.names("combinators")
    for each in parts if combines else ():
        if isinstance(each, str | grammar.Spec):
            yield from _references(grammar.parse(each) if isinstance(each, str) else each)
