#!/usr/bin/env python3
"""Write the cards of weights that timm publishes for architectures of rekindle-backbone, from timm's own default_cfgs.

A card is written for a tag if timm names a repository on the hub for it, its input has three channels, its preprocessing is one that
rekindle has (a bilinear or bicubic resize and a centre crop), and it classifies ImageNet-1k; architectures that have cards already are left as they are.
The hash is not known offline and is left out. Which tag a bare name stands for is timm's first one: where that is not the first by
name, it belongs into FIRST in build.rs, and this script prints those. Needs torch and timm (made with 2.15.0 and 1.0.31); no network.

usage: make_cards.py CARDS_FOLDER VARIANTS_JSON   (tests/parity/variants.json has the architectures)
"""
import json, os, sys
from timm.models import get_arch_name, list_pretrained
from timm.models._registry import _model_default_cfgs as configs

LICENCES = {"apache-2.0": "Apache-2.0", "bsd-3-clause": "BSD-3-Clause", "mit": "MIT", "cc-by-nc-4.0": "CC-BY-NC-4.0"}

def numbers(values):
    return "[" + ", ".join(repr(float(v)) if not isinstance(v, int) else str(v) for v in values) + "]"

folder, variants = sys.argv[1], json.load(open(sys.argv[2]))
there = {file.removesuffix(".toml") for file in os.listdir(folder)}
written, first = 0, []
for arch, shape in variants.items():
    entry = configs.get(arch)
    if entry is None or any(name.split(".")[0] == arch for name in there):
        continue
    names = []
    for tag, cfg in entry.cfgs.items():
        name = f"{arch}.{tag}" if tag else arch
        hub = cfg.hf_hub_id
        if not tag or not hub or cfg.num_classes != 1000 or cfg.crop_mode not in ("center", None):
            continue
        if cfg.input_size[0] != 3 or cfg.interpolation not in ("bilinear", "bicubic"):
            continue
        licence = LICENCES.get(cfg.license)
        if licence is None:
            print("no licence:", name, cfg.license)
            continue
        hub = hub + name if hub.endswith("/") else hub
        names.append(name)
        if name in there:
            continue
        text = f'''name = "{name}"
architecture = "{arch}"
licence = "{licence}"
parameters_millions = {shape["parameters"] / 1e6:.2f}

[source]
hub = "{hub}"

[preprocessing]
input_size = {numbers(cfg.input_size[1:])}
mean = {numbers(cfg.mean)}
std = {numbers(cfg.std)}
interpolation = "{cfg.interpolation}"
crop_ratio = {float(cfg.crop_pct)!r}
'''
        open(os.path.join(folder, name + ".toml"), "w").write(text)
        written += 1
    mine = sorted(n for n in there | set(names) if n.split(".")[0] == arch)
    if names and mine and mine[0] != names[0] and not any(n in there for n in mine):
        first.append(names[0])
print(written, "cards written; into FIRST:")
print("\n".join(f'    "{name}",' for name in first))
