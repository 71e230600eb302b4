"""Writes tests.json: test statistics, p-values and distances of SciPy. Run with SciPy 1.17: python tests.py > tests.json

Samples come from a small linear congruential generator that the tests repeat, so that they need not be stored.
"""

import json
import sys
import warnings

import numpy as np
import scipy
from scipy import stats
from scipy.spatial import distance

warnings.simplefilter("ignore")


class Generator:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state / 2**32


def sample(spec):
    kind, seed, size, shift, scale = spec
    generator = Generator(seed)
    if kind == "uniform":
        values = [shift + scale * generator.next() for _ in range(size)]
    elif kind == "bell":
        values = [shift + scale * (sum(generator.next() for _ in range(4)) - 2) for _ in range(size)]
    else:  # "tied": few distinct values
        values = [shift + scale * int(generator.next() * 6) for _ in range(size)]
    return np.array(values)


pairs = [
    (("uniform", 1, 8, 0, 1), ("uniform", 2, 9, 0, 1)),
    (("uniform", 3, 8, 0, 1), ("uniform", 4, 8, 0.5, 1)),
    (("bell", 5, 20, 0, 1), ("bell", 6, 17, 0.3, 1)),
    (("bell", 7, 20, 0, 1), ("bell", 8, 20, 2.5, 1)),
    (("tied", 9, 30, 0, 1), ("tied", 10, 40, 1, 1)),
    (("tied", 11, 12, 0, 1), ("tied", 12, 15, 0, 1)),
    (("bell", 13, 100, 0, 1), ("bell", 14, 100, 0.1, 1)),
    (("bell", 15, 500, 0, 1), ("bell", 16, 320, 0, 1.6)),
    (("bell", 17, 1000, 0, 1), ("bell", 18, 1001, 0, 1)),
    (("bell", 19, 3000, 0, 1), ("bell", 20, 777, 1, 1)),
    (("uniform", 21, 20000, 0, 1), ("uniform", 22, 15000, 0.01, 1)),
    (("tied", 23, 20000, 0, 1), ("tied", 24, 20000, 0, 1)),
    (("bell", 25, 60, 1e6, 1e-3), ("bell", 26, 55, 1e6, 1e-3)),
    (("bell", 27, 5, 0, 1), ("bell", 28, 40, 0, 1)),
]
number = float


def result(r):
    return [number(r.statistic), number(r.pvalue)]


def compared(x, y):
    large = max(len(x), len(y)) > 10_000
    small = max(len(x), len(y)) <= 20
    out = {
        "ks": result(stats.ks_2samp(x, y)),
        "ksAsymptotic": result(stats.ks_2samp(x, y, method="asymp")),
        "ksLessAsymptotic": result(stats.ks_2samp(x, y, method="asymp", alternative="less")),
        "ksGreaterAsymptotic": result(stats.ks_2samp(x, y, method="asymp", alternative="greater")),
        "mannWhitney": result(stats.mannwhitneyu(x, y)),
        "mannWhitneyLess": result(stats.mannwhitneyu(x, y, alternative="less", method="asymptotic", use_continuity=False)),
        "mannWhitneyGreater": result(stats.mannwhitneyu(x, y, alternative="greater")),
        "cramerVonMises": result(stats.cramervonmises_2samp(x, y)),
        "student": result(stats.ttest_ind(x, y)),
        "welch": result(stats.ttest_ind(x, y, equal_var=False)),
        "welchLess": result(stats.ttest_ind(x, y, equal_var=False, alternative="less")),
        "eppsSingleton": result(stats.epps_singleton_2samp(x, y)),
        "andersonMiddle": result(stats.anderson_ksamp([x, y], variant="midrank")),
        "andersonLast": result(stats.anderson_ksamp([x, y], variant="right")),
        "wasserstein": number(stats.wasserstein_distance(x, y)),
        "wassersteinNormed": number(stats.wasserstein_distance(x, y) / max(np.std(x), 0.001)),
        "energy": number(stats.energy_distance(x, y)),
    }
    if not large and max(len(x), len(y)) <= 400:
        out["ksLess"] = result(stats.ks_2samp(x, y, method="exact", alternative="less"))
        out["ksGreater"] = result(stats.ks_2samp(x, y, method="exact", alternative="greater"))
    if small and len(set(x) | set(y)) == len(x) + len(y):
        out["mannWhitneyExact"] = result(stats.mannwhitneyu(x, y, method="exact"))
    if len(x) + len(y) <= 300:
        z = np.concatenate([x, y])
        squares = (z[:, None] - z[None, :]) ** 2
        width = np.sqrt(np.median(squares[np.triu_indices(len(z), 1)]) / 2)
        kernel = np.exp(-squares / (2 * width**2))
        n, m = len(x), len(y)
        xx, yy, xy = kernel[:n, :n], kernel[n:, n:], kernel[:n, n:]
        out["meanDiscrepancy"] = [
            number((xx.sum() - n) / (n * (n - 1)) + (yy.sum() - m) / (m * (m - 1)) - 2 * xy.mean()),
            number(width),
        ]
    return out


tables = [
    ([50, 30, 20], [40, 35, 25]),
    ([500, 300, 200, 4], [480, 310, 190, 20]),
    ([8, 2], [1, 5]),
    ([120, 880], [150, 850]),
    ([10, 0, 5, 3], [7, 4, 0, 3]),
    ([100000, 99000, 98000], [100500, 99100, 98050]),
    ([1000, 10], [10, 1000]),
    ([3, 3, 3, 3, 3, 3, 3], [1, 2, 3, 4, 5, 6, 7]),
]


def counted(a, b):
    a, b = np.array(a), np.array(b)
    p, q = a / a.sum(), b / b.sum()
    both = (p > 0) & (q > 0)
    contingency = stats.chi2_contingency([a, b], correction=False)
    yates = stats.chi2_contingency([a, b])
    g = stats.chi2_contingency([a, b], correction=False, lambda_="log-likelihood")
    out = {
        "contingency": [number(contingency.statistic), number(contingency.pvalue)],
        "yates": [number(yates.statistic), number(yates.pvalue)],
        "g": [number(g.statistic), number(g.pvalue)],
        "jensenShannon": number(distance.jensenshannon(p, q, 2)),
        "jensenShannonE": number(distance.jensenshannon(p, q)),
        "hellinger": number(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2)),
        "totalVariation": number(np.abs(p - q).sum() / 2),
        "largest": number(np.abs(p - q).max()),
    }
    if (a > 0).all():
        out["fit"] = result(stats.chisquare(b, p * b.sum()))
        out["gFit"] = result(stats.power_divergence(b, p * b.sum(), lambda_="log-likelihood"))
    if both.all():
        out["stability"] = number(((q - p) * np.log(q / p)).sum())
        out["kullbackLeibler"] = number(stats.entropy(p, q))
    if len(a) == 2:
        for name, side in [("fisher", "two-sided"), ("fisherLess", "less"), ("fisherGreater", "greater")]:
            out[name] = result(stats.fisher_exact([a, b], alternative=side))
        n, m = a.sum(), b.sum()
        pooled = (a[0] + b[0]) / (n + m)
        z = (p[0] - q[0]) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        out["proportions"] = [number(z), number(2 * stats.norm.sf(abs(z)))]
    return out


three = [("bell", 31, 40, 0, 1), ("bell", 32, 55, 0.2, 1), ("tied", 33, 25, -2, 1)]
samples = [sample(spec) for spec in three]
json.dump(
    {
        "scipy": scipy.__version__,
        "numpy": np.__version__,
        "pairs": [{"x": x, "y": y, **compared(sample(x), sample(y))} for x, y in pairs],
        "tables": [{"a": a, "b": b, **counted(a, b)} for a, b in tables],
        "threeSamples": {
            "samples": three,
            "middle": result(stats.anderson_ksamp(samples, variant="midrank")),
            "last": result(stats.anderson_ksamp(samples, variant="right")),
        },
    },
    sys.stdout,
    indent=1,
)
