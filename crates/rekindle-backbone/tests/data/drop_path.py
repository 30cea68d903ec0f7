"""Writes drop_path.json: timm's drop path rate of every block with a shortcut, in the network's order, for one rate of the network; and
which of its networks take no such rate.

Usage: python drop_path.py > drop_path.json
"""

import json

import timm
import torch

RATE = 0.2
NAMES = """resnet18 resnet50 resnet26t seresnet18 resnext50_32x4d regnetx_002 regnety_004 convnext_atto convnext_tiny convnextv2_atto
efficientnet_b0 tf_efficientnet_b1 tf_efficientnetv2_b0 efficientnet_es tf_efficientnet_lite0 tf_efficientnet_lite2 mobilenetv2_035
mnasnet_small mobilenetv3_large_100 mobilenetv3_rw tf_mobilenetv3_small_100 mobilenetv4_conv_small
mobilenetv4_conv_medium""".split()
WITHOUT = "ghostnet_050 densenet121 legacy_seresnet18 vgg11 inception_v3".split()


def rates(name):
    with torch.device("meta"):
        network = timm.create_model(name, drop_path_rate=RATE)
    found = []
    for module in network.modules():
        if hasattr(module, "drop_path") and getattr(module, "has_skip", True):
            found.append(getattr(module.drop_path, "drop_prob", 0.0))
    return found


def takes_none(name):
    try:
        timm.create_model(name, drop_path_rate=RATE)
    except TypeError:
        return True
    return False


print(
    json.dumps(
        {
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
            "rate": RATE,
            "networks": {name: rates(name) for name in NAMES},
            "without": [name for name in WITHOUT if takes_none(name)],
        },
        separators=(",", ":"),
    )
)
