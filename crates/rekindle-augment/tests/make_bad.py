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


def float_tiff_header(width, height):
    """The directory of a TIFF of three 32-bit floats a pixel, with no pixels behind it."""
    short, long = 3, 4
    entries = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, 3, 134),  # bits per sample: three numbers behind the directory
        (259, short, 1, 1),
        (262, short, 1, 2),
        (273, long, 1, 146),
        (277, short, 1, 3),
        (278, long, 1, height),
        (279, long, 1, 12),
        (339, short, 3, 140),  # sample format: floats
    ]
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)
    return directory + struct.pack("<6H", 32, 32, 32, 3, 3, 3) + bytes(12)


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
    # The size in the frame header, behind marker, length and precision.
    huge_jpeg = bytearray(encoded(picture, "JPEG", quality=85))
    frame = huge_jpeg.index(b"\xff\xc0")
    huge_jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    palette_gif = bytearray(encoded(picture.quantize(8), "GIF"))
    palette_gif[6:10] = struct.pack("<HH", 65_535, 65_535)
    files = {
        "truncated.jpg": jpeg[: len(jpeg) * 6 // 10],
        "zero_byte.png": b"",
        "text_named.jpg": b"This is a text file whose name ends in .jpg.\n",
        "png_named.jpg": encoded(picture, "PNG"),
        "bomb.png": bomb + chunk(b"IEND", b""),
        "corrupt.webp": bytes(webp),
        "cmyk.jpg": encoded(picture.convert("CMYK"), "JPEG", quality=85),
        "heic_header.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40,
        "avif.avif": encoded(picture, "AVIF", quality=60),
        "jxl_codestream.jxl": b"\xff\x0a\xfa\x17\x01\x90\x10\x10\x04" + b"\0" * 16,
        "jxl_container.jxl": b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl " + b"\0" * 16,
        "bomb.jpg": bytes(huge_jpeg),
        "bomb.gif": bytes(palette_gif),
        "bomb_memory.tif": float_tiff_header(13_000, 13_000),
    }
    BAD.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (BAD / name).write_bytes(data)
        print(name, len(data))


if __name__ == "__main__":
    main()
