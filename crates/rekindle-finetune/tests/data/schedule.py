"""Writes schedule.json: learning rate factors of PyTorch's schedulers, one per step or per epoch.

Usage: python schedule.py > schedule.json
"""

import json
import warnings

import torch
from torch.optim import lr_scheduler

warnings.filterwarnings("ignore")
STEPS_PER_EPOCH = 5
EPOCHS = 6
TOTAL = STEPS_PER_EPOCH * EPOCHS


def factors(make, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(values) < steps:
            scheduler.step()
    return values


def per_epoch(make):
    """An epoch's factor, repeated for its steps."""
    return [value for value in factors(make, EPOCHS) for _ in range(STEPS_PER_EPOCH)]


def warm(warmup):
    return lambda optimizer: lr_scheduler.LinearLR(optimizer, 1.0 / warmup, 1.0, warmup - 1)


def warm_cosine(warmup, min_ratio):
    def make(optimizer):
        cosine = lr_scheduler.CosineAnnealingLR(optimizer, TOTAL - warmup, eta_min=min_ratio)
        # The step after the last of the warm-up is the cosine's first, so that both give 1.
        return lr_scheduler.SequentialLR(optimizer, [warm(warmup)(optimizer), cosine], [warmup])

    return make


cases = [
    ({"name": "constant"}, [1.0] * TOTAL),
    ({"name": "constant", "warmup_epochs": 1.4}, factors(warm(7), TOTAL)),
    ({"name": "step", "every_epochs": 2, "gamma": 0.3}, per_epoch(lambda o: lr_scheduler.StepLR(o, 2, 0.3))),
    ({"name": "exponential", "gamma": 0.9}, per_epoch(lambda o: lr_scheduler.ExponentialLR(o, 0.9))),
    ({"name": "cosine", "min_ratio": 0.0}, factors(lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL), TOTAL)),
    (
        {"name": "cosine", "min_ratio": 0.05},
        factors(lambda o: lr_scheduler.CosineAnnealingLR(o, TOTAL, eta_min=0.05), TOTAL),
    ),
    ({"name": "cosine", "min_ratio": 0.01, "warmup_epochs": 2.0}, factors(warm_cosine(10, 0.01), TOTAL)),
    (
        {"name": "multi_step", "milestones": [1, 4], "gamma": 0.5},
        per_epoch(lambda o: lr_scheduler.MultiStepLR(o, [1, 4], 0.5)),
    ),
    ({"name": "polynomial", "power": 2.0}, factors(lambda o: lr_scheduler.PolynomialLR(o, TOTAL, 2.0), TOTAL)),
    ({"name": "polynomial"}, factors(lambda o: lr_scheduler.PolynomialLR(o, TOTAL), TOTAL)),
    (
        {"name": "restarts", "first_epochs": 1, "times": 2, "min_ratio": 0.1},
        factors(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, 2, eta_min=0.1), TOTAL),
    ),
    (
        {"name": "restarts", "first_epochs": 2, "times": 1},
        factors(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 10, 1), TOTAL),
    ),
    (
        {"name": "one_cycle", "peak_at": 0.3, "start_ratio": 0.04, "end_ratio": 0.001},
        factors(
            lambda o: lr_scheduler.OneCycleLR(
                o, max_lr=1.0, total_steps=TOTAL, pct_start=0.3, div_factor=25.0, final_div_factor=40.0
            ),
            TOTAL,
        ),
    ),
]

print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__},
            "steps_per_epoch": STEPS_PER_EPOCH,
            "total_steps": TOTAL,
            "cases": [{"spec": spec, "factors": values} for spec, values in cases],
        },
        indent=1,
    )
)
