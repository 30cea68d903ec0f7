"""Writes average.json: averages of a weight and a buffer after each of eight steps: the moving one of timm's ModelEmaV3 with its warm-up, and
the mean of torch's AveragedModel with its buffers.

Usage: python average.py > average.json
"""

import json

import timm
import torch
from timm.utils import ModelEmaV3
from torch.optim.swa_utils import AveragedModel

DECAY = 0.7
STEPS = 8


def weights(step):
    return [((step * 5 + place * 3) % 7) / 3.0 - 1.0 for place in range(3)]


model = torch.nn.BatchNorm1d(3).double()
ema = ModelEmaV3(model, decay=DECAY, use_warmup=True)
swa = AveragedModel(model, use_buffers=True)
steps, means = [], []
for step in range(STEPS):
    with torch.no_grad():
        model.weight.copy_(torch.tensor(weights(step)))
        model.running_mean.copy_(torch.tensor(weights(step + 3)))
    ema.update(model, step=step + 1)
    swa.update_parameters(model)
    means.append({"weight": swa.module.weight.tolist(), "running_mean": swa.module.running_mean.tolist()})
    steps.append({"weight": ema.module.weight.tolist(), "running_mean": ema.module.running_mean.tolist()})
print(json.dumps({
    "versions": {"torch": torch.__version__, "timm": timm.__version__},
    "decay": DECAY,
    "weights": [weights(step) for step in range(STEPS)],
    "running_means": [weights(step + 3) for step in range(STEPS)],
    "averages": steps,
    "means": means,
}, indent=1))
