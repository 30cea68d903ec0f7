"""Makes perceptual_hash.json, the outside witness of src/check/perceptual_hash.rs.

    python crates/rekindle-finetune/tests/data/perceptual_hash.py        (from the root of the workspace)

Needs imagehash 4.3.2, Pillow 13.0.0 and numpy 2.4.6. Pictures have 32 by 32 pixels, so that imagehash does not resize them.
"""

import json
import pathlib

import imagehash
import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent


def main():
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:32, 0:32].astype(np.float64)
    pictures = [
        random.integers(0, 256, (32, 32)),
        random.integers(100, 110, (32, 32)),
        127 + 120 * np.sin(x / 5 + 0.3) * np.cos(y / 7),
        255 * ((x - 13) ** 2 + (y - 18) ** 2 < 70) + random.integers(0, 3, (32, 32)) * (x > 4),
        x * 5 + y * 2 + random.integers(0, 9, (32, 32)),
        200 - 3 * y + 20 * np.sin(x * y / 40) + random.integers(0, 5, (32, 32)),
        np.where((x // 7 + y // 9) % 2 == 0, 30, 220) + random.integers(0, 20, (32, 32)),
    ]
    cases = []
    for picture in pictures:
        grey = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        cases.append(dict(pixels=grey.flatten().tolist(), hash=str(imagehash.phash(Image.fromarray(grey, "L")))))
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    (HERE / "perceptual_hash.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
