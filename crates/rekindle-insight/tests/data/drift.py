#!/usr/bin/env python3
"""Makes drift.json: Kolmogorov-Smirnov distances and an exact p-value of SciPy, and the expected accuracy of Garg et al. 2022 (ATC with the
largest probability) by NumPy. Needs scipy: python3 drift.py > drift.json"""
import json
import numpy as np, scipy
from scipy.stats import ks_2samp

random = np.random.default_rng(5)

def softmax(logits):
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return (shares / shares.sum(1, keepdims=True)).astype(np.float32)

classes = random.integers(0, 3, 60)
reference = softmax(random.normal(0, 1, (60, 3)) + 1.5 * np.eye(3)[classes])
new = softmax(random.normal(0, 1, (45, 3)) + [0.4, 0.0, -0.2])
sure, right = reference.max(1), reference.argmax(1) == classes
# As many of the reference are below the threshold as are wrong.
threshold = np.sort(sure)[(~right).sum()]
assert (sure < threshold).sum() == (~right).sum()
print(json.dumps(dict(
    scipy=scipy.__version__, numpy=np.__version__,
    reference=reference.tolist(), classes=classes.tolist(), new=new.tolist(),
    distances=[float(ks_2samp(reference[:, k], new[:, k]).statistic) for k in range(3)],
    p_value_of_one=float(ks_2samp(reference[:, 0], new[:, 0], method="exact").pvalue),
    accuracy=float(right.mean()), threshold=float(threshold), expected=float((new.max(1) >= threshold).mean()))))
