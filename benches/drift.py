#!/usr/bin/env python3
"""What `rekindle drift` says of pictures that were changed on purpose, beside how often the model is right on them.

A folder of classes is divided in three: a model's training images, the reference, and new images, of which copies are made as they are,
grey, upside down, blurred, darkened and with noise. The new images of the other folder, as they are, are of none of the classes.

    python3 benches/drift.py target/release/rekindle FOLDER OTHER_FOLDER      # needs Pillow and numpy
"""
import json, os, random, subprocess, sys, tempfile
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter


def rgb(path):
    image = Image.open(path)
    if image.mode in ("RGBA", "LA", "P"):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    return image.convert("RGB")


def noisy(image):
    values = np.asarray(image).astype(float)
    values += np.random.default_rng(1).normal(0, 50, values.shape)
    return Image.fromarray(np.clip(values, 0, 255).astype("uint8"))


CHANGES = {
    "same": lambda image: image,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "upside down": lambda image: image.rotate(180),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 60)),
    "0.4 times as bright": lambda image: ImageEnhance.Brightness(image).enhance(0.4),
    "noise of 50 levels": noisy,
}


def lay_out(source, place):
    folders = [name for name in sorted(os.listdir(source)) if os.path.isdir(f"{source}/{name}")]
    files = [(name, file) for name in folders for file in sorted(os.listdir(f"{source}/{name}"))]
    random.Random(3).shuffle(files)
    third = len(files) // 3
    parts = {"train": files[:third], "reference": files[third : 2 * third]}
    parts |= {change: files[2 * third :] for change in CHANGES}
    for part, files in parts.items():
        for folder, file in files:
            os.makedirs(f"{place}/{part}/{folder}", exist_ok=True)
            image = CHANGES.get(part, CHANGES["same"])(rgb(f"{source}/{folder}/{file}"))
            image.save(f"{place}/{part}/{folder}/{file.rsplit('.', 1)[0]}.png")


rekindle, *sources = sys.argv[1:]
rekindle, root = os.path.abspath(rekindle), tempfile.mkdtemp(prefix="rekindle-drift-")
for number, source in enumerate(sources):
    lay_out(source, f"{root}/{number}")


def told(*words):
    done = subprocess.run([rekindle, *words, "--json"], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


print("| | new images | p | largest distance | accuracy expected | true |\n|---|---|---|---|---|---|")
for number, source in enumerate(sources):
    place, run = f"{root}/{number}", f"{root}/runs/{number}"
    subprocess.run([rekindle, "train", f"{place}/train", "--freeze", "-q", "--runs", f"{root}/runs", "--name", str(number)],
                   check=True, stdout=subprocess.DEVNULL)
    for change in [*CHANGES, "of no class"]:
        new = f"{place}/{change}" if change in CHANGES else f"{root}/{1 - number}/same"
        drift = told("drift", run, new, "--reference", f"{place}/reference")
        right = told("evaluate", run, new, "--split", "all")["accuracy"] if change in CHANGES else None
        print(
            f"| {os.path.basename(source)} | {change} | {drift['p_value']:.4f} | {max(o['distance'] for o in drift['outputs']):.2f} "
            f"| {drift['accuracy']['new']:.3f} | {'' if right is None else f'{right:.3f}'} |"
        )
    print(f"| | | | | reference: {drift['accuracy']['reference']:.3f} | |")
