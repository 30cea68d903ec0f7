#!/usr/bin/env bash
# captum 0.9.0's integrated gradients with method="riemann_trapezoid" miss a share of 1/n_steps of the whole, also of a linear model, for
# which every number of steps is exact.
#
# The trapezoid rule on n places has n - 1 intervals, each of a width of 1/(n - 1). captum's weights are 1/n (the ends half of that), so they sum to
# (n - 1)/n: every attribution is too small by that factor, 2 % at the default of 50 steps and 20 % at 5. The other methods' weights sum to 1.
# Whom it hurts: everybody who picks the rule that is usually the better one, sees the completeness gap that return_convergence_delta
# reports, and takes it for the network's curvature; and who compares attributions of different numbers of steps. rekindle uses
# Gauss and Legendre's places, and a test sums its weights.
#
# Installs captum 0.9.0 and torch 2.15.0 into a temporary folder (several gigabytes, since PyTorch brings CUDA's libraries) and explains
# x1 + 2 x2 + 3 x3 at (1, 1, 1) against (0, 0, 0), whose attributions are 1, 2 and 3. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir captum==0.9.0 torch==2.15.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import captum
import torch
from captum.attr import IntegratedGradients

weights = torch.tensor([1.0, 2.0, 3.0])
explainer = IntegratedGradients(lambda x: (x * weights).sum(1))


def attributions(method, steps):
    found, delta = explainer.attribute(torch.ones(1, 3), n_steps=steps, method=method, return_convergence_delta=True)
    return found[0], delta.item()


print(f"captum {captum.__version__}, torch {torch.__version__}")
for method in ("riemann_left", "riemann_middle", "riemann_right", "gausslegendre"):
    found, delta = attributions(method, 50)
    assert torch.allclose(found, weights, atol=1e-4) and abs(delta) < 1e-4, (method, found, delta)
for steps in (5, 50, 200):
    found, delta = attributions("riemann_trapezoid", steps)
    print(f"riemann_trapezoid, {steps} steps: {[round(value, 4) for value in found.tolist()]}, delta {delta:.4f}")
    assert torch.allclose(found, weights * (steps - 1) / steps, atol=1e-4), found
    assert abs(delta + 6 / steps) < 1e-4, delta
PYTHON
# Seen on 2026-11-30 with Python 3.11.7:
# captum 0.9.0, torch 2.15.0+cu132
# riemann_trapezoid, 5 steps: [0.8, 1.6, 2.4], delta -1.2000
# riemann_trapezoid, 50 steps: [0.98, 1.96, 2.94], delta -0.1200
# riemann_trapezoid, 200 steps: [0.995, 1.99, 2.985], delta -0.0300
