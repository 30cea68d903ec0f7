"""Writes timm.csv: the weights that timm has for families of convolutional networks, and which of them a bare name means.

    pip install timm==1.0.31 && python models/make_timm.py > models/timm.csv

Only what timm's registry says is written; nothing is downloaded. One line per set of weights: its name (architecture, dot, tag), `*` if
timm's bare name means it, repository, height, width, mean, standard deviation (a single value where all are equal), filter, crop, licence.
"""
import sys

import timm
from timm.models import get_pretrained_cfg, list_modules, list_models
from timm.models._registry import _model_to_module

assert timm.__version__ == "1.0.31", timm.__version__
MODULES = {"resnet", "efficientnet", "mobilenetv3", "regnet", "convnext", "densenet", "vgg", "inception_v3", "ghostnet", "senet"}


def numbers(values):
    values = [f"{value:.6g}" for value in values]
    return values[0] if len(set(values)) == 1 else " ".join(values)


print("name,default,hub,height,width,mean,std,interpolation,crop,licence")
for name in sorted(list_models(pretrained=True)):
    architecture, _, tag = name.partition(".")
    if _model_to_module[architecture] not in MODULES:
        continue
    cfg = get_pretrained_cfg(name)
    if not cfg.hf_hub_id or cfg.input_size[0] != 3 or not tag:
        continue
    default = "*" if get_pretrained_cfg(architecture).tag == tag else ""
    hub = cfg.hf_hub_id + (name if cfg.hf_hub_id.endswith("/") else "")
    _, height, width = cfg.input_size
    row = [name, default, hub, height, width, numbers(cfg.mean), numbers(cfg.std), cfg.interpolation, f"{cfg.crop_pct:g}", cfg.license or ""]
    print(",".join(map(str, row)))
