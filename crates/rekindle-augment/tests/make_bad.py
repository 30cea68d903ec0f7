"""Makes the pathological files in tests/data/bad of the workspace.

    python crates/rekindle-augment/tests/make_bad.py        (from the root of the workspace; needs Pillow and numpy)
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

BAD = pathlib.Path(__file__).parents[3] / "tests" / "data" / "bad"


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def main():
    y, x = np.mgrid[0:48, 0:64]
    pixels = np.stack([x * 4, y * 5, (x * y) % 256], -1).astype(np.uint8)
    picture = Image.fromarray(pixels, "RGB")
    jpeg = encoded(picture, "JPEG", quality=85)
    webp = bytearray(encoded(picture, "WEBP", lossless=True))
    # The start of the bitstream, behind the 20 bytes of the RIFF and VP8L headers. A lossless WebP has no checksums: damage in
    # the middle of it gives other colours and no error, in libwebp too.
    webp[20:44] = b"\xa5" * 24
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    files = {
        "truncated.jpg": jpeg[: len(jpeg) * 6 // 10],
        "zero_byte.png": b"",
        "text_named.jpg": b"This is a text file whose name ends in .jpg.\n",
        "png_named.jpg": encoded(picture, "PNG"),
        "bomb.png": bomb + chunk(b"IEND", b""),
        "corrupt.webp": bytes(webp),
        "cmyk.jpg": encoded(picture.convert("CMYK"), "JPEG", quality=85),
        "heic_header.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40,
    }
    BAD.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (BAD / name).write_bytes(data)
        print(name, len(data))


if __name__ == "__main__":
    main()
