import { createRandom } from "@millwright/contracts";
import { expect, expectTypeOf, test } from "vitest";
import {
  createLatencyRecorder,
  type LatencyHistogram,
  mergeLatencies,
  type Percentile,
  percentileOf,
} from "../src/slo.ts";

const histogramOf = (durations: readonly number[]): LatencyHistogram => {
  const recorder = createLatencyRecorder({ load: "open" });
  for (const each of durations) recorder.record(each);
  return recorder.histogram();
};

test("MO-53: percentiles of merged histograms lie within 1 % of the exact ones, over many processes and shapes of traffic", () => {
  for (let seed = 1; seed <= 15; seed += 1) {
    const random = createRandom(seed);
    const all: number[] = [];
    const parts = Array.from({ length: 8 }, (_, part) => {
      const recorder = createLatencyRecorder({ load: "open" });
      for (let at = 0; at < 500 + part * 200; at += 1) {
        // Log-normal bodies that differ by process, and a tail of stalls.
        const value = random.next() < 0.02 ? 200 + 5000 * random.next() : Math.exp(1 + part / 3 + random.normal());
        recorder.record(value);
        all.push(value);
      }
      return recorder.histogram();
    }) as [LatencyHistogram, ...LatencyHistogram[]];
    const merged = mergeLatencies(...parts);
    const sorted = Float64Array.from(all).sort();
    for (const percent of [50, 90, 95, 99, 99.9]) {
      const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1]!;
      expect(
        Math.abs(percentileOf(merged, percent).milliseconds / exact - 1),
        `seed ${seed}, P${percent}`,
      ).toBeLessThan(0.01);
    }
    // Any order and grouping gives the same value.
    const [first, second, ...rest] = parts;
    expect(mergeLatencies(mergeLatencies(second!, ...rest), first)).toEqual(merged);
  }
});

test("MO-53: percentiles cannot be averaged, by the types and when it runs, and for a reason", () => {
  const [fast, slow] = [
    histogramOf(Array.from({ length: 900 }, () => 10)),
    histogramOf(Array.from({ length: 100 }, () => 1000)),
  ];
  const [a, b] = [percentileOf(fast, 95), percentileOf(slow, 95)];
  // The mean would say 505 ms, and the truth is 1000.
  expect(percentileOf(mergeLatencies(fast, slow), 95).isOver(990)).toBe(true);
  const averaged = expect.objectContaining({ code: "MONITOR_PERCENTILE_AVERAGED" }) as Error;
  // @ts-expect-error -- what is no number cannot be added
  expect(() => (a + b) / 2).toThrow(averaged);
  // @ts-expect-error -- nor multiplied
  expect(() => a * 0.5).toThrow(averaged);
  // @ts-expect-error -- nor given to what takes numbers
  expect(() => Math.max(a, b)).toThrow(averaged);
  // @ts-expect-error -- nor merged
  expect(() => mergeLatencies(a, b)).toThrow(averaged);
  // @ts-expect-error -- nor asked for percentiles of percentiles
  expect(() => percentileOf(a, 50)).toThrow(averaged);
  expectTypeOf<Percentile>().not.toExtend<number>();
  expect(`${b}`).toMatch(/^P95 \d+(\.\d+)? ms of 100$/);
});

test("MO-53: a closed load is flagged, or corrected by what it held up, and a merge is as good as its worst part", () => {
  // A server that answers in 1 ms, and stalls once for 10 s in 100 s: a client asks every 10 ms.
  const answers = [...Array.from({ length: 9000 }, () => 1), 10_000];
  const recorded = (options: Parameters<typeof createLatencyRecorder>[0]): LatencyHistogram => {
    const recorder = createLatencyRecorder(options);
    for (const each of answers) recorder.record(each);
    return recorder.histogram();
  };
  const naive = recorded({ load: "closed" });
  const corrected = recorded({ load: "closed", expectedIntervalMs: 10 });
  expect(percentileOf(naive, 99.9)).toMatchObject({ omission: "possible" });
  expect(percentileOf(naive, 99.9).milliseconds).toBeLessThan(1.01);
  expect(String(percentileOf(naive, 99))).toContain("closed load");
  // A thousand requests should have come in the stall, and waited 5 s in the mean: the last of a hundred waited nine.
  expect(percentileOf(corrected, 99)).toMatchObject({ omission: "corrected", count: 10_000 });
  expect(Math.abs(percentileOf(corrected, 99).milliseconds / 9000 - 1)).toBeLessThan(0.01);
  const open = histogramOf([1, 2]);
  expect(mergeLatencies(open, corrected).omission).toBe("corrected");
  expect(mergeLatencies(open, corrected, naive).omission).toBe("possible");
  expect(mergeLatencies(open, open).omission).toBe("open");
});
