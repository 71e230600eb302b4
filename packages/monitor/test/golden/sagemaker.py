"""Writes sagemaker.json: Deequ's distances of the tables of frames.py, by NumPy. Run with SciPy: python sagemaker.py > sagemaker.json"""

import json
import sys

import numpy as np
from frames import cases, frame
from scipy import stats

out = []
for case in cases():
    reference, current = frame(*case["reference"]), frame(*case["current"])
    columns = {}
    for name in reference.columns:
        x, y = reference[name].dropna(), current[name].dropna()
        if x.dtype.kind in "if":
            simple = stats.ks_2samp(x, y, method="asymp").statistic
        else:
            p, q = x.value_counts(normalize=True), y.value_counts(normalize=True)
            simple = p.sub(q, fill_value=0).abs().max()
        n, m = len(x), len(y)
        columns[name] = {"simple": float(simple), "robust": float(max(0, simple - 1.8 * np.sqrt((n + m) / (n * m))))}
    out.append({**case, "columns": columns})
json.dump({"cases": out}, sys.stdout)
