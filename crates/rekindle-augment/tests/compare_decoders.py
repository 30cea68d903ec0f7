"""Compares rekindle's decoders with libjpeg-turbo, libtiff, tifffile and Pillow over files that are made here.

    pip install pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
    cargo build --release -p rekindle-augment --example decoded_pixels
    python compare_decoders.py target/release/examples/decoded_pixels [COUNT] [SEED] [KIND ..]

`cjpeg` and `tiffcp` (Debian's libjpeg-turbo-progs and libtiff-tools) have to be on the path. Kinds are jpeg, cmyk, tiff, page, png, bmp and
pnm; COUNT files of each (1000). JPEG has to have Pillow's pixels; of the others the array that was written is the truth, so the writer and
Pillow are both a witness. A file that only we refuse is counted with the reason, one that only Pillow refuses too. Exits with 1 where a
pixel differs.
"""

import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import tifffile
from PIL import Image

Image.MAX_IMAGE_PIXELS = None


def picture(rng, height, width, channels):
    """Smooth colours with some noise, so that every coefficient is used."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = []
    for _ in range(channels):
        a, b, c = (rng.uniform(0.02, 0.5) for _ in range(3))
        wave = np.sin(x * a + y * b) * np.cos(y * c) * 110 + 128
        wave += np.random.default_rng(rng.getrandbits(32)).normal(0, rng.choice([0, 4, 40]), wave.shape)
        planes.append(wave)
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def size(rng):
    return rng.choice([rng.randint(1, 9), rng.randint(1, 40), rng.randint(30, 150)])


def scan_script(rng, components):
    """A valid progressive or sequential script that brings every coefficient."""
    if rng.random() < 0.25:
        order = list(range(components))
        rng.shuffle(order)
        cut = rng.randint(1, components)
        groups = [order[:cut]] + [[c] for c in order[cut:]]
        return "".join(" ".join(map(str, sorted(g))) + ";\n" for g in groups if g)
    lines = []
    low = rng.choice([0, 0, 1, 2])
    together = rng.random() < 0.7 or components == 1
    for group in [list(range(components))] if together else [[c] for c in range(components)]:
        lines.append((group, 0, 0, 0, low))
    dc = [(g, 0, 0, high, high - 1) for high in range(low, 0, -1) for g in ([list(range(components))])]
    ac = []
    for c in range(components):
        first = 1
        while first < 64:
            last = rng.choice([63, min(63, first + rng.randint(0, 20))])
            bits = rng.choice([0, 0, 1, 2, 3])
            own = [([c], first, last, 0, bits)] + [([c], first, last, h, h - 1) for h in range(bits, 0, -1)]
            ac.append(own)
            first = last + 1
    rest = [dc] + ac
    # In turns, each in its own order.
    while rest:
        queue = rng.choice(rest)
        if not queue:
            rest.remove(queue)
            continue
        lines.append(queue.pop(0))
    return "".join(f"{' '.join(map(str, g))}: {s}-{e}, {h}, {l};\n" for g, s, e, h, l in lines)


SAMPLINGS = ["1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x3"]


def sampling(rng):
    if rng.random() < 0.6:
        return rng.choice(SAMPLINGS) + ",1x1,1x1"
    factors = [f"{rng.choice([1, 2])}x{rng.choice([1, 2])}" for _ in range(3)]
    return ",".join(factors)


def jpeg(rng, path):
    grey = rng.random() < 0.15
    array = picture(rng, size(rng), size(rng), 1 if grey else 3)
    Image.fromarray(array[..., 0] if grey else array).save(path + ".ppm")
    command = ["cjpeg", "-quality", str(rng.choice([5, 30, 75, 90, 100]))]
    if not grey:
        command += ["-sample", sampling(rng)]
        command += ["-rgb"] if rng.random() < 0.1 else []
    kind = rng.choice(["baseline", "optimize", "progressive", "scans", "scans"])
    if kind == "scans":
        with open(path + ".scans", "w") as script:
            script.write(scan_script(rng, 1 if grey else 3))
        command += ["-scans", path + ".scans"]
    elif kind != "baseline":
        command += ["-" + kind]
    if rng.random() < 0.4:
        command += ["-restart", rng.choice(["1", "2", "1B", "3B", "17B"])]
    done = subprocess.run(command + ["-outfile", path, path + ".ppm"], capture_output=True, text=True)
    if done.returncode:
        return None, "cjpeg: " + done.stderr.strip()[:60]
    return of_pillow(path), kind


def cmyk(rng, path):
    array = picture(rng, size(rng), size(rng), 4)
    image = Image.frombytes("CMYK", array.shape[1::-1], array.tobytes())
    kind = rng.choice(["baseline", "progressive"])
    image.save(path, "JPEG", quality=rng.choice([20, 75, 95]), progressive=kind == "progressive", subsampling=rng.choice([0, 1, 2]))
    return of_pillow(path), kind


def of_pillow(path):
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except Exception:
        return None


def to_eight(array):
    """What rekindle says of samples: whole numbers span their type, floats 0 to 1."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return ((array.astype(np.int64) + 128) // 257).astype(np.uint8)
    if array.dtype == np.int16:
        return ((((array.astype(np.int64) * 65535 + 16383) // 32767) + 128) // 257).astype(np.uint8)
    if array.dtype == np.uint32:
        return (((array.astype(object) * 65535 + 2**31 - 1) // (2**32 - 1)).astype(np.int64) + 128 & 0x1FFFF) // 257
    return np.floor(array.astype(np.float32) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def tiff(rng, path):
    """Every depth, plane, compression, predictor and tile that tifffile writes."""
    channels = rng.choice([1, 1, 2, 3, 3, 4, 5, 8])
    height, width = size(rng), size(rng)
    eight = picture(rng, height, width, channels)
    dtype = rng.choice(["u1", "u1", "u2", "i2", "u4", "f2", "f4", "f8"])
    scale = {"u1": 1, "u2": 257, "i2": 128, "u4": 16843009}
    array = eight.astype(np.float64) / 255 if dtype[0] == "f" else eight.astype(np.int64) * scale[dtype]
    array = array.astype(dtype)
    compression = rng.choice([None, "lzw", "zlib", "zstd", "packbits"])
    predictor = rng.random() < 0.5 and compression in ("lzw", "zlib", "zstd")
    options = {}
    if rng.random() < 0.5:
        options["tile"] = (16 * rng.randint(1, 4), 16 * rng.randint(1, 4))
    elif rng.random() < 0.8:
        options["rowsperstrip"] = rng.randint(1, height)
    photometric = "rgb" if channels >= 3 else "minisblack"
    if channels == 1 and dtype[0] == "u" and rng.random() < 0.3:
        photometric = "miniswhite"
    planar = rng.choice(["contig", "separate"]) if channels > 1 else None
    colours = 3 if channels >= 3 else 1
    alpha = rng.choice(["unspecified", "assocalpha", "unassalpha"]) if channels > colours else None
    if alpha:
        options["extrasamples"] = [alpha] + ["unspecified"] * (channels - colours - 1)
    data = array[..., 0] if channels == 1 else array
    if planar == "separate":
        data = np.moveaxis(array, -1, 0)
    try:
        tifffile.imwrite(
            path, data, byteorder=rng.choice("<>"), bigtiff=rng.random() < 0.3, photometric=photometric, planarconfig=planar,
            compression=compression, predictor=predictor, metadata=None, **options,
        )
    except Exception as error:
        return None, "tifffile: " + str(error)[:60]
    shown = to_eight(array).astype(np.int64)
    if photometric == "miniswhite":
        shown = 255 - shown
    picture_of = np.repeat(shown[..., :1], 3, -1) if colours == 1 else shown[..., :3]
    if alpha in ("assocalpha", "unassalpha"):
        top = {"u1": 255, "u2": 65535, "i2": 32767, "u4": 2**32 - 1}.get(dtype, 1)
        opacity = array[..., colours : colours + 1].astype(np.float64) / top
        values = (array[..., :1].repeat(3, -1) if colours == 1 else array[..., :3]).astype(np.float64) / top
        over = values * opacity if alpha == "unassalpha" else values
        picture_of = np.clip(np.round(255 * np.clip(over + 1 - opacity, 0, 1)), 0, 255)
    kind = f"{dtype} {compression} {'predictor ' if predictor else ''}{alpha or ''}".strip()
    return (picture_of.astype(np.uint8), 1 if alpha or dtype in ("i2", "u4") else 0), kind


def page(rng, path):
    """What libtiff and Pillow write: bilevel in every code and bit order, palettes, YCbCr and JPEG, CMYK."""
    kind = rng.choice(["fax", "palette", "jpeg", "cmyk", "ycbcr", "turned"])
    height, width = size(rng), size(rng)
    if kind in ("fax", "turned"):
        eight = picture(rng, height, width, 1 if kind == "fax" else 3)
        image = Image.fromarray(eight[..., 0]).convert("1", dither=rng.choice([0, 3])) if kind == "fax" else Image.fromarray(eight)
        image.save(path + ".plain.tif")
        code = rng.choice(["g3:1d", "g3:2d", "g3:1d:fill", "g3:2d:fill", "g4", "lzw", "zip", "packbits", "none"]) if kind == "fax" else rng.choice(["lzw", "zip", "packbits", "none"])
        command = ["tiffcp", "-c", code, "-f", rng.choice(["lsb2msb", "msb2lsb"])]
        command += rng.choice([["-r", str(rng.randint(1, height))], ["-t", "-w", "32", "-l", "48"] if kind == "turned" or code in ("lzw", "zip", "none") else ["-r", "8"]])
        done = subprocess.run(command + [path + ".plain.tif", path], capture_output=True, text=True)
        if done.returncode:
            return None, "tiffcp: " + done.stderr.strip()[:60]
        return (np.asarray(image.convert("RGB")), 0), f"{kind} {code}"
    eight = picture(rng, height, width, 4 if kind == "cmyk" else 3)
    if kind == "palette":
        image = Image.fromarray(eight).quantize(rng.choice([2, 4, 16, 200]))
        image.save(path, "TIFF", compression=rng.choice([None, "tiff_lzw", "tiff_adobe_deflate", "packbits"]))
        return (np.asarray(image.convert("RGB")), 0), kind
    if kind == "cmyk":
        image = Image.frombytes("CMYK", (width, height), eight.tobytes())
        image.save(path, "TIFF", compression=rng.choice([None, "tiff_lzw", "zstd"]))
        return (np.asarray(image.convert("RGB")), 0), kind
    if kind == "jpeg":
        Image.fromarray(eight).save(path, "TIFF", compression="jpeg", quality=rng.choice([30, 75, 95]), tiffinfo={278: rng.choice([8, 16, 64])})
        found = of_pillow(path)
        return (found, 0) if found is not None else None, kind
    down = rng.choice([(1, 1), (2, 1), (2, 2), (1, 2), (4, 4)])
    Image.fromarray(eight).convert("YCbCr").save(path, "TIFF")
    found = of_pillow(path)
    return (found, 2) if found is not None else None, kind


def png(rng, path):
    channels = rng.choice([1, 3, 4])
    eight = picture(rng, size(rng), size(rng), channels)
    image = Image.fromarray(eight[..., 0] if channels == 1 else eight)
    if channels == 3 and rng.random() < 0.3:
        image = image.quantize(rng.choice([2, 4, 16, 256]))
    image.save(path, "PNG", compress_level=rng.randint(0, 9))
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return (np.asarray(Image.alpha_composite(white, image).convert("RGB")), 1 if channels == 4 else 0), image.mode


def bmp(rng, path):
    mode = rng.choice(["L", "RGB", "P", "1", "RGBA"])
    eight = picture(rng, size(rng), size(rng), 3)
    image = Image.fromarray(eight).convert(mode)
    image.save(path, "BMP")
    # Pillow writes an alpha channel that nothing announces.
    return (np.asarray(image.convert("RGB")), 0), mode


def pnm(rng, path):
    mode = rng.choice(["L", "RGB", "1", "I;16"])
    eight = picture(rng, size(rng), size(rng), 3)
    if mode == "I;16":
        wide = eight[..., 0].astype(np.uint16) * 257
        Image.fromarray(wide).save(path, "PPM")
        return (np.repeat(eight[..., :1], 3, -1), 0), mode
    image = Image.fromarray(eight).convert(mode)
    image.save(path, "PPM")
    return (np.asarray(image.convert("RGB")), 0), mode


def keep(name, path):
    """Copies a file that needs a look into the folder $KEEP."""
    if os.environ.get("KEEP"):
        shutil.copy(path, os.path.join(os.environ["KEEP"], f"{name}_{os.path.basename(path)}"))


KINDS = {"jpeg": jpeg, "cmyk": cmyk, "tiff": tiff, "page": page, "png": png, "bmp": bmp, "pnm": pnm}


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    chosen = sys.argv[4:] or list(KINDS)
    failed = False
    for name in chosen:
        rng = random.Random(f"{seed} {name}")
        counts, reasons, wrong = collections.Counter(), collections.Counter(), []
        with tempfile.TemporaryDirectory() as folder:
            expected = {}
            for number in range(count):
                path = os.path.join(folder, f"{number}")
                found, kind = KINDS[name](rng, path)
                if os.path.exists(path):
                    expected[path] = (found, kind)
                else:
                    counts["not written"] += 1
            lines = "\n".join(expected).encode()
            output = subprocess.run([program], input=lines, capture_output=True, check=True).stdout.decode()
            for line in output.splitlines():
                path, answer = line.split("\t", 1)
                found, kind = expected[path]
                pixels, slack = found if isinstance(found, tuple) else (found, 0)
                if answer.startswith("!"):
                    counts["both refuse" if pixels is None else "only we refuse"] += 1
                    if pixels is not None:
                        reasons[f"{kind}: {answer[2:110]}"] += 1
                        keep(name, path)
                    continue
                if pixels is None:
                    counts["only the others refuse"] += 1
                    reasons[f"read by us alone: {kind}"] += 1
                    continue
                width, height = map(int, answer.split())
                own = np.fromfile(path + ".rgb", np.uint8).reshape(height, width, 3)
                if own.shape != pixels.shape:
                    wrong.append((kind, f"{own.shape} and not {pixels.shape}"))
                    continue
                most = int(np.abs(own.astype(int) - pixels.astype(int)).max())
                if most > slack:
                    wrong.append((kind, f"differs by up to {most}, {own.shape}"))
                    keep(name, path)
                else:
                    counts["same" if most == 0 else f"within {slack}"] += 1
        print(f"{name}: {count} files, {dict(counts)}, {len(wrong)} differ")
        for reason, times in reasons.most_common(30):
            print(f"    {times} x {reason}")
        for kind, times in collections.Counter(kind for kind, _ in wrong).most_common(20):
            print(f"    WRONG {times} x {kind}: {next(text for k, text in wrong if k == kind)}")
        failed |= bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
