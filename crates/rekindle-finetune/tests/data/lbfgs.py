"""Writes lbfgs.json: where PyTorch's L-BFGS with its strong Wolfe search stands after each call, in float64, how often it has evaluated
the function by then, and the optimum of scikit-learn's LogisticRegression on a problem of three classes.

Usage: python lbfgs.py > lbfgs.json
"""

import json
import warnings

import numpy
import sklearn
import torch
from sklearn.linear_model import LogisticRegression

torch.set_default_dtype(torch.float64)
warnings.filterwarnings("ignore")


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


INPUTS = [[((row * 5 + column * 3) % 13) / 6 - 1 + (0.5 if row % 2 and column == 1 else 0) for column in range(4)] for row in range(20)]
SIGNS = [1.0 if row % 2 else -1.0 for row in range(20)]
# Some on the wrong side, so that there is a minimum.
SIGNS[4], SIGNS[9], SIGNS[13] = 1.0, -1.0, -1.0


def logistic(decay):
    inputs, signs = torch.tensor(INPUTS), torch.tensor(SIGNS)

    def function(x):
        return torch.log1p(torch.exp(-signs * (inputs @ x))).mean() + decay / 2 * (x * x).sum()

    return function


def case(name, function, start, iterations, history, calls, **more):
    x = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.LBFGS(
        [x], lr=1, max_iter=iterations, max_eval=10**6, history_size=history, line_search_fn="strong_wolfe"
    )
    evaluated = 0

    def closure():
        nonlocal evaluated
        evaluated += 1
        optimizer.zero_grad()
        value = function(x)
        value.backward()
        return value

    found = []
    for _ in range(calls):
        value = optimizer.step(closure)
        found.append({"value": value.item(), "at": x.tolist(), "evaluated": evaluated})
    return {"name": name, "start": start, "iterations": iterations, "history": history, "calls": found, **more}


# Three classes in five dimensions, in float32 as a head sees them.
random = numpy.random.default_rng(0)
features = random.normal(size=(60, 5)).round(3)
classes = (features @ random.normal(size=(5, 3)) + 1.5 * random.normal(size=(60, 3))).argmax(1)
C = 0.5
model = LogisticRegression(C=C, tol=1e-12, max_iter=100000).fit(features, classes)
probabilities = model.predict_proba(features)
log_loss = -numpy.log(probabilities[numpy.arange(60), classes]).mean()

print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__, "scikit-learn": sklearn.__version__},
            "cases": [
                case("rosenbrock", rosenbrock, [-1.2, 1.0], 1, 10, 12),
                case("rosenbrock", rosenbrock, [-1.2, 1.0, 0.3, -0.8], 4, 3, 8),
                case("logistic", logistic(0.01), [0.0] * 4, 2, 10, 5, inputs=INPUTS, signs=SIGNS, weight_decay=0.01),
                case("logistic", logistic(0.0), [3.0, -2.0, 4.0, 1.0], 1, 4, 9, inputs=INPUTS, signs=SIGNS, weight_decay=0.0),
            ],
            "scikit_learn": {
                "features": features.tolist(),
                "classes": classes.tolist(),
                "weight_decay": 1 / (C * 60),
                "weight": model.coef_.tolist(),
                "bias": model.intercept_.tolist(),
                "loss": log_loss,
            },
        },
        indent=1,
    )
)
