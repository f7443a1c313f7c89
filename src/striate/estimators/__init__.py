"""scikit-learn's way in: ``Classifier`` and ``Regressor``, estimators over the training of :func:`striate.train`."""

try:
    import sklearn as _sklearn  # noqa: F401  what is missing is said once, here
except ImportError:
    raise ImportError(
        "striate.Classifier and striate.Regressor need scikit-learn: pip install 'striate[sklearn]'"
    ) from None

from striate.estimators.classifier import Classifier
from striate.estimators.regressor import Regressor

__all__ = ["Classifier", "Regressor"]
