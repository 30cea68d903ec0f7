"""Writes the TIFF files of `data_tiff`, which all hold the picture of `rgb.png`, `grey.png` or `bilevel.png` there.

    pip install pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
    python make_tiff.py    # in this folder; tiffcp of libtiff 4.5 on the path
"""

import os
import subprocess

import numpy as np
import tifffile
from PIL import Image

FOLDER = "data_tiff"
os.makedirs(FOLDER, exist_ok=True)
HEIGHT, WIDTH = 21, 37
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
rgb = np.stack([x * 6 + y, y * 11 + x, (x * y) % 251], -1).astype(np.uint8)
grey = rgb[..., 0]
Image.fromarray(rgb).save(f"{FOLDER}/rgb.png")
Image.fromarray(grey).save(f"{FOLDER}/grey.png")
bilevel = Image.fromarray(grey).convert("1")
bilevel.save(f"{FOLDER}/bilevel.png")


def write(name, array, **options):
    options.setdefault("photometric", "rgb" if name.startswith("rgb") else "minisblack")
    tifffile.imwrite(f"{FOLDER}/{name}.tif", array, metadata=None, **options)


near = np.full((HEIGHT, WIDTH, 1), 60, np.uint8)
bands = np.concatenate([rgb, near, near, near], -1)
for compression in ("lzw", "zlib", "zstd", "packbits"):
    write(f"rgb_{compression}_strips", rgb, compression=compression, rowsperstrip=5)
    write(f"rgb_{compression}_tiles_apart", np.moveaxis(rgb, -1, 0), compression=compression, tile=(16, 32), planarconfig="separate")
write("rgb_tiles_predictor", rgb, compression="lzw", predictor=True, tile=(32, 16))
write("rgb_sixteen_big_endian", rgb.astype(np.uint16) * 257, byteorder=">", compression="zlib", predictor=True)
write("rgb_six_bands", bands, extrasamples=["unspecified"] * 3, compression="lzw", predictor=True, rowsperstrip=4)
write("rgb_six_bands_apart", np.moveaxis(bands, -1, 0), extrasamples=["unspecified"] * 3, planarconfig="separate", bigtiff=True)
write("rgb_thirty_two", rgb.astype(np.uint32) * 16843009, compression="zstd", predictor=True)
write("rgb_float", (rgb / 255).astype(np.float32), compression="zlib", predictor=True, tile=(16, 16))
write("rgb_infrared_called_alpha", bands[..., :4], extrasamples=["unassalpha"], extratags=[(42113, 2, 3, "-99", True)])
write("grey_half", (grey / 255).astype(np.float16), compression="zlib", predictor=True)
write("grey_double", grey / 255, byteorder=">")
write("grey_signed", np.round(grey.astype(np.float64) * 32767 / 255).astype(np.int16))
write("grey_two_bands", np.stack([grey, 255 - grey], -1), extrasamples=["unspecified"])
write("grey_inverted", 255 - grey, photometric="miniswhite")
for bits in (10, 12, 14):
    wide = np.round(grey.astype(np.float64) * (2**bits - 1) / 255).astype(np.uint16)
    write(f"grey_packed_{bits}", wide, bitspersample=bits)

# A thumbnail before the picture.
with tifffile.TiffWriter(f"{FOLDER}/rgb_thumbnail_first.tif") as writer:
    writer.write(rgb[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    writer.write(rgb, photometric="rgb", metadata=None)

bilevel.save("/tmp/plain.tif")
for code in ("g3:1d", "g3:2d:fill", "g4", "packbits"):
    for order in ("msb2lsb", "lsb2msb"):
        name = f"bilevel_{code.replace(':', '_')}_{order}"
        subprocess.run(["tiffcp", "-c", code, "-f", order, "-r", "6", "/tmp/plain.tif", f"{FOLDER}/{name}.tif"], check=True)
