#!/usr/bin/env bash
# The rate that fastai 2.8.12's `valley` suggests, the default of `lr_find()`, jumps to sixteen times as much when the losses go up and down a
# little from step to step: it takes the number of members of the longest falling subsequence for its extent.
#
# The place where the valley begins is computed as its end minus the number of its members. That holds where every step of the valley is
# lower than the one before. Of a curve whose every second step is a little higher, the falling subsequence has half of the steps, the
# valley seems half as long, and the place two fifths of the way along it lies far to the right, at a larger rate. Whom it hurts: who takes
# the suggestion from small batches or augmented pictures, whose losses are noisy, and gets a rate near the edge of divergence; and who
# compares suggestions of two runs. rekindle's lr-find gives fastai's number on the same losses, smoothed as fastai smooths them, and draws the
# curve beside it.
#
# Installs fastai 2.8.12 and torch 2.15.0 into a temporary folder (several gigabytes, since PyTorch brings CUDA's libraries). The losses are
# 2.0, then fall to 0.2 from step 20 to 80 of 100, then rise; each second one has so much added to it. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir fastai==2.8.12 fastcore==2.2.41 torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

from fastai.callback.schedule import valley

rates = [1e-7 * 1e8 ** (step / 99) for step in range(100)]


def loss(step):
    if step < 20:
        return 2.0
    if step < 80:
        return 2.0 - 1.8 * (step - 20) / 60
    return 0.2 + 3.0 * (step - 80) / 20


print(*(f"{name} {version(name)}" for name in ("fastai", "torch")), sep=", ")
found = {}
for added in (0.0, 0.01, 0.02, 0.031, 0.05):
    losses = [loss(step) + (added if step % 2 else 0.0) for step in range(100)]
    rate, _ = valley(rates, losses, len(rates))
    found[added] = rates.index(rate)
    print(f"{added:5.3f} on each second loss: rate {rate:.2e}, step {found[added]}")
# A step of the fall is 0.03.
assert found == {0.0: 49, 0.01: 48, 0.02: 48, 0.031: 63, 0.05: 63}, found
PYTHON
# Seen on 2026-11-30 with Python 3.11.7:
# fastai 2.8.12, torch 2.15.0
# 0.000 on each second loss: rate 9.11e-04, step 49
# 0.010 on each second loss: rate 7.56e-04, step 48
# 0.020 on each second loss: rate 7.56e-04, step 48
# 0.031 on each second loss: rate 1.23e-02, step 63
# 0.050 on each second loss: rate 1.23e-02, step 63
