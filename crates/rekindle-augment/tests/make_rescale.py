"""Makes rescale.json, the outside witness of tests/rescale.rs.

    python tests/make_rescale.py        (from crates/rekindle-augment; rewrites tests/rescale.json)

Needs numpy, scikit-learn and tensorflow; their versions are written into the file. The Rust tests need none of them.
"""

import json
import pathlib

import numpy as np
import sklearn
import tensorflow as tf
from sklearn.decomposition import PCA

HERE = pathlib.Path(__file__).parent


def picture(seed, height, width, contrast):
    """Correlated colours, as photographs have them."""
    random = np.random.default_rng(seed)
    light = random.normal(0, contrast, (height, width, 1))
    mixing = random.normal(0, contrast / 3, (3, 3))
    noise = random.normal(0, 1, (height, width, 3)) @ mixing
    return np.clip(np.rint(random.uniform(60, 190, 3) + light + noise), 0, 255).astype(np.uint8)


def planes(values):
    """[images, height, width, channels] to [images, channels, height, width], flat."""
    return [round(float(value), 7) for value in np.asarray(values).transpose(0, 3, 1, 2).ravel()]


def per_image(images, per_channel):
    if not per_channel:
        return tf.stack([tf.image.per_image_standardization(image) for image in images]).numpy()
    # TensorFlow's own function on each channel as an image of its own.
    split = [[tf.image.per_image_standardization(image[..., c : c + 1]) for c in range(images.shape[-1])] for image in images]
    return tf.stack([tf.concat(channels, -1) for channels in split]).numpy()


def other_channels(count):
    """The same for images that have not three channels but another number: two of them, of 20 pixels each."""
    random = np.random.default_rng(count)
    flat = 128 + random.normal(0, 25, (40, count)) @ random.normal(0, 1, (count, count))
    flat = np.clip(np.rint(flat), 0, 255).astype(np.uint8)
    images = flat.reshape(2, 4, 5, count)
    scaled = flat.astype(np.float64) / 255
    mean, std = scaled.mean(0), scaled.std(0)
    covariance = np.cov(scaled, rowvar=False).reshape(count, count)
    pca = PCA(whiten=True, svd_solver="full").fit(scaled)
    values, vectors = np.linalg.eigh(covariance)
    matrices = dict(
        pca=pca.components_ / np.sqrt(pca.explained_variance_)[:, None],
        zca=vectors @ np.diag(1 / np.sqrt(values)) @ vectors.T,
    )
    whitened = lambda name: planes(((scaled - mean) @ matrices[name].T).reshape(images.shape))
    given = dict(mean=[0.4] * count, std=[round(0.2 + 0.1 * c, 1) for c in range(count)])
    cases = [
        dict(spec="unit", planes=planes(images / 255)),
        dict(spec="symmetric", planes=planes(images / 127.5 - 1)),
        dict(spec={"standardise": given}, planes=planes((images / 255 - given["mean"]) / given["std"])),
        dict(spec="dataset", planes=planes((images / 255 - mean) / std)),
        dict(spec="centre", planes=planes(images / 255 - mean)),
        dict(spec={"per_image": {"per_channel": False}}, planes=planes(per_image(images, False))),
        dict(spec={"per_image": {"per_channel": True}}, planes=planes(per_image(images, True))),
        dict(spec={"pca": {"epsilon": 1e-12}}, planes=whitened("pca")),
        dict(spec={"zca": {"epsilon": 1e-12}}, planes=whitened("zca")),
        dict(spec="none", planes=planes(images)),
    ]
    return dict(
        pixels=flat.tolist(),
        mean=mean.tolist(),
        std=std.tolist(),
        covariance=covariance.tolist(),
        pca=matrices["pca"].tolist(),
        zca=matrices["zca"].tolist(),
        cases=cases,
    )


def main():
    images = np.stack([picture(seed, 5, 7, contrast) for seed, contrast in [(1, 40), (2, 15), (3, 70)]])
    constant = np.full((1, 5, 7, 3), [90, 91, 90], np.uint8)
    flat = images.reshape(-1, 3).astype(np.float64) / 255
    mean = flat.mean(0)
    covariance = np.cov(flat, rowvar=False)

    pca = PCA(whiten=True, svd_solver="full").fit(flat)
    values, vectors = np.linalg.eigh(covariance)
    zca = lambda epsilon: vectors @ np.diag(1 / np.sqrt(values + epsilon)) @ vectors.T
    # scikit-learn has no epsilon: its rows are scaled from 1 / sqrt(value) to 1 / sqrt(value + epsilon).
    rows = lambda epsilon: pca.components_ / np.sqrt(pca.explained_variance_ + epsilon)[:, None]
    apply = lambda matrix: planes(((flat - mean) @ matrix.T).reshape(images.shape))

    assert np.allclose((flat - mean) @ rows(0).T, pca.transform(flat))
    cases = [
        dict(spec="dataset", planes=planes((images / 255 - mean) / flat.std(0))),
        dict(spec="centre", planes=planes(images / 255 - mean)),
        dict(spec={"pca": {"epsilon": 1e-12}}, planes=planes(pca.transform(flat).reshape(images.shape))),
        dict(spec={"pca": {"epsilon": 1e-3}}, planes=apply(rows(1e-3))),
        dict(spec={"zca": {"epsilon": 1e-12}}, planes=apply(zca(1e-12))),
        dict(spec={"zca": {"epsilon": 1e-2}}, planes=apply(zca(1e-2))),
        dict(spec={"per_image": {"per_channel": False}}, planes=planes(per_image(images, False))),
        dict(spec={"per_image": {"per_channel": True}}, planes=planes(per_image(images, True))),
    ]

    cases += [
        dict(spec="unit", planes=planes(images / 255)),
        dict(spec="symmetric", planes=planes(images / 127.5 - 1)),
        dict(
            spec={"standardise": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}},
            planes=planes((images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
        ),
        dict(spec="none", planes=planes(images)),
    ]

    out = dict(
        made_by="tests/make_rescale.py",
        versions=dict(numpy=np.__version__, scikit_learn=sklearn.__version__, tensorflow=tf.__version__),
        images=dict(shape=list(images.shape), pixels=images.ravel().tolist()),
        cases=cases,
        constant=dict(
            shape=list(constant.shape),
            pixels=constant.ravel().tolist(),
            planes=planes(per_image(constant, False)),
        ),
        one_channel=other_channels(1),
        two_channels=other_channels(2),
        four_channels=other_channels(4),
        five_channels=other_channels(5),
    )
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in out.items()]
    (HERE / "rescale.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
