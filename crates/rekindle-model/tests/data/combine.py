"""Numbers that `tests/combine.rs` compares with: weights of means, meta-learners and temperatures of small random models.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    python combine.py > combine.json

Weights by SciPy's SLSQP on the simplex, from several starts; meta-learners by scikit-learn's LogisticRegression (weights drawn to zero)
and by SciPy's BFGS (drawn to a prior); temperatures by SciPy's bounded scalar minimiser, and by scikit-learn's calibration.
"""

import json
import sys

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_expit, log_softmax, logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

MODELS, IMAGES, OUTPUTS = 3, 40, 4
rng = np.random.default_rng(7)


def rounded(values):
    """What f32 and four decimals leave, so that both sides start from the same numbers."""
    return np.round(values, 4).astype(np.float32).astype(np.float64)


def short(values):
    """The same as text of four decimals, from which f32 is read back."""
    return [round(value, 4) for value in values.ravel().tolist()]


targets = rng.integers(0, OUTPUTS, IMAGES)
one_hot = np.eye(OUTPUTS)[targets]
noise = rng.normal(0, 1, (MODELS, IMAGES, OUTPUTS))
logits = rounded(np.array([1.6, 1.2, 0.4])[:, None, None] * (2.0 * one_hot + 1.3 * noise))
labels = (rng.random((IMAGES, OUTPUTS)) < 0.4).astype(float)
label_logits = rounded(np.array([2.0, 1.5, 0.5])[:, None, None] * (2 * labels - 1 + 1.2 * noise))
numbers = rounded(rng.normal(0, 1, (IMAGES, OUTPUTS)))
said_numbers = rounded(numbers + np.array([0.4, 0.6, 1.5])[:, None, None] * noise)


def weights_of(loss):
    best = None
    for start in [np.full(MODELS, 1 / MODELS), *(0.1 + 0.7 * np.eye(MODELS))]:
        found = minimize(
            loss,
            start / start.sum(),
            method="SLSQP",
            bounds=[(0, 1)] * MODELS,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-15, "maxiter": 1000},
        )
        if best is None or found.fun < best.fun:
            best = found
    return {"weights": best.x.tolist(), "loss": float(best.fun)}


def mixture(w):
    logs = log_softmax(logits, axis=2)[:, np.arange(IMAGES), targets]
    return -logsumexp(logs, axis=0, b=np.clip(w, 0, None)[:, None]).mean()


def of_logits(w):
    mean = np.tensordot(w, logits, 1)
    return -log_softmax(mean, axis=1)[np.arange(IMAGES), targets].mean()


def label_mixture(w):
    sides = np.where(labels > 0.5, label_logits, -label_logits)
    return -logsumexp(log_expit(sides), axis=0, b=np.clip(w, 0, None)[:, None, None]).mean()


def label_of_logits(w):
    mean = np.tensordot(w, label_logits, 1)
    return -log_expit(np.where(labels > 0.5, mean, -mean)).mean()


def squares(w):
    return ((np.tensordot(w, said_numbers, 1) - numbers) ** 2).mean()


def features():
    logs = log_softmax(logits, axis=2)
    centred = logs - logs.mean(axis=2, keepdims=True)
    return centred.transpose(1, 0, 2).reshape(IMAGES, MODELS * OUTPUTS)


def drawn_to(prior, l2):
    x = features()

    def loss(flat):
        w, b = flat[: prior.size].reshape(prior.shape), flat[prior.size :]
        logs = log_softmax(x @ w.T + b, axis=1)
        error = np.exp(logs) - one_hot
        value = -logs[np.arange(IMAGES), targets].sum() + l2 / 2 * ((w - prior) ** 2).sum()
        return value, np.concatenate([(error.T @ x + l2 * (w - prior)).ravel(), error.sum(axis=0)])

    start = np.concatenate([prior.ravel(), np.zeros(OUTPUTS)])
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 10000})
    w, b = found.x[: prior.size], found.x[prior.size :]
    return {"l2": l2, "weights": w.tolist(), "bias": (b - b.mean()).tolist()}


def logistic(l2):
    fit = LogisticRegression(C=1 / l2, tol=1e-12, max_iter=100_000).fit(features(), targets)
    bias = fit.intercept_ - fit.intercept_.mean()
    return {"l2": l2, "weights": fit.coef_.ravel().tolist(), "bias": bias.tolist()}


class Says(ClassifierMixin, BaseEstimator):
    """A classifier whose logits are known."""

    def fit(self, x, y):
        self.classes_ = np.arange(OUTPUTS)
        self.n_features_in_ = OUTPUTS
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return x.argmax(axis=1)


def temperature(loss):
    found = minimize_scalar(loss, bounds=(-10, 10), method="bounded", options={"xatol": 1e-12})
    return {"temperature": float(np.exp(-found.x)), "before": float(loss(0.0)), "after": float(found.fun)}


def of_classes(beta):
    return -log_softmax(np.exp(beta) * logits[0], axis=1)[np.arange(IMAGES), targets].mean()


def of_labels(beta):
    return -log_expit(np.exp(beta) * np.where(labels > 0.5, label_logits[0], -label_logits[0])).mean()


says = Says().fit(None, None)
calibrated = CalibratedClassifierCV(FrozenEstimator(says), method="temperature").fit(logits[0], targets)
by_sklearn = 1 / calibrated.calibrated_classifiers_[0].calibrators[0].beta_
mean_prior = np.concatenate([np.eye(OUTPUTS) / MODELS] * MODELS, axis=1)
json.dump(
    {
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
        "outputs": OUTPUTS,
        "targets": targets.tolist(),
        "logits": [short(model) for model in logits],
        "labels": short(labels),
        "label_logits": [short(model) for model in label_logits],
        "numbers": short(numbers),
        "said_numbers": [short(model) for model in said_numbers],
        "weights": {
            "class_probabilities": weights_of(mixture),
            "class_logits": weights_of(of_logits),
            "label_probabilities": weights_of(label_mixture),
            "label_logits": weights_of(label_of_logits),
            "numbers": weights_of(squares),
        },
        "to_zero": [logistic(l2) for l2 in (0.1, 1.0, 30.0)],
        "to_mean": [drawn_to(mean_prior, l2) for l2 in (0.3, 10.0)],
        "temperatures": {
            "classes": temperature(of_classes) | {"scikit-learn": float(by_sklearn)},
            "labels": temperature(of_labels),
        },
    },
    sys.stdout,
)
print()
