import { createRandom, type Random } from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { mergeRows, type RowSample, type SampledRow, tableOfRows } from "../src/capture/row-sample.ts";
import { createRowSampler } from "../src/capture/row-sampler.ts";
import { chiSquaredFit } from "../src/index.ts";

/** Rows `from` to `to`, as requests of `each` rows. */
const seen = (from: number, to: number, each = 1) => {
  const place = Float64Array.from({ length: to - from }, (_, at) => from + at);
  const requests = Math.ceil(place.length / each);
  return {
    requestIds: Array.from({ length: requests }, (_, at) => `r${from / each + at}`),
    rowCounts: Array.from({ length: requests }, (_, at) => Math.min(each, place.length - at * each)),
    features: batchOf({ place }),
    outputs: undefined,
  };
};

const placesOf = (sample: RowSample): number[] => toArray(tableOfRows(sample).features.columns["place"]!) as number[];

function sampleOf(rows: number, limit: number, random: Random, from = 0): RowSample {
  const sampler = createRowSampler(limit, random);
  for (let at = 0; at < rows; at += 997) sampler.offer(seen(from + at, from + Math.min(rows, at + 997)), []);
  return sampler.sample();
}

test("of a hundred thousand rows each is as often in the sample as any other", () => {
  const tenths = new Array<number>(100).fill(0);
  for (let run = 0; run < 20; run += 1) {
    const places = placesOf(sampleOf(100_000, 500, createRandom(run)));
    expect(new Set(places).size).toBe(500);
    for (const place of places) tenths[Math.floor(place / 1000)]! += 1;
  }
  expect(tenths.reduce((sum, count) => sum + count, 0)).toBe(10_000);
  expect(chiSquaredFit(tenths, new Array<number>(100).fill(1)).pValue).toBeGreaterThan(0.001);
});

test("samples of windows of very unlike sizes merge to one in which each row is as probable", () => {
  // All of 100 rows are kept, and 100 of 1,000 and of 10,000: 100 of the 11,100, or a few more where that is no limit.
  const sizes = [100, 1000, 10_000];
  for (const limit of [100, 5000]) {
    const counts = [0, 0, 0];
    let total = 0;
    for (let run = 0; run < 200; run += 1) {
      const random = createRandom(1000 + run);
      const parts = sizes.map((size, at) => sampleOf(size, 100, random.fork(at), at * 100_000));
      const merged = mergeRows(parts, limit);
      expect(merged.rows.length).toBeLessThanOrEqual(limit);
      for (const place of placesOf(merged)) counts[Math.floor(place / 100_000)]! += 1;
      total += merged.rows.length;
    }
    expect(total / 200).toBeGreaterThanOrEqual(100);
    expect(chiSquaredFit(counts, sizes).pValue).toBeGreaterThan(0.001);
  }
});

test("the sample is the rows of the smallest numbers drawn, and the rest of them let go what they held", () => {
  const random = createRandom(9);
  const drawn = Array.from({ length: 4000 }, () => random.next());
  let at = 0;
  const sampler = createRowSampler(100, { ...random, next: () => drawn[at++]! });
  const taken: SampledRow[] = [];
  for (let part = 0; part < 8; part += 1) sampler.offer(seen(part * 500, part * 500 + 500, 5), taken);
  const order = drawn.map((_, place) => place).toSorted((a, b) => drawn[a]! - drawn[b]!);
  const sample = sampler.sample();
  expect(placesOf(sample)).toEqual(order.slice(0, 100));
  expect(sample.below).toBe(drawn[order[99]!]);
  expect(sample.rows.map(({ requestId, row }) => [requestId, row])).toEqual(
    order.slice(0, 100).map((place) => [`r${Math.floor(place / 5)}`, place % 5]),
  );
  expect(taken.length).toBeGreaterThan(100);
  expect(taken.filter(({ cells }) => cells.length > 0)).toHaveLength(100);
});

test("merging is associative and commutative, for one limit", () => {
  const random = createRandom(4);
  for (let run = 0; run < 300; run += 1) {
    const limit = 1 + random.integer(40);
    const part = (at: number): RowSample =>
      sampleOf(1 + random.integer(200), 1 + random.integer(60), random.fork(`${run} ${at}`), at * 1000);
    const [a, b, c] = [part(0), part(1), part(2)];
    const once = mergeRows([a, b, c], limit);
    expect(mergeRows([mergeRows([a, b], limit), c], limit)).toEqual(once);
    expect(mergeRows([a, mergeRows([c, b], limit)], limit)).toEqual(once);
    expect(mergeRows([mergeRows([c, a], limit), mergeRows([b], limit)], limit)).toEqual(once);
    expect(once.rows.length).toBeLessThanOrEqual(limit);
  }
});

test("columns may differ from row to row: what is missing is null, and the kind that most have counts", () => {
  const sampler = createRowSampler(10, createRandom(1));
  const one = (requestId: string, features: Parameters<typeof batchOf>[0], outputs?: Parameters<typeof batchOf>[0]) =>
    sampler.offer(
      {
        requestIds: [requestId],
        rowCounts: [1],
        features: batchOf(features),
        outputs: outputs === undefined ? undefined : batchOf(outputs),
      },
      [],
    );
  one("a", { km: [10], late: [true], carrier: ["AA"], ["__proto__"]: [1] }, { p: [0.25] });
  one("b", { km: [20], fuel: BigInt64Array.of(7n) }, { p: [0.5], why: ["rain"] });
  one("c", { km: ["far"], carrier: ["x".repeat(1000)], tags: column("list", [["p", "q"]], { items: "utf8" }) });
  // Outputs that are not one a row are no row's.
  one("d", { km: column("int32", [null]) }, { p: [1, 2] });
  const { features, outputs, requestIds, length, labels } = tableOfRows(sampler.sample());
  const at = ["a", "b", "c", "d"].map((id) => requestIds.indexOf(id));
  const values = (batch: typeof features, name: string) => at.map((row) => toArray(batch.columns[name]!)[row]);
  expect(length).toBe(4);
  expect(values(features, "km")).toEqual([10, 20, null, null]);
  expect(values(features, "late")).toEqual([true, null, null, null]);
  expect(values(features, "carrier")).toEqual(["AA", null, "x".repeat(256), null]);
  expect(values(features, "fuel")).toEqual([null, 7, null, null]);
  expect(values(outputs, "p")).toEqual([0.25, 0.5, null, null]);
  expect(values(outputs, "why")).toEqual([null, "rain", null, null]);
  expect(Object.keys(features.columns)).not.toContain("tags");
  expect(labels).toEqual([undefined, undefined, undefined, undefined]);
});
