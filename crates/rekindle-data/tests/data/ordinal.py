"""Writes ordinal.json: scikit-learn's figures of levels.

Usage: python ordinal.py > ordinal.json
"""

import json

import numpy
import sklearn
from sklearn import metrics

LEVELS = 5
random = numpy.random.default_rng(3)


def case(targets, predictions):
    off = numpy.abs(targets - predictions)
    return {
        "targets": targets.tolist(),
        "predictions": predictions.tolist(),
        "mae": metrics.mean_absolute_error(targets, predictions),
        "accuracy": metrics.accuracy_score(targets, predictions),
        "within_one": float((off <= 1).mean()),
        "quadratic_kappa": metrics.cohen_kappa_score(targets, predictions, labels=range(LEVELS), weights="quadratic"),
    }


targets = random.integers(0, LEVELS, 40)
near = numpy.clip(targets + random.integers(-1, 2, 40), 0, LEVELS - 1)
print(
    json.dumps(
        {
            "versions": {"scikit-learn": sklearn.__version__},
            "levels": LEVELS,
            "cases": [case(targets, near), case(targets, random.integers(0, LEVELS, 40)), case(targets, LEVELS - 1 - targets)],
        }
    )
)
