"""Makes mix.json, the outside witness of tests/mix.rs.

    python tests/make_mix.py        (from crates/rekindle-augment; rewrites tests/mix.json)

Needs torch, torchvision and timm; their versions are written into the file. The Rust tests need none of them.

The share and the box are fixed here by replacing the libraries' random draws, and their own code does the rest.
"""

import json
import pathlib

import numpy as np
import timm
import torch
import torchvision
from timm.data import mixup as timm_mixup
from torchvision.transforms import v2

HERE = pathlib.Path(__file__).parent


def batch(size, height, width, classes):
    generator = torch.Generator().manual_seed(size)
    images = torch.rand(size, 3, height, width, generator=generator)
    return images, torch.arange(size) % classes


def flat(tensor):
    return [round(value, 7) for value in tensor.double().flatten().tolist()]


def with_torchvision(images, labels, classes, share, centre):
    """`centre` none is MixUp, else CutMix with the box of this share around it."""
    transform = (v2.MixUp if centre is None else v2.CutMix)(num_classes=classes)
    transform._dist = type("Fixed", (), {"sample": lambda self, *_: torch.tensor([share])})()
    # CutMix draws the column of the centre first, then the row.
    draws = iter([] if centre is None else [centre[1], centre[0]])
    real = torch.randint
    torch.randint = lambda *_, **__: torch.tensor([next(draws)])
    try:
        return transform(images, labels)
    finally:
        torch.randint = real


def with_timm(images, labels, classes, share, centre, smoothing):
    cut = centre is not None
    mixup = timm_mixup.Mixup(mixup_alpha=1.0, cutmix_alpha=1.0, label_smoothing=smoothing, num_classes=classes)
    mixup._params_per_batch = lambda: (share, cut)
    # timm draws the row of the centre first, then the column.
    draws = iter(centre or [])
    real = np.random.randint
    np.random.randint = lambda *_, **__: next(draws)
    try:
        return mixup(images.clone(), labels)
    finally:
        np.random.randint = real


def case(library, size, height, width, share, centre, smoothing=0.0):
    classes = 3
    images, labels = batch(size, height, width, classes)
    if library == "timm":
        mixed, targets = with_timm(images, labels, classes, share, centre, smoothing)
    else:
        # Where the box has an odd side, torchvision's is a pixel shorter than timm's, whose boxes are ours.
        assert centre is None or all(int((1 - share) ** 0.5 * side) % 2 == 0 for side in (height, width))
        mixed, targets = with_torchvision(images, labels, classes, share, centre)
    return dict(
        library=library,
        shape=[size, 3, height, width],
        share=share,
        centre=centre,
        smoothing=smoothing,
        images=flat(images),
        labels=labels.tolist(),
        mixed=flat(mixed),
        targets=flat(targets),
    )


def main():
    cases = [
        case("torchvision", 4, 3, 4, 0.3, None),
        case("torchvision", 5, 2, 3, 0.85, None),
        case("torchvision", 3, 9, 7, 0.51, [4, 3]),
        case("torchvision", 5, 8, 5, 0.75, [0, 4]),
        case("torchvision", 2, 6, 8, 0.0, [5, 7]),
        case("torchvision", 2, 6, 6, 0.999, [3, 3]),
        # In a batch of two, both libraries mix the same pairs.
        case("timm", 2, 3, 4, 0.3, None, 0.1),
        case("timm", 2, 9, 7, 0.4, [4, 3], 0.1),
        case("timm", 2, 8, 6, 0.75, [7, 0]),
    ]
    versions = dict(torch=torch.__version__, torchvision=torchvision.__version__, timm=timm.__version__)
    lines = ",\n".join("    " + json.dumps(item) for item in cases)
    head = json.dumps(dict(made_by="tests/make_mix.py", versions=versions))[1:-1]
    (HERE / "mix.json").write_text("{\n  " + head + f',\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main()
