"""Writes metrics.json: metrics of scikit-learn and torchmetrics, and intervals of SciPy, of classes, labels and numbers made up here.

Usage: python metrics.py > metrics.json
Class 4 never occurs as a target and class 5 is never predicted. Label 3 never occurs and is predicted, label 4 occurs always. Some
logits and some numbers are equal, so that ties happen.
"""

import json
import warnings

import numpy
import scipy
import sklearn
import torch
import torchmetrics
from sklearn import metrics
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

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


def each(score, labels, present, scores):
    """A score of each label against the rest; none where it is not defined."""
    defined = lambda label: present[:, label].any() and (score is not metrics.roc_auc_score or not present[:, label].all())
    return [score(present[:, label], scores[:, label]) if defined(label) else None for label in labels]


def mean(values):
    return numpy.mean([value for value in values if value is not None])


def scores():
    present = numpy.eye(CLASSES, dtype=int)[targets]
    auroc = each(metrics.roc_auc_score, labels, present, probabilities)
    average_precision = each(metrics.average_precision_score, labels, present, probabilities)
    calibration = lambda norm: multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(targets), num_classes=CLASSES, n_bins=15, norm=norm
    ).item()
    confidence, right = probabilities.max(axis=1), predictions == targets
    of = lambda score: lambda t, p: score(t.astype(int), p.astype(int))
    bootstrap = lambda score: scipy.stats.bootstrap(
        (targets, predictions), score, paired=True, vectorized=False, n_resamples=20000, method="percentile", rng=7
    ).confidence_interval
    bins = []
    for place in range(15):
        within = (confidence >= place / 15) & (confidence < (place + 1) / 15)
        bins.append([int(within.sum())] + [float(x[within].mean()) if within.any() else 0.0 for x in (confidence, right)])
    return {
        "top_k": [metrics.accuracy_score(targets, predictions)]
        + [metrics.top_k_accuracy_score(targets, logits, k=k, labels=labels) for k in range(2, CLASSES)],
        "auroc": mean(auroc),
        "auroc_each": auroc,
        "average_precision": mean(average_precision),
        "average_precision_each": average_precision,
        "brier": metrics.brier_score_loss(targets, probabilities, labels=labels),
        "calibration_error": calibration("l1"),
        "greatest_calibration_error": calibration("max"),
        "calibration_bins": bins,
        # Accuracy, balanced accuracy, macro F1 over the classes that were drawn.
        "bootstrap": [
            list(bootstrap(of(metrics.accuracy_score))),
            list(bootstrap(of(metrics.balanced_accuracy_score))),
            list(bootstrap(of(lambda t, p: metrics.f1_score(t, p, labels=numpy.unique(t), average="macro", zero_division=0)))),
        ],
    }


def multilabel():
    labels, samples = 5, 40
    present = (random.random((samples, labels)) < [0.5, 0.2, 0.7, 0.0, 1.0]).astype(int)
    present[0, :3] = 0
    logits = (random.normal(size=(samples, labels)) + 1.5 * present - 0.4).round(1)
    predicted = (logits >= 0).astype(int)
    probabilities = 1 / (1 + numpy.exp(-logits))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(present, predicted, zero_division=0)
    average_precision = [metrics.average_precision_score(present[:, label], logits[:, label]) for label in range(labels)]
    auroc = each(metrics.roc_auc_score, range(labels), present, logits)
    return {
        "auroc": mean(auroc),
        "auroc_each": auroc,
        "brier": numpy.mean((probabilities - present) ** 2),
        "calibration_error": binary_calibration_error(
            torch.tensor(probabilities.flatten()), torch.tensor(present.flatten()), n_bins=15, norm="l1"
        ).item(),
        "present": present.tolist(),
        "logits": logits.tolist(),
        "loss": numpy.mean([metrics.log_loss(present[:, label], probabilities[:, label], labels=[0, 1]) for label in range(labels)]),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "average_precision": average_precision,
        # Over the labels that occur.
        "map": metrics.average_precision_score(present[:, [0, 1, 2, 4]], logits[:, [0, 1, 2, 4]], average="macro"),
        # Over the labels that occur, as every mean over labels.
        "macro_f1": metrics.f1_score(present, predicted, labels=[0, 1, 2, 4], average="macro", zero_division=0),
        "micro_f1": metrics.f1_score(present, predicted, average="micro"),
        "subset_accuracy": metrics.accuracy_score(present, predicted),
    }


def regression():
    samples = 30
    numbers = numpy.stack([random.normal(100, 20, samples).round(0), random.exponential(0.5, samples)], axis=1)
    predicted = numbers + random.normal(size=numbers.shape) * [8.0, 0.3]
    predicted[:6, 0] = predicted[0, 0]
    mean, std = numbers[:20].mean(axis=0), numbers[:20].std(axis=0)
    scaled = (predicted - mean) / std
    predicted = scaled * std + mean
    pairs = list(zip(numbers.T, predicted.T))
    return {
        "numbers": numbers.tolist(),
        "outputs": scaled.tolist(),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "loss": metrics.mean_squared_error((numbers - mean) / std, scaled),
        "mae": metrics.mean_absolute_error((numbers - mean) / std, scaled),
        "rmse": metrics.root_mean_squared_error((numbers - mean) / std, scaled),
        "r2": metrics.r2_score(numbers, predicted),
        "mae_each": metrics.mean_absolute_error(numbers, predicted, multioutput="raw_values").tolist(),
        "rmse_each": metrics.root_mean_squared_error(numbers, predicted, multioutput="raw_values").tolist(),
        "r2_each": metrics.r2_score(numbers, predicted, multioutput="raw_values").tolist(),
        "pearson": [scipy.stats.pearsonr(*pair).statistic for pair in pairs],
        "spearman": [scipy.stats.spearmanr(*pair).statistic for pair in pairs],
    }


print(
    json.dumps(
        {
            "versions": {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__, "scipy": scipy.__version__, "torchmetrics": torchmetrics.__version__},
            "classification": {
                "classes": CLASSES,
                "targets": targets.tolist(),
                "logits": logits.tolist(),
                "loss": metrics.log_loss(targets, probabilities, labels=labels),
                "accuracy": metrics.accuracy_score(targets, predictions),
                "top_2": metrics.top_k_accuracy_score(targets, logits, k=2, labels=labels),
                "top_3": metrics.top_k_accuracy_score(targets, logits, k=3, labels=labels),
                "balanced_accuracy": metrics.balanced_accuracy_score(targets, predictions),
                # Over the classes that occur as targets, as every mean over classes.
                "macro_f1": metrics.f1_score(
                    targets, predictions, labels=[0, 1, 2, 3, 5], average="macro", zero_division=0
                ),
                "precision": precision.tolist(),
                "recall": recall.tolist(),
                "f1": f1.tolist(),
                "support": support.tolist(),
                "confusion": metrics.confusion_matrix(targets, predictions, labels=labels).tolist(),
                **scores(),
            },
            "multilabel": multilabel(),
            "regression": regression(),
        },
        indent=1,
    )
)
