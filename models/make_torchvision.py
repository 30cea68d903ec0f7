#!/usr/bin/env python3
"""Write the cards of torchvision's weights for the networks that timm does not have, from torchvision's own tables.

torchvision has its weights on a host of its own and on no hub: a card says where, and the file is given by hand (`--weights FILE`). Its
file names end with the first digits of the SHA-256. torchvision resizes the shorter side and cuts out the centre, which is the crop ratio here.
GoogLeNet's weights come with `transform_input`, which makes of ImageNet's scale one of mean and deviation 0.5: its card says that one.
Needs torch and torchvision (made with 2.15.0 and 0.29.2); no network.

usage: make_torchvision.py CARDS_FOLDER
"""
import os, sys

from torchvision.models import get_model_weights

NAMES = """alexnet squeezenet1_0 squeezenet1_1 googlenet shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0""".split()

for arch in NAMES:
    (weights,) = get_model_weights(arch)
    transforms = weights.transforms()
    (crop,), (resize,) = transforms.crop_size, transforms.resize_size
    half = arch == "googlenet"
    mean, std = ([0.5] * 3, [0.5] * 3) if half else (transforms.mean, transforms.std)
    text = f'''name = "{arch}.tv_in1k"
architecture = "{arch}"
licence = "BSD-3-Clause"
imagenet_top1 = {weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]:.2f}
parameters_millions = {weights.meta["num_params"] / 1e6:.2f}

[source]
url = "{weights.url}"

[preprocessing]
input_size = [{crop}, {crop}]
mean = {list(mean)}
std = {list(std)}
interpolation = "{transforms.interpolation.value}"
crop_ratio = {round(crop / resize, 3)}
'''
    open(os.path.join(sys.argv[1], f"{arch}.tv_in1k.toml"), "w").write(text)
print(len(NAMES), "cards")
