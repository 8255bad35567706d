"""A network that predicts a number, as scikit-learn's estimator."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import RegressorMixin

from steepest.sklearn.base import Estimator, Floats


class SteepestRegressor(RegressorMixin, Estimator):
    r"""A network that predicts a number, trained by one recipe of :func:`steepest.compare`.

    The target is standardised by its mean m and standard deviation s over the training rows. The default training loss
    of a batch is the weighted mean of squared errors, :math:`\sum_i w_i (f_i - (y_i - m) / s)^2 / \sum_i w_i`, where
    :math:`f_i` is the network's output and :math:`w_i` the weight of a row; predictions are in the unit of y,
    :math:`m + s f_i`.

    Args:
        model: parameters, attributes and errors are those of :class:`SteepestClassifier`, but for ``class_weight``,
            ``positive`` and ``classes_``. The default ``loss`` is ``"squared"``, the default ``metric`` the RMSE.

    Example:
        >>> import numpy as np
        >>> draw = np.random.Generator(np.random.PCG64(0))
        >>> X = draw.normal(size=(200, 2))
        >>> estimator = SteepestRegressor("mlp(hidden=[8])", learning_rate=0.03, epochs=20, random_state=0)
        >>> estimator.fit(X, 10 * X[:, 0] + 100).score(X, 10 * X[:, 0] + 100) > 0.9
        True
    """

    _task = "regression"

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on some rows, at a constant rate, see :meth:`SteepestClassifier.partial_fit`.

        The scale of the target is that of the first rows.
        """
        return self._pass(X, y, sample_weight)

    def predict(self, X: Any) -> Floats:
        """Return the predicted values ``[N]``, in the unit of y.

        Raises:
            NotFittedError: nothing was trained.
            ValueError: the rows have other columns than those of the fit, or the preparation leaves some of them out.
        """
        return self._table_of(X)["prediction"].to_numpy()
