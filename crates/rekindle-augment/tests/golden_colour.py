"""The colour, filter and policy cases of make_golden.py.

Pillow, torchvision's v2 transforms on Pillow images and SciPy are the witnesses. `record(operation, source, output, ..)` saves an
output and notes the case; `most` is the largest difference that is allowed, in grey levels.
"""

import io
import math

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from scipy import ndimage
from torchvision.transforms import InterpolationMode
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

OPERATIONS = {
    "Identity": "identity",
    "ShearX": "shear_x",
    "ShearY": "shear_y",
    "TranslateX": "translate_x",
    "TranslateY": "translate_y",
    "Rotate": "rotate",
    "Brightness": "brightness",
    "Color": "saturation",
    "Contrast": "contrast",
    "Sharpness": "sharpness",
    "Posterize": "posterise",
    "Solarize": "solarise",
    "AutoContrast": "auto_contrast",
    "Equalize": "equalise",
    "Invert": "invert",
}


def motion(image, length, degrees):
    """The mean of bilinear samples on a line, by SciPy."""
    pixels = np.asarray(image).astype(np.float64)
    height, width, _ = pixels.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    along = np.arange(length) - (length - 1) / 2
    right, below = along * math.cos(math.radians(degrees)), -along * math.sin(math.radians(degrees))
    total = sum(
        np.stack([ndimage.map_coordinates(pixels[..., c], [y + dy, x + dx], order=1, mode="nearest") for c in range(3)], -1)
        for dx, dy in zip(right, below)
    )
    return Image.fromarray(np.rint(total / length).astype(np.uint8), "RGB")


def outlines(image, name):
    grey = np.asarray(image.convert("L")).astype(np.float64)
    if name == "sobel":
        value = np.hypot(ndimage.sobel(grey, 0, mode="nearest"), ndimage.sobel(grey, 1, mode="nearest"))
    else:
        value = np.abs(ndimage.laplace(grey, mode="nearest"))
    return Image.fromarray(np.clip(np.rint(value), 0, 255).astype(np.uint8), "L").convert("RGB")


def colour_cases(inputs, record):
    noisy, smooth, dull = inputs["noisy"], inputs["smooth"], inputs["dull"]

    for turn in [-0.5, -0.13, 0.0, 0.2, 0.5]:
        record("hue", "noisy", F.adjust_hue(noisy, turn), turn=turn, most=0)
    for gamma in [0.5, 1.7]:
        record("gamma", "noisy", F.adjust_gamma(noisy, gamma), gamma=gamma, most=0)
    for bits in [1, 3, 6]:
        record("posterise", "noisy", ImageOps.posterize(noisy, bits), bits=bits, most=0)
    for threshold in [0.0, 100.5, 200.0]:
        record("solarise", "noisy", F.solarize(noisy, threshold), threshold=threshold, most=0)
    for source, image in [("noisy", noisy), ("smooth", smooth), ("dull", dull)]:
        record("equalise", source, ImageOps.equalize(image), most=0)
        for percent in [0.0, 3.5, 20.0]:
            output = ImageOps.autocontrast(image, percent)
            record("auto_contrast", source, output, cutoff_percent=percent, most=0)
    record("invert", "noisy", ImageOps.invert(noisy), most=0)
    for factor in [0.0, 0.4, 1.9, 4.0]:
        record("sharpen", "noisy", ImageEnhance.Sharpness(noisy).enhance(factor), factor=factor, most=1)
    for size, sigma in [(3, 0.5), (5, 1.1), (13, 2.0), (31, 7.5)]:
        output = F.gaussian_blur(noisy, [size, size], [sigma, sigma])
        record("gaussian_blur", "noisy", output, kernel_size=size, sigma=sigma, most=1)
    for radius in [0.4, 1.0, 2.75, 40.0]:
        record("box_blur", "noisy", noisy.filter(ImageFilter.BoxBlur(radius)), radius=radius, most=0)
    for length, degrees in [(3, 0.0), (7, 30.0), (8, -62.5), (15, 90.0)]:
        record("motion_blur", "noisy", motion(noisy, length, degrees), length_px=length, degrees=degrees, most=1)
    record("sobel", "noisy", outlines(noisy, "sobel"), most=1)
    record("sobel", "smooth", outlines(smooth, "sobel"), most=1)
    record("laplacian", "noisy", outlines(noisy, "laplacian"), most=0)
    record("laplacian", "smooth", outlines(smooth, "laplacian"), most=0)
    def compressed(source, quality, subsampling):
        buffer = io.BytesIO()
        inputs[source].save(buffer, "JPEG", quality=quality, subsampling=subsampling)
        output = Image.open(buffer).convert("RGB")
        record("jpeg_artefacts", source, output, quality=quality, subsampling=subsampling, most=0)

    for source in ["smooth", "noisy"]:
        for quality in [10, 50, 95]:
            compressed(source, quality, "4:2:0")
    for quality in [1, 30, 75, 100]:
        for subsampling in ["4:4:4", "4:2:2", "4:2:0"]:
            compressed("odd", quality, subsampling)
    for subsampling in ["4:4:4", "4:2:2", "4:2:0"]:
        compressed("tiny", 40, subsampling)

    fill = [124, 116, 104]
    policy = v2.AutoAugment()
    magnitudes = {
        "ShearX": [0.3, -0.23],
        "ShearY": [0.15, -0.3],
        "TranslateX": [7.9, -12.3],
        "TranslateY": [3.2, -9.9],
        "Rotate": [30.0, -12.0],
        "Brightness": [0.9, -0.9],
        "Color": [0.5, -0.4],
        "Contrast": [0.6, -0.7],
        "Sharpness": [0.8, -0.9],
        "Posterize": [4.0],
        "Solarize": [0.4],
    }
    for theirs, ours in OPERATIONS.items():
        for magnitude in magnitudes.get(theirs, [0.0]):
            output = policy._apply_image_or_video_transform(
                smooth, theirs, magnitude, interpolation=InterpolationMode.BILINEAR, fill={Image.Image: fill}
            )
            parameters = dict(policy_operation=ours, magnitude=magnitude, interpolation="bilinear", fill=fill)
            record("policy", "smooth", output, most=1, **parameters)


def policy_tables():
    """Every operation's magnitudes for an image of 200 by 150 pixels, and the pairs of ImageNet's policy."""
    spaces = [
        ("auto_augment", v2.AutoAugment._AUGMENTATION_SPACE, 10),
        ("auto_augment", v2.RandAugment._AUGMENTATION_SPACE, 31),
        ("trivial_augment", v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
        ("aug_mix", v2.AugMix._AUGMENTATION_SPACE, 10),
    ]
    tables = []
    for space, operations, bins in spaces:
        for name, (magnitudes, signed) in operations.items():
            values = magnitudes(bins, 150, 200)
            values = [0.0] * bins if values is None else [float(value) for value in values]
            tables.append(dict(space=space, operation=OPERATIONS[name], signed=signed, magnitudes=values))
    pairs = v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)._policies
    imagenet = [[[OPERATIONS[name], probability, bin or 0] for name, probability, bin in pair] for pair in pairs]
    return dict(size=[200, 150], magnitudes=tables, imagenet=imagenet)
