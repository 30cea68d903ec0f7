"""Writes optim.json: weights after each of six steps of PyTorch's and timm's optimisers, in float64.

Usage: python optim.py > optim.json
The bias is in a group without weight decay, as it is by default in this crate.
"""

import json

import timm
import timm.optim
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


def radam(params, spec):
    return torch.optim.RAdam(params, lr=LEARNING_RATE, betas=(0.9, spec.get("beta_2", 0.999)))


def lion(params, spec):
    return timm.optim.Lion(params, lr=LEARNING_RATE)


def lamb(params, spec):
    return timm.optim.Lamb(params, lr=LEARNING_RATE, max_grad_norm=None, always_adapt=True)


# Muon's iteration runs in bf16, which would hide all digits but three.
torch.bfloat16 = torch.float64


def muon(params, spec):
    return Both(
        torch.optim.Muon(params[:1], lr=LEARNING_RATE, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(params[1:], lr=LEARNING_RATE),
    )


class Both:
    """Muon for the matrix, AdamW for the vector."""

    def __init__(self, *optimizers):
        self.optimizers = optimizers

    def step(self):
        for optimizer in self.optimizers:
            optimizer.step()


def adagrad(params, spec):
    return torch.optim.Adagrad(params, lr=LEARNING_RATE, lr_decay=spec.get("lr_decay", 0.0))


def adadelta(params, spec):
    return torch.optim.Adadelta(params, lr=LEARNING_RATE, rho=spec.get("rho", 0.9))


def adafactor(params, spec):
    return torch.optim.Adafactor(params, lr=LEARNING_RATE, d=spec.get("clip_threshold", 1.0))


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
    {"name": "radam", "weight_decay": 0.0},
    {"name": "radam", "weight_decay": 0.1, "beta_2": 0.6},
    {"name": "lion", "weight_decay": 0.0},
    {"name": "lion", "weight_decay": 0.3},
    {"name": "lamb", "weight_decay": 0.0},
    {"name": "lamb", "weight_decay": 0.1},
    {"name": "muon", "weight_decay": 0.0},
    {"name": "muon", "weight_decay": 0.1},
    {"name": "adagrad", "weight_decay": 0.0},
    {"name": "adagrad", "weight_decay": 0.1, "lr_decay": 0.05},
    {"name": "adadelta", "weight_decay": 0.0},
    {"name": "adadelta", "weight_decay": 0.1, "rho": 0.7},
    {"name": "adafactor", "weight_decay": 0.0},
    {"name": "adafactor", "weight_decay": 0.1, "clip_threshold": 1.2},
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
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
            "learning_rate": LEARNING_RATE,
            "weight": WEIGHT,
            "bias": BIAS,
            "gradients": GRADIENTS,
            "cases": [run(spec) for spec in SPECS],
        },
        indent=1,
    )
)
