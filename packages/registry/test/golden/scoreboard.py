"""Writes scoreboard.json: intervals by SciPy and statsmodels. Needs: pip install scipy statsmodels."""

import json
import pathlib

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

rates = [[0, 10], [10, 10], [81, 263], [15, 148], [5000, 10000], [1, 1]]
means = [
    [0.91, 0.92, 0.88, 0.95, 0.9],
    [12.5, 9.75, 14.0, 11.25, 10.0, 13.5, 8.25],
    [1.0, 2.0],
    list(np.round(np.random.default_rng(1).normal(3, 2, 200), 6)),
]
confidences = [0.8, 0.95, 0.999]


def two(interval):
    return [float(interval[0]), float(interval[1])]


out = {"wilson": [], "student": [], "newcombe": [], "welch": []}
for confidence in confidences:
    for successes, trials in rates:
        interval = two(proportion_confint(successes, trials, alpha=1 - confidence, method="wilson"))
        out["wilson"].append([confidence, successes, trials, *interval])
    for values in means:
        interval = stats.t.interval(confidence, len(values) - 1, np.mean(values), stats.sem(values))
        out["student"].append([confidence, values, *two(interval)])
    for a, b in [([56, 70], [48, 80]), ([9, 10], [3, 10]), ([81, 263], [15, 148])]:
        interval = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff", alpha=1 - confidence)
        out["newcombe"].append([confidence, a, b, *two(interval)])
    for a, b in [(means[0], means[2]), (means[1], means[3])]:
        interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(confidence)
        out["welch"].append([confidence, a, b, *two(interval)])

path = pathlib.Path(__file__).with_name("scoreboard.json")
path.write_text(json.dumps(out) + "\n")
