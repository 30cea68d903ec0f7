"""Writes metrics.json: scikit-learn's classification metrics on logits made up here.

Usage: python metrics.py > metrics.json
Class 4 never occurs as a target and class 5 is never predicted.
"""

import json
import warnings

import numpy
import sklearn
from sklearn import metrics

warnings.filterwarnings("ignore")
CLASSES, SAMPLES = 6, 60
random = numpy.random.default_rng(5)
targets = random.choice([0, 1, 2, 3, 5], SAMPLES, p=[0.4, 0.25, 0.2, 0.1, 0.05])
logits = random.normal(size=(SAMPLES, CLASSES))
logits[numpy.arange(SAMPLES), targets] += 1.2
logits[:, 5] -= 9.0
logits = logits.round(3)
labels = list(range(CLASSES))
predictions = logits.argmax(axis=1)
probabilities = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
precision, recall, f1, support = metrics.precision_recall_fscore_support(
    targets, predictions, labels=labels, zero_division=0
)
print(
    json.dumps(
        {
            "versions": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__},
            "classes": CLASSES,
            "targets": targets.tolist(),
            "logits": logits.tolist(),
            "loss": metrics.log_loss(targets, probabilities, labels=labels),
            "accuracy": metrics.accuracy_score(targets, predictions),
            "top_2": metrics.top_k_accuracy_score(targets, logits, k=2, labels=labels),
            "top_3": metrics.top_k_accuracy_score(targets, logits, k=3, labels=labels),
            "balanced_accuracy": metrics.balanced_accuracy_score(targets, predictions),
            "macro_f1": metrics.f1_score(targets, predictions, average="macro", zero_division=0),
            "precision": precision.tolist(),
            "recall": recall.tolist(),
            "f1": f1.tolist(),
            "support": support.tolist(),
            "confusion": metrics.confusion_matrix(targets, predictions, labels=labels).tolist(),
        },
        indent=1,
    )
)
