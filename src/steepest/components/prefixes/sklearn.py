"""``sklearn:Class``: a classifier or regressor of scikit-learn, by the name of its class."""

from __future__ import annotations

import warnings
from typing import Any

from steepest.errors import unknown_name

COMPONENTS = {
    "sklearn": {
        "object": "find",
        "what": "classifiers and regressors of scikit-learn",
        "groups": ["baseline"],
    }
}


def find(path: str) -> Any:
    """Return the class of that name.

    Raises:
        UnknownNameError: scikit-learn has no such classifier or regressor.

    Example:
        >>> find("Ridge").__module__
        'sklearn.linear_model._ridge'
    """
    from sklearn.utils import all_estimators  # it imports all of scikit-learn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known: dict[str, Any] = dict(all_estimators(type_filter=["classifier", "regressor"]))
    if path not in known:
        raise unknown_name("classifier or regressor of scikit-learn", path, known)
    return known[path]
