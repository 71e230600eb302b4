"""Records at which indices river's detectors warn and detect: river-detectors.json. Run with river 0.26.1."""

import json
import pathlib
import random

import river
import scipy
from river import drift

MASK = 0xFFFFFFFF
rng = random.Random(7)


def bits(*parts):
    return [int(rng.random() < share) for length, share in parts for _ in range(length)]


streams = {
    "abrupt error": bits((1200, 0.1), (900, 0.35), (900, 0.12)),
    "small error": bits((1500, 0.2), (1500, 0.26)),
    "gradual error": bits(*[(10, 0.1 + 0.002 * step) for step in range(250)]),
    "steady error": bits((3000, 0.15)),
    "abrupt numbers": [round(rng.gauss(0.0 if index < 700 else 0.8, 1.0), 4) for index in range(1500)],
    "falling numbers": [round(rng.gauss(5 - index / 400, 1.0), 4) for index in range(1600)],
    "wider numbers": [round(rng.gauss(0.0, 1.0 if index < 800 else 2.5), 4) for index in range(1500)],
}
detectors = [
    ("page-hinkley", {}, lambda o: drift.PageHinkley(**o)),
    ("page-hinkley", {"threshold": 8, "delta": 0.05}, lambda o: drift.PageHinkley(**o)),
    ("page-hinkley", {"threshold": 6, "mode": "up", "alpha": 0.99}, lambda o: drift.PageHinkley(**o)),
    ("page-hinkley", {"threshold": 12, "mode": "down", "min_instances": 100}, lambda o: drift.PageHinkley(**o)),
    ("adwin", {}, lambda o: drift.ADWIN(**o)),
    ("adwin", {"delta": 0.2, "clock": 1, "max_buckets": 3}, lambda o: drift.ADWIN(**o)),
    ("adwin", {"delta": 0.05, "clock": 8, "min_window_length": 20, "grace_period": 60}, lambda o: drift.ADWIN(**o)),
    ("kswin", {"seed": None}, None),
]
binary = [
    ("ddm", {}, lambda o: drift.binary.DDM(**o)),
    ("ddm", {"warm_start": 100, "warning_threshold": 1.5, "drift_threshold": 2.5}, lambda o: drift.binary.DDM(**o)),
    ("eddm", {}, lambda o: drift.binary.EDDM(**o)),
    ("eddm", {"warm_start": 60, "alpha": 0.9, "beta": 0.8}, lambda o: drift.binary.EDDM(**o)),
    ("hddm-a", {}, lambda o: drift.binary.HDDMA(**o)),
    ("hddm-a", {"drift_confidence": 0.05, "warning_confidence": 0.1, "two_sided_test": True},
     lambda o: drift.binary.HDDMA(**o)),
    ("hddm-w", {}, lambda o: drift.binary.HDDMW(**o)),
    ("hddm-w", {"drift_confidence": 0.02, "warning_confidence": 0.05, "lambda_val": 0.1, "two_sided_test": True},
     lambda o: drift.binary.HDDMW(**o)),
    ("fhddm", {}, lambda o: drift.binary.FHDDM(**o)),
    ("fhddm", {"sliding_window_size": 60, "short_window_size": 20, "confidence_level": 0.01},
     lambda o: drift.binary.FHDDM(**o)),
]


class Xoshiro:
    """The generator of our contracts (xoshiro128**, filled by SplitMix32), so that KSWIN draws the same older values on both sides."""

    def __init__(self, seed):
        self.words, mix = [], seed & MASK
        for _ in range(4):
            mix = (mix + 0x9E3779B9) & MASK
            word = ((mix ^ (mix >> 16)) * 0x85EBCA6B) & MASK
            word = ((word ^ (word >> 13)) * 0xC2B2AE35) & MASK
            self.words.append(word ^ (word >> 16))

    def next32(self):
        a, b, c, d = self.words
        scrambled = (b * 5) & MASK
        result = ((((scrambled << 7) | (scrambled >> 25)) & MASK) * 9) & MASK
        shifted = (b << 9) & MASK
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = ((d << 11) | (d >> 21)) & MASK
        self.words = [a, b, c, d]
        return result

    def integer(self, bound):
        limit = (1 << 32) - ((1 << 32) % bound)
        while True:
            drawn = self.next32()
            if drawn < limit:
                return drawn % bound

    def sample(self, population, k):
        left = list(population)
        for index in range(k):
            other = index + self.integer(len(left) - index)
            left[index], left[other] = left[other], left[index]
        return left[:k]


def kswin(options):
    detector = drift.KSWIN(**options)
    plain = detector._reset

    def reset():
        plain()
        detector._rng = Xoshiro(7)

    detector._reset = reset
    reset()
    return detector


detectors[-1:] = [("kswin", {}, kswin), ("kswin", {"alpha": 0.05, "window_size": 60, "stat_size": 20}, kswin)]
runs = []
for kind, options, make in detectors + binary:
    for name, values in streams.items():
        if "error" not in name and (kind, options, make) in binary:
            continue
        detector = make(options)
        drifts, warnings = [], []
        for index, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                drifts.append(index)
            elif getattr(detector, "warning_detected", False):
                warnings.append(index)
        spans = []
        for index in warnings:
            if spans and spans[-1][1] == index - 1:
                spans[-1][1] = index
            else:
                spans.append([index, index])
        runs.append({"kind": kind, "options": options, "stream": name, "drifts": drifts, "warnings": spans})
recorded = {
    "river": river.__version__,
    "scipy": scipy.__version__,
    "streams": {n: "".join(map(str, v)) if "error" in n else v for n, v in streams.items()},
    "runs": runs,
}
target = pathlib.Path(__file__).with_suffix(".json")
target.write_text(json.dumps(recorded, separators=(",", ":")) + "\n", encoding="utf-8")
print(sum(len(r["drifts"]) for r in runs), "drifts", [(r["kind"], r["stream"], r["drifts"][:4]) for r in runs])
