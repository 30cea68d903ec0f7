"""What decoding a JPEG at a reduced size changes in a crop, in grey levels: the rule of `JpegScaling` was chosen by it.

    python3 -m venv PEERS && PEERS/bin/pip install pillow numpy scikit-learn scikit-image      # once, outside the repository
    PEERS/bin/python benches/jpeg_scaling.py [PHOTO...]

Without photos it takes those that scikit-learn and scikit-image bring, saved at quality 90 with 4:2:0. For random square crops that
are `spare` times the reduction times the input size large, the crop of the whole picture, resized with antialiasing, is compared
with the crop of the picture that libjpeg decodes at 1/2, 1/4 and 1/8 (`Image.draft`; rekindle's decoder gives the same pixels).
"""
import io, random, sys

import numpy as np
import PIL
from PIL import Image, features


def photos():
    if sys.argv[1:]:
        for path in sys.argv[1:]:
            yield path.rsplit("/", 1)[-1], open(path, "rb").read()
        return
    import skimage.data
    import sklearn.datasets

    pictures = dict(zip(("china", "flower"), sklearn.datasets.load_sample_images().images))
    pictures |= dict(astronaut=skimage.data.astronaut(), coffee=skimage.data.coffee(), cat=skimage.data.chelsea())
    for name, pixels in pictures.items():
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90, subsampling="4:2:0")
        yield name, buffer.getvalue()


def main():
    random.seed(0)
    found = {}
    for name, data in photos():
        whole = Image.open(io.BytesIO(data)).convert("RGB")
        width, height = whole.size
        for filter_name, resample in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
            for reduction in (2, 4, 8):
                reduced = Image.open(io.BytesIO(data))
                reduced.draft("RGB", (-(-width // reduction), -(-height // reduction)))
                if reduced.size != (-(-width // reduction), -(-height // reduction)):
                    continue
                for spare in (1.0, 1.5, 2.0, 3.0):
                    for _ in range(20):
                        side = int(min(width, height) * random.uniform(0.6, 1.0))
                        size = max(1, round(side / (reduction * spare)))
                        left, top = random.randint(0, width - side), random.randint(0, height - side)
                        box = [left, top, left + side, top + side]
                        expected = whole.resize((size, size), resample, box)
                        got = reduced.resize((size, size), resample, [edge / reduction for edge in box])
                        difference = np.abs(np.asarray(expected, int) - np.asarray(got, int))
                        found.setdefault((filter_name, reduction, spare), []).append((difference.mean(), difference.max()))
    print(f"# Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, numpy {np.__version__}")
    print("| filter | scale | spare | mean difference | mean of the worst crop | largest |")
    print("|---|---|---|---|---|---|")
    for (filter_name, reduction, spare), values in found.items():
        means, most = zip(*values)
        print(f"| {filter_name} | 1/{reduction} | {spare} | {np.mean(means):.2f} | {max(means):.2f} | {max(most)} |")


main()
