"""Studies of the real Optuna as its storages keep them, and what Optuna itself says they hold. Run with Optuna 5.0.0:
python optuna-studies.py <folder>  writes optuna-studies.journal, optuna-studies.sqlite and optuna-studies.json there.
"""
import json
import math
import os
import sys

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = sys.argv[1]


def objective(trial):
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    units = trial.suggest_int("units", 8, 64, step=8)
    kind = trial.suggest_categorical("kind", ["a", None, True, 3])
    share = trial.suggest_float("share", 0.0, 0.9) if kind == "a" else 0.0
    trial.set_user_attr("note", {"words": ["x", 'y "quoted"'], "number": trial.number})
    for step in range(3):
        trial.report(float("nan") if trial.number == 2 and step == 1 else rate * (3 - step) + units, step)
    if trial.number == 3:
        raise optuna.TrialPruned()
    if trial.number == 4:
        raise ValueError("it fails")
    if trial.number == 5:
        return float("inf")
    return math.log(rate) ** 2 + units + share


def two(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.set_user_attr("c", [x - 0.5])
    return x, 1 - x


def told(study):
    return {
        "name": study.study_name,
        "directions": [d.name.lower() for d in study.directions],
        "trials": [
            {
                "state": t.state.name,
                "params": t.params,
                "values": None if t.values is None else [str(v) for v in t.values],
                "intermediates": {str(k): str(v) for k, v in t.intermediate_values.items()},
                "attributes": t.user_attrs,
            }
            for t in study.trials
        ],
        "best": study.best_trial.number if len(study.directions) == 1 else None,
    }


stories = {}
for kind, storage in (
    ("journal", JournalStorage(JournalFileBackend(os.path.join(folder, "optuna-studies.journal")))),
    ("sqlite", optuna.storages.RDBStorage(f"sqlite:///{os.path.join(folder, 'optuna-studies.sqlite')}")),
):
    one = optuna.create_study(storage=storage, study_name="one", sampler=optuna.samplers.RandomSampler(seed=3))
    one.enqueue_trial({"rate": 0.01, "units": 16, "kind": True})
    one.optimize(objective, n_trials=14, catch=(ValueError,))
    one.enqueue_trial({"rate": 0.02, "units": 24, "kind": 3})
    both = optuna.create_study(
        storage=storage, study_name="two", directions=["maximize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(seed=1, constraints_func=lambda t: t.user_attrs["c"]),
    )
    both.optimize(two, n_trials=6)
    stories[kind] = [told(one), told(both)]

with open(os.path.join(folder, "optuna-studies.json"), "w") as file:
    json.dump(stories, file, indent=1)
