"""Makes the lossy WebP files in data_webp/ and what libwebp decodes of them (alpha composed over white), the outside witness of
src/decode/webp/tests.rs.

    python tests/make_webp.py        (from crates/rekindle-augment; rewrites tests/data_webp)

Needs Pillow, which decodes, the package `webp` (bindings of libwebp), whose encoder has the settings that Pillow's has not, and
numpy; the versions are written into golden.json. The `changed` files have bytes of their header overwritten with the first values
that libwebp still decodes: so they come to settings that no encoder writes.
"""

import importlib.metadata
import io
import json
import pathlib
import shutil
import warnings

import numpy as np
import PIL
import webp
from make_jpeg import exif, picture
from PIL import Image, features

DATA = pathlib.Path(__file__).parent / "data_webp"

# Name, width, height, noise, and the encoder's settings: fields of libwebp's WebPConfig.
CASES = [
    ("1x1", 1, 1, 0, dict(quality=90)),
    ("2x3", 2, 3, 20, dict(quality=90)),
    ("1x17", 1, 17, 10, dict(quality=80)),
    ("33x1", 33, 1, 10, dict(quality=80)),
    ("16x16", 16, 16, 10, dict(quality=80)),
    ("15x18", 15, 18, 10, dict(quality=80)),
    ("17x31", 17, 31, 10, dict(quality=60)),
    *((f"quality_{quality}", 61, 45, 5, dict(quality=quality)) for quality in (0, 5, 25, 50, 75, 90, 95, 100)),
    *((f"method_{method}", 66, 50, 8, dict(quality=70, method=method)) for method in range(7)),
    *((f"segments_{count}", 83, 66, 15, dict(quality=40, segments=count, sns_strength=100)) for count in (1, 2, 3)),
    # Better methods write one partition only.
    *((f"partitions_{1 << bits}", 50, 150, 8, dict(quality=75, method=2, partitions=bits)) for bits in (1, 2, 3)),
    ("no_filter", 70, 53, 5, dict(quality=20, filter_strength=0, autofilter=0)),
    *(
        (f"{name}_{strength}_{sharpness}", 70, 53, noise, dict(quality=30, filter_strength=strength, filter_sharpness=sharpness, filter_type=kind))
        for name, kind in (("simple", 0), ("normal", 1))
        for strength, sharpness, noise in ((10, 0, 3), (100, 0, 3), (60, 2, 8), (60, 5, 8), (90, 7, 3))
    ),
    ("noise", 90, 75, 70, dict(quality=100, filter_strength=30)),
    ("flat", 64, 64, 0, dict(quality=10)),
    ("wide", 200, 5, 5, dict(quality=70)),
    ("tall", 6, 190, 5, dict(quality=70, method=1, partitions=3)),
    ("large", 256, 256, 4, dict(quality=75)),
    *(
        (f"alpha_{compression}_{filtering}", 61, 50, 5, dict(quality=80, alpha_compression=compression, alpha_filtering=filtering))
        for compression in (0, 1)
        for filtering in (0, 1, 2)
    ),
    ("alpha_coarse", 40, 70, 5, dict(quality=60, alpha_quality=20)),
    ("alpha_tiny", 1, 1, 0, dict(quality=60)),
    *((f"orientation_{value}", 45, 30, 5, dict(quality=90)) for value in range(2, 9)),
]
CHANGED = 40


def encoded(image, settings):
    config = webp.WebPConfig.new(quality=settings["quality"])
    for key, value in settings.items():
        if key == "partitions":
            # The bindings leave this field out; it is the 19th, and all have four bytes.
            webp.ffi.buffer(config.ptr, 19 * 4)[18 * 4 : 19 * 4] = value.to_bytes(4, "little")
        else:
            setattr(config.ptr, key, value)
    assert webp.lib.WebPValidateConfig(config.ptr)
    return bytes(webp.WebPPicture.from_pil(image).encode(config).buffer())


def decoded(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = np.asarray(Image.open(io.BytesIO(data)))
    if pixels.shape[-1] == 3:
        return pixels
    colours, alpha = pixels[..., :3].astype(np.uint32), pixels[..., 3:].astype(np.uint32)
    # Rounded to the nearest.
    return ((2 * (colours * alpha + 255 * (255 - alpha)) + 255) // 510).astype(np.uint8)


def with_alpha(image, number):
    """Smooth transparency, a hole, and an opaque part."""
    width, height = image.size
    y, x = np.mgrid[0:height, 0:width]
    alpha = np.clip(300 * (x + 1) / width * np.cos(y / 9) ** 2, 0, 255)
    alpha[(x - width / 2) ** 2 + (y - height / 2) ** 2 < min(width, height)] = 0
    alpha += np.random.default_rng(number).integers(0, 2, alpha.shape) * (y % 16 == 3)
    image.putalpha(Image.fromarray(np.clip(alpha, 0, 255).astype(np.uint8)))
    return image


def changed(random, data):
    """Overwrites a few bytes of the header behind the size (30 bytes), or anywhere in a quarter of the cases."""
    while True:
        result = bytearray(data)
        end = len(data) if random.random() < 0.25 else 50
        for _ in range(random.integers(1, 4)):
            result[random.integers(30, end)] = random.integers(0, 256)
        try:
            return bytes(result), decoded(bytes(result))
        except Exception:
            continue


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    names, sources = [], {}

    def case(name, data, pixels):
        (DATA / f"{name}.webp").write_bytes(data)
        Image.fromarray(pixels).save(DATA / f"{name}.png", optimize=True)
        names.append(name)

    for number, (name, width, height, noise, settings) in enumerate(CASES):
        image = picture(width, height, noise, number)
        if "alpha" in name:
            image = with_alpha(image, number)
        data = encoded(image, settings)
        if "orientation" in name:
            # With its EXIF block, and the pixels as stored.
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=settings["quality"], exif=exif(int(name[-1])))
            data = buffer.getvalue()
        else:
            sources[name] = data
        case(name, data, decoded(data))
    random = np.random.default_rng(0)
    for number in range(CHANGED):
        chosen = ("partitions_4", "segments_3", "simple_60_5", "normal_60_2")[number % 4]
        case(f"changed_{number}", *changed(random, sources[chosen]))
    versions = dict(
        pillow=PIL.__version__, numpy=np.__version__, libwebp=features.version("webp"), webp=importlib.metadata.version("webp")
    )
    listed = json.dumps(names)
    text = f'{{\n  "made_by": "tests/make_webp.py",\n  "versions": {json.dumps(versions)},\n  "cases": {listed}\n}}\n'
    (DATA / "golden.json").write_text(text)
    files = list(DATA.iterdir())
    print(len(files), "files,", sum(file.stat().st_size for file in files), "bytes")


if __name__ == "__main__":
    main()
