import { type Clock, createRandom, type Dataset, systemClock } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import {
  batchOf,
  bucketsOf,
  column,
  createDataset,
  datasetOf,
  profileDataset,
  profileWithin,
  rankOf,
  type Profile,
  type SampledProfile,
} from "../src/index.ts";

const rows = 120_000;
const columns = 20;

/** Sorted columns, clustered nulls and a trend: what a sample of the first rows, or of a few blocks, would get wrong. */
function table(): Dataset {
  const random = createRandom(17);
  const numbers = Object.fromEntries(
    Array.from({ length: columns - 2 }, (_, at) => {
      const make = [
        (row: number) => row,
        (row: number) => Math.exp(row / 20_000) * random.next(),
        () => random.normal(),
        (row: number) => (row > rows * 0.9 ? 1e6 : -random.next()),
      ][at % 4]!;
      return [`x${at}`, Float64Array.from({ length: rows }, (_, row) => make(row))];
    }),
  );
  return datasetOf([
    batchOf({
      ...numbers,
      gaps: column(
        "float64",
        Array.from({ length: rows }, (_, row) => (row < rows * 0.3 ? null : row)),
      ),
      carrier: column(
        "dictionary",
        Array.from({ length: rows }, (_, row) => `C${Math.floor((row / rows) * 12)}`),
      ),
    }),
  ]);
}

const dataset = table();
const full = await profileDataset(dataset);

const missingShare = (profile: Profile, name: string): number => profile.columns[name]!.missing / profile.rows;

function expectWithinBounds({ profile, bounds }: SampledProfile, whole: Profile): void {
  for (const [name, { rank, missingShare: missing }] of Object.entries(bounds)) {
    expect(Math.abs(missingShare(profile, name) - missingShare(whole, name)), name).toBeLessThanOrEqual(missing);
    const [sample, all] = [profile.columns[name]!, whole.columns[name]!];
    if (all.quantiles !== undefined) {
      // At the ends of buckets ranks are exact, in the sketch of the sample as well: its buckets are as fine or finer.
      for (const { high } of bucketsOf(all.quantiles).filter((_, at) => at % 7 === 0))
        expect(Math.abs(rankOf(sample.quantiles!, high) - rankOf(all.quantiles, high)), name).toBeLessThanOrEqual(rank);
    }
    for (const [text, count] of all.frequent?.counts ?? []) {
      const share = (sample.frequent!.counts.get(text) ?? 0) / sample.count;
      expect(Math.abs(share - count / all.count), text).toBeLessThanOrEqual(2 * rank);
    }
  }
}

describe("rows", () => {
  test.each([1, 2, 3, 4, 5])(
    "DQ-10: a budget of rows gives a sample whose stated bound a full pass keeps (seed %i)",
    async (seed) => {
      const sampled = await profileWithin(dataset, { budget: { rows: 6_000 }, seed });
      expect(sampled.sampledRows).toBeGreaterThan(5_000);
      expect(sampled.sampledRows).toBeLessThanOrEqual(6_000);
      expect(sampled).toMatchObject({ seenRows: rows, reachedEnd: true, confidence: 0.99 });
      expect(sampled.profile.rows).toBe(sampled.sampledRows);
      // sqrt(ln(2·2·20 / 0.01) / (2 n)), with n a little below 6,000.
      expect(sampled.bounds["x0"]!.rank).toBeCloseTo(Math.sqrt(Math.log(8000) / (2 * sampled.sampledRows)), 12);
      expect(sampled.bounds["gaps"]!.rank).toBeGreaterThan(sampled.bounds["x0"]!.rank);
      expectWithinBounds(sampled, full);
    },
  );

  test("a dataset whose length nobody knows is sampled as fairly: the sample is halved as it fills", async () => {
    const unknown = createDataset({
      schema: dataset.schema,
      walk: ({ columns: read, signal }) => dataset.batches({ columns: read, signal }),
    });
    const sampled = await profileWithin(unknown, { budget: { rows: 6_000 }, seed: 8 });
    expect(sampled.sampledRows).toBeGreaterThan(2_000);
    expect(sampled.sampledRows).toBeLessThanOrEqual(6_000);
    expectWithinBounds(sampled, full);
  });

  test("a budget that reaches for all rows gives the full profile, and bounds of 0", async () => {
    const sampled = await profileWithin(dataset, { budget: { rows, timeMs: 1e9 } });
    expect(sampled).toMatchObject({ sampledRows: rows, seenRows: rows });
    expect(sampled.bounds["x3"]).toEqual({ missingShare: 0, rank: 0 });
    expect(sampled.profile.columns["x1"]!.quantiles).toEqual(full.columns["x1"]!.quantiles);
    expect(sampled.profile.columns["x1"]!.distinct).toEqual(full.columns["x1"]!.distinct);
  });
});

describe("time", () => {
  /** Reading a batch takes so long, profiling a row so long: told to the clock by the walk and by the progress. */
  async function run(timeMs: number, costs: { readonly batchMs: number; readonly rowMs: number }) {
    let nowMs = 0;
    const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
    const slow = createDataset({
      schema: dataset.schema,
      rows,
      async *walk({ columns: read, signal }) {
        for await (const batch of dataset.batches({ columns: read, batchRows: 8192, signal })) {
          nowMs += costs.batchMs;
          yield batch;
        }
      },
    });
    let profiled = 0;
    return profileWithin(slow, {
      budget: { timeMs, values: 1e9 },
      clock,
      seed: 3,
      progress: ({ sampledRows }) => {
        nowMs += (sampledRows - profiled) * costs.rowMs;
        profiled = sampledRows;
      },
    });
  }

  test("DQ-10: a budget of time ends in time, with the whole dataset sampled fairly", async () => {
    // All rows would take 1,200 ms. The clock is looked at every 5,000 rows, which take 50.
    const sampled = await run(300, { batchMs: 1, rowMs: 0.01 });
    expect(sampled.elapsedMs).toBeLessThanOrEqual(340);
    expect(sampled.elapsedMs).toBeGreaterThan(280);
    expect(sampled).toMatchObject({ reachedEnd: true, seenRows: rows });
    // 285 ms, less 15 of reading, at 0.01 ms a row.
    expect(sampled.sampledRows).toBeGreaterThanOrEqual(27_000);
    expect(sampled.sampledRows).toBeLessThan(33_000);
    expectWithinBounds(sampled, full);
  });

  test("DQ-10: where the rows cannot even be read in time, it stops and says so; the bound is of the rows read", async () => {
    const sampled = await run(60, { batchMs: 10, rowMs: 0.0001 });
    expect(sampled.elapsedMs).toBeLessThanOrEqual(70);
    expect(sampled.reachedEnd).toBe(false);
    expect(sampled.seenRows).toBeLessThan(rows / 2);
    const read = createDataset({
      schema: dataset.schema,
      async *walk({ columns: names }) {
        let left = sampled.seenRows;
        for await (const batch of dataset.batches({ columns: names, batchRows: 8192 })) {
          if (left <= 0) return;
          left -= batch.length;
          yield batch;
        }
      },
    });
    expectWithinBounds(sampled, await profileDataset(read));
  });

  test("with enough time all rows are profiled", async () => {
    expect(await run(1e6, { batchMs: 1, rowMs: 0.01 })).toMatchObject({ reachedEnd: true, sampledRows: rows });
  });

  test("without a number of rows the sample keeps to the values that memory may hold", async () => {
    const sampled = await profileWithin(dataset, { budget: { timeMs: 1e9, values: 200_000 } });
    expect(sampled.sampledRows).toBeLessThanOrEqual(10_000);
    expect(sampled.sampledRows).toBeGreaterThan(9_000);
    expectWithinBounds(sampled, full);
  });
});

test("a dataset of no rows, or of no columns, has a profile of nothing", async () => {
  for (const schema of [[], dataset.schema]) {
    const sampled = await profileWithin(datasetOf([], { schema }), { budget: { rows: 10 } });
    expect(sampled).toMatchObject({ sampledRows: 0, seenRows: 0, reachedEnd: true });
    expect(Object.keys(sampled.bounds)).toEqual(schema.map(({ name }) => name));
  }
});

test("wrong budgets are refused", async () => {
  await expect(profileWithin(dataset, { budget: {} })).rejects.toThrow("rows");
  await expect(profileWithin(dataset, { budget: { rows: 0 } })).rejects.toThrow("0");
  await expect(profileWithin(dataset, { budget: { timeMs: -1 } })).rejects.toThrow("-1");
  await expect(profileWithin(dataset, { budget: { rows: 1 }, confidence: 1 })).rejects.toThrow("1");
});

test("an aborted walk rejects with the reason", async () => {
  const reason = new Error("enough");
  await expect(profileWithin(dataset, { budget: { rows: 10 }, signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );
});
