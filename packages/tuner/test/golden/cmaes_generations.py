"""Golden values of one and several CMA-ES generations by the `cmaes` package; writes cmaes-0.13.1.json beside itself.

Run with a Python that has cmaes 0.13.1 and numpy: python cmaes_generations.py
"""

import json
import math
from pathlib import Path

import numpy as np
from cmaes import CMA, CMAwM, CatCMA, get_warm_start_mgd


def gaussian(cma):
    return {
        "mean": cma._mean.tolist(),
        "sigma": float(cma._sigma),
        "covariance": cma._C.flatten().tolist(),
        "pathSigma": cma._p_sigma.tolist(),
        "pathCovariance": cma._pc.tolist(),
    }


def objective(x):
    return float(sum((i + 1) * (v - 0.3) ** 2 for i, v in enumerate(x)) + x[0] * x[1])


def plain(lr_adapt):
    optimizer = CMA(mean=np.array([0.5, 0.5, 0.5, 0.5]), sigma=0.25, seed=3, population_size=9, lr_adapt=lr_adapt)
    generations = []
    for _ in range(6):
        points = [optimizer.ask() for _ in range(9)]
        told = sorted([(p, objective(p)) for p in points], key=lambda s: s[1])
        ranked = [p.tolist() for p, _ in told]
        optimizer.tell(told)
        generations.append({"ranked": ranked, **gaussian(optimizer), "rates": [float(optimizer._eta_mean), float(optimizer._eta_Sigma)]})
    return generations


def margin():
    # Coordinates 0 to 2 have 2, 5 and 11 levels at the centres of equal cells of [0, 1]; coordinate 3 is continuous.
    levels = [2, 5, 11]
    bounds = np.array([[0.5 / k, 1 - 0.5 / k] for k in levels] + [[0.0, 1.0]])
    steps = np.array([1 / k for k in levels] + [0.0])
    optimizer = CMAwM(mean=np.full(4, 0.5), sigma=0.25, bounds=bounds, steps=steps, seed=5, population_size=8)
    generations = []
    for _ in range(12):
        asked = [optimizer.ask() for _ in range(8)]
        told = sorted([(raw, objective(seen)) for seen, raw in asked], key=lambda s: s[1])
        ranked = [raw.tolist() for raw, _ in told]
        optimizer.tell(told)
        generations.append({"ranked": ranked, **gaussian(optimizer._cma), "stretch": optimizer._A.tolist()})
    return {"levels": levels, "margin": float(optimizer.margin), "generations": generations}


def categories():
    sizes = [3, 4]
    optimizer = CatCMA(mean=np.full(3, 0.5), sigma=0.25, cat_num=np.array(sizes), seed=7)
    generations = []
    for _ in range(8):
        asked = [optimizer.ask() for _ in range(optimizer.population_size)]
        told = [((x, c), objective(x) + float((c.argmax(axis=1) * np.array([1, 0.3])).sum())) for x, c in asked]
        told.sort(key=lambda s: s[1])
        ranked = [{"point": x.tolist(), "choices": c.argmax(axis=1).tolist()} for (x, c), _ in told]
        optimizer.tell(told)
        generations.append({
            "ranked": ranked, **gaussian(optimizer), "caution": float(optimizer._Delta),
            "probabilities": [optimizer._q[i, :k].tolist() for i, k in enumerate(sizes)],
        })
    return {"sizes": sizes, "population": optimizer.population_size, "generations": generations}


def warm():
    random = np.random.RandomState(1)
    points = random.rand(60, 3)
    told = sorted([(p, objective(p)) for p in points], key=lambda s: s[1])
    mean, sigma, covariance = get_warm_start_mgd(told)
    return {
        "best": [p.tolist() for p, _ in told[: math.floor(6)]],
        "mean": mean.tolist(), "sigma": float(sigma), "covariance": covariance.flatten().tolist(),
    }


result = {"plain": plain(False), "learningRate": plain(True), "margin": margin(), "categories": categories(), "warmStart": warm()}
Path(__file__).with_name("cmaes-0.13.1.json").write_text(json.dumps(result) + "\n")
