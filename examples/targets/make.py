"""Writes colours.csv and coverage.csv: what can be measured of the sample pictures, as labels and as numbers.

Usage: python make.py, in this folder. Needs Pillow and numpy.

colours.csv: the colours that make up at least a sixth of the picture's own pixels (those that are not transparent), by hue for
colours and by value for black and white; a picture may have none of them.
coverage.csv: how much of the square the picture covers, in percent, and its mean brightness over white, from 0 to 255.
"""

from pathlib import Path

import numpy
from PIL import Image

EMOJI = Path(__file__).parent.parent / "emoji"
SHARE = 1 / 6
# From and to in degrees of hue.
HUES = {"red": [(0, 15), (340, 360)], "orange": [(15, 40)], "yellow": [(40, 65)], "green": [(65, 165)], "blue": [(165, 260)], "purple": [(260, 340)]}


def colours(picture):
    pixels = numpy.asarray(picture.convert("RGBA"))
    own = pixels[..., 3] > 127
    hue, saturation, value = (numpy.asarray(picture.convert("RGB").convert("HSV"), float)[own] / 255).T
    hue = hue * 360
    coloured = (saturation > 0.35) & (value > 0.3)
    shares = {name: (coloured & numpy.any([(hue >= a) & (hue < b) for a, b in parts], axis=0)).mean() for name, parts in HUES.items()}
    shares["black"] = (value <= 0.3).mean()
    shares["white"] = ((saturation < 0.15) & (value > 0.8)).mean()
    return sorted(name for name, share in shares.items() if share >= SHARE)


def coverage(picture):
    pixels = numpy.asarray(picture.convert("RGBA"), float)
    alpha = pixels[..., 3:] / 255
    over_white = pixels[..., :3] * alpha + 255 * (1 - alpha)
    return 100 * alpha.mean(), over_white.mean()


paths = sorted(EMOJI.glob("*/*.webp"))
labels, numbers = ["path,labels"], ["path,number:coverage,number:brightness"]
for path in paths:
    name = f"../emoji/{path.parent.name}/{path.name}"
    with Image.open(path) as picture:
        labels.append(f"{name},{'|'.join(colours(picture))}")
        numbers.append("{},{:.2f},{:.1f}".format(name, *coverage(picture)))
for file, rows in (("colours.csv", labels), ("coverage.csv", numbers)):
    Path(__file__).with_name(file).write_text("\n".join(rows) + "\n")
