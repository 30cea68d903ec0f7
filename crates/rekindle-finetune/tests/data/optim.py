"""Writes optim.json: weights after each of six steps of PyTorch's optimisers, in float64.

Usage: python optim.py > optim.json
The bias is in a group without weight decay, as it is by default in this crate.
"""

import json

import torch

torch.set_default_dtype(torch.float64)

WEIGHT = [[0.5, -1.2, 0.0], [2.0, 0.3, -0.7]]
BIAS = [0.1, -0.4, 0.8]
LEARNING_RATE = 0.05
STEPS = 6

GRADIENTS = [
    {
        "weight": [[((row * 3 + column) * 7 + step * 5) % 11 / 5.0 - 1.0 for column in range(3)] for row in range(2)],
        "bias": [((column * 5 + step * 3) % 7) / 3.0 - 1.0 for column in range(3)],
    }
    for step in range(STEPS)
]


def sgd(params, spec):
    return torch.optim.SGD(params, lr=LEARNING_RATE, momentum=spec["momentum"], nesterov=spec.get("nesterov", False))


def adam(params, spec):
    return torch.optim.Adam(params, lr=LEARNING_RATE, betas=(spec.get("beta_1", 0.9), spec.get("beta_2", 0.999)))


def adamw(params, spec):
    return torch.optim.AdamW(params, lr=LEARNING_RATE, eps=spec.get("epsilon", 1e-8))


def nadam(params, spec):
    return torch.optim.NAdam(params, lr=LEARNING_RATE, momentum_decay=spec.get("momentum_decay", 4e-3))


def rmsprop(params, spec):
    return torch.optim.RMSprop(params, lr=LEARNING_RATE, alpha=spec.get("alpha", 0.99), momentum=spec["momentum"])


SPECS = [
    {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0},
    {"name": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    {"name": "sgd", "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    {"name": "adam", "weight_decay": 0.0},
    {"name": "adam", "beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.1},
    {"name": "adamw", "weight_decay": 0.01},
    {"name": "adamw", "weight_decay": 0.3, "epsilon": 1e-3},
    {"name": "nadam", "weight_decay": 0.0},
    {"name": "nadam", "weight_decay": 0.1, "momentum_decay": 0.05},
    {"name": "rmsprop", "momentum": 0.0, "weight_decay": 0.0},
    {"name": "rmsprop", "momentum": 0.9, "alpha": 0.9, "weight_decay": 0.1},
]


def run(spec):
    weight = torch.nn.Parameter(torch.tensor(WEIGHT))
    bias = torch.nn.Parameter(torch.tensor(BIAS))
    groups = [{"params": [weight], "weight_decay": spec["weight_decay"]}, {"params": [bias], "weight_decay": 0.0}]
    optimizer = globals()[spec["name"]](groups, spec)
    steps = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor(gradient["weight"])
        bias.grad = torch.tensor(gradient["bias"])
        optimizer.step()
        steps.append({"weight": weight.tolist(), "bias": bias.tolist()})
    return {"spec": spec, "steps": steps}


print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__},
            "learning_rate": LEARNING_RATE,
            "weight": WEIGHT,
            "bias": BIAS,
            "gradients": GRADIENTS,
            "cases": [run(spec) for spec in SPECS],
        },
        indent=1,
    )
)
