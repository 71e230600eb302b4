import { createRandom, type Random } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { averageRunLength, createLikelihoodRatio, restoreDetector, type ScoredError } from "../src/detectors.ts";

type Draw = (random: Random) => number | ScoredError;
const wrong =
  (share: number): Draw =>
  (random) =>
    random.next() < share ? 1 : 0;
/** Calibrated confidences of 0.5 to 1, and labels of which a share is wrong. */
const scored =
  (noise: number): Draw =>
  (random) => {
    const confidence = 0.5 + random.next() / 2;
    return { error: random.next() < (1 - confidence) * (1 - noise) + noise * confidence, confidence };
  };
/** Most answers sure, up to one error in two thousand. */
const sure: Draw = (random) => {
  const confidence = 1 - 0.5 * 2 ** (-10 * random.next());
  return { error: random.next() < 1 - confidence, confidence };
};
const twoLevels: Draw = (random) => {
  const confidence = random.next() < 0.8 ? 0.97 : 0.6;
  return { error: random.next() < 1 - confidence, confidence };
};

function* stream(draw: Draw, length: number, seed: number): Generator<number | ScoredError> {
  const random = createRandom(seed);
  for (let index = 0; index < length; index += 1) yield draw(random);
}

describe("while nothing changes, it runs as long as is asked for", () => {
  const nulls: Readonly<Record<string, Draw>> = {
    ...Object.fromEntries([0.002, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5].map((share) => [`errors ${share}`, wrong(share)])),
    confidences: scored(0),
    "confidences, a tenth of the labels wrong": scored(0.1),
    "confidences, a fifth of the labels wrong": scored(0.2),
    "sure answers": sure,
    "two levels of confidence": twoLevels,
  };
  test.each(Object.entries(nulls))("%s", (_, draw) => {
    const asked = 1000;
    const create = () => createLikelihoodRatio({ averageRunLength: asked });
    // 150 alarms are expected: by chance they are a quarter more or less with one chance in a thousand.
    const { averageRunLength: found } = averageRunLength(create, [stream(draw, 150 * asked, 4)]);
    expect(found).toBeGreaterThan(0.7 * asked);
    expect(found).toBeLessThan(1.4 * asked);
  });
});

/** The statistic from its definition: a sum over all starts, each with its own chain of changes. */
function bySumOverStarts(errors: readonly number[], odds: readonly number[]): number {
  const entry = odds.map((_, index) => (index < 2 ? 0.25 : 0.5 / (odds.length - 2)));
  const shareAt = (index: number): number => {
    const wrongBefore = errors.slice(0, index).reduce((sum, each) => sum + each, 0);
    return (wrongBefore + 2 * ((wrongBefore + 2) / (index + 10))) / (index + 2);
  };
  let total = 0;
  for (let from = 0; from < errors.length; from += 1) {
    let chain = entry;
    for (let index = from; index < errors.length; index += 1) {
      const share = shareAt(index);
      if (index > from)
        chain = chain.map((weight, at) => weight * (at + 1 < odds.length ? 0.99 : 1) + 0.01 * (chain[at - 1] ?? 0));
      chain = chain.map((weight, at) => {
        const changed = (share * (odds[at] as number)) / (1 - share + share * (odds[at] as number));
        return (weight * (errors[index] === 1 ? changed : 1 - changed)) / (errors[index] === 1 ? share : 1 - share);
      });
    }
    total += chain.reduce((sum, each) => sum + each, 0);
  }
  return total;
}

test("its statistic is the sum over all starts of the likelihood ratio of growing odds", () => {
  const odds = [1.5, 2, 4, 9];
  const detector = createLikelihoodRatio({ odds: odds.toReversed(), threshold: 1e15 });
  const errors = [...stream(wrong(0.2), 60, 1), ...stream(wrong(0.6), 60, 2)] as number[];
  const totals = errors.map((error, index) => {
    detector.update(error);
    return [detector.statistic(), bySumOverStarts(errors.slice(0, index + 1), odds)] as const;
  });
  let before = 0;
  for (const [statistic, total] of totals) {
    const jump = total / (1 + before);
    expect(statistic).toBeCloseTo(total * (jump > 1 ? (jump * Math.log(jump)) / (jump - 1) : 1), 8 - Math.log10(total));
    before = total;
  }
  expect(before).toBeGreaterThan(1e3);
});

const delays = (run: (random: Random) => number): number[] =>
  Array.from({ length: 40 }, (_, seed) => run(createRandom(seed + 1))).toSorted((a, b) => a - b);
const medianOf = (values: readonly number[]): number => values[values.length >> 1] as number;

test("a false alarm does not make it forget what is usual: a drift soon after it is found", () => {
  const run = (before: "calm" | "alarmed" | "forgotten", gap: number): number => {
    const found = delays((random) => {
      const detector = createLikelihoodRatio({ averageRunLength: 5000 });
      for (let index = 0; index < 2000; index += 1) detector.update(wrong(0.1)(random));
      if (before === "alarmed") while (detector.update(1) !== "drift");
      if (before === "forgotten") detector.reset();
      for (let index = 0; index < gap; index += 1) detector.update(wrong(0.1)(random));
      for (let index = 1; index < 3000; index += 1) if (detector.update(wrong(0.3)(random)) === "drift") return index;
      return 3000;
    });
    return found.reduce((sum, each) => sum + each, 0) / found.length;
  };
  expect(run("alarmed", 40)).toBeLessThan(0.6 * run("forgotten", 40));
  expect(run("alarmed", 150)).toBeLessThan(1.5 * run("calm", 150));
  expect(run("calm", 150)).toBeLessThan(60);
});

test("after a drift it learns the new share and does not go on alarming", () => {
  const alarms = delays((random) => {
    const detector = createLikelihoodRatio({ averageRunLength: 5000 });
    for (let index = 0; index < 2000; index += 1) detector.update(wrong(0.1)(random));
    while (detector.update(wrong(0.4)(random)) !== "drift");
    return Array.from({ length: 1000 }, () => detector.update(wrong(0.4)(random))).filter((each) => each === "drift")
      .length;
  });
  // A fifth of one is chance at this run length.
  expect(alarms.reduce((sum, each) => sum + each, 0) / alarms.length).toBeLessThan(0.5);
});

test("a few errors are enough where the model was never wrong when it was sure", () => {
  const found = delays((random) => {
    const detector = createLikelihoodRatio({ averageRunLength: 5000 });
    const answer = (isReversed: boolean): ScoredError => {
      const confidence = 0.5 + random.next() / 2;
      const error = confidence < 0.75 && random.next() < 0.3;
      return { confidence, error: error !== isReversed };
    };
    for (let index = 0; index < 2000; index += 1) detector.update(answer(false));
    for (let index = 1; index < 3000; index += 1) if (detector.update(answer(true)) === "drift") return index;
    return 3000;
  });
  expect(medianOf(found)).toBeLessThanOrEqual(3);
});

test("a change of the unsure answers alone is found sooner with confidences than without", () => {
  const run = (isScored: boolean) =>
    delays((random) => {
      const detector = createLikelihoodRatio({ averageRunLength: 5000 });
      const answer = (shareOfUnsure: number) => {
        const isUnsure = random.next() < 0.4;
        const error = random.next() < (isUnsure ? shareOfUnsure : 0.1);
        return isScored ? { error, confidence: isUnsure ? 0.6 : 0.95 } : Number(error);
      };
      for (let index = 0; index < 2000; index += 1) detector.update(answer(0.15));
      for (let index = 1; index < 3000; index += 1) if (detector.update(answer(0.5)) === "drift") return index;
      return 3000;
    });
  expect(medianOf(run(true))).toBeLessThan(0.9 * medianOf(run(false)));
});

test("it goes on from JSON with confidences, with gaps among them, and through alarms", () => {
  const random = createRandom(6);
  const values = Array.from({ length: 4000 }, (_, index): number | ScoredError => {
    const confidence = 0.5 + random.next() / 2;
    const error = random.next() < (index % 1000 < 600 ? 1 - confidence : 0.6);
    return random.next() < 0.1 ? Number(error) : { error, confidence };
  });
  const whole = createLikelihoodRatio({ averageRunLength: 300 });
  let parts = createLikelihoodRatio({ averageRunLength: 300 });
  let alarms = 0;
  for (const [index, value] of values.entries()) {
    const verdict = whole.update(value);
    expect(parts.update(value)).toBe(verdict);
    expect(parts.statistic()).toBe(whole.statistic());
    if (verdict === "drift") alarms += 1;
    if (index % 89 === 0 || verdict === "drift")
      parts = restoreDetector(JSON.parse(JSON.stringify(parts.state())) as never) as never;
  }
  expect(alarms).toBeGreaterThan(4);
  expect(JSON.stringify(whole.state()).length).toBeLessThan(3000);
  whole.reset();
  expect(whole.state()).toEqual(createLikelihoodRatio({ averageRunLength: 300 }).state());
});

test("saved values that are not sound, and answers that are none, are refused by code", () => {
  const code = "MONITOR_DETECTOR_INVALID";
  const state = createLikelihoodRatio().state();
  for (const broken of [{ trust: 2 }, { sums: [1] }, { keptErrors: null }, { total: -1 }, { statistic: "x" }])
    expect(() => restoreDetector({ ...state, values: { ...state.values, ...broken } })).toThrow(
      expect.objectContaining({ code }),
    );
  expect(() => createLikelihoodRatio().update(0.5)).toThrow(/0 or 1, not 0.5/);
  expect(() => createLikelihoodRatio().update({ error: 1, confidence: 2 })).toThrow(/confidence must be in \[0, 1\]/);
  expect(createLikelihoodRatio().update(Number.NaN)).toBe("stable");
});
