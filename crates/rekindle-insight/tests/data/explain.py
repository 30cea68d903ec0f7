#!/usr/bin/env python3
"""Writes explain.json: what pytorch-grad-cam and captum make of networks that the tests rebuild.

Made with Python 3.11, torch 2.15.0, timm 1.0.31, grad-cam 1.5.7, captum 0.9.0, numpy 2.4.6, OpenCV 5.0.0. No weights are stored: tensors are
filled by the formula of tests/parity/README.md, or are those of models/weights. Run it here: python3 explain.py > explain.json

All is computed in float64. `float32` beside a result is how far float32 is from that by the same libraries, relative to the greatest value:
the tests allow what is derived from it.
"""
import importlib.metadata, importlib.util, io, json, contextlib, os, sys
import numpy as np
import torch
import timm
from captum.attr import IntegratedGradients, Occlusion
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from safetensors.torch import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../../..")

def formula():
    """`fill` of tests/parity/make_fixture.py, which runs when it is imported: without arguments it makes nothing."""
    path = os.path.join(ROOT, "tests/parity/make_fixture.py")
    spec = importlib.util.spec_from_file_location("make_fixture", path)
    module = importlib.util.module_from_spec(spec)
    kept, sys.argv = sys.argv, [path, HERE]
    spec.loader.exec_module(module)
    sys.argv = kept
    return module.fill

fill = formula()
OUTPUTS = 5
CHOSEN = [1, 3]

class Joined(torch.nn.Module):
    """A ResNet whose head sees the generalised mean of the last stage and the averages of two stages before it, each divided by its root mean square."""
    def __init__(self, body, exponent):
        super().__init__()
        self.body, self.exponent = body, exponent
        self.fc = torch.nn.Linear(512 + 128 + 256, OUTPUTS)

    def forward(self, x):
        b = self.body
        x = b.maxpool(b.act1(b.bn1(b.conv1(x))))
        second = b.layer2(b.layer1(x))
        third = b.layer3(second)
        last = b.layer4(third)
        unit = lambda v: v / v.pow(2).mean(1, keepdim=True).sqrt().clamp_min(1e-6)
        gem = last.clamp_min(1e-6).pow(self.exponent).mean((2, 3)).pow(1 / self.exponent)
        return self.fc(torch.cat([unit(gem), unit(second.mean((2, 3))), unit(third.mean((2, 3)))], 1))

def filled(model, prefix=""):
    state = model.state_dict()
    for key in state:
        if not key.endswith("num_batches_tracked"):
            state[key] = torch.from_numpy(fill(prefix + key, tuple(state[key].shape)))
    model.load_state_dict(state)
    return model.eval()

def network(case, dtype):
    arch = case["arch"]
    if case["weights"] == "bundled":
        model = timm.create_model(arch, num_classes=OUTPUTS)
        state = load_file(os.path.join(ROOT, "models/weights", arch + ".f16.safetensors"))
        own = model.state_dict()
        for key in own:
            if key.startswith("classifier"):
                own[key] = torch.from_numpy(fill(key, tuple(own[key].shape)))
            elif not key.endswith("num_batches_tracked"):
                own[key] = state[key].float()
        model.load_state_dict(own)
    elif case.get("taps"):
        model = Joined(timm.create_model(arch, num_classes=0), 3.0)
        filled(model.body)
        filled(model.fc, "fc.")
    else:
        model = filled(timm.create_model(arch, num_classes=OUTPUTS))
    return model.eval().to(dtype)

def images(case, dtype):
    return torch.from_numpy(fill("input.image", case["input"]).astype(np.float64)).to(dtype)

def cam(kind, model, layer, x):
    """The map before and after the library scales it."""
    targets = [ClassifierOutputTarget(place) for place in CHOSEN]
    with contextlib.redirect_stdout(io.StringIO()), kind(model=model, target_layers=[layer]) as made:
        scaled = made(input_tensor=x, targets=targets)
        activations = made.activations_and_grads.activations[0].numpy()
        gradients = made.activations_and_grads.gradients[0].numpy()
        raw = made.get_cam_image(x, layer, targets, activations, gradients)
    return np.maximum(raw, 0), scaled

def integrated(model, x):
    parts = [IntegratedGradients(model).attribute(x[i:i + 1], target=CHOSEN[i], n_steps=STEPS, internal_batch_size=10) for i in range(2)]
    whole = torch.cat(parts).detach()
    with torch.no_grad():
        difference = torch.stack([(model(x[i:i + 1]) - model(0 * x[i:i + 1]))[0, CHOSEN[i]] for i in range(2)])
    return whole.sum(1).double().numpy(), whole.sum((1, 2, 3)).tolist(), difference.tolist()

def occluded(model, x, window, stride):
    with torch.no_grad():
        found = Occlusion(model).attribute(x, (3, window, window), strides=(3, stride, stride), target=CHOSEN, baselines=0)
    return found[:, 0].double().numpy()

def described(exact, single, whole=False):
    flat = exact.reshape(-1)
    greatest = float(np.abs(exact).max())
    out = dict(shape=list(exact.shape), sum=float(flat.sum()), greatest=greatest,
               float32=float(np.abs(exact - single).max()) / greatest)
    if whole:
        out["values"] = [float(v) for v in flat]
    else:
        out["probes"] = [[(i * 7919) % flat.size, float(flat[(i * 7919) % flat.size])] for i in range(24)]
    return out

STEPS = 50
CASES = [
    dict(arch="resnet18", weights="formula", input=[2, 3, 96, 96], stages={"layer3": "layer3", "layer4": "layer4"}, windows=[[24, 12], [20, 15]]),
    dict(arch="resnet18", weights="formula", input=[2, 3, 96, 96], taps=["layer2", "layer3"], unit_rms=True, pool="gem",
         stages={"layer2": "body.layer2", "layer3": "body.layer3", "layer4": "body.layer4"}, windows=[]),
    dict(arch="mobilenetv3_small_100", weights="formula", input=[2, 3, 96, 96], stages={"blocks.4": "blocks.4", "blocks.5": "blocks.5"}, windows=[]),
    dict(arch="convnext_atto", weights="formula", input=[2, 3, 64, 64], stages={"stages.2": "stages.2"}, windows=[], steps=STEPS),
    dict(arch="tf_efficientnet_lite0", weights="bundled", input=[2, 3, 96, 96], stages={"blocks.4": "blocks.4", "conv_head": "bn2"}, windows=[[24, 12]], steps=STEPS),
]

done = []
for case in CASES:
    sides = {}
    for name, dtype in [("exact", torch.float64), ("single", torch.float32)]:
        model, x = network(case, dtype), images(case, dtype)
        with torch.no_grad():
            side = {"logits": model(x).double().numpy()}
        for stage, path in case["stages"].items():
            layer = model.get_submodule(path)
            for method, kind in [("grad-cam", GradCAM), ("grad-cam++", GradCAMPlusPlus)]:
                side[stage, method] = cam(kind, model, layer, x)
        if "steps" in case:
            side["integrated"] = integrated(model, x)
        for window, stride in case["windows"]:
            side["occlusion", window, stride] = occluded(model, x, window, stride)
        sides[name] = side
    exact, single = sides["exact"], sides["single"]
    out = dict(case, outputs=OUTPUTS, chosen=CHOSEN, logits=described(exact["logits"], single["logits"], True), maps=[], occlusion=[])
    for stage in case["stages"]:
        for method in ["grad-cam", "grad-cam++"]:
            (raw, scaled), (raw32, scaled32) = exact[stage, method], single[stage, method]
            assert all(image.max() > 0 for image in raw), (case, stage, method)
            out["maps"].append(dict(stage=stage, method=method, raw=described(raw, raw32, True), scaled=described(scaled, scaled32)))
    if "steps" in case:
        (attributions, sums, difference), (attributions32, _, _) = exact["integrated"], single["integrated"]
        out["integrated"] = dict(described(attributions, attributions32), sums=sums, difference=difference)
    for window, stride in case["windows"]:
        key = ("occlusion", window, stride)
        out["occlusion"].append(dict(window=window, stride=stride, **described(exact[key], single[key])))
    done.append(out)
    print(case["arch"], "done", file=sys.stderr)

# How far the sum is from the difference, as a share of it: almost nothing on a smooth network with enough steps, and more where there are kinks.
complete = []
for arch in ["convnext_atto", "resnet18"]:
    case = dict(arch=arch, weights="formula", input=[1, 3, 48, 48])
    model, x = network(case, torch.float64), images(case, torch.float64)
    with torch.no_grad():
        ends = [float(model(image)[0, 2]) for image in (x, 0 * x)]
    difference, greatest = ends[0] - ends[1], max(map(abs, ends))
    for steps in [8, 64, 96]:
        sum_of_all = float(IntegratedGradients(model).attribute(x, target=2, n_steps=steps, internal_batch_size=16).sum())
        complete.append(dict(arch=arch, output=2, input=case["input"], steps=steps, difference=difference, greatest=greatest, gap=(sum_of_all - difference) / difference))

nodes, weights = np.polynomial.legendre.leggauss(STEPS)
versions = {name: importlib.metadata.version(name) for name in ["torch", "timm", "grad-cam", "captum", "numpy", "opencv-python-headless"]}
json.dump(dict(versions=versions, legendre=dict(steps=STEPS, places=((nodes + 1) / 2).tolist(), weights=(weights / 2).tolist()), complete=complete, cases=done),
          sys.stdout, separators=(",", ":"))
print()
