"""Makes statistics.json, the outside witness of src/compare/statistics.rs and student.rs.

    python crates/rekindle-insight/tests/data/statistics.py        (from the root of the workspace)

Needs SciPy, statsmodels and numpy; their versions are in the file. The corrected test is the one of scikit-learn's example "Statistical
comparison of models using grid search" (`corrected_std`, `compute_corrected_ttest`), written as there.
"""

import json
import pathlib

import numpy as np
import scipy
import scipy.stats
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

HERE = pathlib.Path(__file__).parent


def corrected(differences, n_train, n_test):
    """scikit-learn's: kr = len(differences), corrected_var = var(ddof=1) * (1 / kr + n_test / n_train)."""
    kr = len(differences)
    error = np.sqrt(np.var(differences, ddof=1) * (1 / kr + n_test / n_train))
    t = np.mean(differences) / error
    df = kr - 1
    p = 2 * scipy.stats.t.sf(np.abs(t), df)
    interval = scipy.stats.t.interval(0.95, df, loc=np.mean(differences), scale=error)
    return t, p, interval


def main():
    random = np.random.default_rng(5)
    student = [
        {"t": float(t), "freedom": int(freedom), "p": float(2 * scipy.stats.t.sf(abs(t), freedom))}
        for freedom in [1, 2, 3, 4, 9, 10, 29, 100, 1001, 100000]
        for t in [0.0, 1e-4, 0.1, -0.7, 1.0, 2.776, 5.0, 12.7, 40.0]
    ]
    # SciPy's tail is 0 where it is below the smallest number.
    student = [case for case in student if case["p"] > 1e-290]
    paired = []
    for count, n_train, n_test in [(3, 0, 0), (5, 0, 0), (10, 0, 0), (3, 2, 1), (5, 4, 1), (10, 9, 1), (5, 239, 60), (30, 80, 20)]:
        first = np.round(0.8 + 0.05 * random.standard_normal(count), 6)
        second = np.round(first - 0.02 + 0.03 * random.standard_normal(count), 6)
        if n_train == 0:
            result = scipy.stats.ttest_rel(first, second)
            interval = result.confidence_interval(0.95)
            t, p, share = result.statistic, result.pvalue, 0.0
        else:
            t, p, interval = corrected(first - second, n_train, n_test)
            share = n_test / n_train
        paired.append({
            "first": first.tolist(), "second": second.tolist(), "test_share": share,
            "t": float(t), "p": float(p), "interval": [float(end) for end in interval],
        })
    tests = []
    for this, other in [(0, 0), (1, 0), (3, 9), (9, 3), (10, 10), (0, 12), (25, 60), (700, 900), (1, 2000)]:
        p = mcnemar([[5, this], [other, 7]], exact=True).pvalue if this + other else 1.0
        if this + other:
            assert np.isclose(p, scipy.stats.binomtest(this, this + other).pvalue)
        tests.append({"only_this": this, "only_other": other, "p": float(p)})
    holm = []
    for chances in [[0.01, 0.04, 0.03], [0.2], [0.5, 0.001, 0.02, 0.02, 0.9], [1e-5, 0.011, 0.012, 0.3]]:
        adjusted = multipletests(chances, method="holm")[1]
        holm.append({"p": chances, "adjusted": adjusted.tolist()})
    made = {
        "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "numpy": np.__version__},
        "student": student, "paired": paired, "mcnemar": tests, "holm": holm,
    }
    (HERE / "statistics.json").write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
