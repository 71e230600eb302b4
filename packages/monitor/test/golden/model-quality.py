"""Metrics by scikit-learn, and DeLong's variance by its definition: python model-quality.py > model-quality.json"""
import json
import numpy as np
import sklearn
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

rng = np.random.default_rng(20260101)
r = lambda a: [float(x) for x in np.round(a, 6)]

def binary(n, spread, decimals, weighted):
    score = np.round(1 / (1 + np.exp(-rng.normal(0, spread, n))), decimals)
    truth = (rng.random(n) < score).astype(int)
    w = np.round(rng.gamma(2, 1, n), 3) if weighted else None
    hat = (score >= 0.5).astype(int)
    k = {} if w is None else {"sample_weight": w}
    pos, neg = score[truth == 1], score[truth == 0]
    v10 = ((pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])).mean(axis=1)
    v01 = ((pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])).mean(axis=0)
    out = {
        "accuracy": m.accuracy_score(truth, hat, **k), "precision": m.precision_score(truth, hat, **k),
        "recall": m.recall_score(truth, hat, **k), "specificity": m.recall_score(truth, hat, pos_label=0, **k),
        "f1": m.f1_score(truth, hat, **k), "balancedAccuracy": m.balanced_accuracy_score(truth, hat, **k),
        "mcc": m.matthews_corrcoef(truth, hat, **k), "kappa": m.cohen_kappa_score(truth, hat, **k),
        "auc": m.roc_auc_score(truth, score, **k), "averagePrecision": m.average_precision_score(truth, score, **k),
        "logLoss": m.log_loss(truth, score, **k), "brier": m.brier_score_loss(truth, score, **k),
    }
    if w is None:
        true, mean = calibration_curve(truth, score, n_bins=10)
        bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], score)
        counts = np.bincount(bins, minlength=10)
        out["calibrationError"] = float(np.sum(np.abs(true - mean) * counts[counts > 0]) / n)
    return {"truth": truth.tolist(), "scores": score.tolist(), "weights": None if w is None else w.tolist(),
            "metrics": out, "delongVariance": float(v10.var(ddof=1) / len(pos) + v01.var(ddof=1) / len(neg))}

def classes(n, k, weighted):
    logits = rng.normal(0, 1.2, (n, k))
    p = np.exp(logits); p = np.round(p / p.sum(axis=1, keepdims=True), 6); p = p / p.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(k, p=row) for row in p])
    hat = p.argmax(axis=1)
    w = np.round(rng.gamma(2, 1, n), 3) if weighted else None
    a = {} if w is None else {"sample_weight": w}
    out = {"accuracy": m.accuracy_score(truth, hat, **a), "balancedAccuracy": m.balanced_accuracy_score(truth, hat, **a),
           "mcc": m.matthews_corrcoef(truth, hat, **a), "kappa": m.cohen_kappa_score(truth, hat, **a),
           "logLoss": m.log_loss(truth, p, labels=range(k), **a),
           "aucMacro": m.roc_auc_score(truth, p, multi_class="ovr", average="macro", **a),
           "aucWeighted": m.roc_auc_score(truth, p, multi_class="ovr", average="weighted", **a),
           "topAccuracy": m.top_k_accuracy_score(truth, p, k=2, labels=range(k), **a)}
    for kind in ["macro", "micro", "weighted"]:
        for name, f in [("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)]:
            out[name + kind.capitalize()] = f(truth, hat, average=kind, zero_division=0, **a)
    return {"truth": truth.tolist(), "answers": hat.tolist(), "probabilities": [float(x) for x in p.ravel()], "classes": k,
            "weights": None if w is None else w.tolist(), "metrics": out}

def regression(n, weighted):
    truth = np.round(rng.normal(10, 4, n), 4); hat = np.round(truth + rng.standard_t(3, n) + 0.3, 4)
    w = np.round(rng.gamma(2, 1, n), 3) if weighted else None
    a = {} if w is None else {"sample_weight": w}
    out = {"meanAbsoluteError": m.mean_absolute_error(truth, hat, **a), "meanSquaredError": m.mean_squared_error(truth, hat, **a),
           "rootMeanSquaredError": m.root_mean_squared_error(truth, hat, **a),
           "meanAbsolutePercentageError": m.mean_absolute_percentage_error(truth, hat, **a),
           "r2": m.r2_score(truth, hat, **a), "explainedVariance": m.explained_variance_score(truth, hat, **a)}
    if w is None:
        out["medianAbsoluteError"] = m.median_absolute_error(truth, hat)
        out["largestError"] = m.max_error(truth, hat)
    return {"truth": r(truth), "answers": r(hat), "weights": None if w is None else w.tolist(), "metrics": out}

def ranking(q, size, decimals):
    queries, relevance, scores, ndcg, ap, rr, pk, rk, hit = [], [], [], [], [], [], [], [], []
    for each in range(q):
        rel = rng.integers(0, 4, size) * (rng.random(size) < 0.4)
        if rel.sum() == 0: rel[0] = 2
        s = np.round(rel * 0.4 + rng.normal(0, 1, size), decimals)
        queries += [f"q{each}"] * size; relevance += rel.tolist(); scores += s.tolist()
        ndcg.append(m.ndcg_score([rel], [s], k=5)); ap.append(m.average_precision_score(rel > 0, s))
        order = np.argsort(-s, kind="stable"); hits = (rel > 0)[order]
        rr.append(1 / (np.argmax(hits) + 1)); pk.append(hits[:5].mean()); rk.append(hits[:5].sum() / hits.sum()); hit.append(float(hits[:5].any()))
    return {"queries": queries, "relevance": relevance, "scores": scores,
            "metrics": {"ndcg": np.mean(ndcg), "map": np.mean(ap), "mrr": np.mean(rr), "precision": np.mean(pk), "recall": np.mean(rk), "hitRate": np.mean(hit)}}

def forecast(n, season):
    t = np.arange(120 + n); y = np.round(20 + 5 * np.sin(2 * np.pi * t / season) + rng.normal(0, 1, 120 + n), 4)
    history, truth = y[:120], y[120:]
    hat = np.round(truth + rng.normal(0.2, 1, n), 4); low, high = hat - 1.2, hat + 1.6
    levels = [0.1, 0.5, 0.9]; q = np.round(hat[:, None] + np.array([-1.3, 0, 1.3]), 4)
    scale = np.mean(np.abs(history[season:] - history[:-season])); e = np.abs(hat - truth)
    outside = np.maximum(0, np.maximum(low - truth, truth - high))
    pin = [m.mean_pinball_loss(truth, q[:, i], alpha=a) for i, a in enumerate(levels)]
    return {"history": r(history), "truth": r(truth), "forecast": r(hat), "season": season, "low": [float(x) for x in low], "high": [float(x) for x in high], "level": 0.8,
            "levels": levels, "values": [float(x) for x in q.ravel()], "pinballs": pin,
            "metrics": {"mase": e.mean() / scale, "smape": np.mean(2 * e / (np.abs(hat) + np.abs(truth))), "wape": e.sum() / np.abs(truth).sum(),
                        "pinball": np.mean(pin), "coverage": float(np.mean(outside == 0)), "meanWidth": float(np.mean(high - low)),
                        "intervalScore": float(np.mean(high - low + 2 / 0.2 * outside)), "meanAbsoluteError": m.mean_absolute_error(truth, hat),
                        "rootMeanSquaredError": m.root_mean_squared_error(truth, hat)}}

print(json.dumps({"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "binary": [binary(200, 1.5, 4, False), binary(150, 2, 1, False), binary(150, 1, 2, True)],
    "classes": [classes(150, 4, False), classes(120, 3, True)],
    "regression": [regression(151, False), regression(100, False), regression(120, True)],
    "ranking": [ranking(20, 12, 3), ranking(20, 12, 0)], "forecast": [forecast(48, 12), forecast(30, 1)]}, default=float))
