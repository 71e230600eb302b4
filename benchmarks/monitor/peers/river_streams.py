"""Records what a monitor sees of river's Gaussian naive Bayes, learning as it goes, on river's own generators: one JSON line for each stream.

python river_streams.py OUT.jsonl STREAM [calibration null streams] [test null streams] [drifting streams of each kind]
"""

import base64
import itertools
import json
import math
import random
import sys

import river
from river import naive_bayes
from river.datasets import synth

WARM_UP = 500  # the learner's first steps, which no detector sees
NULL_LENGTH, LENGTH, DRIFT = 10_000, 5_000, 2_000
WIDTH = 1_000  # how long gradual drifts take


def swapped(stream, pairs):
    """LED, with pairs of its segments exchanged."""
    order = dict(pairs) | {b: a for a, b in pairs}
    for x, y in stream:
        yield {name: x[order.get(name, name)] for name in x}, y


def concepts(name, seed):
    """The concept before and after, endless, each with a seed of its own."""
    before, after = 2 * seed + 1, 2 * seed + 2
    if name == "sea":
        return synth.SEA(variant=2, noise=0.1, seed=before), synth.SEA(variant=3, noise=0.1, seed=after)
    if name == "agrawal":
        return (synth.Agrawal(classification_function=0, seed=before, perturbation=0.05),
                synth.Agrawal(classification_function=1, seed=after, perturbation=0.05))
    if name == "hyperplane":
        return (synth.Hyperplane(seed=before, n_features=10, noise_percentage=0.05),
                synth.Hyperplane(seed=after, n_features=10, noise_percentage=0.05))
    if name == "led":
        return (synth.LED(seed=before, noise_percentage=0.1),
                swapped(synth.LED(seed=after, noise_percentage=0.1), [(0, 1), (2, 3)]))
    if name == "sine":
        return (synth.Sine(classification_function=0, seed=before, has_noise=False),
                synth.Sine(classification_function=1, seed=after, has_noise=False))
    raise ValueError(name)


def mixed(before, after, width, seed):
    """What is new has no share before DRIFT, and one that grows evenly for `width` from there: nothing has drifted before the index delays count from."""
    rng = random.Random(seed)
    before, after = iter(before), iter(after)
    for index in itertools.count(-WARM_UP):
        share = min(1.0, max(0.0, (index - DRIFT + 1) / width))
        yield next(before) if rng.random() >= share else next(after)


def watched(stream, length):
    """Of each answer: whether it was wrong; -16 log2(1 - p) of the label it gave; -16 ln p of the label that came. As bytes."""
    model = naive_bayes.GaussianNB()
    bits, confidences, losses = [], [], []
    for index, (x, y) in enumerate(itertools.islice(stream, WARM_UP + length)):
        if index >= WARM_UP:
            shares = model.predict_proba_one(x)
            answer = max(shares, key=shares.get)
            bits.append(int(answer != y))
            confidences.append(min(255, round(-16 * math.log2(max(1e-9, 1 - shares[answer])))))
            losses.append(min(255, round(-16 * math.log(max(1e-9, shares.get(y, 0.0))))))
        model.learn_one(x, y)
    return bits, confidences, losses


def packed(bits):
    data = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        data[index // 8] |= bit << (index % 8)
    return text(data)


def text(data):
    return base64.b64encode(bytes(data)).decode()


def main(path, name, calibration=30, test=15, drifting=40):
    plan = ([("null-calibration", 10_000 + seed) for seed in range(calibration)]
            + [("null-test", 20_000 + seed) for seed in range(test)]
            + [("abrupt", 30_000 + seed) for seed in range(drifting)]
            + [("gradual", 40_000 + seed) for seed in range(drifting)])
    with open(path, "w", encoding="utf-8") as file:
        for kind, seed in plan:
            before, after = concepts(name, seed)
            drifts = not kind.startswith("null")
            stream = mixed(before, after, 1 if kind == "abrupt" else WIDTH, seed) if drifts else before
            bits, confidences, losses = watched(iter(stream), LENGTH if drifts else NULL_LENGTH)
            file.write(json.dumps({"river": river.__version__, "stream": name, "kind": kind, "seed": seed,
                                   "drift": DRIFT if drifts else None, "length": len(bits),
                                   "bits": packed(bits), "confidences": text(confidences),
                                   "losses": text(losses)}) + "\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
