"""Writes clip.json: PyTorch's clipping by global norm and by value, and timm's by units.

Usage: python clip.py > clip.json
"""

import json

import timm
import torch
from timm.utils.agc import adaptive_clip_grad

torch.set_default_dtype(torch.float64)
WEIGHT = [[0.3, -2.0, 1.1], [0.0, 4.0, -0.2]]
BIAS = [1.5, -0.5, 0.25]
WEIGHTS = [[0.5, -1.0, 0.0], [2.0, 0.25, 0.0]]
BIASES = [1.0, -2.0, 0.5]


def parameters():
    weight = torch.nn.Parameter(torch.zeros(2, 3))
    bias = torch.nn.Parameter(torch.zeros(3))
    weight.grad, bias.grad = torch.tensor(WEIGHT), torch.tensor(BIAS)
    return weight, bias


def case(spec):
    weight, bias = parameters()
    norm = torch.nn.utils.get_total_norm([weight.grad, bias.grad]).item()
    if spec["name"] == "global_norm":
        norm = torch.nn.utils.clip_grad_norm_([weight, bias], spec["limit"]).item()
    elif spec["name"] == "tensor_norm":
        torch.nn.utils.clip_grad_norm_([weight], spec["limit"])
        torch.nn.utils.clip_grad_norm_([bias], spec["limit"])
    elif spec["name"] == "value":
        torch.nn.utils.clip_grad_value_([weight, bias], spec["limit"])
    elif spec["name"] == "adaptive":
        # A linear layer of PyTorch is [out, in], here it is [in, out].
        turned = torch.nn.Parameter(torch.tensor(WEIGHTS).T.contiguous())
        turned.grad = weight.grad.T.contiguous()
        bias.data = torch.tensor(BIASES)
        adaptive_clip_grad([turned, bias], clip_factor=spec["limit"])
        weight.grad = turned.grad.T.contiguous()
    return {"spec": spec, "norm": norm, "weight": weight.grad.tolist(), "bias": bias.grad.tolist()}


SPECS = [
    {"name": "none"},
    {"name": "global_norm", "limit": 1.0},
    {"name": "global_norm", "limit": 100.0},
    {"name": "tensor_norm", "limit": 2.0},
    {"name": "value", "limit": 0.4},
    {"name": "adaptive", "limit": 0.01},
    {"name": "adaptive", "limit": 0.9},
]
print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
            "weight": WEIGHT,
            "bias": BIAS,
            "weights": WEIGHTS,
            "biases": BIASES,
            "cases": [case(s) for s in SPECS],
        },
        indent=1,
    )
)
