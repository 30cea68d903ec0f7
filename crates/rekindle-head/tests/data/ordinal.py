"""Writes ordinal.json: coral-pytorch's CORN loss, its gradient and the probabilities that its logits stand for, in float64.

Usage: python ordinal.py > ordinal.json
Needs torch and coral-pytorch.
"""

import json

import coral_pytorch
import torch
from coral_pytorch.losses import corn_loss

torch.set_default_dtype(torch.float64)

LOGITS = [[1.5, -0.3, 0.2], [-2.0, 0.7, 0.1], [0.4, 0.4, -1.2], [8.0, -8.0, 0.5], [0.0, 0.1, 3.2], [2.5, 1.5, 6.0]]


def case(levels):
    logits = torch.tensor(LOGITS, requires_grad=True)
    loss = corn_loss(logits, torch.tensor(levels), 4)
    loss.backward()
    # Of going beyond each level; that of a level is the difference of two.
    beyond = torch.cumprod(torch.sigmoid(logits.detach()), dim=1)
    edges = torch.cat([torch.ones(len(LOGITS), 1), beyond, torch.zeros(len(LOGITS), 1)], dim=1)
    return {
        "levels": levels,
        "loss": loss.item(),
        "gradient": logits.grad.tolist(),
        "probabilities": (edges[:, :-1] - edges[:, 1:]).tolist(),
    }


print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__, "coral-pytorch": coral_pytorch.__version__},
            "logits": LOGITS,
            "cases": [case([2, 0, 3, 1, 3, 3]), case([0, 0, 0, 0, 0, 0]), case([3, 3, 2, 1, 0, 1])],
        },
        indent=1,
    )
)
