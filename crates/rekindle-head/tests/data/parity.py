"""Writes parity.json: PyTorch's values for the formulas of this crate.

Usage: python parity.py > parity.json
Needs torch and torchvision. The script runs in float64, so that the numbers are the formulas' own.
"""

import json

import torch
import torch.nn.functional as F
import torchvision
from torchvision.ops import sigmoid_focal_loss

torch.set_default_dtype(torch.float64)

LOGITS = torch.tensor(
    [[1.5, -0.3, 0.2, 0.0], [-2.0, 0.7, 0.1, 3.0], [0.4, 0.4, -1.2, 0.9], [8.0, -8.0, 0.5, 1.0], [0.0, 0.1, 0.2, 0.3]]
)
TARGETS = torch.tensor([0, 2, 3, 0, 1])
SOFT = torch.tensor(
    [[0.7, 0.3, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.9, 0.0, 0.1, 0.0], [0.0, 0.6, 0.0, 0.4]]
)
WEIGHTS = torch.tensor([0.5, 2.0, 1.5, 0.75])
PRIORS = torch.tensor([0.5, 0.3, 0.15, 0.05])
LABELS = torch.tensor(
    [[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.7, 0.3, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]]
)
NUMBERS = torch.tensor(
    [[1.4, -0.3, 2.2, 0.1], [-1.0, 0.7, 0.4, 0.5], [0.4, 1.4, -1.0, 0.0], [2.5, -1.5, 0.0, 0.0], [-3.0, 0.1, 0.9, 0.2]]
)
FEATURES = torch.tensor([(index * 7 % 48) / 10.0 - 0.3 for index in range(48)]).reshape(2, 4, 2, 3)


def loss_case(name, function):
    logits = LOGITS.clone().requires_grad_()
    loss = function(logits)
    loss.backward()
    return {"name": name, "loss": loss.item(), "gradient": logits.grad.tolist()}


def focal(logits, gamma):
    log_p = F.log_softmax(logits, dim=1)
    p = log_p.exp()
    return -(SOFT * (1 - p) ** gamma * log_p).sum(dim=1).mean()


def cross_entropy_cases():
    cases = []
    for smoothing in (0.0, 0.1):
        for weights in (None, WEIGHTS):
            name = f"hard smoothing={smoothing} weights={weights is not None}"
            cases.append(
                loss_case(
                    name,
                    lambda logits: F.cross_entropy(logits, TARGETS, weight=weights, label_smoothing=smoothing),
                )
            )
        cases.append(
            loss_case(
                f"soft smoothing={smoothing} weights=False",
                lambda logits: F.cross_entropy(logits, SOFT, label_smoothing=smoothing),
            )
        )
    for strength in (1.0, 0.5):
        cases.append(
            loss_case(
                f"adjusted strength={strength}",
                lambda logits: F.cross_entropy(logits + strength * PRIORS.log(), TARGETS),
            )
        )
    return cases


def focal_cases():
    return [loss_case(f"gamma={gamma}", lambda logits: focal(logits, gamma)) for gamma in (0.0, 0.5, 2.0)]


def binary_cases():
    """Smoothing as Keras does it: half of the share to each side."""
    cases = []
    for smoothing in (0.0, 0.2):
        labels = LABELS * (1 - smoothing) + smoothing / 2
        for weights in (None, WEIGHTS):
            name = f"smoothing={smoothing} weights={weights is not None}"
            cases.append(
                loss_case(name, lambda logits: F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights))
            )
    return cases


def binary_focal(logits, gamma, alpha):
    p = torch.sigmoid(logits)
    present = LABELS * (1 - p) ** gamma * F.logsigmoid(logits)
    absent = (1 - LABELS) * p**gamma * F.logsigmoid(-logits)
    if alpha is not None:
        present, absent = alpha * present, (1 - alpha) * absent
    return -(present + absent).mean()


def binary_focal_cases():
    hard = LABELS.round()
    for alpha in (-1, 0.25):
        theirs = sigmoid_focal_loss(LOGITS, hard, alpha=alpha, gamma=2.0, reduction="mean")
        p, factor = torch.sigmoid(LOGITS), (1, 1) if alpha < 0 else (alpha, 1 - alpha)
        ours = -(
            factor[0] * hard * (1 - p) ** 2 * F.logsigmoid(LOGITS) + factor[1] * (1 - hard) * p**2 * F.logsigmoid(-LOGITS)
        ).mean()
        assert torch.allclose(ours, theirs), (ours, theirs)
    return [
        loss_case(f"gamma={gamma} alpha={alpha}", lambda logits: binary_focal(logits, gamma, alpha))
        for gamma, alpha in ((0.0, None), (0.5, None), (2.0, None), (2.0, 0.25))
    ]


def number_cases():
    cases = [
        loss_case("mean_squared_error", lambda outputs: F.mse_loss(outputs, NUMBERS)),
        loss_case("mean_absolute_error", lambda outputs: F.l1_loss(outputs, NUMBERS)),
        loss_case("huber delta=1.0", lambda outputs: F.smooth_l1_loss(outputs, NUMBERS)),
    ]
    for delta in (0.5, 1.0, 2.5):
        cases.append(loss_case(f"huber delta={delta}", lambda outputs: F.huber_loss(outputs, NUMBERS, delta=delta)))
    return cases


def gem_cases():
    cases = []
    for first in (1.0, 3.0, 4.5):
        features = FEATURES.clone().requires_grad_()
        p = torch.tensor([first], requires_grad=True)
        pooled = features.clamp(min=1e-6).pow(p).mean(dim=(2, 3)).pow(1.0 / p)
        (pooled * torch.arange(1.0, 9.0).reshape(2, 4)).sum().backward()
        cases.append(
            {
                "exponent": first,
                "pooled": pooled.tolist(),
                "exponent_gradient": p.grad.item(),
                "features_gradient": features.grad.flatten().tolist(),
            }
        )
    return cases


def batch_norm_case():
    norm = torch.nn.BatchNorm1d(2)
    outputs = [norm(torch.tensor(batch)).tolist() for batch in ([[1.0, 2.0], [3.0, -4.0], [5.0, 9.0]], [[0.5, 1.0], [1.5, 7.0]])]
    return {
        "outputs": outputs,
        "running_mean": norm.running_mean.tolist(),
        "running_var": norm.running_var.tolist(),
    }


def head_case():
    """A two-layer head under the names of the crate, in training and in evaluation."""
    torch.manual_seed(3)
    linear = torch.nn.Linear(4, 3)
    norm = torch.nn.BatchNorm1d(3)
    output = torch.nn.Linear(3, 2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.9, 1.2, 0.7]))
        norm.bias.copy_(torch.tensor([0.1, -0.2, 0.3]))
        norm.running_mean.copy_(torch.tensor([0.2, -0.1, 0.05]))
        norm.running_var.copy_(torch.tensor([1.1, 0.8, 1.3]))
    state = {}
    for prefix, layer in (("hidden.0.linear.", linear), ("hidden.0.norm.", norm), ("", output)):
        for name, value in layer.state_dict().items():
            if name != "num_batches_tracked":
                state[prefix + name] = {"shape": list(value.shape), "values": value.flatten().tolist()}
    stack = torch.nn.Sequential(linear, norm, torch.nn.GELU(), output)
    pooled = FEATURES.mean(dim=(2, 3))
    evaluated = stack.eval()(pooled).tolist()
    trained = stack.train()(pooled).tolist()
    return {"state": state, "evaluated": evaluated, "trained": trained, "running_var_after": norm.running_var.tolist()}


def activation_cases():
    x = torch.tensor([-4.0, -3.0, -1.0, -0.1, 0.0, 0.2, 1.0, 2.9, 5.0])
    functions = {"relu": F.relu, "silu": F.silu, "gelu": F.gelu, "hard_swish": F.hardswish, "tanh": torch.tanh}
    return {"input": x.tolist(), **{name: function(x).tolist() for name, function in functions.items()}}


print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
            "logits": LOGITS.tolist(),
            "targets": TARGETS.tolist(),
            "soft": SOFT.tolist(),
            "weights": WEIGHTS.tolist(),
            "labels": LABELS.tolist(),
            "numbers": NUMBERS.tolist(),
            "cross_entropy": cross_entropy_cases(),
            "focal": focal_cases(),
            "binary_cross_entropy": binary_cases(),
            "binary_focal": binary_focal_cases(),
            "number_losses": number_cases(),
            "features": FEATURES.flatten().tolist(),
            "gem": gem_cases(),
            "batch_norm": batch_norm_case(),
            "head": head_case(),
            "activations": activation_cases(),
        },
        indent=1,
    )
)
