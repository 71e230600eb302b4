import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import { profileToJson } from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Baseline, createBaseline, type BaselineOptions } from "../src/baseline.ts";

const ROWS = 140_000;
const SQL = `SELECT
  CASE WHEN i % 9 = 0 THEN NULL ELSE (hash(i) % 100003) / 7.0 END::DOUBLE AS delay,
  CASE i % 5 WHEN 0 THEN 'NaN'::DOUBLE WHEN 1 THEN 'Infinity'::DOUBLE WHEN 2 THEN NULL ELSE i END AS strange,
  CASE WHEN i % 11 = 0 THEN NULL ELSE 'carrier-' || (i % 12) END AS carrier,
  'user-' || i AS user, i % 2 = 0 AS late, i::INTEGER AS number, [i % 3] AS list,
  TIMESTAMP '2024-01-01' + INTERVAL (i) SECOND AS at FROM range(${ROWS}) AS r(i)`;

let folder: string;
let duckdb: DuckDb;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "baseline-parquet-"));
  duckdb = await openDuckDb({ threads: 2 });
});
afterAll(async () => {
  await duckdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** All of a baseline but what depends on how rows are grouped: last digits of means, and counts of more texts than are kept. */
function comparable({ profile, constraints }: Baseline): unknown {
  const columns = Object.entries(profile.columns).map(([name, column]) => {
    const { moments, frequent, ...rest } = column;
    const many = frequent !== undefined && frequent.error > 0;
    return [
      name,
      rest,
      moments && { ...moments, mean: moments.mean.toPrecision(11), m2: moments.m2.toPrecision(10) },
      many ? frequent.total : frequent?.counts,
    ];
  });
  return { rows: profile.rows, columns, constraints };
}

test("the baseline of a Parquet file is that of its batches, and never walks one", async () => {
  const path = join(folder, "rows.parquet");
  await duckdb.writeParquet(SQL, path);
  const stored = await duckdb.scan(path);
  let walks = 0;
  const batches: Dataset["batches"] = (options) => {
    walks += 1;
    return stored.batches(options);
  };
  const choices: readonly BaselineOptions[] = [{}, { rankError: undefined }, { maxBuckets: 64, maxTexts: 16 }];
  for (const options of choices) {
    const walked = await createBaseline({ ...stored, batches }, options);
    const told: number[] = [];
    const progress: BaselineOptions["progress"] = ({ rows, totalRows }) => void told.push(rows, totalRows!);
    const mine = await createBaseline(stored, { ...options, progress });
    expect(comparable(mine)).toEqual(comparable(walked));
    expect(profileToJson(mine.profile)).toEqual(profileToJson((await createBaseline(stored, options)).profile));
    expect(told.slice(-2)).toEqual([ROWS, ROWS]);
  }
  expect(walks).toBe(choices.length);
});

test("a Parquet file without rows is refused, and a signal stops in the middle", async () => {
  const path = join(folder, "none.parquet");
  await duckdb.writeParquet(`SELECT * FROM (${SQL}) WHERE number < 0`, path);
  await expect(createBaseline(await duckdb.scan(path))).rejects.toMatchObject({ code: "MONITOR_BASELINE_INVALID" });
  const controller = new AbortController();
  const reason = new Error("enough");
  const progress = (): void => controller.abort(reason);
  const query = await duckdb.asDataset("SELECT i FROM range(100000000000) AS r(i)");
  await expect(createBaseline(query, { progress, signal: controller.signal })).rejects.toBe(reason);
});
