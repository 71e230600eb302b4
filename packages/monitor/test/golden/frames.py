"""Tables that both these scripts and the tests (frames.ts) make from a small linear congruential generator, so that they need not be stored."""

import numpy as np
import pandas as pd

SIZES = [(100, 100), (1000, 1000), (1001, 1001), (20000, 20000), (1000, 5000), (5000, 150)]
SHIFTS = [0, 1, 2]


class Generator:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state / 2**32


def pick(generator, names, tilt):
    """The first name the more often, the higher the tilt."""
    value = generator.next()
    return names[0] if value < tilt else names[int(generator.next() * len(names))]


COLUMNS = {
    "number": lambda g, s: sum(g.next() for _ in range(4)) - 2 + 0.04 * s * s,
    "skewed": lambda g, s: g.next() * g.next() * g.next() * (1 + 0.1 * s),
    "few": lambda g, s: float(int(g.next() * 4 * (1 - 0.1 * s))),
    "pair": lambda g, s: float(g.next() < 0.5 + 0.06 * s),
    "integers": lambda g, s: int(g.next() * 100) + 3 * s,
    "smallIntegers": lambda g, s: int(g.next() * (7 - s)),
    "category": lambda g, s: pick(g, ["a", "b", "c", "d", "e"] if s < 2 else ["a", "b", "c", "d", "new"], 0.1 * s),
    "binary": lambda g, s: pick(g, ["yes", "no"], 0.08 * s),
    "flag": lambda g, s: g.next() < 0.3 + 0.05 * s,
    "constant": lambda g, s: 3.0,
    "constantText": lambda g, s: "same",
    "numberWithNulls": lambda g, s: None if g.next() < 0.1 else g.next() + 0.1 * s,
    "textWithNulls": lambda g, s: None if g.next() < 0.1 else pick(g, ["x", "y", "z"], 0.1 * s),
    "flagWithNulls": lambda g, s: None if g.next() < 0.1 else g.next() < 0.5,
}


def frame(rows, shift, seed):
    out = {}
    for index, (name, make) in enumerate(COLUMNS.items()):
        generator = Generator(seed + 1000 * index)
        values = [make(generator, shift) for _ in range(rows)]
        if name == "numberWithNulls":
            values = np.array([np.nan if each is None else each for each in values])
        out[name] = pd.Series(values, dtype=object) if name in ("textWithNulls", "flagWithNulls") else pd.Series(values)
    return pd.DataFrame(out)


def cases():
    for before, now in SIZES:
        for shift in SHIFTS:
            yield {"reference": [before, 0, 7], "current": [now, shift, 77]}
