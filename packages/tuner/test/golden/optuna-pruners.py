"""Writes optuna-5.0.0-pruners.json: what Optuna's own pruners say of every report of scripted studies, and p values of SciPy's Wilcoxon test.

Run with Optuna 5.0.0 and SciPy 1.17.1 in the folder of this file. Trials run one after the other; a trial ends with the first verdict to prune.
"""

import json
import math
import random
import warnings

import optuna
from optuna.pruners import (
    HyperbandPruner,
    MedianPruner,
    PatientPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
    WilcoxonPruner,
)
from scipy.stats import wilcoxon

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def curve(source, steps, noise):
    """A value per step: falls to a level of its own, with noise now and then NaN, rounded so that ties happen."""
    level, height, rate = source.random(), source.random() * 2, 0.2 + source.random()
    values = []
    for index in range(len(steps)):
        value = round(level + height / (1 + index) ** rate + noise * source.gauss(0, 1), 2)
        values.append(math.nan if source.random() < 0.01 else value)
    return values


def run(name, pruner, options, make, direction="minimize", steps=range(12), trials=40, noise=0.1, ragged=False):
    source = random.Random(name)
    study = optuna.create_study(
        study_name=name, direction=direction, pruner=make(), sampler=optuna.samplers.RandomSampler(seed=1)
    )
    told = []
    for number in range(trials):
        trial = study.ask()
        at = [step for step in steps if not ragged or source.random() < 0.7]
        if number % 11 == 7:
            at = at[: len(at) // 2]
        reports, verdicts = [], []
        for step, value in zip(at, curve(source, at, noise)):
            value = -value if direction == "maximize" else value
            trial.report(value, step)
            reports.append([step, None if math.isnan(value) else value])
            verdicts.append(bool(trial.should_prune()))
            if verdicts[-1]:
                break
        if verdicts and verdicts[-1]:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            told.append({"reports": reports, "verdicts": verdicts, "state": "pruned"})
        elif number % 11 == 7 or not reports or reports[-1][1] is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            told.append({"reports": reports, "verdicts": verdicts, "state": "failed"})
        else:
            value = sum(v for _, v in reports if v is not None) / len(reports)
            value = value if pruner == "wilcoxon" else reports[-1][1]
            study.tell(trial, value)
            told.append({"reports": reports, "verdicts": verdicts, "state": "completed", "value": value})
    return {"name": name, "pruner": pruner, "options": options, "direction": direction, "trials": told}


studies = [
    run("median", "median", {}, MedianPruner),
    run(
        "median-warm",
        "median",
        {"startupTrials": 3, "warmupSteps": 2, "intervalSteps": 3, "minimumTrials": 4},
        lambda: MedianPruner(3, 2, 3, n_min_trials=4),
        direction="maximize",
        ragged=True,
    ),
    run("percentile-25", "percentile", {"percentile": 25}, lambda: PercentilePruner(25.0)),
    run("percentile-70", "percentile", {"percentile": 70}, lambda: PercentilePruner(70.0), direction="maximize"),
    run(
        "threshold",
        "threshold",
        {"lower": 0.2, "upper": 1.9, "warmupSteps": 1, "intervalSteps": 2},
        lambda: ThresholdPruner(0.2, 1.9, 1, 2),
        ragged=True,
    ),
    run(
        "threshold-lower",
        "threshold",
        {"lower": -1.5},
        lambda: ThresholdPruner(lower=-1.5),
        direction="maximize",
    ),
    run("patient", "patient", {"patience": 1, "wrapped": "median"}, lambda: PatientPruner(MedianPruner(), 1)),
    run(
        "patient-alone",
        "patient",
        {"patience": 2, "minimumDelta": 0.05},
        lambda: PatientPruner(None, 2, 0.05),
        direction="maximize",
        noise=0.4,
    ),
    run("wilcoxon", "wilcoxon", {}, WilcoxonPruner, steps=range(20), noise=0.5),
    run(
        "wilcoxon-max",
        "wilcoxon",
        {"threshold": 0.3, "startupSteps": 5},
        lambda: WilcoxonPruner(p_threshold=0.3, n_startup_steps=5),
        direction="maximize",
        steps=range(18),
        noise=0.5,
        ragged=True,
    ),
    run("halving-auto", "successive-halving", {}, SuccessiveHalvingPruner, steps=range(1, 18)),
    run("halving-long", "successive-halving", {}, SuccessiveHalvingPruner, steps=range(0, 900, 45)),
    run(
        "halving-two",
        "successive-halving",
        {"minimumResource": 2, "reductionFactor": 2, "minimumEarlyStoppingRate": 1},
        lambda: SuccessiveHalvingPruner(2, 2, 1),
        direction="maximize",
        steps=range(1, 34, 2),
        ragged=True,
    ),
    run(
        "halving-bootstrap",
        "successive-halving",
        {"minimumResource": 1, "reductionFactor": 3, "bootstrapCount": 3},
        lambda: SuccessiveHalvingPruner(1, 3, 0, 3),
        steps=range(1, 28),
    ),
    run("hyperband-auto", "hyperband", {}, HyperbandPruner, steps=range(0, 27), trials=60),
    run(
        "hyperband-81",
        "hyperband",
        {"minimumResource": 1, "maximumResource": 81, "reductionFactor": 3},
        lambda: HyperbandPruner(1, 81, 3),
        direction="maximize",
        steps=[1, 2, 3, 5, 9, 20, 27, 50, 81],
        trials=80,
    ),
]


def wilcoxon_cases():
    source = random.Random(5)
    for size in [2, 3, 5, 8, 12, 13, 14, 20, 49, 50, 51, 60]:
        for decimals in [6, 1, 0]:
            shift = source.gauss(0, 0.4)
            differences = [round(source.gauss(shift, 1), decimals) + 0.0 for _ in range(size)]
            p = wilcoxon(differences, alternative="greater", zero_method="zsplit").pvalue
            yield {"differences": differences, "p": float(p)}
    for size in [3, 20]:
        p = wilcoxon([0.0] * size, alternative="greater", zero_method="zsplit").pvalue
        yield {"differences": [0.0] * size, "p": float(p)}


def budgets(maximum):
    study = optuna.create_study(pruner=HyperbandPruner(1, maximum, 3))
    trial = study.ask()
    trial.report(1.0, 0)
    trial.should_prune()
    return study.pruner._trial_allocation_budgets


golden = {
    "optuna": optuna.__version__,
    "studies": studies,
    "wilcoxon": list(wilcoxon_cases()),
    "budgets": {str(maximum): budgets(maximum) for maximum in [1, 9, 27, 81, 100]},
}
with open("optuna-5.0.0-pruners.json", "w") as file:
    json.dump(golden, file, separators=(",", ":"))
    file.write("\n")
