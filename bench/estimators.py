"""Goal: on small tables of numbers `striate.Classifier` and `striate.Regressor` with no parameters are as good as
scikit-learn's own networks on scaled columns.

5-fold cross-validation, shuffled with seed 0, of sets that come with scikit-learn; accuracy, or R2 of diabetes.

    python bench/estimators.py

Evidence: AMD EPYC, avx2/avx512f/avx512_bf16, one thread, Python 3.11.7, torch 2.13.0+cpu, scikit-learn 1.9, beside
other work; CPU seconds of a fit with its score
  striate        iris 0.933  wine 0.978  cancer 0.979  digits 0.950  diabetes 0.475  0.29 s
  scikit-learn   iris 0.947  wine 0.978  cancer 0.975  digits 0.952  diabetes -1.032  0.15 s
"""

from __future__ import annotations

import time
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import striate
from common import machine

SETS = {"iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer, "digits": load_digits}
FOLDS = 5


def main() -> None:
    print(machine("scikit-learn", "torch", threads=1))
    warnings.simplefilter("ignore")  # scikit-learn's networks say that they have not converged
    data = {name: load(return_X_y=True) for name, load in SETS.items()}
    some = np.random.default_rng(0).permutation(len(data["digits"][1]))[:600]
    data["digits"] = tuple(part[some] for part in data["digits"])
    kinds = {
        "striate": (striate.Classifier(), striate.Regressor()),
        "scikit-learn": tuple(
            make_pipeline(StandardScaler(), kind(random_state=0)) for kind in (MLPClassifier, MLPRegressor)
        ),
    }
    for name, (classifier, regressor) in kinds.items():
        begun, cells = time.process_time(), []
        for title, (x, y) in data.items():
            folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
            cells.append(f"{title} {cross_val_score(classifier, x, y, cv=folds).mean():.3f}")
        folds = KFold(FOLDS, shuffle=True, random_state=0)
        found = cross_val_score(regressor, *load_diabetes(return_X_y=True), cv=folds)
        each = (time.process_time() - begun) / FOLDS / (len(data) + 1)
        print(f"{name:<14} {'  '.join(cells)}  diabetes {found.mean():.3f}  {each:.2f} s")


if __name__ == "__main__":
    main()
