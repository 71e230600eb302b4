"""Ranks, hypervolumes, subset selection, crowding distances and reference directions as Optuna 5.0.0 computes them.

    pip install optuna==5.0.0 scipy && python multi-objective.py > optuna-5.0.0-multi-objective.json
"""

import json
import math

import numpy as np
import optuna
from optuna.samplers._tpe.sampler import _split_complete_trials_multi_objective
from optuna._hypervolume.hssp import _solve_hssp
from optuna._hypervolume.wfg import compute_hypervolume
from optuna.samplers._nsgaiii._elite_population_selection_strategy import _generate_default_reference_point
from optuna.samplers._tpe.sampler import _get_reference_point
from optuna.samplers.nsgaii._elite_population_selection_strategy import _calc_crowding_distance
from optuna.study._multi_objective import _fast_non_domination_rank

rng = np.random.default_rng(5)


def sphere(count, objectives):
    """Points on the concave front of DTLZ2, and some behind it."""
    points = np.abs(rng.normal(size=(count, objectives)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[count // 2 :] *= 1 + 0.3 * rng.random((count - count // 2, 1))
    return points


def rounded(points):
    return np.round(points, 6)


def crowding(points):
    trials = [
        optuna.trial.create_trial(values=[float(v) for v in row], state=optuna.trial.TrialState.COMPLETE)
        for row in points
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    distances = _calc_crowding_distance(list(trials))
    return [distances[number] if math.isfinite(distances[number]) else "Infinity" for number in range(len(trials))]


def good(points, count):
    """The numbers of the trials that a multi-objective TPE takes as the good ones."""
    study = optuna.create_study(directions=["minimize"] * points.shape[1])
    trials = [
        optuna.trial.create_trial(values=[float(v) for v in row], state=optuna.trial.TrialState.COMPLETE)
        for row in points
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    below, _ = _split_complete_trials_multi_objective(trials, study, count)
    return [trial.number for trial in below]


cases = []
for objectives in (1, 2, 3, 4, 5):
    points = rounded(sphere(40 if objectives < 5 else 24, objectives))
    points[5] = points[3]
    reference = np.full(objectives, 1.4)
    penalty = np.where(rng.random(len(points)) < 0.5, 0.0, np.round(rng.random(len(points)), 2))
    case = {
        "points": points.tolist(),
        "ranks": _fast_non_domination_rank(points).tolist(),
        "violations": penalty.tolist(),
        "constrainedRanks": _fast_non_domination_rank(points, penalty=penalty).tolist(),
        "crowding": crowding(points),
    }
    if objectives > 1:
        case["reference"] = reference.tolist()
        case["hypervolume"] = compute_hypervolume(points, reference)
        case["subset"] = _solve_hssp(points, np.arange(len(points)), 9, reference).tolist()
        case["good"] = [good(points, count) for count in (1, 4, 13, 22)]
        case["defaultReference"] = _get_reference_point(points).tolist()
    cases.append(case)

directions = [
    {
        "objectives": objectives,
        "divisions": divisions,
        "points": (_generate_default_reference_point(objectives, divisions) / divisions).tolist(),
    }
    for objectives, divisions in ((2, 4), (3, 3), (4, 2))
]

print(json.dumps({"optuna": optuna.__version__, "cases": cases, "directions": directions}))
