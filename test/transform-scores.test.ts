import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createManualClock } from "../packages/contracts/dist/index.js";
import { openDuckDb } from "../packages/duckdb/dist/index.js";
import { toArray } from "../packages/data/dist/index.js";
import { openMemoryOnlineStore } from "../packages/feature-store/dist/drivers/memory.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../packages/feature-store/dist/index.js";
import { openSqlite } from "../packages/storage/dist/index.js";
import {
  createFeatureScoreSink,
  createFileScoreSink,
  createParquetScoreSink,
  openDatabaseScoreSink,
  publishScores,
  startTransform,
  type TransformManifest,
  type TransformTarget,
} from "../packages/serving/dist/transform.js";

const halving: TransformTarget = {
  name: "halving",
  invoke: async ({ body }) => {
    const values = Buffer.from(body as Uint8Array)
      .toString("utf8")
      .trimEnd()
      .split("\n")
      .map(Number);
    return { status: 200, body: Buffer.from(values.map((value) => `${value / 2}\n`).join("")) };
  },
};

interface Scored extends AsyncDisposable {
  readonly root: string;
  readonly output: string;
  readonly manifest: TransformManifest;
  readonly score: (first: number) => Promise<TransformManifest>;
}

/** Scores of 2,500 keys, half of the number that stands beside each. */
async function open(): Promise<Scored> {
  const root = await mkdtemp(join(tmpdir(), "millwright-scores-"));
  const [input, output] = [join(root, "in"), join(root, "out")];
  await mkdir(input);
  const score = async (first: number): Promise<TransformManifest> => {
    await writeFile(
      join(input, "x.csv"),
      Array.from({ length: 2_500 }, (_, at) => `key-${at},${first + at}\n`).join(""),
    );
    const shape = { inputFilter: "$[1]", joinSource: "Input", outputFilter: "$[0,2]" } as const;
    return (await startTransform({ target: halving, input, output, ...shape }).result()).manifest as TransformManifest;
  };
  return {
    root,
    output,
    manifest: await score(10),
    score,
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

test("BT-14: scores are upserted into a table by key and run: twice is once, another run stands beside", async () => {
  await using scored = await open();
  const { output, manifest } = scored;
  await using database = await openSqlite(join(scored.root, "scores.db"), { durability: "normal" });
  const sinks = [await openDatabaseScoreSink(database)];
  const rowsOf = () =>
    database
      .typed<{ millwright_serving_scores: { run_id: string; key: string; score: number | null; answer: string } }>()
      .read.selectFrom("millwright_serving_scores")
      .selectAll()
      .execute();
  const first = await publishScores({ output, manifest, sinks });
  expect(first.rows).toBe(2_500);
  const once = await rowsOf();
  expect(once).toHaveLength(2_500);
  expect(once.find(({ key }) => key === "key-7")).toEqual({
    run_id: first.runId,
    key: "key-7",
    score: 8.5,
    answer: "8.5",
  });
  expect(await publishScores({ output, manifest, sinks })).toEqual(first);
  expect(await rowsOf()).toEqual(once);
  // The same run with other scores replaces them; a run of its own does not.
  const changed = await scored.score(20);
  await publishScores({ output, manifest: changed, sinks, runId: first.runId });
  const replaced = await rowsOf();
  expect(replaced).toHaveLength(2_500);
  expect(replaced.find(({ key }) => key === "key-7")?.score).toBe(13.5);
  expect((await publishScores({ output, manifest: changed, sinks })).runId).not.toBe(first.runId);
  expect(await rowsOf()).toHaveLength(5_000);
});

test("BT-14: files of NDJSON, CSV and Parquet hold each row of a run once, however often they are written", async () => {
  await using scored = await open();
  const { output, manifest, root } = scored;
  await using duckdb = await openDuckDb({ threads: 1, spillDirectory: join(root, "spill") });
  const folder = join(root, "scores");
  await mkdir(folder);
  const sinks = [
    createFileScoreSink(folder, "ndjson"),
    createFileScoreSink(folder, "csv"),
    createParquetScoreSink(duckdb, folder),
  ];
  for (let time = 0; time < 2; time += 1) await publishScores({ output, manifest, sinks, runId: "2026-01-01" });
  expect((await readdir(folder)).toSorted()).toEqual(["2026-01-01.csv", "2026-01-01.ndjson", "2026-01-01.parquet"]);
  const lines = (await readFile(join(folder, "2026-01-01.ndjson"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(lines).toHaveLength(2_500);
  expect(lines[1]).toEqual({ run_id: "2026-01-01", key: "key-1", score: 5.5, answer: 5.5 });
  const csv = (await readFile(join(folder, "2026-01-01.csv"), "utf8")).split("\n");
  expect([csv.length, csv[0], csv[2]]).toEqual([2_502, "run_id,key,score,answer", "2026-01-01,key-1,5.5,5.5"]);
  const dataset = await duckdb.scan(join(folder, "2026-01-01.parquet"));
  const keys: unknown[] = [];
  const scores: unknown[] = [];
  for await (const batch of dataset.batches()) {
    keys.push(...toArray(batch.columns["key"]!));
    scores.push(...toArray(batch.columns["score"]!));
  }
  expect([keys.length, keys[1], scores[1]]).toEqual([2_500, "key-1", 5.5]);
});

test("BT-14: scores become features of later models, each batch of a run once", async () => {
  await using scored = await open();
  const { output, manifest, root } = scored;
  const customer = defineEntity({ name: "customer", keys: { customer: "utf8" } });
  const view = defineFeatureView({ name: "churn", entity: customer, eventTime: "at", features: { score: "float64" } });
  await using store = await openFeatureStore({
    history: join(root, "history"),
    services: [defineFeatureService({ name: "s", views: [view] })],
    online: openMemoryOnlineStore(),
    clock: createManualClock(60_000),
  });
  const ingested: unknown[] = [];
  const writer = {
    ingest: async (...call: Parameters<typeof store.ingest>) => {
      const result = await store.ingest(...call);
      ingested.push(result);
      return result;
    },
  };
  const rowOf = ({ key, score }: { readonly key: string; readonly score: number | null }): object => ({
    customer: key,
    at: new Date(1_000),
    score,
  });
  const sinks = [createFeatureScoreSink(writer as never, { view, rowOf })];
  await publishScores({ output, manifest, sinks });
  const files = async (): Promise<number> =>
    (await readdir(join(root, "history"), { recursive: true })).filter((name) => name.endsWith(".parquet")).length;
  const before = await files();
  await publishScores({ output, manifest, sinks });
  expect(await files()).toBe(before);
  expect(ingested).toHaveLength(6);
  const rows: unknown[] = [];
  for await (const batch of (await store.scan(view)).batches()) rows.push(...toArray(batch.columns["customer"]!));
  expect(rows).toHaveLength(2_500);
});

test("BT-14: a line without a key or an answer is told with its place, and a sink without is refused", async () => {
  await using scored = await open();
  const { output, manifest, root } = scored;
  const sinks = [createFileScoreSink(join(root, "scores"), "ndjson")];
  await expect(publishScores({ output, manifest, sinks, key: 9 })).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_RECORD_INVALID",
  });
  await expect(publishScores({ output, manifest, sinks, contentType: "application/jsonlines" })).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_RECORD_INVALID",
  });
  await expect(publishScores({ output, manifest, sinks: [] })).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_INVALID",
  });
  // What failed in the middle leaves no half of a file.
  expect(await readdir(join(root, "scores"))).toEqual([]);
});
