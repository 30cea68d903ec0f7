"""Writes plateau.json: learning rate factors of PyTorch's ReduceLROnPlateau after each epoch.

Usage: python plateau.py > plateau.json
"""

import json

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

FALLING = [1.0, 0.8, 0.79, 0.7999, 0.81, 0.805, 0.7, 0.75, 0.74, 0.73, 0.72, 0.71, 0.7]
RISING = [0.5, 0.6, 0.6, 0.59, 0.61, 0.6, 0.6, 0.6, 0.6, 0.62, 0.3, 0.2, 0.1]
cases = []
for mode, values, factor, patience, threshold, min_ratio in [
    ("min", FALLING, 0.1, 2, 1e-4, 0.0),
    ("min", FALLING, 0.5, 0, 1e-4, 0.1),
    ("min", FALLING, 0.5, 1, 0.05, 0.0),
    ("max", RISING, 0.1, 1, 1e-4, 0.0),
    ("max", RISING, 0.3, 2, 0.05, 0.05),
]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(
        optimizer, mode=mode, factor=factor, patience=patience, threshold=threshold, min_lr=min_ratio
    )
    factors = []
    for value in values:
        scheduler.step(value)
        factors.append(optimizer.param_groups[0]["lr"])
    cases.append({
        "mode": mode, "values": values, "factor": factor, "patience": patience, "threshold": threshold,
        "min_ratio": min_ratio, "factors": factors,
    })
print(json.dumps({"versions": {"torch": torch.__version__}, "cases": cases}, indent=1))
