"""The arms of a finished comparison, and which of them a text means."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

from pydantic import Field, TypeAdapter

from steepest.errors import FolderError, ModelError, OptionError, UnknownNameError
from steepest.files import reachable
from steepest.record.schema import Frozen
from steepest.record.store import ARMS, Folder, command

SHORTEST_PREFIX = 4
"""Digits with which the beginning of an id stands for an arm."""
SHOWN = 20
"""Arms that an error lists."""


class ArmEntry(Frozen):
    """One arm of the comparison.

    Attributes:
        id: changes with any factor.
        title: how it is called: its name or its label; the name of its rows and curves.
        label: what distinguishes it from the others.
        name: the user's own name for it, or nothing.
        control: what it was added for as a control: ``length`` or ``small``; empty where it was asked for.
        factors: the value of each factor.
        levels: its value of each factor in which arms differ, as people read it.
        runs: its runs, as ``recipe-seed``.
        reported: those of them that are reported, at the setting that was chosen; empty in folders of earlier versions.
    """

    id: str
    title: str
    label: str
    name: str = ""
    control: str = ""
    factors: dict[str, str] = Field(default_factory=dict)
    levels: dict[str, str] = Field(default_factory=dict)
    runs: list[str] = Field(default_factory=list)
    reported: list[str] = Field(default_factory=list)

    @property
    def called(self) -> str:
        """What stands for all its levels: the user's own name, or that of a small dense network; or nothing."""
        return self.name or (self.title if self.control == "small" else "")


def find_arm(text: str, arms: Sequence[ArmEntry]) -> ArmEntry:
    """Return the arm that a text means: its name, its label, its id or the beginning of its id.

    Raises:
        UnknownNameError: it means none.
        OptionError: it means several.

    Example:
        >>> arms = [ArmEntry(id="0f31aa", title="wide", name="wide", label="mlp(hidden=(512,))"),
        ...         ArmEntry(id="0f9c02", title="linear", label="linear")]
        >>> [find_arm(each, arms).title for each in ("wide", "mlp(hidden=(512,))", "0f9c")]
        ['wide', 'wide', 'linear']
    """
    found = [arm for arm in arms if text in (arm.id, arm.title, arm.label, arm.name) and text]
    if not found and len(text) >= SHORTEST_PREFIX:
        found = [arm for arm in arms if arm.id.startswith(text)]
    if len(found) > 1:
        which = "; ".join(f"{arm.id} is {arm.title!r} ({arm.label})" for arm in found)
        raise OptionError(f"the arm {text!r} can be any of {len(found)}", hint=f"give its id: {which}.")
    if not found:
        raise _unknown(text, arms)
    return found[0]


def _unknown(text: str, arms: Sequence[ArmEntry]) -> UnknownNameError:
    titles = {arm.title.lower(): arm.title for arm in arms}
    near = [title for lower, title in titles.items() if text.strip() and text.lower() in lower][:3]
    near = near or [titles[each] for each in difflib.get_close_matches(text.lower(), list(titles))]
    question = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    shown = "; ".join(f"{arm.title!r} ({arm.id})" for arm in arms[:SHOWN])
    more = f"; and {len(arms) - SHOWN} more in results.json" if len(arms) > SHOWN else ""
    return UnknownNameError(
        f"this comparison has no arm {text!r}", hint=f"{question}The arms: {shown}{more}."
    )


def arm_model(folder: Folder, text: str) -> str:
    """Return where in a comparison's folder the network of an arm is.

    Raises:
        FolderError: the folder has no arms, or its results cannot be read.
        ModelError: no network of this arm is kept.
        OptionError: the text means no arm, or several.
    """
    where = folder.path.as_posix()
    results = folder.path / "results.json"
    try:
        stored = json.loads(results.read_text(encoding="utf-8"))
        arms = TypeAdapter(list[ArmEntry]).validate_python(stored.get("arms", []))
        winner, sets = str(stored["winner"]), int(stored.get("test_sets", 1))
    except FileNotFoundError:
        raise FolderError(
            f"the comparison in {where!r} is not finished", hint=f"run `{command('resume', folder.path)}`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FolderError(
            f"cannot read {str(results)!r}: {error}",
            hint=f"run `{command('resume', folder.path)}` to write it again.",
        ) from None
    if not arms:
        raise FolderError(
            f"{where!r} was made by an earlier version, which kept no arms",
            hint=f"leave --arm (arm=) out for the model that it recommends, or use {where}/model, the best network.",
        )
    arm = find_arm(text, arms)
    if arm.title == winner and (folder.path / "model").is_dir():
        return "model"
    if sets > 1:
        raise ModelError(
            f"there is no network of the arm {arm.title!r}: with {sets} test sets only that of the winner, "
            f"{winner!r}, is trained on all rows and kept",
            hint="leave --arm (arm=) out, or compare it alone in another --out folder.",
        )
    if not (folder.path / ARMS / arm.id).is_dir():
        raise ModelError(
            f"there is no network of the arm {arm.title!r}: none of its runs finished",
            hint="choose another arm.",
        )
    return f"{ARMS}/{arm.id}"


def check_of_comparison(folder: Folder, text: str) -> None:
    """Refuse an arm where a folder is not that of a comparison.

    Raises:
        OptionError: it is not.
        FolderError: it is not there.
    """
    if folder.path.is_dir() and not (folder.path / "experiment.toml").is_file():
        run = Folder.of_model(reachable(folder.path)).path
        known = f": {run.as_posix()}" if (run / "experiment.toml").is_file() else ""
        raise OptionError(
            f"--arm {text!r} has no effect: {folder.path.as_posix()!r} is not the folder of a comparison",
            hint=f"name the folder of the comparison{known}, or leave --arm (arm=) out.",
        )
    Folder.open(folder.path)
