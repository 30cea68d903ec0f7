#!/usr/bin/env python3
"""What timm makes of weights for red, green and blue where the input has other channels (`in_chans`): channels.json.

usage: make_channels.py, from any folder; needs torch, timm and torchvision (versions are in the file).

Weights and images are filled by the formula of ../make_fixture.py. A state dict for three channels is written to a file, and timm's own
loader (`create_model(.., pretrained=True, in_chans=N)`) reads it and adapts the first convolution. Networks of torchvision, which knows no
other channels, get their first convolution from timm's `adapt_input_conv`.
"""
import contextlib, io, json, os, sys, tempfile, warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.argv = [sys.argv[0], os.devnull]  # no fixtures of its own
import logging
import numpy as np, safetensors.torch, timm, torch, torchvision
from make_fixture import describe, fill
import torchvision_networks as others
from timm.models._manipulate import adapt_input_conv

# One of each kind of stem; the largest are left out.
ARCHITECTURES = [
    "convnext_atto", "densenet121", "efficientnet_es", "ghostnet_050", "googlenet", "inception_v3", "legacy_seresnet18",
    "mobilenetv2_035", "mobilenetv3_large_100", "regnetx_002", "resnet18", "resnet18d", "resnet26t", "shufflenet_v2_x0_5",
    "squeezenet1_1", "tf_efficientnet_lite0",
]
torch.set_num_threads(1)
COUNTS = [1, 2, 4, 5]
SIZE = 64
logging.basicConfig(level=logging.WARNING, format="%(message)s")


def weights(model):
    state = model.state_dict()
    for key in state:
        if not key.endswith("num_batches_tracked"):
            state[key] = torch.from_numpy(fill(key, tuple(state[key].shape)))
    return state


def first_convolution(model):
    return next(key for key, value in model.state_dict().items() if value.ndim == 4)


def of_timm(arch, count):
    state = weights(timm.create_model(arch))
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/model.safetensors"
        safetensors.torch.save_file(state, file)
        return timm.create_model(arch, pretrained=True, in_chans=count, pretrained_cfg_overlay=dict(file=file))


def of_torchvision(arch, count):
    model = others.create(arch)
    state = weights(model)
    key = first_convolution(model)
    conv = model.get_submodule(key.removesuffix(".weight"))
    conv.in_channels = count
    conv.weight = torch.nn.Parameter(torch.zeros(conv.out_channels, count, *conv.kernel_size))
    state[key] = adapt_input_conv(count, state[key])
    model.load_state_dict(state)
    return model


found = []
for arch in ARCHITECTURES:
    is_timms = timm.is_model(arch)
    size = 96 if arch in ("inception_v3", "googlenet", "alexnet", "squeezenet1_0", "squeezenet1_1") else SIZE
    for count in COUNTS:
        model = (of_timm if is_timms else of_torchvision)(arch, count).eval().double()
        image = torch.from_numpy(fill("input.image", (1, count, size, size)).astype(np.float64))
        with torch.no_grad():
            features = model.forward_features(image) if hasattr(model, "forward_features") else model.features(image)
        key = first_convolution(model)
        found.append(dict(
            arch=arch, channels=count, size=size, first=key.removesuffix(".weight"),
            weights=describe(model.state_dict()[key]), features=describe(features),
        ))
        print(arch, count, "%.4g" % found[-1]["features"]["std"], flush=True)
versions = dict(timm=timm.__version__, torch=torch.__version__.split("+")[0], torchvision=torchvision.__version__.split("+")[0])
(HERE / "channels.json").write_text(json.dumps(dict(versions=versions, found=found), separators=(",", ":")) + "\n")
