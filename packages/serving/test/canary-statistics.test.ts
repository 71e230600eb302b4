import { readFileSync } from "node:fs";
import { createRandom } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { distributionBand, distributionShift } from "../src/canary/distribution-bounds.ts";
import { logEvidenceOfMoreErrors } from "../src/canary/error-ratio.ts";
import { emptyEvidence, mergeEvidence } from "../src/canary/evidence.ts";
import { judgeCanary } from "../src/canary/judge.ts";
import { logBeta, logGamma } from "../src/canary/log-gamma.ts";
import { logEvidenceAgainstMean, meanBounds } from "../src/canary/mean-bounds.ts";
import { logEvidenceOfHigherQuantile } from "../src/canary/quantile-test.ts";
import { binomialUpper, binomialLower, simulateCanary } from "./canary-simulation.ts";

const golden = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}-golden.json`, import.meta.url), "utf8"));

const scipy = golden("scipy") as Readonly<Record<"logGamma" | "errors" | "means", readonly (readonly number[])[]>>;
const confseq = golden("confseq") as {
  readonly lil: readonly (readonly number[])[];
  readonly bb: readonly (readonly number[])[];
  readonly ab: readonly {
    readonly p: number;
    readonly r: number;
    readonly value: number;
    readonly a: readonly number[];
    readonly b: readonly number[];
  }[];
};

describe("the tests of a verdict", () => {
  test("the logarithm of the gamma function is SciPy's", () => {
    for (const [x = 0, value = 0] of scipy.logGamma)
      expect(Math.abs(logGamma(x) - value), String(x)).toBeLessThan(1e-12 * Math.max(1, Math.abs(value)));
  });

  test("the evidence of more errors is the mixture of SciPy's binomial likelihood ratios, and adds over shares", () => {
    for (const [share = 0, tolerance = 0, candidate = 0, baseline = 0, value = 0] of scipy.errors)
      expect(logEvidenceOfMoreErrors([{ share, candidate, baseline }], tolerance)).toBeCloseTo(value, 9);
    expect(logEvidenceOfMoreErrors([])).toBeCloseTo(0, 12);
    const half = { share: 0.5, candidate: 6, baseline: 2 };
    const twice = { share: 0.5, candidate: 12, baseline: 4 };
    expect(logEvidenceOfMoreErrors([half, half])).toBeCloseTo(logEvidenceOfMoreErrors([twice]), 12);
    // With all traffic nothing can be told from an error.
    expect(logEvidenceOfMoreErrors([{ share: 1, candidate: 50, baseline: 0 }])).toBeCloseTo(0, 12);
  });

  test("the evidence of more errors has the mean 1 under the null hypothesis: summed over all outcomes", () => {
    for (const share of [0.1, 0.5]) {
      const errors = 40;
      let mean = 0;
      for (let candidate = 0; candidate <= errors; candidate += 1) {
        const chance =
          -Math.log(errors + 1) -
          logBeta(candidate + 1, errors - candidate + 1) +
          candidate * Math.log(share) +
          (errors - candidate) * Math.log1p(-share);
        mean += Math.exp(chance + logEvidenceOfMoreErrors([{ share, candidate, baseline: errors - candidate }]));
      }
      expect(mean).toBeCloseTo(1, 9);
    }
  });

  test("the evidence against a mean is the beta mixture of SciPy, and its bounds are where it reaches 1/alpha", () => {
    for (const [count = 0, sum = 0, mean = 0, value = 0] of scipy.means)
      expect(logEvidenceAgainstMean({ count, sum }, mean)).toBeCloseTo(value, 8);
    const counts = { count: 300, sum: 12 };
    const { lower, upper } = meanBounds(counts, 0.01);
    for (const bound of [lower, upper]) expect(logEvidenceAgainstMean(counts, bound)).toBeCloseTo(Math.log(100), 6);
    expect(lower).toBeLessThan(0.04);
    expect(upper).toBeGreaterThan(0.04);
    expect(meanBounds({ count: 0, sum: 0 }, 0.05)).toEqual({ lower: 0, upper: 1 });
    expect(meanBounds({ count: 50, sum: 50 }, 0.05).upper).toBe(1);
  });

  test("the beta-binomial mixture for a quantile is confseq's", () => {
    for (const [quantile = 0, count = 0, below = 0, prior = 0, value = 0] of confseq.bb) {
      const [a, b] = [prior / (1 - quantile), prior / quantile];
      const mine =
        logBeta(a + below, b + count - below) -
        logBeta(a, b) -
        below * Math.log(quantile) -
        (count - below) * Math.log1p(-quantile);
      expect(Math.abs(mine - value)).toBeLessThan(1e-8 * Math.max(1, Math.abs(value)));
    }
  });

  test("the test of two quantiles gives confseq's p-values where the candidate is higher, and none where it is lower", () => {
    for (const { p: quantile, r: prior, value, a, b } of confseq.ab) {
      // Each value has its own bucket; between two values there is an empty one, so that counts below and at a value are both seen.
      const values = [...new Set([...a, ...b])].toSorted((left, right) => left - right);
      const bucketed = (sample: readonly number[]): readonly number[] =>
        values.flatMap((each) => [0, sample.filter((one) => one === each).length]);
      const options = { quantile, prior };
      const mine = Math.min(1, Math.exp(-logEvidenceOfHigherQuantile(bucketed(a), bucketed(b), options)));
      const other = Math.min(1, Math.exp(-logEvidenceOfHigherQuantile(bucketed(b), bucketed(a), options)));
      const empirical = (sample: readonly number[]): number =>
        sample.toSorted((left, right) => left - right)[Math.floor(sample.length * quantile)] ?? 0;
      const [higher, lower] = empirical(b) >= empirical(a) ? [mine, other] : [other, mine];
      // confseq minimises over real counts, here whole ones: the least value may be a little higher there.
      expect(higher / value, JSON.stringify({ quantile, value })).toBeGreaterThan(0.97);
      expect(higher / value, JSON.stringify({ quantile, value })).toBeLessThan(1.03);
      expect(lower).toBe(1);
    }
  });

  test("the band of a distribution is the closed form of the paper, a little wider than confseq's optimum", () => {
    for (const [count = 0, alpha = 0, value = 0] of confseq.lil) {
      expect(distributionBand(count, alpha) / value).toBeGreaterThanOrEqual(1);
      expect(distributionBand(count, alpha) / value).toBeLessThan(1.03);
    }
    expect(distributionShift([100, 0], [0, 100], 0.05).distance).toBe(1);
    expect(distributionShift([5000, 0], [0, 5000], 0.05).lower).toBeGreaterThan(0.8);
    expect(distributionShift([], [1], 0.05)).toEqual({ distance: 0, lower: 0 });
  });
});

describe("the verdict on traffic that is drawn", () => {
  const looks = [50, 100, 200, 400, 800, 1600];

  test(
    "SV-16: of 1,000 canaries that are as good as the baseline at most alpha are rolled back, looked at again and again",
    { timeout: 600_000 },
    () => {
      const alpha = 0.05;
      let rolledBack = 0;
      for (let run = 0; run < 1000; run += 1) {
        const found = simulateCanary(createRandom(run), { looks, share: 0.3, errors: [0.03, 0.03], plan: { alpha } });
        if (found.failedAt !== undefined) rolledBack += 1;
      }
      // The exact upper limit of the rate, at 99.9 %, given what was seen.
      expect(binomialUpper(rolledBack, 1000, 0.001), `${rolledBack} of 1,000`).toBeLessThanOrEqual(alpha);
    },
  );

  test(
    "SV-16: the error test alone keeps alpha where it is looked at after every error, and its rate changes by the hour",
    { timeout: 600_000 },
    () => {
      const alpha = 0.05;
      let crossed = 0;
      const limit = Math.log(1 / alpha);
      for (let run = 0; run < 1000; run += 1) {
        const random = createRandom(10_000 + run);
        let [candidate, baseline] = [0, 0];
        for (let error = 0; error < 400; error += 1) {
          // Errors come at whatever rate; whose it is depends on the share alone.
          if (random.next() < 0.1) candidate += 1;
          else baseline += 1;
          if (logEvidenceOfMoreErrors([{ share: 0.1, candidate, baseline }]) >= limit) {
            crossed += 1;
            break;
          }
        }
      }
      expect(binomialUpper(crossed, 1000, 0.001), `${crossed} of 1,000`).toBeLessThanOrEqual(alpha);
    },
  );

  test("SV-16: twice the errors are found within 8,000 requests with a power of 0.9", { timeout: 600_000 }, () => {
    const runs = 200;
    let found = 0;
    for (let run = 0; run < runs; run += 1) {
      const { failedAt } = simulateCanary(createRandom(50_000 + run), {
        looks: [1000, 2000, 4000, 6000, 8000],
        share: 0.5,
        errors: [0.02, 0.04],
        plan: { latency: false, scores: false },
      });
      if (failedAt !== undefined) found += 1;
    }
    expect(binomialLower(found, runs, 0.05), `${found} of ${runs}`).toBeGreaterThanOrEqual(0.9);
  });

  test("SV-16: no traffic, and too little, is inconclusive; no errors are no evidence", () => {
    expect(judgeCanary(emptyEvidence, {})).toMatchObject({
      verdict: "inconclusive",
      reason: expect.stringContaining("too few requests") as string,
    });
    const run = (looksAt: readonly number[]) =>
      simulateCanary(createRandom(1), { looks: looksAt, share: 0.5, errors: [0, 0], plan: {} }).verdict;
    expect(run([60]).verdict).toBe("inconclusive");
    const enough = run([1000]);
    expect(enough.verdict).toBe("pass");
    expect(enough.checks.find(({ test: name }) => name === "errors")?.figures).toMatchObject({
      pValue: 1,
      candidateErrors: 0,
    });
  });

  test("SV-16: a slower candidate, and one with other scores, fail by those tests", () => {
    const looksAt = [500, 1000, 2000, 4000];
    const slower = simulateCanary(createRandom(2), {
      looks: looksAt,
      share: 0.5,
      errors: [0.01, 0.01],
      slower: 2,
      plan: {},
    });
    expect(slower.verdict).toMatchObject({ verdict: "fail", reason: expect.stringContaining("latency") as string });
    const shifted = simulateCanary(createRandom(3), {
      looks: looksAt,
      share: 0.5,
      errors: [0.01, 0.01],
      shift: 0.6,
      plan: {},
    });
    expect(shifted.verdict).toMatchObject({ verdict: "fail", reason: expect.stringContaining("scores") as string });
    // 10 % slower is within the tolerance of 20 %.
    const alike = simulateCanary(createRandom(4), {
      looks: looksAt,
      share: 0.5,
      errors: [0.01, 0.01],
      slower: 1.1,
      plan: {},
    });
    expect(alike.verdict.verdict).toBe("pass");
  });

  test("evidence of several processes is added, in any order", () => {
    const parts = [1, 2, 3].map(
      (seed) =>
        simulateCanary(createRandom(seed), { looks: [300], share: 0.3, errors: [0.05, 0.05], plan: {} }).evidence,
    );
    const forward = parts.reduce(mergeEvidence, emptyEvidence);
    const backward = parts.toReversed().reduce(mergeEvidence, emptyEvidence);
    expect(judgeCanary(forward, {})).toEqual(judgeCanary(backward, {}));
    expect(forward.all.baseline.requests + forward.all.candidate.requests).toBe(900);
  });
});
