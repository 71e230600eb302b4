"""Importances of recorded trials by Optuna's fANOVA evaluator; writes optuna-5.0.0-importance.json beside itself.

Run with a Python that has optuna 5.0.0 and scikit-learn: python optuna_importance.py
"""

import json
import math
import random
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator

optuna.logging.set_verbosity(optuna.logging.ERROR)
generator = random.Random(7)
distributions = {
    "x": FloatDistribution(0, 1),
    "y": FloatDistribution(-2, 2),
    "layers": IntDistribution(1, 6),
    "kind": CategoricalDistribution(["a", "b", "c", "d"]),
}
offsets = {"a": 0.0, "b": 0.3, "c": 1.0, "d": 0.1}


def objective(x, y, layers, kind):
    return 2 * x + math.sin(2 * y) + 0.15 * layers + offsets[kind] * (1 + x)


study = optuna.create_study()
rows = []
for _ in range(250):
    params = {
        "x": round(generator.random(), 4),
        "y": round(generator.uniform(-2, 2), 4),
        "layers": generator.randint(1, 6),
        "kind": generator.choice(["a", "b", "c", "d"]),
    }
    value = round(objective(**params), 6)
    rows.append({"params": params, "value": value})
    study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))

runs = [FanovaImportanceEvaluator(n_trees=64, seed=seed).evaluate(study) for seed in range(5)]
importances = {name: sum(run[name] for run in runs) / len(runs) for name in distributions}
result = {"importances": importances, "trials": rows}
Path(__file__).with_name("optuna-5.0.0-importance.json").write_text(json.dumps(result) + "\n")
print(importances, {name: max(r[name] for r in runs) - min(r[name] for r in runs) for name in distributions})
