"""What Pillow, tifffile and NumPy read of images of bands, and Pillow's grey: tests/bands.json, and the images in tests/data_bands.

python make_bands.py: versions are in the file. Images are read back from their files; samples of 16 bits become bytes as the nearest
to a 257th, others by the range that is named.
"""

import json
from pathlib import Path

import numpy as np
import PIL
import tifffile
from PIL import Image

HERE = Path(__file__).parent
FOLDER = HERE / "data_bands"
FOLDER.mkdir(exist_ok=True)
draw = np.random.default_rng(11)


def bytes_of(array, low=None, high=None):
    if array.dtype == np.uint8:
        return array
    if low is None:
        low, high = 0, 65535
    share = (array.astype(np.float64) - low) / (high - low)
    return np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)


cases = []


def case(name, channels, array, span=None):
    if array.ndim == 2:
        array = array[..., None]
    assert array.shape[2] == channels, (name, array.shape)
    values = bytes_of(array, *(span or ()))
    cases.append(dict(file=name, channels=channels, span=span, height=array.shape[0], width=array.shape[1], bands=values.ravel().tolist()))


def tiff(name, array, channels, span=None, **settings):
    tifffile.imwrite(FOLDER / name, array, **settings)
    found = tifffile.imread(FOLDER / name)
    if settings.get("planarconfig") == "separate":
        found = np.moveaxis(found, 0, -1)
    case(name, channels, found, span)


def byte(*shape):
    return draw.integers(0, 256, shape, np.uint8)


# RGB and infrared, which many programs call alpha; rasterio's default; each band a plane in tiles.
tiff("infrared.tif", byte(6, 7, 4), 4, photometric="rgb", extrasamples=["unassalpha"])
tiff("gdal.tif", byte(5, 8, 4), 4, photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"] * 3)
tiff("planes.tif", draw.integers(0, 65536, (5, 20, 18), np.uint16), 5, photometric="minisblack", planarconfig="separate", tile=(16, 16), compression="zlib", predictor=2)
tiff("two.tif", draw.normal(0, 1, (6, 5, 2)).astype(np.float32), 2, span=[-2.0, 2.0], photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"], byteorder=">")
tiff("eight.tif", draw.integers(-3000, 9000, (4, 6, 8), np.int16), 8, span=[-1000.0, 7000.0], photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"] * 7)
for name, mode, count in [("grey_alpha.png", "LA", 2), ("alpha.png", "RGBA", 4)]:
    Image.fromarray(byte(5, 6, count), mode).save(FOLDER / name)
    case(name, count, np.asarray(Image.open(FOLDER / name)))
for name, array, span in [
    ("bytes.npy", byte(4, 5, 6), None),
    ("wide.npy", np.asfortranarray(draw.integers(0, 4096, (5, 4, 7), np.uint16)), [0.0, 4095.0]),
]:
    np.save(FOLDER / name, array)
    case(name, array.shape[2], np.load(FOLDER / name), span)
# Grey, by Pillow.
Image.fromarray(byte(9, 8, 3)).save(FOLDER / "colours.png")
case("colours.png", 1, np.asarray(Image.open(FOLDER / "colours.png").convert("L")))
Image.fromarray(byte(4, 4)).save(FOLDER / "grey.png")
case("grey.png", 1, np.asarray(Image.open(FOLDER / "grey.png").convert("L")))
Image.fromarray(np.kron(byte(4, 4, 3), np.ones((8, 8, 1), np.uint8))).save(FOLDER / "photo.jpg", quality=90)
case("photo.jpg", 1, np.asarray(Image.open(FOLDER / "photo.jpg").convert("L")))
versions = dict(numpy=np.__version__, Pillow=PIL.__version__, tifffile=tifffile.__version__)
(HERE / "bands.json").write_text(json.dumps(dict(versions=versions, cases=cases), separators=(",", ":")) + "\n")
