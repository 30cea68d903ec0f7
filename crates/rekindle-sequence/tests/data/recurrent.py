"""Numbers of PyTorch's recurrent layers for tests/recurrent.rs: python recurrent.py > recurrent.json

Packed sequences of several lengths through LSTM, GRU and RNN, of one and two layers, in one and both directions: what is said after the last
frame (h_n of the last layer), the mean of what is said after each frame, and the gradients of the weights; Burn's adaptive average pooling
against AdaptiveAvgPool2d. Written with torch 2.15.0.
"""

import json

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

LENGTHS, FEATURES, HIDDEN = [2, 5, 1], 3, 4
LAYERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def numbers(tensor):
    return [round(value, 7) for value in tensor.detach().double().flatten().tolist()]


def case(cell, layers, bidirectional):
    torch.manual_seed(7)
    net = LAYERS[cell](FEATURES, HIDDEN, layers, batch_first=True, bidirectional=bidirectional)
    # Larger weights than the first ones, so that gates are not all near the middle.
    for weight in net.parameters():
        weight.data.mul_(2.0)
    features = torch.randn(len(LENGTHS), max(LENGTHS), FEATURES)
    packed = pack_padded_sequence(features, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    said, end = net(packed)
    end = end[0] if cell == "lstm" else end
    directions = 2 if bidirectional else 1
    last = torch.cat(list(end[-directions:]), dim=1)
    said, _ = pad_packed_sequence(said, batch_first=True)
    mean = said.sum(1) / torch.tensor(LENGTHS).unsqueeze(1)
    (last.square().sum() + mean.sum()).backward()
    return {
        "cell": cell,
        "layers": layers,
        "bidirectional": bidirectional,
        "features": numbers(features),
        "weights": {name: {"shape": list(weight.shape), "values": numbers(weight)} for name, weight in net.named_parameters()},
        "last": numbers(last),
        "mean": numbers(mean),
        "gradients": {name: numbers(weight.grad) for name, weight in net.named_parameters()},
    }


def pooled(height, width, grid):
    torch.manual_seed(3)
    maps = torch.randn(1, 2, height, width)
    out = nn.AdaptiveAvgPool2d(grid)(maps)
    return {"height": height, "width": width, "grid": grid, "maps": numbers(maps), "cells": numbers(out)}


print(
    json.dumps(
        {
            "torch": torch.__version__,
            "lengths": LENGTHS,
            "cases": [case(cell, layers, both) for cell in LAYERS for layers, both in [(1, False), (2, True)]],
            "pooled": [pooled(7, 7, 2), pooled(5, 7, 3), pooled(2, 3, 4)],
        }
    )
)
