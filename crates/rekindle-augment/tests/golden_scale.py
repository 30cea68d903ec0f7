"""The cases of make_golden.py that scale a whole picture: every filter with every policy, and OpenCV's mean of areas.

`case(operation, source, output, ..)` saves an output and notes the case.
"""

from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_eval

POLICIES = dict(center="crop", squash="squash", border="pad")


def area(image, width, height):
    pixels = cv2.resize(np.asarray(image), (width, height), interpolation=cv2.INTER_AREA)
    return Image.fromarray(pixels)


@contextmanager
def resizing_by_area():
    """timm's transforms, whose every resize is OpenCV's."""
    pillow = Image.Image.resize
    Image.Image.resize = lambda image, size, *_, **__: area(image, *size)
    try:
        yield
    finally:
        Image.Image.resize = pillow


def evaluate(case, source, image, size, ratio, mode, interpolation):
    # With "area", timm is asked for another filter and never comes to use it.
    name = "bilinear" if interpolation == "area" else interpolation
    transform = transforms_imagenet_eval(tuple(size), crop_pct=ratio, crop_mode=mode, interpolation=name, normalize=False)
    if interpolation == "area":
        with resizing_by_area():
            output = transform(image)
    else:
        output = transform(image)
    parameters = dict(input_size=size, crop_ratio=ratio, policy=POLICIES[mode], interpolation=interpolation)
    case("evaluate", source, output, preprocessing=parameters)


def scale_cases(case, inputs):
    for mode in POLICIES:
        for interpolation in ["nearest", "bilinear", "bicubic", "lanczos", "area"]:
            evaluate(case, "noisy", inputs["noisy"], [22, 22], 0.9, mode, interpolation)
    for mode in POLICIES:
        evaluate(case, "tall", inputs["tall"], [96, 96], 0.875, mode, "area")

    # Whole and broken ratios; then larger on both sides, where OpenCV mixes at most two pixels each way.
    noisy = inputs["noisy"]
    for width, height in [(32, 24), (16, 12), (25, 19), (17, 31), (64, 20), (7, 48), (1, 1), (80, 77), (65, 49), (128, 96)]:
        case("resize", "noisy", area(noisy, width, height), width=width, height=height, interpolation="area")
    left, top, width, height = box = (10, 5, 41, 30)
    cropped = noisy.crop((left, top, left + width, top + height))
    case("resize_crop", "noisy", area(cropped, 24, 24), box=box, width=24, height=24, interpolation="area")
