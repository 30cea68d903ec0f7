"""What tifffile reads of stacks, of ImageJ's and OME's forms: tests/stacks.json, and the files in tests/data_stacks.

python make_stacks.py: versions are in the file. Stacks are read back from their files as tifffile understands them, channel by channel; samples
of 16 bits become bytes as the nearest to a 257th, floats by the range that is named.
"""

import json
from pathlib import Path

import numpy as np
import tifffile

HERE = Path(__file__).parent
FOLDER = HERE / "data_stacks"
FOLDER.mkdir(exist_ok=True)
draw = np.random.default_rng(23)
HEIGHT, WIDTH = 9, 12


def planes(count, dtype=np.uint8):
    if dtype == np.float32:
        return draw.uniform(0, 1, (count, HEIGHT, WIDTH)).astype(dtype)
    return draw.integers(0, np.iinfo(dtype).max + 1, (count, HEIGHT, WIDTH), dtype)


def bytes_of(array, low=None, high=None):
    if array.dtype == np.uint8:
        return array
    if low is None:
        low, high = (0, 65535) if array.dtype == np.uint16 else (0, 1)
    share = (array.astype(np.float64) - low) / (high - low)
    return np.floor(np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8)


cases = []


def case(name, counts, span=None):
    """counts: C, Z, T and the number of planes in all."""
    with tifffile.TiffFile(FOLDER / name) as file:
        found = file.series[0].asarray()
        pages = len(tifffile.TiffFile(FOLDER / name).pages)
    found = bytes_of(found.reshape(-1, HEIGHT, WIDTH), *(span or ()))
    cases.append(dict(file=name, counts=counts, span=span, height=HEIGHT, width=WIDTH, pages=pages, planes=[plane.ravel().tolist() for plane in found]))


def image_j(name, array, axes="CYX", **options):
    tifffile.imwrite(FOLDER / name, array, imagej=True, metadata={"axes": axes}, **options)


image_j("imagej_three.tif", planes(3))
case("imagej_three.tif", [3, 1, 1, 3])
image_j("imagej_two.tif", planes(2))
case("imagej_two.tif", [2, 1, 1, 2])
# ImageJ's own order of bytes, and its form for stacks of more than 4 GB: one directory, and the planes behind each other.
image_j("imagej_behind.tif", planes(3, np.uint16), byteorder=">", truncate=True)
case("imagej_behind.tif", [3, 1, 1, 3])
image_j("imagej_slices.tif", planes(4), axes="ZYX")
case("imagej_slices.tif", [1, 4, 1, 4])
image_j("imagej_hyperstack.tif", planes(12).reshape(3, 2, 2, HEIGHT, WIDTH), axes="TZCYX")
case("imagej_hyperstack.tif", [2, 2, 3, 12])


def ome(name, array, axes="CYX", **options):
    tifffile.imwrite(FOLDER / name, array, metadata={"axes": axes}, **options)


ome("ome_three.ome.tif", planes(3, np.uint16), compression="zlib", predictor=2, tile=(16, 16))
case("ome_three.ome.tif", [3, 1, 1, 3])
ome("ome_five.ome.tif", planes(5, np.float32), byteorder=">")
case("ome_five.ome.tif", [5, 1, 1, 5], [0.25, 0.75])
ome("ome_deep.ome.tif", planes(6).reshape(2, 3, HEIGHT, WIDTH), axes="CZYX")
case("ome_deep.ome.tif", [2, 3, 1, 6])


def pages(name, arrays, description, **options):
    """Pages with a description of their own."""
    with tifffile.TiffWriter(FOLDER / name) as writer:
        for number, array in enumerate(arrays):
            writer.write(array, description=description if number == 0 else None, metadata=None, contiguous=False, **options)


def xml(sizes, data, order="XYCZT"):
    c, z, t = sizes
    return (
        '<?xml version="1.0" encoding="UTF-8"?><!-- Warning: don\'t edit --><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        'UUID="urn:uuid:00000000-0000-0000-0000-000000000001"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        f'DimensionOrder="{order}" Type="uint8" SizeX="{WIDTH}" SizeY="{HEIGHT}" SizeC="{c}" SizeZ="{z}" SizeT="{t}">{data}</Pixels></Image></OME>'
    )


# The last channel lies on the first page.
reversed_pages = "".join(f'<TiffData FirstC="{2 - page}" FirstZ="0" FirstT="0" IFD="{page}" PlaneCount="1"/>' for page in range(3))
pages("ome_reversed.ome.tif", planes(3), xml((3, 1, 1), reversed_pages), photometric="minisblack")
case("ome_reversed.ome.tif", [3, 1, 1, 3])
# Three pages that nobody describes.
pages("undescribed.tif", planes(3), None, photometric="minisblack")
case("undescribed.tif", None)

# What is refused where channels are asked for.
image_j("refused_colours.tif", np.moveaxis(planes(6).reshape(2, 3, HEIGHT, WIDTH), 1, -1).copy(), axes="CYXS")
table = np.stack([np.zeros(256), np.arange(256) * 257, np.zeros(256)]).astype(np.uint16)
pages("refused_table.tif", planes(2), "ImageJ=1.54f\nimages=2\nchannels=2\n", photometric="palette", colormap=table)
pages("refused_sizes.ome.tif", [planes(1)[0], planes(1)[0][:5]], xml((2, 1, 1), "<TiffData/>"), photometric="minisblack")
pages("refused_kinds.ome.tif", [planes(1)[0], planes(1, np.uint16)[0]], xml((2, 1, 1), "<TiffData/>"), photometric="minisblack")
elsewhere = '<TiffData FirstC="1" IFD="0"><UUID FileName="b.tif">urn:uuid:00000000-0000-0000-0000-000000000002</UUID></TiffData>'
pages("refused_elsewhere.ome.tif", planes(1), xml((2, 1, 1), '<TiffData FirstC="0" IFD="0"/>' + elsewhere), photometric="minisblack")
# One plane saved by itself, with the description of all.
pages("refused_alone.tif", planes(1), "ImageJ=1.54f\nimages=3\nchannels=3\n", photometric="minisblack", compression="zlib")

versions = dict(numpy=np.__version__, tifffile=tifffile.__version__)
(HERE / "stacks.json").write_text(json.dumps(dict(versions=versions, cases=cases), separators=(",", ":")) + "\n")
