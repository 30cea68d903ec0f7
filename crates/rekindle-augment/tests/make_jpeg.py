"""Makes the JPEG files in data_jpeg/ and what libjpeg-turbo decodes of them at each scale, the outside witness of
src/decode/jpeg/tests.rs.

    python tests/make_jpeg.py        (from crates/rekindle-augment; rewrites tests/data_jpeg)

Needs Pillow and numpy; the versions, libjpeg-turbo's too, are written into golden.json. Pillow decodes at a scale through
`Image.draft`.
"""

import io
import json
import pathlib
import shutil

import numpy as np
import PIL
from PIL import Image, features

DATA = pathlib.Path(__file__).parent / "data_jpeg"


def picture(width, height, noise, seed):
    """Smooth colours, edges, and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.stack(
        [255 * x / max(width - 1, 1), 127 + 120 * np.sin(x / 5) * np.cos(y / 7), 255 * y / max(height - 1, 1)], -1
    )
    image[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (min(width, height) * 0.3) ** 2] = [250, 240, 10]
    image[(x + y) % 23 < 2] = [0, 30, 220]
    image += random.normal(0, noise, image.shape)
    return Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def vertical(data):
    """A file of 4:2:2 as one of 4:4:0: the same blocks, two of luminance down instead of across, in a taller picture."""
    start = data.index(b"\xff\xc0")
    height, width = int.from_bytes(data[start + 5 : start + 7], "big"), int.from_bytes(data[start + 7 : start + 9], "big")
    assert height % 8 == 0 and width % 16 == 0 and data[start + 11] == 0x21
    # One row of units becomes one row of units that is half as wide and twice as tall.
    changed = bytearray(data)
    changed[start + 5 : start + 7] = (2 * height).to_bytes(2, "big")
    changed[start + 7 : start + 9] = (width // 2).to_bytes(2, "big")
    changed[start + 11] = 0x12
    return bytes(changed)


CASES = [
    ("444", 61, 45, 5, dict(quality=90, subsampling="4:4:4")),
    ("422", 61, 45, 5, dict(quality=90, subsampling="4:2:2")),
    ("420", 61, 45, 5, dict(quality=90, subsampling="4:2:0")),
    ("440", 96, 40, 5, dict(quality=90, subsampling="4:2:2")),
    ("rgb", 37, 50, 5, dict(quality=90, keep_rgb=True)),
    ("grey", 53, 35, 5, dict(quality=90)),
    ("420_noise", 83, 66, 60, dict(quality=100, subsampling="4:2:0")),
    ("422_noise", 50, 70, 60, dict(quality=97, subsampling="4:2:2", optimize=True)),
    ("420_coarse", 75, 90, 20, dict(quality=3, subsampling="4:2:0")),
    ("420_restart_blocks", 90, 75, 10, dict(quality=85, subsampling="4:2:0", restart_marker_blocks=4)),
    ("420_restart_rows", 70, 100, 10, dict(quality=85, subsampling="4:2:0", restart_marker_rows=1)),
    ("444_restart_blocks", 41, 60, 10, dict(quality=75, subsampling="4:4:4", restart_marker_blocks=1)),
    ("420_tiny", 1, 1, 0, dict(quality=90, subsampling="4:2:0")),
    ("420_narrow", 4, 33, 5, dict(quality=90, subsampling="4:2:0")),
    ("422_narrow", 3, 9, 5, dict(quality=90, subsampling="4:2:2")),
    ("420_wide", 200, 5, 5, dict(quality=90, subsampling="4:2:0")),
    *((f"420_orientation_{value}", 45, 30, 5, dict(quality=90, exif=exif(value))) for value in range(2, 9)),
]


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    cases = []
    for number, (name, width, height, noise, options) in enumerate(CASES):
        image = picture(width, height, noise, number)
        if name == "grey":
            image = image.convert("L")
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", **options)
        data = vertical(buffer.getvalue()) if name == "440" else buffer.getvalue()
        (DATA / f"{name}.jpg").write_bytes(data)
        width, height = Image.open(io.BytesIO(data)).size
        scales = [1] if "orientation" in name else [1, 2, 4, 8]
        for scale in scales:
            reduced = Image.open(io.BytesIO(data))
            if scale > 1:
                # What draft() sets; it would round a picture of a few pixels to no pixels.
                kind, _, offset, arguments = reduced.tile[0]
                size = (-(-width // scale), -(-height // scale))
                reduced._size = size
                reduced.tile = [reduced.tile[0]._replace(extents=(0, 0, *size))]
                reduced.decoderconfig = (scale, 0)
                drafted = Image.open(io.BytesIO(data))
                drafted.draft(None, (max(1, width // scale), max(1, height // scale)))
                if drafted.size == size:
                    assert np.array_equal(np.asarray(drafted), np.asarray(reduced)), (name, scale)
            reduced.convert("RGB").save(DATA / f"{name}_{scale}.png", optimize=True)
        cases.append(dict(name=name, scales=scales))
    versions = dict(pillow=PIL.__version__, numpy=np.__version__, libjpeg_turbo=features.version("libjpeg_turbo"))
    lines = ",\n".join("    " + json.dumps(case) for case in cases)
    text = f'{{\n  "made_by": "tests/make_jpeg.py",\n  "versions": {json.dumps(versions)},\n  "cases": [\n{lines}\n  ]\n}}\n'
    (DATA / "golden.json").write_text(text)
    files = list(DATA.iterdir())
    print(len(files), "files,", sum(file.stat().st_size for file in files), "bytes")


if __name__ == "__main__":
    main()
