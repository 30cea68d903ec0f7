"""Writes lookahead.json: weights after steps of Lookahead over SGD, by pytorch_optimizer, on a small regression.

Usage: python lookahead.py > lookahead.json

Its slow weights begin as those before the first step, as in the paper. Those of timm 1.0 begin at the first synchronisation, which changes
nothing.
"""

import json
from importlib.metadata import version

import torch
from pytorch_optimizer import Lookahead

torch.set_default_dtype(torch.float64)
INPUTS = torch.tensor([[((i * 7 + j * 3) % 11) / 5.0 - 1.0 for j in range(3)] for i in range(6)])
TARGETS = torch.tensor([[((i * 5 + j) % 7) / 3.0 - 1.0 for j in range(2)] for i in range(6)])
linear = torch.nn.Linear(3, 2)
with torch.no_grad():
    linear.weight.copy_(torch.tensor([[0.3, -0.2, 0.5], [-0.4, 0.1, 0.2]]))
    linear.bias.copy_(torch.tensor([0.1, -0.1]))
optimizer = Lookahead(torch.optim.SGD(linear.parameters(), lr=0.3), k=3, alpha=0.4)
steps = []
for _ in range(7):
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(linear(INPUTS), TARGETS).backward()
    optimizer.step()
    steps.append({"weight": linear.weight.tolist(), "bias": linear.bias.tolist()})
print(json.dumps({
    "versions": {"torch": torch.__version__, "pytorch_optimizer": version("pytorch_optimizer")},
    "every": 3, "alpha": 0.4, "lr": 0.3, "inputs": INPUTS.tolist(), "targets": TARGETS.tolist(), "steps": steps,
}, indent=1))
