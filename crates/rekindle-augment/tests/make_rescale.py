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
    """[images, height, width, 3] to [images, 3, height, width], flat."""
    return [round(float(value), 7) for value in np.asarray(values).transpose(0, 3, 1, 2).ravel()]


def per_image(images, per_channel):
    if not per_channel:
        return tf.stack([tf.image.per_image_standardization(image) for image in images]).numpy()
    # TensorFlow's own function on each channel as an image of its own.
    split = [[tf.image.per_image_standardization(image[..., c : c + 1]) for c in range(3)] for image in images]
    return tf.stack([tf.concat(channels, -1) for channels in split]).numpy()


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

    # Whitening of more channels than three, as matrices.
    random = np.random.default_rng(4)
    wide = np.clip(np.rint(128 + random.normal(0, 25, (40, 5)) @ random.normal(0, 1, (5, 5))), 0, 255).astype(np.uint8)
    scaled = wide.astype(np.float64) / 255
    wide_pca = PCA(whiten=True, svd_solver="full").fit(scaled)
    wide_values, wide_vectors = np.linalg.eigh(np.cov(scaled, rowvar=False))

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
        five_channels=dict(
            pixels=wide.tolist(),
            mean=scaled.mean(0).tolist(),
            std=scaled.std(0).tolist(),
            covariance=np.cov(scaled, rowvar=False).tolist(),
            pca=(wide_pca.components_ / np.sqrt(wide_pca.explained_variance_)[:, None]).tolist(),
            zca=(wide_vectors @ np.diag(1 / np.sqrt(wide_values)) @ wide_vectors.T).tolist(),
        ),
    )
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in out.items()]
    (HERE / "rescale.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
