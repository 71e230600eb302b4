"""Records what a monitor sees of river's Gaussian naive Bayes, learning as it goes, on river's own generators: one JSON line for each stream.

python river_streams.py OUT.jsonl STREAM development|test [calibration null streams] [test null streams] [drifting streams of each kind]

The development streams are for choosing a detector, the test streams for reporting it: they have other concepts, other noise and other seeds.
"""

import base64
import itertools
import json
import math
import random
import sys

import numpy as np
import river
from river import naive_bayes
from river.datasets import synth

WARM_UP = 500  # the learner's first steps, which no detector sees
PDF_EPS = 1e-9  # what river adds to each density
NULL_LENGTH, LENGTH, DRIFT = 10_000, 5_000, 2_000
WIDTH = 1_000  # how long gradual drifts take


def swapped(stream, pairs):
    """LED, with pairs of its segments exchanged."""
    order = dict(pairs) | {b: a for a, b in pairs}
    for x, y in stream:
        yield {name: x[order.get(name, name)] for name in x}, y


SETS = {
    "development": {"seeds": 1_000_000, "sea": (2, 3, 0.1), "agrawal": (0, 1, 0.05), "hyperplane": (10, 0.05),
                    "led": (0.1, [(0, 1), (2, 3)]), "sine": (0, 1, False)},
    "test": {"seeds": 2_000_000, "sea": (1, 2, 0.2), "agrawal": (6, 3, 0.1), "hyperplane": (6, 0.1),
             "led": (0.15, [(1, 5), (3, 6)]), "sine": (2, 3, True)},
}


def concepts(name, settings, seed):
    """The concept before and after, endless, each with a seed of its own."""
    before, after = 2 * seed + 1, 2 * seed + 2
    if name == "sea":
        first, second, noise = settings
        return synth.SEA(variant=first, noise=noise, seed=before), synth.SEA(variant=second, noise=noise, seed=after)
    if name == "agrawal":
        first, second, noise = settings
        return (synth.Agrawal(classification_function=first, seed=before, perturbation=noise),
                synth.Agrawal(classification_function=second, seed=after, perturbation=noise))
    if name == "hyperplane":
        features, noise = settings
        return (synth.Hyperplane(seed=before, n_features=features, noise_percentage=noise),
                synth.Hyperplane(seed=after, n_features=features, noise_percentage=noise))
    if name == "led":
        noise, pairs = settings
        return synth.LED(seed=before, noise_percentage=noise), swapped(synth.LED(seed=after, noise_percentage=noise), pairs)
    if name == "sine":
        first, second, noise = settings
        return (synth.Sine(classification_function=first, seed=before, has_noise=noise),
                synth.Sine(classification_function=second, seed=after, has_noise=noise))
    raise ValueError(name)


def mixed(before, after, width, seed):
    """What is new has no share before DRIFT, and one that grows evenly for `width` from there: nothing has drifted before the index delays count from."""
    rng = random.Random(seed)
    before, after = iter(before), iter(after)
    for index in itertools.count(-WARM_UP):
        share = min(1.0, max(0.0, (index - DRIFT + 1) / width))
        yield next(before) if rng.random() >= share else next(after)


def watched(stream, length):
    """Of each answer of river's learner: whether it was wrong; -16 log2(1 - p) of the label it gave; -16 ln p of the label that came. As bytes."""
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


def all_watched(streams, length, classes):
    """The same for many streams side by side: river's GaussianNB in numpy, which `main` holds against river's on the first stream."""
    count = len(streams)
    rows = np.arange(count)
    seen = None
    bits, confidences, losses = (np.zeros((count, length), dtype=np.uint8) for _ in range(3))
    for index in range(WARM_UP + length):
        pairs = [next(stream) for stream in streams]
        x = np.array([list(map(float, pair[0].values())) for pair in pairs])
        y = np.array([int(pair[1]) for pair in pairs])
        if seen is None:
            seen, means, squares = (np.zeros((count, classes)), *(np.zeros((count, classes, x.shape[1])) for _ in range(2)))
        if index >= WARM_UP:
            variance = squares / seen[:, :, None]
            known = np.where(variance > 0, variance, 1.0)
            density = np.where(variance > 0, np.exp(-((x[:, None, :] - means) ** 2) / (2 * known)) / np.sqrt(math.tau * known), 0.0)
            joint = np.log(seen / seen.sum(axis=1, keepdims=True)) + np.log(PDF_EPS + density).sum(axis=2)
            shares = np.exp(joint - joint.max(axis=1, keepdims=True))
            shares /= shares.sum(axis=1, keepdims=True)
            answer = shares.argmax(axis=1)
            at = index - WARM_UP
            bits[:, at] = answer != y
            confidences[:, at] = np.minimum(255, np.round(-16 * np.log2(np.maximum(1e-9, 1 - shares[rows, answer]))))
            losses[:, at] = np.minimum(255, np.round(-16 * np.log(np.maximum(1e-9, shares[rows, y]))))
        seen[rows, y] += 1
        before = x - means[rows, y]
        means[rows, y] += before / seen[rows, y][:, None]
        squares[rows, y] += before * (x - means[rows, y])
    return [(list(map(int, bits[row])), confidences[row], losses[row]) for row in rows]


def packed(bits):
    data = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        data[index // 8] |= bit << (index % 8)
    return text(data)


def text(data):
    return base64.b64encode(bytes(data)).decode()


def of_kind(name, settings, kind, seed):
    before, after = concepts(name, settings, seed)
    return iter(before if kind.startswith("null") else mixed(before, after, 1 if kind == "abrupt" else WIDTH, seed))


def main(path, name, use, calibration=30, test=15, drifting=40):
    settings, base = SETS[use][name], SETS[use]["seeds"]
    plan = ([("null-calibration", base + 10_000 + seed) for seed in range(calibration)]
            + [("null-test", base + 20_000 + seed) for seed in range(test)]
            + [("abrupt", base + 30_000 + seed) for seed in range(drifting)]
            + [("gradual", base + 40_000 + seed) for seed in range(drifting)])
    with open(path, "w", encoding="utf-8") as file:
        for kind, group in itertools.groupby(plan, key=lambda each: each[0]):
            seeds = [seed for _, seed in group]
            length = NULL_LENGTH if kind.startswith("null") else LENGTH
            seen = all_watched([of_kind(name, settings, kind, seed) for seed in seeds], length, 10 if name == "led" else 2)
            wanted = watched(of_kind(name, settings, kind, seeds[0]), length)
            if wanted[0] != seen[0][0] or any(abs(a - int(b)) > 1 for part in (1, 2) for a, b in zip(wanted[part], seen[0][part])):
                raise ValueError(f"the learner in numpy differs from river's on {name}, {kind}")
            for seed, (bits, confidences, losses) in zip(seeds, seen):
                file.write(json.dumps({"river": river.__version__, "stream": name, "use": use, "kind": kind, "seed": seed,
                                       "drift": None if kind.startswith("null") else DRIFT, "length": length,
                                       "bits": packed(bits), "confidences": text(confidences),
                                       "losses": text(losses)}) + "\n")
            file.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7]))
