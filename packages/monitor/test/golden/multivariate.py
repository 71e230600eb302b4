"""Records what NannyML, alibi-detect and scikit-learn say of fixed tables into multivariate.json.

Two environments, since NannyML and TensorFlow want different versions of numpy:
    python multivariate.py rows      (nannyml 0.13.1; scikit-learn 1.9.1)
    python multivariate.py kernels   (alibi-detect 0.13.0 with tensorflow-cpu 2.15.1)
"""
import json
import os
import sys
from importlib.metadata import version

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
path = os.path.join(here, "multivariate.json")


def mixed(rng, rows, shift=0.0, correlation=0.8):
    a = rng.normal(size=rows)
    b = correlation * a + np.sqrt(1 - correlation**2) * rng.normal(size=rows)
    c = rng.normal(size=rows) * 10 + 50
    d = 0.5 * c + rng.normal(size=rows) * 2
    kind = rng.choice(["red", "green", "blue"], size=rows, p=[0.5, 0.3, 0.2])
    a = np.round(a + shift, 3)
    b, c, d = np.round(b, 3), np.round(c, 3), np.round(d, 3)
    a[rng.random(rows) < 0.03] = np.nan
    kind = [None if rng.random() < 0.02 else str(each) for each in kind]
    clean = lambda values: [None if np.isnan(each) else float(each) for each in values]
    return {"a": clean(a), "b": clean(b), "c": clean(c), "d": clean(d), "kind": kind}


def record_rows():
    import nannyml
    import pandas as pd

    rng = np.random.default_rng(12)
    reference, current = mixed(rng, 300), mixed(rng, 150, correlation=-0.8)
    current["kind"][3] = "violet"
    names = list(reference)
    calculator = nannyml.DataReconstructionDriftCalculator(column_names=names, chunk_size=30)
    calculator.fit(pd.DataFrame(reference))
    frame = calculator.calculate(pd.DataFrame(current)).to_df()
    got = frame["reconstruction_error"]
    classifier = nannyml.DomainClassifierCalculator(feature_column_names=["a", "b", "c", "d"], chunk_size=150)
    numbers = {name: values for name, values in reference.items() if name != "kind"}
    classifier.fit(pd.DataFrame(numbers))
    auroc = classifier.calculate(pd.DataFrame({name: current[name] for name in numbers})).to_df()
    return {
        "versions": {"nannyml": version("nannyml"), "scikit-learn": version("scikit-learn")},
        "reference": reference,
        "current": current,
        "chunkRows": 30,
        "components": int(calculator._pca.n_components_),
        "value": [float(each) for each in got["value"]],
        "samplingError": [float(each) for each in got["sampling_error"]],
        "upper": float(got["upper_threshold"].iloc[0]),
        "lower": float(got["lower_threshold"].iloc[0]),
        "alert": [bool(each) for each in got["alert"]],
        "domainClassifierAuroc": float(auroc["domain_classifier_auroc"]["value"].iloc[-1]),
    }


def record_kernels():
    import tensorflow as tf
    from alibi_detect.cd import LSDDDrift, MMDDrift

    tf.keras.backend.set_floatx("float64")
    rng = np.random.default_rng(5)
    cases = []
    for shift in (0.0, 0.35, 1.0):
        x = np.round(rng.normal(size=(120, 3)), 4)
        y = np.round(rng.normal(size=(80, 3)) + shift, 4)
        np.random.seed(1)
        tf.random.set_seed(1)
        detector = MMDDrift(x, backend="tensorflow", n_permutations=1000)
        mmd = detector.predict(y)["data"]
        sigma = float(detector._detector.kernel.sigma.numpy()[0])
        lsdd = LSDDDrift(x, backend="tensorflow", n_permutations=1000)
        inner = lsdd._detector
        centers = inner._unnormalize(inner.kernel_centers)
        order = [int(np.argmin(((x - row) ** 2).sum(1))) for row in centers]
        answer = lsdd.predict(y)["data"]
        cases.append(
            {
                "x": x.tolist(),
                "y": y.tolist(),
                "mmd": {"distance": float(mmd["distance"]), "pValue": float(mmd["p_val"]), "sigma": sigma},
                "lsdd": {
                    "distance": float(answer["distance"]),
                    "pValue": float(answer["p_val"]),
                    "sigma": float(inner.kernel.sigma.numpy()[0]),
                    "centers": order,
                },
            }
        )
    return {
        "versions": {"alibi-detect": version("alibi-detect"), "tensorflow-cpu": version("tensorflow-cpu")},
        "permutations": 1000,
        "cases": cases,
    }


part = sys.argv[1]
known = json.load(open(path)) if os.path.exists(path) else {}
known[part] = record_rows() if part == "rows" else record_kernels()
json.dump(known, open(path, "w"), separators=(",", ":"))
