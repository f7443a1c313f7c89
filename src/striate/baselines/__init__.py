"""Plain models beside a network, fitted in a second: what it has to beat to be worth its while."""

from striate.baselines.baseline import Baseline, fit_baseline

__all__ = ["Baseline", "fit_baseline"]
