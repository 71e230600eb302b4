"""Writes alibi.json: drift of the tables of frames.py by Alibi Detect's TabularDrift. Run with alibi-detect 0.13: python alibi.py > alibi.json"""

import json
import os
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import alibi_detect as tool
import numpy as np
from alibi_detect.cd import TabularDrift
from frames import cases, frame

warnings.simplefilter("ignore")
out = []
for case in cases():
    reference, current = frame(*case["reference"]), frame(*case["current"])
    names = [name for name in reference.columns if not name.endswith("WithNulls")]
    categories = {}
    before, now = [], []
    for index, name in enumerate(names):
        if reference[name].dtype in (object, bool) or name in ("category", "binary", "constantText", "flag"):
            codes = {each: code for code, each in enumerate(sorted(set(reference[name]) | set(current[name])))}
            before.append(reference[name].map(codes).to_numpy(float))
            now.append(current[name].map(codes).to_numpy(float))
            categories[index] = None
        else:
            before.append(reference[name].to_numpy(float))
            now.append(current[name].to_numpy(float))
    row = {**case, "names": names}
    for correction in ("bonferroni", "fdr"):
        detector = TabularDrift(np.stack(before, 1), categories_per_feature=dict(categories), correction=correction)
        data = detector.predict(np.stack(now, 1))["data"]
        threshold = data["threshold"]
        row[correction] = {"drifted": bool(data["is_drift"]), "threshold": float(np.max(threshold)) if np.ndim(threshold) else float(threshold)}
        row["scores"] = [float(each) for each in data["p_val"]]
    out.append(row)
json.dump({"alibi-detect": tool.__version__, "cases": out}, sys.stdout, indent=1)
