"""Numbers that `tests/familiarity.rs` compares with: distances to nearest neighbours, and shares of held-out distances.

    pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
    python familiarity.py > familiarity.json

Distances by scikit-learn's NearestNeighbors on normalised features, shares by SciPy's percentileofscore. Which rows are kept of too many is
the greedy k-centre rule on scikit-learn's pairwise distances. Features are in steps of 1/127 of the greatest in their row, so that 8 bits
hold them and both sides start from the same numbers.
"""

import json
import sys

import numpy as np
import scipy
import sklearn
from scipy.stats import percentileofscore
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

FEATURES, MOST = 24, 256
rng = np.random.default_rng(11)


def pictures(count, directions):
    """Some directions, each a little off, as whole numbers of which one in a row is 127."""
    rows = np.eye(FEATURES)[rng.integers(0, directions, count)] + rng.uniform(0, 0.6, (count, FEATURES))
    return np.round(127 * rows / rows.max(axis=1, keepdims=True))


def spread_out(rows, most):
    distances = pairwise_distances(rows) ** 2
    chosen = [int(np.argmax(rows @ rows.sum(axis=0)))]
    while len(chosen) < most:
        chosen.append(int(np.argmax(distances[:, chosen].min(axis=1))))
    return rows[chosen]


def case(trained, held, new):
    bank = normalize(trained)
    if len(bank) > MOST:
        bank = spread_out(bank, MOST)
    nearest = NearestNeighbors(n_neighbors=1).fit(bank)
    of_held, of_new = (nearest.kneighbors(normalize(rows))[0][:, 0] for rows in (held, new))
    shares = [percentileofscore(-of_held, -distance, kind="weak") / 100 for distance in of_new]
    rows = {"trained": trained, "held": held, "new": new}
    return {
        **{name: values.astype(int).ravel().tolist() for name, values in rows.items()},
        "distances": np.sort(of_held).tolist(),
        "shares": shares,
    }


few = case(pictures(40, 4), pictures(50, 4), np.concatenate([pictures(15, 4), pictures(15, 9)]))
many = case(pictures(400, 12), pictures(60, 12), np.concatenate([pictures(15, 12), pictures(15, 24)]))
versions = {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
json.dump({"versions": versions, "features": FEATURES, "cases": [few, many]}, sys.stdout)
print()
