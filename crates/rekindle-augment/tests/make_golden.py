"""Makes the pictures in data/ and golden.json, the outside witnesses of tests/golden.rs and tests/decode.rs.

    python tests/make_golden.py        (from crates/rekindle-augment; rewrites tests/data)

Needs Pillow, numpy, SciPy, OpenCV, torch, torchvision and timm; their versions are written into golden.json. The Rust tests need none of
them: they read what this script wrote.
"""

import io
import json
import pathlib
import shutil
import struct
import zlib

import cv2
import numpy as np
import PIL
import scipy
import timm
import torch
import torchvision
from golden_colour import colour_cases, policy_tables
from golden_scale import evaluate, scale_cases
from PIL import Image, ImageCms, ImageEnhance, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F
from torchvision.transforms.v2 import functional as F2

DATA = pathlib.Path(__file__).parent / "data"
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def picture(width, height, noise):
    """Gradients, a disc, hard edges and some noise."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 255 * x / (width - 1)
    green = 127 + 120 * np.sin(x / 5) * np.cos(y / 7)
    blue = 255 * y / (height - 1)
    image = np.stack([red, green, blue], -1)
    image[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (height * 0.25) ** 2] = [250, 240, 10]
    image[int(height * 0.7) : int(height * 0.85), 4 : width // 3] = [0, 0, 0]
    image[2:5, :] = [255, 255, 255]
    image += random.normal(0, noise, image.shape)
    return Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8), "RGB")


def save_png(name, image):
    assert image.mode == "RGB", (name, image.mode)
    image.save(DATA / name, optimize=True)
    return name


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png16(colour_type, samples):
    """A 16-bit PNG of an array [height, width, channels]; Pillow writes only the grey one."""
    height, width, _ = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_segments(data):
    """(marker, start, end) of the segments before the first scan."""
    position = 2
    while True:
        marker = data[position + 1]
        length = struct.unpack(">H", data[position + 2 : position + 4])[0]
        yield marker, position, position + 2 + length
        position += 2 + length
        if marker == 0xDA:
            return


def over_white(image):
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def icc_profile():
    """An sRGB profile without the time of its making."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)
    return bytes(profile)


def decode_cases():
    base = picture(40, 28, 4)
    pixels = np.asarray(base)
    alpha = np.tile(np.linspace(0, 255, 40).round().astype(np.uint8), (28, 1))
    rgba = Image.fromarray(np.dstack([pixels, alpha]), "RGBA")
    grey = base.convert("L")
    grey_alpha = Image.merge("LA", [grey, Image.fromarray(alpha, "L")])
    palette = base.quantize(30)
    index = palette.getpixel((20, 14))
    bilevel = grey.convert("1")
    cmyk = Image.merge("CMYK", [*base.split(), grey])
    wide = (pixels.astype(np.uint32) * 257 + np.arange(40, dtype=np.uint32)[None, :, None] * 5) % 65536
    wide_alpha = (alpha.astype(np.uint32) * 257)[..., None]
    unit = (np.asarray(grey, dtype=np.float32) / np.float32(255)).astype(np.float32)

    cases = []

    def case(name, data, mode, expected=None, orientation=1, most=0, mean=0.0, **holds):
        """`most` and `mean`: the largest and the mean difference that is allowed, in grey levels.

        `holds`: `has_icc_profile` or `has_more_frames`, where it does.
        """
        (DATA / name).write_bytes(data)
        if expected is None:
            image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
            expected = over_white(image) if image.mode in ("LA", "RGBA", "P") else image.convert("RGB")
        array = np.asarray(expected)
        for known, known_array in expected_images:
            if known_array.shape == array.shape and (known_array == array).all():
                break
        else:
            known = save_png(f"expected_{name.replace('.', '_')}.png", expected)
            expected_images.append((known, array))
        cases.append(
            dict(file=name, expected=known, mode=mode, orientation=orientation, most=most, mean=mean, **holds)
        )

    expected_images = []
    jpeg = dict(most=5, mean=0.6)
    case("rgb.png", encoded(base, "PNG"), "Rgb")
    case("grey.png", encoded(grey, "PNG"), "Grey")
    case("grey_alpha.png", encoded(grey_alpha, "PNG"), "GreyAlpha")
    case("rgba.png", encoded(rgba, "PNG"), "Rgba")
    case("palette.png", encoded(palette, "PNG"), "Palette")
    case("palette_transparent.png", encoded(palette, "PNG", transparency=index), "Palette")
    case("bilevel.png", encoded(bilevel, "PNG"), "Grey")
    rounded = lambda values: Image.fromarray(np.rint(values / 257).astype(np.uint8), "RGB")
    case("grey16.png", png16(0, wide[..., :1]), "SixteenBit", rounded(np.repeat(wide[..., :1], 3, 2)))
    case("rgb16.png", png16(2, wide), "SixteenBit", rounded(wide))
    composed = wide * (wide_alpha / 65535) + (65535 - wide_alpha)
    case("rgba16.png", png16(6, np.dstack([wide, wide_alpha])), "SixteenBit", rounded(composed))
    grey_composed = np.repeat(composed[..., :1], 3, 2)
    grey_wide = np.dstack([wide[..., :1], wide_alpha])
    case("grey_alpha16.png", png16(4, grey_wide), "SixteenBit", rounded(grey_composed))

    case("baseline_420.jpg", encoded(base, "JPEG", quality=90, subsampling="4:2:0"), "Rgb", **jpeg)
    case("baseline_422.jpg", encoded(base, "JPEG", quality=90, subsampling="4:2:2"), "Rgb", **jpeg)
    case("baseline_444.jpg", encoded(base, "JPEG", quality=90, subsampling="4:4:4"), "Rgb", **jpeg)
    case("progressive.jpg", encoded(base, "JPEG", quality=90, progressive=True), "Rgb", **jpeg)
    case("restart.jpg", encoded(base, "JPEG", quality=90, restart_marker_blocks=2), "Rgb", **jpeg)
    case("grey.jpg", encoded(grey, "JPEG", quality=90), "Grey", **jpeg)
    case("stored_as_rgb.jpg", encoded(base, "JPEG", quality=90, keep_rgb=True), "Rgb", **jpeg)
    adobe = encoded(cmyk, "JPEG", quality=95)
    case("cmyk_adobe.jpg", adobe, "Cmyk", **jpeg)
    marked = next(start for marker, start, _ in jpeg_segments(adobe) if marker == 0xEE)
    ycck = bytearray(adobe)
    ycck[marked + 4 + 11] = 2  # the colour transform of the Adobe segment: 2 is YCCK
    case("ycck_adobe.jpg", bytes(ycck), "Cmyk", **jpeg)
    end = next(end for marker, _, end in jpeg_segments(adobe) if marker == 0xEE)
    case("cmyk_plain.jpg", adobe[:marked] + adobe[end:], "Cmyk", **jpeg)
    plain = encoded(base, "JPEG", quality=90)
    second = list(jpeg_segments(plain))[1][1]
    case("padded_header.jpg", plain[:second] + b"\1\2\3\4\5\6\7" + plain[second:], "Rgb", **jpeg)
    case("trailing_bytes.jpg", plain + b"camera maker's notes", "Rgb", **jpeg)
    for value in range(1, 9):
        data = encoded(base, "JPEG", quality=90, exif=orientation(value))
        case(f"orientation_{value}.jpg", data, "Rgb", orientation=value, **jpeg)
    case("orientation_6.png", encoded(base, "PNG", exif=orientation(6)), "Rgb", orientation=6)
    lossless = dict(lossless=True, quality=80)
    case("orientation_8.webp", encoded(base, "WEBP", exif=orientation(8), **lossless), "Rgb", orientation=8)
    case("orientation_5.tif", encoded(base, "TIFF", tiffinfo={0x0112: 5}), "Rgb", orientation=5)

    case("lossless.webp", encoded(base, "WEBP", **lossless), "Rgb")
    case("lossy.webp", encoded(base, "WEBP", quality=80), "Rgb")
    case("alpha.webp", encoded(rgba, "WEBP", exact=True, **lossless), "Rgba")
    frames = [base, ImageOps.invert(base)]
    animation = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], **lossless)
    case("animated.webp", animation, "Rgb", has_more_frames=True)

    case("palette.gif", encoded(palette, "GIF"), "Palette")
    case("transparent.gif", encoded(palette, "GIF", transparency=index), "Palette")
    animation = encoded(palette, "GIF", save_all=True, append_images=[ImageOps.invert(base)])
    case("animated.gif", animation, "Palette", has_more_frames=True)

    case("rgb.bmp", encoded(base, "BMP"), "Rgb")
    case("palette.bmp", encoded(palette, "BMP"), "Palette")
    case("grey.bmp", encoded(grey, "BMP"), "Palette")
    case("bilevel.bmp", encoded(bilevel, "BMP"), "Palette")

    case("rgb.tif", encoded(base, "TIFF"), "Rgb")
    case("lzw.tif", encoded(base, "TIFF", compression="tiff_lzw"), "Rgb")
    case("deflate.tif", encoded(base, "TIFF", compression="tiff_adobe_deflate"), "Rgb")
    case("grey.tif", encoded(grey, "TIFF"), "Grey")
    case("bilevel_group4.tif", encoded(bilevel, "TIFF", compression="group4"), "Grey")
    case("rgba.tif", encoded(rgba, "TIFF"), "Rgba")
    case("cmyk.tif", encoded(cmyk, "TIFF"), "Cmyk", most=1, mean=0.6)
    sixteen = Image.fromarray(wide[..., 0].astype(np.uint16))
    case("grey16.tif", encoded(sixteen, "TIFF"), "SixteenBit", rounded(np.repeat(wide[..., :1], 3, 2)))
    case("grey_float.tif", encoded(Image.fromarray(unit, "F"), "TIFF"), "Float", grey.convert("RGB"))

    for case_of in unusual_tiffs(base, cmyk, grey, alpha):
        case(*case_of[:3], **case_of[3])

    animation = encoded(base, "PNG", save_all=True, append_images=[ImageOps.invert(base)])
    case("animated.png", animation, "Rgb", has_more_frames=True)
    pages = encoded(base, "TIFF", save_all=True, append_images=[ImageOps.invert(base)])
    case("two_pages.tif", pages, "Rgb", has_more_frames=True)
    profile = dict(icc_profile=icc_profile())
    case("icc.jpg", encoded(base, "JPEG", quality=90, **profile), "Rgb", has_icc_profile=True, **jpeg)
    case("icc.png", encoded(base, "PNG", **profile), "Rgb", has_icc_profile=True)
    case("icc.webp", encoded(base, "WEBP", **lossless, **profile), "Rgb", has_icc_profile=True)
    case("icc.tif", encoded(base, "TIFF", **profile), "Rgb", has_icc_profile=True)
    return cases


def tiff(width, height, photometric, bits, strips, order="<", more=()):
    """An uncompressed TIFF; `bits` has a number for each sample, `strips` the bytes of each plane."""
    short, long = 3, 4
    data = b"".join(strips)
    starts = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    lists = {
        256: (long, [width]),
        257: (long, [height]),
        258: (short, bits),
        259: (short, [1]),
        262: (short, [photometric]),
        273: (long, starts),
        277: (short, [len(bits)]),
        278: (long, [height]),
        279: (long, [len(strip) for strip in strips]),
        284: (short, [2 if len(strips) > 1 else 1]),
        **{tag: (short, values) for tag, values in more},
    }
    directory = 8 + len(data) + len(data) % 2
    behind = directory + 2 + 12 * len(lists) + 4
    entries, rest = b"", b""
    for tag, (kind, values) in sorted(lists.items()):
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == short else 'I'}", *values)
        entries += struct.pack(f"{order}HHI", tag, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", behind + len(rest))
            rest += packed + b"\0" * (len(packed) % 2)
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, directory)
    body = head + data + b"\0" * (len(data) % 2)
    return body + struct.pack(f"{order}H", len(lists)) + entries + bytes(4) + rest


def packed(values, bits):
    """Rows of values of so many bits, each row from a byte of its own."""
    expanded = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(expanded.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def unusual_tiffs(base, cmyk, grey, alpha):
    """Name, bytes, mode and what else `case` takes, of the kinds that few programs write."""
    width, height = base.size
    for bits, order in [(8, "<"), (4, ">"), (2, "<"), (1, ">")]:
        image = base.quantize(1 << bits, dither=Image.Dither.NONE)
        table = np.zeros((1 << bits, 3), np.uint16)
        found = np.array(image.getpalette(), np.uint16).reshape(-1, 3)[: 1 << bits]
        table[: len(found)] = found * 257
        strip = packed(np.asarray(image), bits)
        colours = [(320, table.T.flatten().tolist())]
        data = tiff(width, height, 3, [bits], [strip], order, colours)
        yield f"palette{bits}.tif", data, "Palette", dict(expected=image.convert("RGB"))
    yield "palette_lzw.tif", encoded(base.quantize(64), "TIFF", compression="tiff_lzw"), "Palette", {}
    for bits in (2, 4):
        values = np.asarray(grey) >> (8 - bits)
        data = tiff(width, height, 1, [bits], [packed(values, bits)])
        yield f"grey{bits}.tif", data, "Grey", {}
    inks = np.moveaxis(np.asarray(cmyk), -1, 0)
    data = tiff(width, height, 5, [8] * 4, [plane.tobytes() for plane in inks])
    yield "cmyk_planar.tif", data, "Cmyk", dict(most=1, mean=0.6)
    luma = np.asarray(base.convert("YCbCr"))
    data = tiff(width, height, 6, [8] * 3, [luma.tobytes()], more=[(530, [1, 1])])
    yield "ycbcr.tif", data, "Rgb", dict(expected=base.convert("YCbCr").convert("RGB"), most=1, mean=0.6)
    # Subsampled, in the JPEG compression that scanners and maps use.
    strip = encoded(base, "JPEG", quality=90, subsampling="4:2:0")
    data = tiff(width, height, 6, [8] * 3, [strip], more=[(259, [7]), (530, [2, 2])])
    yield "ycbcr_jpeg.tif", data, "Rgb", dict(most=8, mean=1.0)
    pair = np.dstack([np.asarray(grey), np.asarray(alpha)])
    data = tiff(width, height, 1, [8] * 2, [pair.tobytes()], more=[(338, [2])])
    yield "grey_alpha.tif", data, "GreyAlpha", {}


def padded(image, border, mode):
    """numpy's `pad`, with `[left, top, right, bottom]` pixels."""
    left, top, right, bottom = border
    return Image.fromarray(np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode))


def sampled(image, x, y, mode, padding):
    """The image at places in pixels, whose whole numbers are edges of pixels, by PyTorch's `grid_sample`."""
    grid = np.stack([2 * x / image.width - 1, 2 * y / image.height - 1], -1).astype(np.float32)
    pixels = F.pil_to_tensor(image).to(torch.float32)[None]
    output = torch.nn.functional.grid_sample(
        pixels, torch.from_numpy(grid)[None], mode=mode, padding_mode=padding, align_corners=False
    )
    return output[0].round().clamp(0, 255).to(torch.uint8)


def cells(widths, count):
    """Where the pixels of an axis come from, if its equal cells show cells of these relative widths."""
    edges = np.concatenate([[0], np.cumsum(widths) / np.sum(widths)]) * count
    return np.interp(np.arange(count) + 0.5, np.linspace(0, count, len(widths) + 1), edges)


def geometric_cases(case, inputs, fill):
    smooth, noisy = inputs["smooth"], inputs["noisy"]
    width, height = smooth.size

    for mode in ["constant", "edge", "reflect", "symmetric"]:
        border = [5, 0, 9, 13]
        case("pad", "noisy", F2.pad(noisy, border, fill, mode), border=border, padding_mode=mode, fill=fill)
    for mode in ["reflect", "symmetric", "wrap"]:
        border = [70, 101, 3, 0]
        case("pad", "noisy", padded(noisy, border, mode), border=border, padding_mode=mode, fill=fill)

    for to_width, to_height in [(33, 31), (20, 60), (80, 77)]:
        output = F2.center_crop(noisy, [to_height, to_width])
        case("centre_crop", "noisy", output, width=to_width, height=to_height, fill=(0, 0, 0))
    for which, output in enumerate(F2.five_crop(noisy, [21, 30])):
        case("five_crop", "noisy", output, width=30, height=21, which=which)

    start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
    ends = [
        ([[3, 7], [60, 2], [52, 40], [9, 44]], "bilinear"),
        ([[12, 1], [50, 11], [63, 47], [1, 38]], "bicubic"),
        ([[0, 0], [58, 9], [60, 41], [14, 36]], "nearest"),
        ([[-9, -6], [70, -3], [75, 60], [-4, 50]], "bilinear"),
    ]
    for end, name in ends:
        output = F2.perspective(smooth, start, end, InterpolationMode(name), fill)
        case("perspective", "smooth", output, start=start, end=end, interpolation=name, fill=fill)

    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    for amplitude, period, name in [(1.5, 9.0, "bilinear"), (4.0, 20.0, "bilinear"), (3.0, 15.0, "nearest")]:
        across, down = amplitude * np.sin(y / period), amplitude * np.cos(x / period)
        parameters = dict(amplitude=amplitude, period=period, interpolation=name)
        shifts = np.stack([2 * across / width, 2 * down / height], -1).astype(np.float32)
        output = F2.elastic(smooth, torch.from_numpy(shifts)[None], InterpolationMode(name))
        case("elastic", "smooth", output, padding_mode="constant", **parameters)
        for ours, theirs in [("edge", "border"), ("symmetric", "reflection")]:
            output = sampled(smooth, x + 0.5 + across, y + 0.5 + down, name, theirs)
            case("elastic", "smooth", output, padding_mode=ours, **parameters)

    for columns, rows, name in [
        ([1.2, 0.7, 1.3, 1.0, 0.8], [0.75, 1.1, 1.25, 0.9, 0.7], "bilinear"),
        ([0.4, 1.7], [1.0, 1.6, 0.3], "bilinear"),
        ([1.1, 0.7, 1.2], [1.0], "nearest"),
    ]:
        places = np.meshgrid(cells(columns, width), cells(rows, height))
        output = sampled(noisy, *places, name, "border")
        case("grid_distortion", "noisy", output, columns=columns, rows=rows, interpolation=name)

    for box in [(10, 5, 41, 30), (60, 40, 4, 8)]:
        left, top, box_width, box_height = box
        pixels = F.pil_to_tensor(noisy)
        colour = torch.tensor(fill, dtype=torch.uint8)[:, None, None]
        output = F2.erase(pixels, top, left, box_height, box_width, colour)
        case("erase", "noisy", output, box=box, fill=fill)

    # An affine change of an image that goes on beyond its edge is that of a padded image, cropped.
    border = 96
    affines = [
        (0.0, (11, 0), 1.0, (0.0, 0.0), "nearest", "edge"),
        (0.0, (0, -7), 1.0, (0.0, 0.0), "bilinear", "symmetric"),
        (35.0, (4, -3), 0.7, (8.0, 0.0), "bilinear", "reflect"),
        (-20.0, (9, 2), 0.8, (0.0, -5.0), "bicubic", "wrap"),
        (140.0, (-12, 5), 1.1, (0.0, 10.0), "bilinear", "edge"),
    ]
    for degrees, shift, scale, shear, name, mode in affines:
        large = padded(smooth, [border] * 4, mode)
        output = F2.affine(large, degrees, shift, scale, shear, InterpolationMode(name))
        output = output.crop((border, border, border + width, border + height))
        parameters = dict(degrees=degrees, shift_px=shift, scale=scale, shear_degrees=shear)
        case("affine", "smooth", output, interpolation=name, padding_mode=mode, fill=fill, **parameters)


def transform_cases():
    smooth, noisy = picture(64, 48, 3), picture(64, 48, 60)
    tall = picture(33, 70, 10)
    inputs = dict(smooth=smooth, noisy=noisy, tall=tall)
    for name, image in inputs.items():
        save_png(f"{name}.png", image)
    cases = []

    def case(operation, source, output, **parameters):
        if isinstance(output, torch.Tensor):
            output = Image.fromarray(output.permute(1, 2, 0).numpy())
        name = save_png(f"{operation}_{sum(c['operation'] == operation for c in cases):02}.png", output)
        cases.append(dict(operation=operation, input=f"{source}.png", expected=name, **parameters))

    sizes = [("smooth", 32, 24), ("noisy", 20, 15), ("noisy", 17, 31), ("smooth", 90, 70), ("noisy", 64, 20), ("noisy", 7, 48)]
    for source, width, height in sizes:
        for name in ["bilinear", "bicubic"]:
            output = inputs[source].resize((width, height), FILTERS[name])
            case("resize", source, output, width=width, height=height, interpolation=name)
    for name in ["lanczos", "nearest"]:
        case("resize", "noisy", noisy.resize((25, 19), FILTERS[name]), width=25, height=19, interpolation=name)
        case("resize", "noisy", noisy.resize((80, 50), FILTERS[name]), width=80, height=50, interpolation=name)

    box = (10, 5, 41, 30)
    for name in ["bilinear", "bicubic"]:
        left, top, width, height = box
        mode = InterpolationMode(name)
        output = F.resized_crop(noisy, top, left, height, width, [24, 24], mode)
        case("resize_crop", "noisy", output, box=box, width=24, height=24, interpolation=name)

    evaluations = [
        ("smooth", [24, 24], 0.875, "center", "bicubic"),
        ("noisy", [32, 32], 0.95, "center", "bilinear"),
        ("tall", [32, 32], 1.0, "center", "bicubic"),
        ("tall", [29, 29], 0.9, "center", "bicubic"),
        ("noisy", [24, 40], 0.9, "center", "bicubic"),
        ("tall", [64, 64], 0.8, "center", "bicubic"),
        ("noisy", [32, 32], 0.875, "squash", "bicubic"),
        ("tall", [24, 40], 1.0, "squash", "bilinear"),
        ("noisy", [33, 33], 1.0, "border", "bicubic"),
        ("tall", [32, 40], 0.9, "border", "bicubic"),
    ]
    for source, *settings in evaluations:
        evaluate(case, source, inputs[source], *settings)
    scale_cases(case, inputs)

    fill = (124, 116, 104)
    for degrees, name in [(30.0, "bilinear"), (-17.5, "nearest"), (90.0, "bilinear"), (141.0, "bicubic")]:
        output = F.rotate(smooth, degrees, InterpolationMode(name), fill=fill)
        case("rotate", "smooth", output, degrees=degrees, interpolation=name, fill=fill)
    affines = [
        (0.0, (5, -3), 1.0, (0.0, 0.0), "nearest"),
        (0.0, (3, 2), 1.2, (10.0, 0.0), "bilinear"),
        (25.0, (0, 0), 0.8, (-8.0, 12.0), "bilinear"),
        (-10.0, (4, 4), 1.5, (0.0, 20.0), "bicubic"),
    ]
    for degrees, shift, scale, shear, name in affines:
        output = F.affine(smooth, degrees, shift, scale, shear, InterpolationMode(name), fill)
        parameters = dict(degrees=degrees, shift_px=shift, scale=scale, shear_degrees=shear)
        case("affine", "smooth", output, interpolation=name, fill=fill, **parameters)

    geometric_cases(case, inputs, fill)

    for factor in [0.3, 1.7]:
        case("brightness", "noisy", ImageEnhance.Brightness(noisy).enhance(factor), factor=factor)
        case("contrast", "noisy", ImageEnhance.Contrast(noisy).enhance(factor), factor=factor)
        case("saturation", "noisy", ImageEnhance.Color(noisy).enhance(factor), factor=factor)
    case("greyscale", "noisy", F.rgb_to_grayscale(noisy, 3))
    return cases


def recorded_colour_cases():
    inputs = dict(smooth=picture(40, 30, 3), noisy=picture(40, 30, 60))
    inputs["dull"] = Image.fromarray((np.asarray(inputs["smooth"]) // 3 + 40).astype(np.uint8), "RGB")
    # Of no whole number of blocks; and so small that the blocks are mostly what lies beyond the edge.
    inputs["odd"] = picture(37, 29, 20)
    inputs["tiny"] = inputs["odd"].crop((20, 9, 23, 14))
    for name, image in inputs.items():
        save_png(f"colour_{name}.png", image)
    cases = []

    def record(operation, source, output, **parameters):
        number = sum(c["operation"] == operation for c in cases)
        name = save_png(f"colour_{operation}_{number:02}.png", output)
        cases.append(dict(operation=operation, input=f"colour_{source}.png", expected=name, **parameters))

    colour_cases(inputs, record)
    return cases


def rescale_case():
    image = picture(64, 48, 3).resize((3, 2))
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    planes = F.normalize(F.to_tensor(image), mean, std)
    return dict(pixels=list(image.tobytes()), width=3, height=2, planes=[round(v, 7) for v in planes.flatten().tolist()])


def main():
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    golden = dict(
        made_by="tests/make_golden.py",
        versions=dict(
            pillow=PIL.__version__,
            numpy=np.__version__,
            scipy=scipy.__version__,
            opencv=cv2.__version__,
            torch=torch.__version__,
            torchvision=torchvision.__version__,
            timm=timm.__version__,
        ),
        decode=decode_cases(),
        transform=transform_cases(),
        colour=recorded_colour_cases(),
        policy=policy_tables(),
        rescale=rescale_case(),
    )
    lines = ["{"]
    for key, value in golden.items():
        if isinstance(value, list):
            body = ",\n".join("    " + json.dumps(item) for item in value)
            lines.append(f'  "{key}": [\n{body}\n  ],')
        else:
            lines.append(f'  "{key}": {json.dumps(value)},')
    lines[-1] = lines[-1].rstrip(",")
    (DATA / "golden.json").write_text("\n".join(lines) + "\n}\n")
    files = list(DATA.iterdir())
    print(len(files), "files,", sum(file.stat().st_size for file in files), "bytes")


if __name__ == "__main__":
    main()
