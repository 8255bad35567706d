"""Train a teacher, then a student on the labels and on what the teacher answers."""

from __future__ import annotations

import re

from steepest.components import grammar
from steepest.components.prefixes import prefix_of
from steepest.errors import OptionError
from steepest.procedures.procedure import POINTS, Point, Procedure, Stage
from steepest.procedures.pruning import check_one_of, check_share
from steepest.procedures.teaching import Reduction, SavedTeacher, Targets, Teaching, check_teaching

COMPONENTS = {
    "distil": {
        "object": "distil",
        "what": "train a teacher, then the model on its answers and the labels",
    }
}


def distil(
    teacher: str = "mlp(hidden=(256, 256))",
    alpha: float = 0.9,
    *,
    arm: str = "",
    temperature: float | None = None,
    at: float | None = None,
    targets: Targets = "soft",
    reduction: Reduction = "batchmean",
    squared: bool = True,
    point: Point | None = None,
    unlabelled: str = "",
) -> Procedure:
    r"""Train another model, the teacher, and then the arm's own model, the student, on its answers.

    With logits z of the student and z' of the teacher, the loss of a row with label y is

    .. math:: (1 - \alpha)\, \ell(z, y) +
        \alpha\, T^2 \operatorname{KL}\left(\operatorname{softmax}(z'/T) \,\|\, \operatorname{softmax}(z/T)\right)

    and that of a batch the mean over its rows (by their weights, if they have any). The factor T² keeps the gradients
    of both parts alike at any T. The teacher answers every training row once, in evaluation mode, and its answer stays
    with its row however batches are drawn; what regularizers do to a batch's inputs, it does not see. Of numbers, the
    second part is the training loss with the teacher's value as the target. With ``alpha=0`` it is plain training of
    the student for the rest of the length. Models of texts cannot be taught: an answer would be a distribution over
    the vocabulary for every token.

    A folder in place of the model, such as ``distil(runs/x)``, takes the network of a finished comparison as the
    teacher: the best one, or that of an ``arm``. Nothing of the length is spent on it. It reads the rows of the data
    by its own preparation, and its answers are joined to training rows by the row's number. It has to predict the same
    target, of the same classes, and must not have been trained on what are test rows now. Its weights and answers are
    part of the identity of the runs.

    With ``unlabelled`` the student also learns what the teacher answers for the rows of a file without a label. Its
    batches are drawn from the training rows and these; with :math:`m_i` 1 for training rows and 0 for the others, and
    weights w (1 for a row of the file), the loss of a batch is

    .. math:: (1 - \alpha)\, \frac{\sum_i m_i w_i\, \ell(z_i, y_i)}{\sum_i m_i w_i} +
        \alpha\, T^2\, \frac{\sum_i w_i \operatorname{KL}_i}{\sum_i w_i},

    whose first part is 0 where a batch has no training row. The file is read as new rows are for a prediction; a target
    in it is not used. A row that equals a validation or test row in all inputs is left out, which is said. The number
    of steps, learned preparation, baselines and the teacher's own training do not know of these rows, but their content
    is part of the identity of the runs.

    A teacher that is trained first has all that the arm has besides its model (optimizer, schedule, regularizers), but
    no ``--rates`` and no ``--freeze``. The control of equal length is ``train``: the student as long as teacher and
    student together.

    Args:
        teacher: the specification of its model; or the folder of a comparison, with a ``/`` in it.
        alpha: share α of the teacher's part, from 0 to 1.
        arm: the name, label or id of an arm of that comparison, for its network.
        temperature: T, above 0; by default 4 for classes, where the teacher's probabilities are learned.
        at: share of the length that the teacher is trained, above 0 and below 1; by default 0.5. Not for a folder.
        targets: ``soft``: the teacher's probabilities, or ``hard``: its decisions, as if they were labels.
        reduction: ``batchmean``, or ``mean``, a published mistake: the divergence is divided by the classes, too.
        squared: whether there is the factor T².
        point: the weights of the teacher: ``best`` on the validation rows (the default), or ``last``. Not for a folder.
        unlabelled: a file of rows without a label, such as ``'more.csv'``. Not with ``alpha=0``, ``--accumulate`` or
            ``--batch-size all``.

    Source: Hinton, Vinyals & Dean, Distilling the Knowledge in a Neural Network, 2015.

    Raises:
        OptionError: an option is out of range.

    Example:
        >>> first, second = distil("mlp(hidden=(64,))", 1.0).stages
        >>> first.model, str(second.taught)
        ('mlp(hidden=(64,))', 'teacher(1.0)')
    """
    taught = Teaching(alpha, temperature, targets, reduction, squared)
    check_teaching(taught)
    if not isinstance(unlabelled, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(
            f"distil: unlabelled={unlabelled!r} is no file",
            hint="give its path in quotes: unlabelled='more.csv'.",
        )
    if unlabelled and not alpha:
        raise OptionError(
            f"distil: unlabelled={unlabelled!r} has no effect with alpha=0",
            hint="give the teacher a share above 0, or leave the file out.",
        )
    if is_folder(teacher):
        for name, value in (("at", at), ("point", point)):
            if value is not None:
                raise OptionError(
                    f"distil: {name}={value} has no effect: the teacher is the network in {teacher!r}",
                    hint="leave it out: it is of a teacher that is trained first.",
                )
        return Procedure(
            (Stage(1.0, taught=taught, teacher=SavedTeacher(teacher, str(arm)), unlabelled=unlabelled),)
        )
    if arm:
        raise OptionError(
            f"distil: arm={arm!r} has no effect: the teacher {teacher!r} is a model",
            hint="name the folder of a comparison, such as distil(runs/x, arm=adam), or leave arm out.",
        )
    at = check_share("at", 0.5 if at is None else at, above=True)
    point = "best" if point is None else point
    check_one_of("point of distil", point, POINTS)
    try:
        model = str(grammar.parse(teacher))
    except (OptionError, AttributeError):
        raise OptionError(
            f"distil: teacher={teacher!r} is no model",
            hint="write distil('mlp(hidden=(256, 256))'), in quotes, or the folder of a comparison: distil(runs/x).",
        ) from None
    return Procedure((Stage(at, model=model), Stage(1 - at, point, taught=taught, unlabelled=unlabelled)))


def is_folder(teacher: object) -> bool:
    """Return whether a teacher is a path and no model: it has a separator, and neither options, an object nor a prefix.

    Example:
        >>> [is_folder(each) for each in ("runs/x", "linear", "mlp(hidden=(4,))", "my/nets.py:Net", "hf:/x", "./x")]
        [True, False, False, False, False, True]
    """
    if not isinstance(teacher, str) or prefix_of(teacher):
        return False
    path = teacher.replace("\\", "/")
    return "/" in path and not _REFERENCE.search(path)


_REFERENCE = re.compile(r"\.py:|\)\s*$")
