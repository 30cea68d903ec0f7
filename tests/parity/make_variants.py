#!/usr/bin/env python3
"""Write variants.json: of each architecture what its weights are called and how large they are, without any numbers.

For a name: `parameters` (classifier included), `keys` (FNV-1a 64, in hexadecimal, of the sorted lines "KEY SHAPE\\n" of all tensors
but the classifier's and the counters, SHAPE as 64x3x7x7) and `taps` ([reduction, channels] of timm's feature_info). Networks are made
on PyTorch's meta device, so that the largest ones take no memory. What timm does not have is torchvision's (torchvision_networks.py).
Needs torch, timm and torchvision (made with 2.15.0, 1.0.31 and 0.29.2).

usage: make_variants.py OUT_FILE ARCH ...
"""
import json, sys
import torch, timm
import torchvision_networks as others

def fnv1a(text):
    h = 0xCBF29CE484222325
    for b in text.encode():
        h = ((h ^ b) * 0x100000001B3) & ((1 << 64) - 1)
    return f"{h:016x}"

table = {}
for name in sorted(sys.argv[2:]):
    with torch.device("meta"):
        net = timm.create_model(name, pretrained=False) if timm.is_model(name) else others.create(name)
    head = net.pretrained_cfg["classifier"] + "."
    lines = sorted(f"{k} {'x'.join(map(str, v.shape))}\n" for k, v in net.state_dict().items()
                   if not k.startswith(head) and not k.endswith("num_batches_tracked"))
    table[name] = dict(parameters=sum(p.numel() for p in net.parameters()), keys=fnv1a("".join(lines)),
                       taps=[[i["reduction"], i["num_chs"]] for i in net.feature_info] if timm.is_model(name) else others.taps(name))
rows = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in table.items())
open(sys.argv[1], "w").write("{\n" + rows + "\n}\n")
print(len(table), "architectures")
