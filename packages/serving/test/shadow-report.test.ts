import type { Digest, Tensor } from "@millwright/contracts";
import { describe, expect, it } from "vitest";
import { compareOutputs } from "../src/shadow/compare-outputs.ts";
import { mcNemar, meanInterval, wilsonInterval } from "../src/shadow/intervals.ts";
import { reportOf } from "../src/shadow/shadow-report.ts";
import { ShadowTally } from "../src/shadow/shadow-tally.ts";

describe("the report of a shadow", () => {
  it("SV-19: its numbers are exact on known disagreement, by segment, with an interval and a recommendation", () => {
    const tensor = (...values: readonly number[]): Tensor => ({
      dtype: "float64",
      shape: [values.length, 1],
      data: Float64Array.from(values),
    });
    const rows = compareOutputs(
      { score: tensor(0.1, 0.5, 0.9, Number.NaN), label: { dtype: "string", shape: [4], data: ["a", "b", "c", "d"] } },
      {
        score: tensor(0.105, 0.4, 0.9, Number.NaN),
        label: { dtype: "string", shape: [4], data: ["a", "b", "x", "d"] },
      },
      { tolerance: 0.01 },
    );
    expect(rows?.map(({ agrees }) => agrees)).toEqual([true, false, false, true]);
    expect(rows?.map(({ differences }) => differences["score"]?.toFixed(3))).toEqual([
      "0.005",
      "-0.100",
      "0.000",
      "0.000",
    ]);
    const decided = compareOutputs(
      { score: tensor(0.4, 0.6) },
      { score: tensor(0.49, 0.4) },
      {
        tolerance: 0,
        decide: ({ score }) => Number(score) > 0.5,
      },
    );
    expect(decided?.map(({ agrees }) => agrees)).toEqual([true, false]);
    expect(compareOutputs({ score: tensor(1) }, { score: tensor(1, 2) }, { tolerance: 0 })).toBeUndefined();
  });

  /** Requests of one row each: so many that agree, that differ by `by` and come to something else, and that only the shadow fails. */
  const known = (
    segments: Readonly<Record<string, { agree: number; differ: number; failed?: number }>>,
    addedMs = 0.5,
  ) => {
    const all = new ShadowTally();
    const bySegment = new Map<string, ShadowTally>();
    for (const [name, { agree, differ, failed = 0 }] of Object.entries(segments)) {
      const own = new ShadowTally();
      bySegment.set(name, own);
      for (const tally of [all, own]) {
        for (let index = 0; index < agree + differ + failed; index += 1) {
          const primary = { latencyMs: 10 + (index % 2) };
          const agrees = index < agree;
          if (index >= agree + differ)
            tally.add(primary, { latencyMs: 3, errorCode: "SERVING_MODEL_FAILED" }, undefined);
          else
            tally.add(primary, { latencyMs: primary.latencyMs + addedMs }, [
              { agrees, differences: { score: agrees ? -0.02 : 0.2 } },
            ]);
        }
      }
    }
    const model = { name: "late", version: 1, digest: "sha256:0" as Digest };
    return {
      name: "shadow",
      primary: model,
      shadow: { ...model, version: 2 },
      fromMs: 0,
      untilMs: 1,
      dropped: 0,
      timedOut: 0,
      all,
      bySegment,
    };
  };

  it("SV-19: agreement, differences, errors and latencies of a known fixture come out exactly", () => {
    const report = reportOf(
      known({ north: { agree: 980, differ: 20 }, south: { agree: 470, differ: 20, failed: 10 } }),
    );
    expect(report).toMatchObject({
      requests: 1500,
      agreement: { rows: 1490, agreeing: 1450, share: 1450 / 1490, ...wilsonInterval(1450, 1490, 0.95) },
      errors: { primary: 0, shadow: 10, onlyPrimary: 0, onlyShadow: 10, p: 2 / 1024 },
    });
    const score = report.differences["score"];
    expect(score?.mean).toBeCloseTo((1450 * -0.02 + 40 * 0.2) / 1490, 12);
    expect(score?.histogram.filter(({ rows }) => rows > 0)).toEqual([
      { to: 0.03, rows: 1450 },
      { to: 0.3, rows: 40 },
    ]);
    expect(score?.max).toBe(0.2);
    expect(report.latencyMs).toMatchObject({ mean: 0.5, meanInterval: { low: 0.5, high: 0.5 } });
    expect(report.latencyMs.primary.mean).toBeCloseTo(10.5, 1);
    expect(report.segments["south"]).toMatchObject({
      requests: 500,
      agreement: { rows: 490, agreeing: 470 },
      errors: { onlyShadow: 10 },
    });
  });

  it("SV-19: recommends by bounds, not by points, and names what speaks against it", () => {
    const verdict = (...asked: Parameters<typeof known>) => reportOf(known(...asked)).recommendation;
    expect(verdict({ all: { agree: 1960, differ: 40 } })).toMatchObject({ verdict: "promote" });
    expect(verdict({ all: { agree: 500, differ: 0 } })).toEqual({
      verdict: "more-data",
      reasons: ["500 of 1000 requests were answered by both"],
    });
    // 95.5 %, but 95 % is within the interval.
    expect(verdict({ all: { agree: 955, differ: 45 } }).verdict).toBe("more-data");
    expect(verdict({ all: { agree: 900, differ: 100 } }).verdict).toBe("keep");
    expect(verdict({ all: { agree: 1990, differ: 0, failed: 10 } }).reasons).toEqual([
      "10 requests failed with the shadow alone, 0 with the primary alone (p = 0.0020)",
    ]);
    expect(verdict({ all: { agree: 2000, differ: 0 } }, 5).reasons[0]).toMatch(/^it adds 5.00 ms on average/);
    const flipped = verdict({ north: { agree: 9900, differ: 0 }, south: { agree: 10, differ: 190 } });
    expect(flipped).toEqual({ verdict: "keep", reasons: ['in the segment "south" 5.00 % of 200 rows agree'] });
    expect(() => reportOf(known({}), { minAgreement: 2 })).toThrow(RangeError);
  });
});

describe("intervals", () => {
  it("are SciPy's: binomtest(k, n).proportion_ci(method='wilson')", () => {
    for (const [k, n, confidence, low, high] of [
      [0, 10, 0.95, 0, 0.27753279986288926],
      [10, 10, 0.95, 0.7224672001371109, 1],
      [950, 1000, 0.95, 0.9346861797557491, 0.9618697376072511],
      [3, 17, 0.99, 0.045829706544681464, 0.48875679130677463],
      [81, 263, 0.9, 0.26331361718848145, 0.3565663496084882],
      [99_999, 100_000, 0.95, 0.9999433529034095, 0.9999982347522695],
    ] as const) {
      const interval = wilsonInterval(k, n, confidence);
      expect(interval.low).toBeCloseTo(low, 12);
      expect(interval.high).toBeCloseTo(high, 12);
    }
    expect(wilsonInterval(0, 0, 0.95)).toEqual({ low: 0, high: 1 });
  });

  it("McNemar's exact test is SciPy's binomtest(b, b + c, 0.5)", () => {
    for (const [b, c, p] of [
      [0, 0, 1],
      [1, 0, 1],
      [5, 15, 0.04138946533203125],
      [15, 5, 0.04138946533203125],
      [40, 12, 0.0001275387838557407],
      [300, 250, 0.036578745549102676],
      [6, 6, 1],
      [0, 30, 1.862645149230957e-9],
    ] as const)
      expect(Math.abs(mcNemar(b, c) / p - 1)).toBeLessThan(1e-9);
  });

  it("a mean has no bounds below two values", () => {
    expect(meanInterval({ count: 1, mean: 3, squares: 0 }, 0.95)).toEqual({
      low: Number.NEGATIVE_INFINITY,
      high: Number.POSITIVE_INFINITY,
    });
    // 1, 2, 3, 4: a standard error of sqrt(5 / 12).
    const { low, high } = meanInterval({ count: 4, mean: 2.5, squares: 5 }, 0.95);
    expect(high - low).toBeCloseTo(2 * 1.959963984540054 * Math.sqrt(5 / 12), 12);
  });
});
