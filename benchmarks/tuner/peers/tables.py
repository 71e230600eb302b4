"""Trains scikit-learn models on its built-in data over Sobol points of their parameters, and records validation losses by epoch: the tables of group T.

  python benchmarks/tuner/peers/tables.py <folder> [configurations]        needs scikit-learn and scipy; minutes of processor time
"""
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.stats import qmc
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

warnings.filterwarnings("ignore")
RUNGS = [1, 3, 9, 27]


def real(low, high, log=False):
    return {"kind": "float", "low": low, "high": high, "log": log}


def whole(low, high, log=False):
    return {"kind": "int", "low": low, "high": high, "log": log}


def one_of(*choices):
    return {"kind": "categorical", "choices": list(choices)}


def decode(space, point):
    params = {}
    for (name, spec), u in zip(space.items(), point):
        if spec["kind"] == "categorical":
            params[name] = spec["choices"][min(len(spec["choices"]) - 1, int(u * len(spec["choices"])))]
            continue
        low, high = spec["low"], spec["high"]
        value = low * (high / low) ** u if spec["log"] else low + (high - low) * u
        params[name] = int(round(value)) if spec["kind"] == "int" else float(f"{value:.6g}")
    return params


def split(data):
    x, y = data
    parts = train_test_split(x, y, test_size=0.4, random_state=0)
    scale = StandardScaler().fit(parts[0])
    return scale.transform(parts[0]), scale.transform(parts[1]), parts[2], parts[3]


network = {"rate": real(1e-4, 0.3, True), "units": whole(4, 128, True), "decay": real(1e-6, 1, True), "batch": whole(8, 128, True), "activation": one_of("relu", "tanh", "logistic")}
trees = {"rate": real(0.01, 1, True), "leaves": whole(3, 63, True), "least": whole(2, 80, True), "penalty": real(1e-3, 100, True)}
vector = {"penalty": real(1e-3, 1e3, True), "gamma": real(1e-5, 10, True), "kernel": one_of("rbf", "sigmoid", "poly")}


def fit_network(data, params):
    x, xv, y, yv = data
    model = MLPClassifier((params["units"],), activation=params["activation"], alpha=params["decay"], batch_size=params["batch"], learning_rate_init=params["rate"], random_state=0)
    classes, losses = np.unique(y), []
    for epoch in range(1, RUNGS[-1] + 1):
        model.partial_fit(x, y, classes=classes)
        if epoch in RUNGS:
            losses.append(log_loss(yv, np.clip(model.predict_proba(xv), 1e-6, 1)))
    return losses


def fit_trees(data, params):
    x, xv, y, yv = data
    regression = len(np.unique(y)) > 20
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    model = kind(max_iter=RUNGS[-1] * 2, learning_rate=params["rate"], max_leaf_nodes=params["leaves"], min_samples_leaf=params["least"], l2_regularization=params["penalty"], early_stopping=False, random_state=0)
    model.fit(x, y)
    staged = list(model.staged_predict(xv) if regression else model.staged_predict_proba(xv))
    # Two rounds an epoch.
    return [float(np.mean((staged[2 * rung - 1] - yv) ** 2) / np.var(yv)) if regression else log_loss(yv, np.clip(staged[2 * rung - 1], 1e-6, 1)) for rung in RUNGS]


def fit_vector(data, params):
    x, y = data
    model = make_pipeline(StandardScaler(), SVC(C=params["penalty"], gamma=params["gamma"], kernel=params["kernel"]))
    return [float(np.mean(cross_val_predict(model, x, y, cv=3) != y))]


digits, cancer = load_digits(return_X_y=True), load_breast_cancer(return_X_y=True)
tasks = {
    "network-digits": (network, fit_network, split(digits)),
    "trees-cancer": (trees, fit_trees, split(cancer)),
    "vector-digits": (vector, fit_vector, (digits[0][:700], digits[1][:700])),
    "network-cancer": (network, fit_network, split(cancer)),
    "trees-diabetes": (trees, fit_trees, split(load_diabetes(return_X_y=True))),
    "vector-wine": (vector, fit_vector, load_wine(return_X_y=True)),
}


def finite(value):
    return float(f"{value:.5g}") if math.isfinite(value) else 20.0


def main():
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 256
    for name, (space, fit, data) in tasks.items():
        if (folder / f"{name}.json").exists():
            continue
        points = qmc.Sobol(len(space), seed=0).random(count)
        rows = []
        for point in points:
            params = decode(space, point)
            try:
                losses = fit(data, params)
            except ValueError:  # weights that are no numbers any more
                losses = [20.0] * len(RUNGS)
            rows.append([list(params.values()), [finite(value) for value in losses]])
        table = {"id": name, "space": space, "rungs": RUNGS[: len(rows[0][1])] if len(rows[0][1]) > 1 else [1], "rows": rows}
        (folder / f"{name}.json").write_text(json.dumps(table, separators=(",", ":")) + "\n")
        print(name, count, "least", min(row[1][-1] for row in rows))


main()
