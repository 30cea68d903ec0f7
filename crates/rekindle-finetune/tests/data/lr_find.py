"""Writes lr_find.json: the learning rates that fastai suggests of curves of the loss.

Usage: python lr_find.py > lr_find.json
"""

import json
import math

import fastai
import torch
from fastai.callback.schedule import steep, valley

cases = []
for number, shape in enumerate([
    lambda t: 2.0 - 1.5 / (1.0 + math.exp(-12.0 * (t - 0.5))) + 40.0 * max(0.0, t - 0.85) ** 2,
    lambda t: 1.0 - 0.6 * math.sin(3.0 * t) + 0.05 * math.sin(40.0 * t),
    lambda t: 3.0 - 2.0 * t + 0.2 * math.cos(25.0 * t) + (8.0 * (t - 0.9) if t > 0.9 else 0.0),
    lambda t: 1.0 + t + 0.1 * t * t,
    lambda t: 2.0 - t - 0.1 * t * t,
]):
    steps = 60
    rates = [1e-6 * 1e6 ** (step / (steps - 1)) for step in range(steps)]
    losses = [shape(step / (steps - 1)) for step in range(steps)]
    lrs, values = torch.tensor(rates, dtype=torch.float64), torch.tensor(losses, dtype=torch.float64)
    found_valley = valley(lrs, values, steps)[0]
    found_steep = steep(lrs, values, steps)[0]
    cases.append({"rates": rates, "losses": losses, "valley": found_valley, "steepest": found_steep})
print(json.dumps({"versions": {"fastai": fastai.__version__, "torch": torch.__version__}, "cases": cases}))
