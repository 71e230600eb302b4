"""Records NannyML's estimates (0.13.1) of fixed tables into estimation.json: python estimation.py"""
import json
import os
import warnings
from importlib.metadata import version

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
pd.options.future.infer_string = False  # NannyML reshapes its texts
import nannyml  # noqa: E402
from sklearn.isotonic import IsotonicRegression  # noqa: E402

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(31)
logistic = lambda z: 1 / (1 + np.exp(-z))
listed = lambda values: [float(each) for each in np.asarray(values, dtype=float)]
fields = {"value": "value", "sampling_error": "samplingError", "realized": "realized"}


def of(frame, name):
    return {ours: listed(frame[name][theirs]) for theirs, ours in fields.items()}


def binary(rows, shift, sharpness):
    z = rng.normal(size=rows) * 1.5 - 0.5 + shift
    label = (rng.random(rows) < logistic(z)).astype(int)
    score = np.round(logistic(z * sharpness) + np.arange(rows) * 1e-9, 9)
    return pd.DataFrame({"score": score, "label": label, "prediction": (score >= 0.5).astype(int)})


def record_binary(sharpness):
    reference, current = binary(600, 0, sharpness), binary(400, 0.5, sharpness)
    metrics = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "confusion_matrix"]
    estimator = nannyml.CBPE(
        problem_type="classification_binary",
        y_pred_proba="score",
        y_pred="prediction",
        y_true="label",
        metrics=metrics,
        chunk_size=200,
    ).fit(reference)
    frame = estimator.estimate(current).to_df()
    names = metrics[:-1] + ["true_positive", "true_negative", "false_positive", "false_negative"]
    return {
        "reference": {"score": listed(reference["score"]), "label": [int(each) for each in reference["label"]]},
        "current": {"score": listed(current["score"]), "label": [int(each) for each in current["label"]]},
        "needsCalibration": bool(estimator.needs_calibration),
        "limits": {
            name: [float(frame[name]["lower_threshold"].iloc[0] or "nan"), float(frame[name]["upper_threshold"].iloc[0] or "nan")]
            for name in metrics[:-1]
        },
        "metrics": {name: of(frame, name) for name in names},
    }


def multiclass(rows, shift):
    x = rng.normal(size=(rows, 3)) + np.array([shift, 0, 0])
    odds = np.exp(1.2 * x)
    probabilities = odds / odds.sum(1, keepdims=True)
    label = [str(rng.choice(["a", "b", "c"], p=each)) for each in probabilities]
    sharp = np.exp(2.4 * x)
    sharp = np.round(sharp / sharp.sum(1, keepdims=True), 9)
    prediction = [["a", "b", "c"][index] for index in sharp.argmax(1)]
    return pd.DataFrame({"a": sharp[:, 0], "b": sharp[:, 1], "c": sharp[:, 2], "label": label, "prediction": prediction})


def record_multiclass():
    reference, current = multiclass(600, 0), multiclass(300, 0.7)
    metrics = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy"]
    estimator = nannyml.CBPE(
        problem_type="classification_multiclass",
        y_pred_proba={"a": "a", "b": "b", "c": "c"},
        y_pred="prediction",
        y_true="label",
        metrics=metrics + ["confusion_matrix"],
        chunk_size=150,
    ).fit(reference)
    frame = estimator.estimate(current).to_df()
    table = lambda each: {name: list(each[name]) if name in ("label", "prediction") else listed(each[name]) for name in each}
    cells = {
        f"{true}|{predicted}": of(frame, f"true_{true}_pred_{predicted}") for true in "abc" for predicted in "abc"
    }
    return {
        "reference": table(reference),
        "current": table(current),
        "metrics": {name: of(frame, name) for name in metrics},
        "confusion": cells,
    }


def regression(rows, shift):
    x = np.round(rng.normal(size=rows) + shift, 4)
    kind = [str(each) for each in rng.choice(["day", "night"], size=rows)]
    noise = rng.normal(size=rows) * (0.3 + np.abs(x)) * np.where(np.array(kind) == "night", 2, 1)
    prediction = np.round(2 * x + 10, 4)
    target = np.round(np.maximum(0.1, prediction + noise), 4)
    return pd.DataFrame({"x": x, "kind": kind, "prediction": prediction, "target": target})


def record_regression():
    reference, current = regression(1500, 0), regression(600, 0.8)
    metrics = ["mae", "mape", "mse", "rmse", "msle", "rmsle"]
    estimator = nannyml.DLE(
        feature_column_names=["x", "kind"], y_pred="prediction", y_true="target", metrics=metrics, chunk_size=300
    ).fit(reference)
    frame = estimator.estimate(current).to_df()
    table = lambda each: {name: list(each[name]) if name == "kind" else listed(each[name]) for name in each}
    return {"reference": table(reference), "current": table(current), "metrics": {name: of(frame, name) for name in metrics}}


scores = [0.1, 0.1, 0.2, 0.35, 0.35, 0.35, 0.4, 0.6, 0.61, 0.8, 0.8, 0.95]
labels = [0, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1]
at = [0.0, 0.1, 0.15, 0.3, 0.35, 0.5, 0.605, 0.7, 0.9, 1.0]
isotonic = IsotonicRegression(out_of_bounds="clip", increasing=True).fit(scores, labels)
golden = {
    "versions": {name: version(name) for name in ("nannyml", "scikit-learn", "lightgbm")},
    "isotonic": {"scores": scores, "labels": labels, "at": at, "expected": listed(isotonic.predict(at))},
    "binary": {"sharp": record_binary(2.5), "right": record_binary(1.0)},
    "multiclass": record_multiclass(),
    "regression": record_regression(),
}
text = json.dumps(golden, separators=(",", ":")).replace("NaN", "null")
open(os.path.join(here, "estimation.json"), "w").write(text)
