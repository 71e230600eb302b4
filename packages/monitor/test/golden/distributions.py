"""Writes distributions.json: probabilities and quantiles of SciPy, far into the tails. Run with SciPy 1.17: python distributions.py > distributions.json"""

import json
import sys

import numpy as np
import scipy
from scipy import special, stats

random = np.random.default_rng(20)


def rows(function, *columns):
    return [[*map(float, each), float(function(*map(float, each)))] for each in zip(*columns)]


z = np.concatenate([np.linspace(-37, 37, 38), [1e-10, -1e-10, 0]])
p = np.concatenate([10.0 ** -np.linspace(0.1, 300, 30), 1 - 10.0 ** -np.linspace(0.31, 15, 15), [0.5]])
a = np.concatenate([10 ** random.uniform(-1, 3, 60), np.arange(1, 61) / 2])
x = a * np.exp(random.normal(0, 3, 120) / np.sqrt(a + 1))
b = 10 ** random.uniform(-0.7, 5, 120)
c = 10 ** random.uniform(-0.7, 5, 120)
between = np.clip(c / (b + c) + random.normal(0, 4, 120) * np.sqrt(b * c / (b + c) ** 2 / (b + c + 1)), 1e-6, 1 - 1e-9)
tail = 10.0 ** -random.uniform(0.1, 12, 120)
degrees = 10 ** random.uniform(-0.5, 6, 120)
t = random.normal(0, 1, 120) * 10 ** random.uniform(-1, 1.5, 120)
trials = random.integers(1, 100_000, 60)
hits = np.minimum(trials, np.round(trials * random.beta(1, 5, 60)))
share = np.clip((hits + random.normal(0, 3, 60) * np.sqrt(hits + 1)) / trials, 0.0001, 0.9999)

sets = {
    "normalCdf": rows(stats.norm.cdf, z),
    "normalSurvival": rows(stats.norm.sf, z),
    "normalQuantile": rows(special.ndtri, p),
    "chiSquaredCdf": rows(stats.chi2.cdf, 2 * x, 2 * a),
    "chiSquaredSurvival": rows(stats.chi2.sf, 2 * x, 2 * a),
    "chiSquaredQuantile": rows(stats.chi2.ppf, tail, 2 * a),
    "gammaQuantile": rows(special.gammaincinv, a, 1 - tail),
    "betaCdf": rows(stats.beta.cdf, between, c, b),
    "betaSurvival": rows(stats.beta.sf, between, c, b),
    "betaQuantile": rows(stats.beta.ppf, tail, c, b),
    "studentTSurvival": rows(stats.t.sf, t, degrees),
    "studentTQuantile": rows(stats.t.ppf, tail, degrees),
    "fSurvival": rows(stats.f.sf, np.exp(random.normal(0, 1, 120)), degrees, b),
    "binomialProbability": rows(stats.binom.pmf, hits, trials, share),
    "binomialCdf": rows(stats.binom.cdf, hits, trials, share),
    "binomialSurvival": rows(stats.binom.sf, hits, trials, share),
}
intervals = {
    "clopperPearsonInterval": [
        [int(k), int(n), list(map(float, stats.binomtest(int(k), int(n)).proportion_ci(method="exact")))]
        for k, n in [(3, 1000), (0, 20), (20, 20), (7, 9), (1, 100_000), (50_000, 100_000)]
    ],
    "poissonInterval": [
        [k, [float(stats.gamma.ppf(0.025, k)) if k else 0.0, float(stats.gamma.ppf(0.975, k + 1))]] for k in [0, 1, 7, 400]
    ],
}
json.dump({"scipy": scipy.__version__, "sets": sets, "intervals": intervals}, sys.stdout)
