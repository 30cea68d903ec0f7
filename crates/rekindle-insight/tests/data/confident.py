"""Makes confident.json, the outside witness of src/labels/confident.rs.

    python crates/rekindle-insight/tests/data/confident.py        (from the root of the workspace)

Needs cleanlab 2.9.0, scikit-learn 1.9.1 and numpy 2.4.6.
"""

import json
import pathlib

import cleanlab
import numpy as np
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues

HERE = pathlib.Path(__file__).parent


def case(name, random, images, classes, wrong, sharpness, weights=None):
    weights = np.ones(classes) if weights is None else np.array(weights, float)
    true = np.concatenate([np.arange(classes), random.choice(classes, images - classes, p=weights / weights.sum())])
    labels = true.copy()
    for at in random.choice(images, int(wrong * images), replace=False):
        labels[at] = (true[at] + random.integers(1, classes)) % classes
    # No class is left without an image.
    labels[:classes] = np.arange(classes)
    logits = random.standard_normal((images, classes))
    logits[np.arange(images), true] += sharpness
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    # Few digits, whose sum is 1 within what cleanlab asks for; ties are broken by sorting, so there are none.
    probabilities = np.round(probabilities, 6)
    joint = compute_confident_joint(labels, probabilities)
    found = find_label_issues(labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    return {
        "name": name, "labels": labels.tolist(), "probabilities": probabilities.tolist(),
        "thresholds": get_confident_thresholds(labels, probabilities).tolist(),
        "joint": joint.tolist(), "wrong": found.tolist(),
    }


def is_tied(labels, probabilities):
    """Whether the rounding of the joint counts hangs on the last digits of sums, which are nobody's rule."""
    counts = compute_confident_joint(labels, probabilities, calibrate=False)
    wanted = np.bincount(labels, minlength=len(counts))
    shares = counts / counts.sum(axis=1, keepdims=True) * wanted[:, None]
    for row, total in zip(shares, wanted):
        rest = np.sort(row - row.round())
        if round(row.round().sum()) != total and np.diff(rest).min() < 1e-9:
            return True
    return False


def drawn(name, random, *settings):
    while True:
        one = case(name, random, *settings)
        if not is_tied(np.array(one["labels"]), np.array(one["probabilities"])):
            return one


def main():
    random = np.random.default_rng(11)
    cases = [
        drawn("three classes", random, 120, 3, 0.1, 3.0),
        drawn("five classes, unsure", random, 100, 5, 0.2, 1.0),
        drawn("uneven", random, 90, 4, 0.1, 2.5, [10, 3, 1, 1]),
        drawn("clean and sure", random, 60, 3, 0.0, 8.0),
        drawn("two classes, many wrong", random, 60, 2, 0.35, 2.0),
        drawn("few of each", random, 20, 8, 0.2, 2.0),
    ]
    made = {"versions": {"cleanlab": cleanlab.__version__, "numpy": np.__version__}, "cases": cases}
    text = json.dumps(made)
    (HERE / "confident.json").write_text(text.replace('{"name"', '\n{"name"') + "\n")
    for one in cases:
        print(one["name"], len(one["wrong"]))


if __name__ == "__main__":
    main()
