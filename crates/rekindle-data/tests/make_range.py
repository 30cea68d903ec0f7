"""What NumPy says of the numbers of 16-bit and float images: tests/range.json, and the images in tests/data_range.

python make_range.py: Pillow 13.0.0, NumPy 2.4.6, tifffile (its version is in the file). The images are read back by Pillow or tifffile, not
taken from the arrays that they were written from.
"""

import json
from pathlib import Path

import numpy as np
import PIL
import tifffile
from PIL import Image

HERE = Path(__file__).parent
FOLDER = HERE / "data_range"
PLACES = [0, 0.5, 1, 25, 50, 98.2, 99.5, 100]


def write():
    FOLDER.mkdir(exist_ok=True)
    draw = np.random.default_rng(7)
    twelve = lambda *shape: np.minimum(draw.gamma(2.0, 500.0, shape), 4095).astype(np.uint16)
    Image.fromarray(twelve(9, 13)).save(FOLDER / "grey_a.png")
    Image.fromarray(twelve(6, 5)).save(FOLDER / "grey_b.png")
    Image.fromarray(draw.integers(0, 256, (7, 7, 3), np.uint8)).save(FOLDER / "bytes.png")
    tifffile.imwrite(FOLDER / "colours.tif", twelve(8, 11, 3) * 9, photometric="rgb", compression="zlib", predictor=2)
    # Alpha is no colour: its numbers are larger than all others.
    rgba = np.concatenate([twelve(5, 6, 3), np.full((5, 6, 1), 65535, np.uint16)], 2)
    tifffile.imwrite(FOLDER / "alpha.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(FOLDER / "planes.tif", twelve(3, 20, 18), photometric="rgb", planarconfig="separate", tile=(16, 16))
    tifffile.imwrite(FOLDER / "signed.tif", draw.integers(-1024, 3071, (9, 9), np.int16), byteorder=">")
    tifffile.imwrite(FOLDER / "floats.tif", (1000 + draw.normal(0, 0.01, (12, 9))).astype(np.float32))
    np.save(FOLDER / "wide.npy", draw.integers(0, 2**24, (6, 6), np.uint32))
    np.save(FOLDER / "colours.npy", np.asfortranarray(twelve(4, 5, 3)))
    np.save(FOLDER / "halves.npy", draw.normal(0, 3, (7, 4)).astype(np.float16))


def numbers(name):
    path = FOLDER / name
    if name.endswith(".npy"):
        array = np.load(path)
    elif name.endswith(".png"):
        image = Image.open(path)
        array = np.asarray(image)
        if array.dtype == np.uint8:
            return np.zeros(0)
    else:
        array = tifffile.imread(path)
        if name == "alpha.tif":
            array = array[..., :3]
    return array.astype(np.float64).ravel()


write()
sets = {
    "grey": ["grey_a.png", "grey_b.png", "bytes.png"],
    "colours": ["colours.tif", "alpha.tif", "planes.tif", "colours.npy", "grey_a.png"],
    "signed": ["signed.tif"],
    "floats": ["floats.tif"],
    "wide": ["wide.npy"],
    "all": sorted(path.name for path in FOLDER.iterdir()),
}
found = {"versions": {"numpy": np.__version__, "Pillow": PIL.__version__, "tifffile": tifffile.__version__}, "places": PLACES, "sets": {}}
for name, files in sets.items():
    values = np.concatenate([numbers(file) for file in files])
    found["sets"][name] = {
        "files": files,
        "count": len(values),
        "min": values.min(),
        "max": values.max(),
        "percentiles": np.percentile(values, PLACES).tolist(),
    }
(HERE / "range.json").write_text(json.dumps(found, indent=1) + "\n")
