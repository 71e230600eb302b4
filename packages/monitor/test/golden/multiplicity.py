"""Adjusted p-values of statsmodels: `python multiplicity.py > multiplicity.json`."""

import json
import random

import statsmodels
from statsmodels.stats.multitest import multipletests

random.seed(4)
cases = [
    [0.01, 0.04, 0.03, 0.005],
    [0.5],
    [0.001, 0.001, 0.2, 1.0, 0.04],
    [random.random() ** 3 for _ in range(60)],
]
methods = {"bonferroni": "bonferroni", "benjamini-hochberg": "fdr_bh", "benjamini-yekutieli": "fdr_by"}
print(
    json.dumps(
        {
            "statsmodels": statsmodels.__version__,
            "cases": [
                {
                    "pValues": values,
                    **{name: multipletests(values, method=method)[1].tolist() for name, method in methods.items()},
                }
                for values in cases
            ],
        }
    )
)
