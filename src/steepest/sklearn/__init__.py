"""Networks as scikit-learn's estimators: one recipe of ``compare``, trained by ``fit``."""

from steepest.sklearn.classifier import SteepestClassifier
from steepest.sklearn.regressor import SteepestRegressor

__all__ = ["SteepestClassifier", "SteepestRegressor"]
