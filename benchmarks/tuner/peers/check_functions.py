"""The closed forms of the referee written a second time, compared on 1,000 random points a task; and a search for anything below the optima it states.

  python benchmarks/tuner/peers/check_functions.py [points]        needs numpy and scipy, and node
"""
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize


def seed_of(*parts):
    value = 2166136261
    for byte in "/".join(map(str, parts)).encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def uniforms(seed):
    state, mask = seed, 2**32 - 1
    while True:
        state = state + 1831565813 & mask
        t = (state ^ state >> 15) * (1 | state) & mask
        t = (t + ((t ^ t >> 7) * (61 | t) & mask) & mask) ^ t
        yield ((t ^ t >> 14) & mask) / 2**32


def rotation(size, seed):
    stream = uniforms(seed)
    drawn = [math.sqrt(-2 * math.log(1 - next(stream))) * math.cos(2 * math.pi * next(stream)) for _ in range(size * size)]
    q, r = np.linalg.qr(np.reshape(drawn, (size, size)).T)
    return (q * np.sign(np.diag(r))).T


def place(identity, size, low, high):
    stream = uniforms(seed_of(identity, "place"))
    return np.array([low + (high - low) * (0.2 + 0.6 * next(stream)) for _ in range(size)])


pi, cos, sin, exp, sqrt = np.pi, np.cos, np.sin, np.exp, np.sqrt
H6 = (
    np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]),
    np.array([[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991], [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]) / 1e4,
)
H3 = (
    np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
    np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]) / 1e4,
)


def hartmann(x, tables):
    return -np.array([1, 1.2, 3, 3.2]) @ exp(-(tables[0] * (np.asarray(x) - tables[1]) ** 2).sum(axis=1))


def branin(x):
    return (x[1] - 5.1 * x[0] ** 2 / (4 * pi**2) + 5 * x[0] / pi - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10


def ackley(z):
    return 20 + np.e - 20 * exp(-0.2 * sqrt(np.mean(z**2))) - exp(np.mean(cos(2 * pi * z)))


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (x[:-1] - 1) ** 2)


def levy(x):
    w = 1 + (x - 1) / 4
    return sin(pi * w[0]) ** 2 + np.sum((w[:-1] - 1) ** 2 * (1 + 10 * sin(pi * w[:-1] + 1) ** 2)) + (w[-1] - 1) ** 2 * (1 + sin(2 * pi * w[-1]) ** 2)


def rastrigin(z):
    return 10 * len(z) + np.sum(z**2 - 10 * cos(2 * pi * z))


def ellipsoid(z):
    return z**2 @ 1000 ** np.linspace(0, 1, len(z))


def griewank(z):
    return np.sum(z**2) / 4000 - np.prod(cos(z / sqrt(np.arange(1, len(z) + 1)))) + 1


def camel(x, y):
    return 4 * x**2 - 2.1 * x**4 + x**6 / 3 + x * y - 4 * y**2 + 4 * y**4


def beale(x, y):
    return (1.5 - x * (1 - y)) ** 2 + (2.25 - x * (1 - y**2)) ** 2 + (2.625 - x * (1 - y**3)) ** 2


def vector(params, prefix="x"):
    return np.array([params[f"{prefix}{i}"] for i in range(sum(name.startswith(prefix) and name[1:].isdigit() for name in params))])


IDLE = [3, 7, 8, 12, 15, 19]


def moved(identity, base, low, high, size, turned):
    at, axes = place(identity, size, low, high), rotation(size, seed_of(identity, "axes")) if turned else np.eye(size)
    return lambda params: base(axes @ (vector(params) - at))


continuous = {
    "branin-2": lambda p: branin(vector(p)),
    "rastrigin-4": moved("rastrigin-4", rastrigin, -5.12, 5.12, 4, True),
    "ackley-5": moved("ackley-5", ackley, -32.768, 32.768, 5, True),
    "rosenbrock-5": moved("rosenbrock-5", lambda z: rosenbrock(z + 1), -5, 10, 5, False),
    "hartmann-6": lambda p: hartmann(vector(p), H6),
    "levy-8": moved("levy-8", lambda z: levy(z + 1), -10, 10, 8, False),
    "ellipsoid-10": moved("ellipsoid-10", ellipsoid, -5, 5, 10, True),
    "hartmann-6-of-20": lambda p: hartmann(vector(p)[IDLE], H6),
    "hartmann-3": lambda p: hartmann(vector(p), H3),
    "griewank-6": moved("griewank-6", griewank, -600, 600, 6, True),
    "styblinski-12": lambda p: 0.5 * np.sum(vector(p) ** 4 - 16 * vector(p) ** 2 + 5 * vector(p)),
    "dixon-price-16": lambda p: (vector(p)[0] - 1) ** 2 + np.sum(np.arange(2, 17) * (2 * vector(p)[1:] ** 2 - vector(p)[:-1]) ** 2),
}

SMALL = {
    "rosenbrock": lambda x, y: rosenbrock(np.array([x, y])) / 300,
    "camel": camel,
    "beale": lambda x, y: beale(x, y) / 50,
    "bowl": lambda x, y: (x**2 + y**2) / 4,
    "slope": lambda x, y: (x + y + 4) / 4,
}


def two(p):
    return SMALL[p["first"]](p["x"], p["y"]) + SMALL[p["second"]](p["x"], p["y"])


def three(p):
    return two(p) + SMALL[{"a": "beale", "b": "bowl", "c": "camel", "d": "rosenbrock"}[p["third"]]](p["x"], p["y"])


def switches(p):
    wrong = [p["a"] is not True, p["b"] is not False, p["c"] is not False, p["d"] is not True, p["e"] is not False]
    return ackley(np.concatenate([np.array(wrong, float), vector(p) - place("ackley-switches", 3, -5, 5)]))


WHOLE = np.concatenate([[6, 13, 9], place("whole-ellipsoid", 3, 0, 20)])
TURN = rotation(6, seed_of("whole-ellipsoid", "axes"))


def whole(p):
    return ellipsoid(TURN @ (np.concatenate([vector(p, "i"), vector(p)]) - WHOLE))


def to_unit(space, name, value):
    low, high = space[name]["low"], space[name]["high"]
    if space[name].get("log"):
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def bowl(space, p, best, weights=None):
    total = 0.0
    for index, (name, at) in enumerate(best.items()):
        d = to_unit(space, name, p[name]) - to_unit(space, name, at)
        total += (1 if weights is None else weights[index]) * (d**2 + 0.04 * math.sin(3 * math.pi * d) ** 2)
    return total


def loss(least, squares):
    return least - 1.5 * math.expm1(-2 * squares)


def network(p, space):
    least = 0.1 + {"relu": 0.01, "tanh": 0.04, "gelu": 0, "sigmoid": 0.12}[p["activation"]] + {"sgd": 0.02, "adam": 0, "rmsprop": 0.03}[p["optimizer"]]
    best = {"rate": {"sgd": 0.1, "adam": 1e-3, "rmsprop": 5e-4}[p["optimizer"]], "decay": 1e-4, "units": 128, "layers": 2 if p["activation"] == "sigmoid" else 3, "dropout": 0.2}
    return loss(least, bowl(space, p, best, [4, 0.3, 1, 0.6, 0.5]))


def boosting(p, space):
    least = 0.2 + {"plain": 0, "dropped": 0.01, "linear": 0.15}[p["booster"]] + (0.015 if p["growth"] == "level" else 0)
    best = {"rate": 0.05, "trees": 400, "depth": 6 if p["growth"] == "leaf" else 8, "rows": 0.8, "leaf": 20}
    return loss(least, bowl(space, p, best, [0.4, 0.2, 1.5, 0.4, 0.6]) + 0.25 * (math.log10(p["rate"]) + math.log10(p["trees"]) - math.log10(20)) ** 2)


def vessel(s, h, r, l):
    volume = pi * r**2 * l + 4 * pi * r**3 / 3
    over = max(0, 0.0193 * r - s) + max(0, 0.00954 * r - h) + max(0, 1 - volume / 1296000) + max(0, l / 240 - 1)
    return 0.6224 * s * r * l + 1.7781 * h * r**2 + 3.1661 * s**2 * l + 19.84 * s**2 * r + 1e5 * over


def branches(p, space):
    batch = bowl(space, p, {"batch": 64}, [0.5])
    if p["optimizer"] == "sgd":
        return loss(0.1 if p["nesterov"] else 0.12, batch + bowl(space, p, {"sgdRate": 0.3 * math.sqrt(10 * (1 - p["momentum"])), "momentum": 0.9}, [6, 0.8]))
    if p["optimizer"] == "adam":
        return loss(0.12, batch + bowl(space, p, {"adamRate": 2e-3, "beta": 0.95, "epsilon": 1e-7}, [2, 0.3, 0.1]))
    return loss(0.15, batch + bowl(space, p, {"rmsRate": 1e-3, "rho": 0.9}, [2, 0.5]))


def model(p, space):
    if p["model"] == "forest":
        return loss(0.2, bowl(space, p, {"trees": 500, "depth": 18, "features": 0.3}, [0.3, 0.5, 0.8]))
    if p["model"] == "network":
        return loss(0.18, bowl(space, p, {"rate": 3e-3, "units": 100, "decay": 1e-4}, [3, 0.8, 0.3]))
    if p["kernel"] == "linear":
        return loss(0.35, bowl(space, p, {"penalty": 1}))
    if p["kernel"] == "polynomial":
        return loss(0.25, bowl(space, p, {"penalty": 10, "degree": 3}))
    return loss(0.15, bowl(space, p, {"penalty": 30, "gamma": 0.01}, [0.5, 0.5]) + 0.2 * math.log10(p["penalty"] * p["gamma"] / 0.3) ** 2)


def layers(p, space):
    widths = {f"units{i}": units for i, units in enumerate([192, 96, 48, 24][: p["layers"]])}
    least = 0.1 + [0.15, 0.04, 0, 0.01][p["layers"] - 1]
    return loss(least, bowl(space, p, {**widths, "rate": 2e-3 * 2.0 ** (3 - p["layers"])}, [0.7] * p["layers"] + [3]))


def pipeline(p, space):
    least = {"none": 0.15, "components": 0.14 if p.get("whiten") else 0.17, "selection": 0.12}[p["preparation"]]
    squares = {"none": lambda: 0, "components": lambda: bowl(space, p, {"components": 16}), "selection": lambda: bowl(space, p, {"share": 0.4}, [0.8])}[p["preparation"]]()
    if p["learner"] == "nearest":
        return loss(least + {"manhattan": 0.09, "euclidean": 0.11, "cosine": 0.08}[p["distance"]], squares + bowl(space, p, {"neighbours": 12}))
    squares += bowl(space, p, {"rounds": 200, "rate": 0.1}, [0.6, 1.2])
    return loss(least, squares + bowl(space, p, {"rows": 0.7}, [0.5])) if p["sampled"] else loss(least + 0.015, squares)


mixed = {
    "two-choices": lambda p, s: two(p),
    "three-choices": lambda p, s: three(p),
    "ackley-switches": lambda p, s: switches(p),
    "whole-ellipsoid": lambda p, s: whole(p),
    "stepped-hartmann": lambda p, s: hartmann(vector(p), H6),
    "network": network,
    "boosting": boosting,
    "pressure-vessel": lambda p, s: vessel(p["s"] / 16, p["h"] / 16, p["r"], p["l"]),
    "optimizer-branches": branches,
    "model-choice": model,
    "layer-widths": layers,
    "pipeline": pipeline,
}

SHAPES = {"power": lambda t: (1 + t) ** -0.7, "exponential": lambda t: math.exp(-t), "late": lambda t: 0.5 * (1 - math.tanh(1.5 * (t - 1.5)))}
CURVES = {
    "network": (
        [4, 0.4, 0.8, 0.6],
        "activation",
        {"relu": 0.01, "tanh": 0.04, "gelu": 0},
        lambda p: (0.003 / p["rate"]) ** 0.35 * (p["units"] / 128) ** 0.2,
        lambda p: 0.08 * max(0, -math.log10(p["decay"]) - 5) * max(0, 0.3 - p["dropout"]),
    ),
    "boosting": (
        [1.5, 1, 0.5, 0.4],
        "growth",
        {"level": 0.02, "leaf": 0},
        lambda p: (0.08 / p["rate"]) ** 0.8,
        lambda p: 0.03 * max(0, math.log10(p["rate"]) + 0.6) * max(0, p["depth"] - 8),
    ),
    "images": (
        [3, 0.6, 0.8, 0.7, 0.4],
        "augmentation",
        {"none": 0.08, "flips": 0.03, "crops": 0, "mixed": 0.01},
        lambda p: (0.1 / p["rate"]) ** 0.3 * (p["batch"] / 64) ** 0.2 * (0.6 if p["augmentation"] == "none" else 1),
        lambda p: (0.03 if p["augmentation"] == "none" else 0.004) * max(0, math.log2(p["width"] / 32)),
    ),
}


def curve(task, p, epoch):
    kind, shape = task["id"].split("-")[:2]
    weights, chosen, costs, slowness, overfit = CURVES[kind]
    best, epochs, of = task["optimumAt"], task["epochs"], SHAPES[shape]
    base = loss(task["optimum"], bowl(task["space"], p, {name: value for name, value in best.items() if name != chosen}, weights)) + costs[p[chosen]]
    scale = epochs / 6 * min(20, max(0.05, slowness(p) / slowness(best)))
    left = (of(epoch / scale) - of(epochs / scale)) / (of(0) - of(epochs / scale))
    return base + (1.8 - base) * left + max(0, overfit(p) - overfit(best)) * (epoch / epochs) ** 2


def objectives(identity, x):
    if identity == "dtlz2":
        far, (a, b) = 1 + np.sum((x[2:] - 0.5) ** 2), x[:2] * pi / 2
        return [far * cos(a) * cos(b), far * cos(a) * sin(b), far * sin(a)]
    tail = x[1:]
    if identity == "zdt6":
        f, g = 1 - exp(-4 * x[0]) * sin(6 * pi * x[0]) ** 6, 1 + 9 * np.mean(tail) ** 0.25
    elif identity == "zdt4":
        f, g = x[0], 1 + 10 * len(tail) + np.sum(tail**2 - 10 * cos(4 * pi * tail))
    else:
        f, g = x[0], 1 + 9 * np.mean(tail)
    second = {"zdt1": g - sqrt(f * g), "zdt2": g - f**2 / g, "zdt3": g - sqrt(f * g) - f * sin(10 * pi * f), "zdt4": g - sqrt(f * g), "zdt6": g - f**2 / g}
    return [f, second[identity]]


def value_of(task, params, epoch):
    if task["group"] == "C":
        return continuous[task["id"]](params)
    if task["group"] == "M":
        return mixed[task["id"]](params, task["space"])
    return curve(task, params, epoch) if task["group"] == "F" else objectives(task["id"], vector(params))


def below(task):
    """How far local searches from the stated optimum and the best random points get below it; over its real parameters only."""
    starts = [task["optimumAt"]] + [point["params"] for point in sorted(task["points"], key=lambda point: point["value"])[:10]]
    least = math.inf
    for params in starts:
        names = [name for name in params if task["space"][name]["kind"] == "float" and "step" not in task["space"][name]]
        bounds = [(task["space"][name]["low"], task["space"][name]["high"]) for name in names]
        # In the unit cube: the scales of the parameters are very different.
        scales = [to_unit(task["space"], name, params[name]) for name in names]

        def place_at(u):
            found = dict(params)
            for name, (low, high), v in zip(names, bounds, u):
                v = min(1, max(0, v))
                found[name] = low * (high / low) ** v if task["space"][name].get("log") else low + (high - low) * v
            return value_of(task, found, task.get("epochs"))

        if not names:
            least = min(least, place_at([]))
            continue
        found = minimize(place_at, scales, bounds=[(0, 1)] * len(names), method="L-BFGS-B")
        found = minimize(place_at, found.x, bounds=[(0, 1)] * len(names), method="Nelder-Mead", options={"maxiter": 400})
        least = min(least, found.fun)
    return least - task["optimum"]


def main():
    points = sys.argv[1] if len(sys.argv) > 1 else "1000"
    script = Path(__file__).resolve().parent.parent / "points.mjs"
    worst, failed = 0.0, False
    for line in subprocess.run(["node", script, points], capture_output=True, check=True, text=True).stdout.splitlines():
        task = json.loads(line)
        difference = 0.0
        for point in task["points"]:
            ours, theirs = np.atleast_1d(point["value"]), np.atleast_1d(value_of(task, point["params"], point.get("epoch")))
            difference = max(difference, float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs)))))
        under = below(task) if task["group"] in "CM" else 0.0
        bad = difference > 1e-10 or under < -1e-6 * max(1, abs(task.get("optimum") or 0))
        worst, failed = max(worst, difference), failed or bad
        print(f"{task['group']} {task['id']}: largest difference {difference:.1e}" + (f", least found less optimum {under:.1e}" if task["group"] in "CM" else "") + ("  WRONG" if bad else ""))
    print(f"largest difference of all: {worst:.1e}")
    sys.exit(1 if failed else 0)


main()
