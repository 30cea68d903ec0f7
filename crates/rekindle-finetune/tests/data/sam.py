"""Writes sam.json: weights after steps of SAM over SGD, by pytorch_optimizer, on a small regression.

Usage: python sam.py > sam.json
"""

import json
from importlib.metadata import version

import torch
from pytorch_optimizer import SAM

torch.set_default_dtype(torch.float64)
INPUTS = torch.tensor([[((i * 7 + j * 3) % 11) / 5.0 - 1.0 for j in range(3)] for i in range(6)])
TARGETS = torch.tensor([[((i * 5 + j) % 7) / 3.0 - 1.0 for j in range(2)] for i in range(6)])
linear = torch.nn.Linear(3, 2)
with torch.no_grad():
    linear.weight.copy_(torch.tensor([[0.3, -0.2, 0.5], [-0.4, 0.1, 0.2]]))
    linear.bias.copy_(torch.tensor([0.1, -0.1]))
optimizer = SAM(linear.parameters(), torch.optim.SGD, rho=0.2, lr=0.3, use_gc=False)
steps = []
for _ in range(3):
    def loss():
        value = torch.nn.functional.mse_loss(linear(INPUTS), TARGETS)
        value.backward()
        return value

    optimizer.zero_grad()
    loss()
    optimizer.first_step(zero_grad=True)
    loss()
    optimizer.second_step(zero_grad=True)
    steps.append({"weight": linear.weight.tolist(), "bias": linear.bias.tolist()})
print(json.dumps({
    "versions": {"torch": torch.__version__, "pytorch_optimizer": version("pytorch_optimizer")},
    "rho": 0.2, "lr": 0.3, "inputs": INPUTS.tolist(), "targets": TARGETS.tolist(), "steps": steps,
}, indent=1))
