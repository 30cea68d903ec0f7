#!/usr/bin/env bash
# The first synchronisation of timm 1.0.31's Lookahead (`--opt lookahead_adamw`) changes nothing: its slow weights begin there, and not where
# training begins.
#
# In the paper the slow weights are the first weights, and after k steps the trained ones go half of the way back to them. timm makes the slow
# weights when it first needs them, from the trained weights of that moment. pytorch_optimizer 4.1.0 does as the paper does, so the two differ
# from step k on, for good. Whom it hurts: who fine-tunes for few steps, where the pull back to the pretrained weights was the point; and
# who moves a recipe from one library to the other, or checks an implementation of his own against timm's.
#
# Installs timm 1.0.31, pytorch_optimizer 4.1.0 and torch 2.15.0 into a temporary folder (several gigabytes, since PyTorch brings CUDA's
# libraries) and makes six steps of 0.1 each with k = 2 and alpha = 0.5. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir timm==1.0.31 pytorch_optimizer==4.1.0 torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

import torch
from pytorch_optimizer import Lookahead as PaperLookahead
from timm.optim.lookahead import Lookahead as TimmLookahead


def weights(wrap):
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = wrap(torch.optim.SGD([weight], lr=0.1))
    seen = []
    for _ in range(6):
        weight.grad = torch.tensor([1.0])
        optimizer.step()
        seen.append(round(weight.item(), 4))
    return seen


print(*(f"{name} {version(name)}" for name in ("timm", "pytorch_optimizer", "torch")), sep=", ")
paper = weights(lambda inner: PaperLookahead(inner, k=2, alpha=0.5))
timm = weights(lambda inner: TimmLookahead(inner, alpha=0.5, k=2))
print("pytorch_optimizer", paper)
print("timm             ", timm)
# After two steps: halfway back from 0.8 to 1.
assert paper == [0.9, 0.9, 0.8, 0.8, 0.7, 0.7], paper
# After two steps: 0.8 as it was. Then halfway back to that.
assert timm == [0.9, 0.8, 0.7, 0.7, 0.6, 0.6], timm
PYTHON
# Seen on 2026-11-30 with Python 3.11.7:
# timm 1.0.31, pytorch_optimizer 4.1.0, torch 2.15.0
# pytorch_optimizer [0.9, 0.9, 0.8, 0.8, 0.7, 0.7]
# timm              [0.9, 0.8, 0.7, 0.7, 0.6, 0.6]
