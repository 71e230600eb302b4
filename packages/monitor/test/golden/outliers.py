"""Records what scikit-learn (1.9.1) and NumPy say of a fixed table into outliers.json: python outliers.py"""
import json
import os
from importlib.metadata import version

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.metrics import roc_auc_score

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(8)
mixing = np.array([[1, 0.8, 0, 0], [0, 0.6, 0, 0], [0, 0, 2, -1], [0, 0, 0, 0.5]])
inside = lambda rows: np.round(rng.normal(size=(rows, 4)) @ mixing, 3)
train, usual = inside(500), inside(150)
strange = np.round(inside(50) + rng.choice([-1, 1], size=(50, 4)) * np.array([2.5, -2.5, 3.0, 3.0]), 3)
test = np.vstack([usual, strange])
isStrange = np.r_[np.zeros(150), np.ones(50)]

runs = np.array([-IsolationForest(random_state=seed).fit(train).score_samples(test) for seed in range(20)])
centred = test - train.mean(0)
mahalanobis = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(train.T)), centred))
centre, scale = train.mean(0), train.std(0)
values, vectors = np.linalg.eigh(np.cov(((train - centre) / scale).T))
kept = vectors[:, -2:]
scores = (test - centre) / scale
residual = np.linalg.norm(scores - scores @ kept @ kept.T, axis=1)
golden = {
    "versions": {name: version(name) for name in ("scikit-learn", "numpy")},
    "averagePathLength": {str(n): float(_average_path_length(np.array([n]))[0]) for n in (0, 1, 2, 3, 10, 100, 256, 1000)},
    "train": train.tolist(),
    "test": test.tolist(),
    "isStrange": isStrange.tolist(),
    "forest": {
        "mean": np.round(runs.mean(0), 6).tolist(),
        "deviation": np.round(runs.std(0, ddof=1), 6).tolist(),
        "auc": [float(roc_auc_score(isStrange, run)) for run in runs],
    },
    "mahalanobis": mahalanobis.tolist(),
    "mahalanobisAuc": float(roc_auc_score(isStrange, mahalanobis)),
    "variance": (values[::-1] / values.sum()).tolist(),
    "residual": residual.tolist(),
}
json.dump(golden, open(os.path.join(here, "outliers.json"), "w"), separators=(",", ":"))
print(golden["forest"]["auc"][:5], golden["mahalanobisAuc"], golden["variance"], roc_auc_score(isStrange, residual))
