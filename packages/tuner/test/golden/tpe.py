"""Writes what Optuna's TPESampler suggests after fixed histories, as quantiles and counts over many suggestions.

    python tpe.py optuna5 > optuna-5.0.0-tpe.json    # with Optuna 5.0.0
    python tpe.py optuna4 > optuna-4.5.0-tpe.json    # with Optuna 4.5.0

Numbers with many values are kept as 400 quantiles, others as counts. `sum` adds all numbers up, each as a share of its range on its scale, so that
joint distributions are told from independent ones.
"""

import functools
import json
import math
import random
import sys
import warnings

import numpy
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

# Tied observations have one order then, not one that depends on the sorting algorithm.
numpy.argsort = functools.partial(numpy.argsort, kind="stable")
warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

SUGGESTIONS = 2000
QUANTILES = 400

MIXED = {
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "momentum": FloatDistribution(0.0, 0.9),
    "dropout": FloatDistribution(0.0, 0.5, step=0.05),
    "units": IntDistribution(8, 64, step=8),
    "layers": IntDistribution(1, 40, log=True),
    "optimizer": CategoricalDistribution(["adam", "sgd", "rmsprop"]),
}
PLAIN = {
    "x": FloatDistribution(-5.0, 10.0),
    "y": FloatDistribution(0.0, 15.0),
    "kind": CategoricalDistribution(["a", "b"]),
}
TREE = {
    "model": CategoricalDistribution(["tree", "net"]),
    "rate": FloatDistribution(1e-3, 1.0, log=True),
    "depth": IntDistribution(1, 12),
    "leaf": FloatDistribution(0.0, 1.0),
    "width": IntDistribution(4, 256, log=True),
    "decay": FloatDistribution(0.0, 1.0),
}
PARENTS = {"depth": "tree", "leaf": "tree", "width": "net", "decay": "net"}


def unit(distribution, value):
    low, high = distribution.low, distribution.high
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def draw(source, distribution):
    if isinstance(distribution, CategoricalDistribution):
        return source.choice(distribution.choices)
    low, high = distribution.low, distribution.high
    value = source.random()
    if distribution.log:
        value = math.exp(math.log(low) + (math.log(high) - math.log(low)) * value)
    else:
        value = low + (high - low) * value
    if isinstance(distribution, IntDistribution):
        return low + distribution.step * round((value - low) / distribution.step)
    if distribution.step is not None:
        return round(low + distribution.step * round((value - low) / distribution.step), 6)
    return float(f"{value:.6g}")


def loss_of(space, params):
    total = 0.0
    for index, name in enumerate(sorted(params)):
        distribution = space[name]
        if isinstance(distribution, CategoricalDistribution):
            total += 0.1 * distribution.choices.index(params[name])
        else:
            total += (unit(distribution, params[name]) - 0.2 - 0.15 * index) ** 2
    return total


def history(space, count, seed, objectives=1, plain=False):
    """Trials of all states: completed, and unless `plain` pruned, running, failed and infeasible."""
    source = random.Random(seed)
    trials = []
    for number in range(count):
        params = {}
        for name, distribution in space.items():
            if name in PARENTS and space is TREE and params["model"] != PARENTS[name]:
                continue
            params[name] = draw(source, distribution)
        loss = float(f"{loss_of(space, params) + 0.05 * source.random():.6g}")
        trial = {"params": params, "state": "completed", "values": [loss], "intermediates": []}
        if objectives == 2:
            trial["values"].append(float(f"{sum(0.3 + (hash_free(name) - 0.5) for name in params) - loss + source.random():.6g}"))
        kind = number % 10
        if not plain:
            if kind in (3, 7):
                steps = source.randint(0, 3)
                trial.update(
                    state="pruned", values=None, intermediates=[[step, loss + 1 - 0.1 * step] for step in range(steps)]
                )
            elif kind == 5 and number % 20 == 5:
                trial.update(state="running", values=None)
            elif kind == 9 and number % 20 == 9:
                trial.update(state="failed", values=None)
            if trial["state"] in ("completed", "pruned"):
                trial["constraintValues"] = [0.5, -1.0] if kind == 1 else [-0.5, 0.0]
        trials.append(trial)
    return trials


def hash_free(name):
    return (sum(map(ord, name)) % 100) / 100


STATES = {
    "completed": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "running": TrialState.RUNNING,
    "failed": TrialState.FAIL,
}


def study_of(space, trials, sampler, objectives):
    study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
    for trial in trials:
        attributes = {"constraints": trial["constraintValues"]} if "constraintValues" in trial else {}
        study.add_trial(
            create_trial(
                state=STATES[trial["state"]],
                values=trial["values"],
                params=trial["params"],
                distributions={name: space[name] for name in trial["params"]},
                intermediate_values={step: value for step, value in trial["intermediates"]},
                system_attrs=attributes,
            )
        )
    return study


def suggestions(space, study):
    """Asks the sampler as a trial does, always for the same trial, so that all have one history."""
    sampler = study.sampler
    trial = study.ask()
    frozen = study._storage.get_trial(trial._trial_id)
    drawn = []
    for _ in range(SUGGESTIONS):
        joint = sampler.infer_relative_search_space(study, frozen)
        proposed = sampler.sample_relative(study, frozen, joint)
        params = {}
        for name, distribution in space.items():
            if name in PARENTS and space is TREE and params["model"] != PARENTS[name]:
                continue
            if name in proposed:
                params[name] = proposed[name]
            else:
                params[name] = sampler.sample_independent(study, frozen, name, distribution)
        drawn.append(params)
    return drawn


def spec(distribution):
    if isinstance(distribution, CategoricalDistribution):
        return {"kind": "categorical", "choices": list(distribution.choices)}
    kind = "int" if isinstance(distribution, IntDistribution) else "float"
    out = {"kind": kind, "low": distribution.low, "high": distribution.high, "log": distribution.log}
    if distribution.step is not None:
        out["step"] = distribution.step
    return out


def quantiles(values):
    ordered = sorted(values)
    count = min(QUANTILES, len(ordered))
    return [float(f"{ordered[(index * len(ordered)) // count]:.7g}") for index in range(count)]


def summary(space, drawn):
    out = {}
    for name, distribution in space.items():
        values = [params[name] for params in drawn if name in params]
        few = isinstance(distribution, CategoricalDistribution) or distribution.step is not None
        if few:
            counts = {}
            for value in values:
                key = json.dumps(round(value, 6) if isinstance(value, float) else value)
                counts[key] = counts.get(key, 0) + 1
            out[name] = {"count": len(values), "counts": counts}
        else:
            out[name] = {"count": len(values), "quantiles": quantiles(values)}
    sums = [
        sum(unit(space[name], value) for name, value in params.items() if not isinstance(space[name], CategoricalDistribution))
        for params in drawn
    ]
    out["sum"] = {"count": len(sums), "quantiles": quantiles(sums)}
    return out


def case(name, space, trials, options, ours, objectives=1):
    if any("constraintValues" in trial for trial in trials) and optuna.__version__.startswith("4"):
        options = {**options, "constraints_func": lambda trial: trial.system_attrs["constraints"]}
    sampler = optuna.samplers.TPESampler(seed=12345, **options)
    study = study_of(space, trials, sampler, objectives)
    drawn = suggestions(space, study)
    return {
        "name": name,
        "options": ours,
        "space": {key: spec(value) for key, value in space.items()},
        "conditions": PARENTS if space is TREE else {},
        "objectives": objectives,
        "trials": trials,
        "suggestions": summary(space, drawn),
    }


def main():
    profile = sys.argv[1]
    mixed = history(MIXED, 60, 1)
    tree = history(TREE, 60, 2)
    plain = history(PLAIN, 300, 3, plain=True)
    many = history(PLAIN, 70, 4, objectives=2, plain=True)
    if profile == "optuna5":
        cases = [
            case("mixed", MIXED, mixed, {}, {}),
            case("many trials", PLAIN, plain, {}, {}),
            case("conditional", TREE, tree, {}, {}),
            case("groups", TREE, tree, {"multivariate": True, "group": True}, {"group": True}),
            case("no liar", MIXED, mixed, {"constant_liar": False}, {"constantLiar": False}),
            case("two objectives", PLAIN, many, {}, {}, objectives=2),
        ]
    else:
        cases = [
            case("mixed", MIXED, mixed, {}, {}),
            case("many trials", PLAIN, plain, {}, {}),
            case("conditional", TREE, tree, {}, {}),
            case("multivariate", MIXED, mixed, {"multivariate": True}, {"multivariate": True}),
            case(
                "groups and liar",
                TREE,
                tree,
                {"multivariate": True, "group": True, "constant_liar": True},
                {"multivariate": True, "group": True, "constantLiar": True},
            ),
        ]
    print(
        json.dumps(
            {"source": f"Optuna {optuna.__version__} TPESampler, {SUGGESTIONS} suggestions", "profile": profile, "cases": cases}
        )
    )


main()
