#!/usr/bin/env bash
# timm 1.0.31's calculate_drop_path_rates(rate, depths, stagewise=True) gives every block of a stage another rate, and its own documentation
# says that it gives all of them the same.
#
# The documentation of timm.layers.calculate_drop_path_rates: "Stage-wise: Linear increase across stages, with same rate within each stage".
# What comes back grows from block to block as without `stagewise`, cut into a list for each stage; nothing gives one rate a stage. Whom it
# hurts: who builds a network with it, or checks one of his own against timm's, by the documentation, and trains with other rates than meant:
# of depths [3, 9] and 0.2 the last stage gets 0.055 to 0.2 in place of 0.2. (timm's own networks that call it so, RegNet, ConvNeXt and
# others, have the growing rates, which weights were trained with.)
#
# Installs timm 1.0.31 and torch 2.15.0 into a temporary folder (several gigabytes, since PyTorch brings CUDA's libraries). Fails if that
# changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir timm==1.0.31 torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

from timm.layers import calculate_drop_path_rates

print(*(f"{name} {version(name)}" for name in ("timm", "torch")), sep=", ")
said = calculate_drop_path_rates.__doc__
print([line.strip() for line in said.splitlines() if "Stage-wise" in line])
assert "same rate within each stage" in said
by_stage = calculate_drop_path_rates(0.2, [3, 9], stagewise=True)
by_block = calculate_drop_path_rates(0.2, [3, 9], stagewise=False)
print("stagewise", [[round(rate, 3) for rate in stage] for stage in by_stage])
print("by block ", [round(rate, 3) for rate in by_block])
assert [rate for stage in by_stage for rate in stage] == by_block
assert all(len(set(stage)) == len(stage) for stage in by_stage)
PYTHON
# Seen on 2026-11-30 with Python 3.11.7:
# timm 1.0.31, torch 2.15.0
# ['2. Stage-wise: Linear increase across stages, with same rate within each stage']
# stagewise [[0.0, 0.018, 0.036], [0.055, 0.073, 0.091, 0.109, 0.127, 0.145, 0.164, 0.182, 0.2]]
# by block  [0.0, 0.018, 0.036, 0.055, 0.073, 0.091, 0.109, 0.127, 0.145, 0.164, 0.182, 0.2]
