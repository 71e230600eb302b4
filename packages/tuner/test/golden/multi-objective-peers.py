"""Hypervolumes that Optuna 5.0.0 reaches, by sampler, problem and seed.

    pip install optuna==5.0.0 scipy torch && python multi-objective-peers.py TRIALS SEEDS SAMPLER...

The file holds three runs: 60 7 random default nsga2; 100 7 default nsga2; 200 5 random default nsga2 nsga3.
"""

import json
import math
import sys
import warnings

import numpy as np
import optuna
from optuna._hypervolume.wfg import compute_hypervolume

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def zdt1(x):
    g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    return [x[0], g * (1 - math.sqrt(x[0] / g))]


def zdt2(x):
    g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    return [x[0], g * (1 - (x[0] / g) ** 2)]


def dtlz2(x):
    g = sum((v - 0.5) ** 2 for v in x[2:])
    a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
    return [(1 + g) * math.cos(a) * math.cos(b), (1 + g) * math.cos(a) * math.sin(b), (1 + g) * math.sin(a)]


# name: function, parameters, reference point
PROBLEMS = {
    "zdt1": (zdt1, 6, [1.1, 6.0]),
    "zdt2": (zdt2, 6, [1.1, 6.0]),
    "dtlz2": (dtlz2, 7, [1.5, 1.5, 1.5]),
}
SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "default": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "nsga3": lambda seed: optuna.samplers.NSGAIIISampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}

trials, seeds = int(sys.argv[1]), int(sys.argv[2])
results = []
for problem, (function, parameters, reference) in PROBLEMS.items():
    for sampler in sys.argv[3:]:
        volumes = []
        for seed in range(seeds):
            study = optuna.create_study(directions=["minimize"] * len(reference), sampler=SAMPLERS[sampler](seed))
            study.optimize(lambda t: function([t.suggest_float(f"x{i}", 0, 1) for i in range(parameters)]), trials)
            points = np.array([t.values for t in study.trials])
            points = points[np.all(points < reference, axis=1)]
            volumes.append(compute_hypervolume(points, np.array(reference)) if len(points) else 0.0)
        results.append({"problem": problem, "parameters": parameters, "reference": reference, "sampler": sampler,
                        "trials": trials, "hypervolumes": [round(v, 6) for v in volumes]})
        print(problem, sampler, np.median(volumes), file=sys.stderr)

print(json.dumps({"optuna": optuna.__version__, "results": results}))
