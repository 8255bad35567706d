"""Train a teacher, then a student on the labels and on what the teacher answers."""

from __future__ import annotations

from steepest.components import grammar
from steepest.errors import OptionError
from steepest.procedures.procedure import POINTS, Point, Procedure, Stage
from steepest.procedures.pruning import check_one_of, check_share
from steepest.procedures.teaching import Reduction, Targets, Teaching, check_teaching

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
    temperature: float | None = None,
    at: float = 0.5,
    targets: Targets = "soft",
    reduction: Reduction = "batchmean",
    squared: bool = True,
    point: Point = "best",
) -> Procedure:
    r"""Train another model, the teacher, and then the arm's own model, the student, on its answers.

    With logits z of the student and z' of the teacher, the loss of a row with label y is

    .. math:: (1 - \alpha)\, \ell(z, y) +
        \alpha\, T^2 \operatorname{KL}\left(\operatorname{softmax}(z'/T) \,\|\, \operatorname{softmax}(z/T)\right)

    and that of a batch the mean over its rows (by their weights, if they have any). The factor T² keeps the gradients
    of both parts alike at any T. The teacher answers every training row once, in evaluation mode, and its answer stays
    with its row however batches are drawn; what regularizers do to a batch's inputs, it does not see. Of numbers, the
    second part is the training loss with the teacher's value as the target. With ``alpha=0`` it is plain training of
    the student for the rest of the length.

    The teacher has all that the arm has besides its model (optimizer, schedule, regularizers), but no ``--rates`` and
    no ``--freeze``. The control of equal length is ``train``: the student as long as teacher and student together.

    Args:
        teacher: the specification of its model.
        alpha: share α of the teacher's part, from 0 to 1.
        temperature: T, above 0; by default 4 for classes, where the teacher's probabilities are learned.
        at: share of the length that the teacher is trained, above 0 and below 1.
        targets: ``soft``: the teacher's probabilities, or ``hard``: its decisions, as if they were labels.
        reduction: ``batchmean``, or ``mean``, a published mistake: the divergence is divided by the classes, too.
        squared: whether there is the factor T².
        point: the weights of the teacher: ``best`` on the validation rows, or ``last``.

    Source: Hinton, Vinyals & Dean, Distilling the Knowledge in a Neural Network, 2015.

    Raises:
        OptionError: an option is out of range.

    Example:
        >>> first, second = distil("mlp(hidden=(64,))", 1.0).stages
        >>> first.model, str(second.taught)
        ('mlp(hidden=(64,))', 'teacher(1.0)')
    """
    at = check_share("at", at, above=True)
    check_one_of("point of distil", point, POINTS)
    try:
        model = str(grammar.parse(teacher))
    except (OptionError, AttributeError):
        raise OptionError(
            f"distil: teacher={teacher!r} is no model",
            hint="write distil('mlp(hidden=(256, 256))'), in quotes.",
        ) from None
    taught = Teaching(alpha, temperature, targets, reduction, squared)
    check_teaching(taught)
    return Procedure((Stage(at, model=model), Stage(1 - at, point, taught=taught)))
