"""Writes gaussian-process.json: posteriors of scikit-learn's GaussianProcessRegressor with fixed hyperparameters, and log expected improvement by SciPy.

    python packages/tuner/test/golden/gaussian-process.py
"""

import json
from pathlib import Path

import numpy as np
from scipy import special
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

rng = np.random.default_rng(7)


def posterior(count, dimensions, queries):
    points = rng.random((count, dimensions))
    targets = np.sin(5 * points).sum(axis=1) + 0.1 * rng.standard_normal(count)
    weights = np.exp(rng.normal(1, 0.7, dimensions))
    scale, noise = 1.7, 0.03
    kernel = ConstantKernel(scale, "fixed") * Matern(1 / np.sqrt(weights), "fixed", nu=2.5)
    model = GaussianProcessRegressor(kernel + WhiteKernel(noise, "fixed"), alpha=0, optimizer=None).fit(points, targets)
    asked = rng.random((queries, dimensions))
    mean, covariance = model.predict(asked, return_cov=True)
    leave_one_out = []
    for left in range(count):
        kept = np.arange(count) != left
        partial = GaussianProcessRegressor(kernel + WhiteKernel(noise, "fixed"), alpha=0, optimizer=None)
        value, deviation = partial.fit(points[kept], targets[kept]).predict(points[left : left + 1], return_std=True)
        leave_one_out.append([float(value[0]), float(deviation[0] ** 2)])
    return {
        "points": points.tolist(),
        "targets": targets.tolist(),
        "weights": weights.tolist(),
        "scale": scale,
        "noise": noise,
        "queries": asked.tolist(),
        "means": mean.tolist(),
        # WhiteKernel adds its noise to the variance of a query.
        "covariance": (covariance - noise * np.eye(queries)).tolist(),
        "logMarginalLikelihood": float(model.log_marginal_likelihood_value_),
        "leaveOneOut": leave_one_out,
    }


def log_improvement(z):
    """Eq. 9 of arXiv 2310.20708 with SciPy's erfcx; its remainder by the series of Mills' ratio where that is exact to double precision."""
    if z > -1:
        return float(np.log(z * special.ndtr(z) + np.exp(-z * z / 2) / np.sqrt(2 * np.pi)))
    if z > -25:
        rest = 1 + np.sqrt(np.pi / 2) * z * special.erfcx(-z / np.sqrt(2))
    else:
        rest = sum((-1) ** (k - 1) * special.factorial2(2 * k - 1, exact=True) / z ** (2 * k) for k in range(1, 9))
    return float(-z * z / 2 - np.log(np.sqrt(2 * np.pi)) + np.log(rest))


points = [-1e4, -1e3, -100.0, -40.0, -25.0, -24.999, -15.0, -8.0, -3.0, -1.0, -0.999, -0.5, 0.0, 0.3, 1.0, 5.0, 30.0]
golden = {
    "posteriors": [posterior(12, 2, 4), posterior(31, 5, 6)],
    "logImprovement": [[z, log_improvement(z)] for z in points],
    "logNormalCdf": [[z, float(special.log_ndtr(z))] for z in points],
}
Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1) + "\n")
