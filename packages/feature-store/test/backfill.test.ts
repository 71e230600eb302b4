import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createManualClock, type Dataset } from "@millwright/contracts";
import { batchOf, column, datasetOf, fromIpc, toIpc } from "@millwright/data";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  type BackfillProgress,
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
} from "../src/index.ts";
import { columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const DAY = 24 * 3_600_000;
const NOW = 100 * DAY;
const user = defineEntity({ name: "user", keys: { user: "int32" } });
const view = defineFeatureView({ name: "scores", entity: user, eventTime: "at", features: { score: "int32" } });
const service = defineFeatureService({ name: "all", views: [view] });

/** 10,000 rows of 20 users over the ten days before the last. */
const past = (duckdb: DuckDb): Promise<Dataset> =>
  duckdb.asDataset(`SELECT CAST(i % 20 AS INTEGER) AS "user",
    make_timestamp(CAST(${(NOW - 11 * DAY) * 1000} + i * ${DAY} AS BIGINT)) AS "at", CAST(i AS INTEGER) AS "score" FROM range(10000) AS r(i) ORDER BY i`);

test("FS-26: older history comes in, some days at once, while live writes go on: online is what the live writes alone would make it", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using online = openMemoryOnlineStore();
  await using alone = openMemoryOnlineStore();
  const clock = createManualClock(NOW);
  const open = (name: string, store: typeof online) =>
    openFeatureStore({ history: join(directory.path, name), services: [service], online: store, duckdb, clock });
  await using store = await open("both", online);
  await using live = await open("live", alone);
  let isDone = false;
  let wrote = 0;
  const writing = (async () => {
    for (; !isDone || wrote < 40; wrote++) {
      const row = { user: wrote % 20, at: new Date(NOW - DAY + wrote), score: -wrote };
      for (const each of [store, live]) await each.put(view, [row]);
    }
  })();
  const progress: BackfillProgress[] = [];
  const result = await store.backfill(view, await past(duckdb), {
    parallelism: 3,
    onProgress: (done) => progress.push(done),
  });
  // Batches that come online meanwhile do not move it back either.
  await store.materialize(view);
  isDone = true;
  await writing;
  expect(result).toMatchObject({ parts: 10, addedParts: 10, rows: 10_000, skippedRows: 0, done: true });
  expect(progress.map(({ doneParts }) => doneParts)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(progress.at(-1)).toEqual({ doneParts: 10, totalParts: 10, rows: 10_000 });
  await store.materialize(view);
  const users = batchOf({
    user: column(
      "int32",
      Array.from({ length: 20 }, (_, each) => each),
    ),
  });
  const read = async (each: typeof store) =>
    columnsOf((await each.read("all", { entities: users, timeMs: NOW })).features);
  expect(await read(store)).toEqual(await read(live));
  expect((await columnsOfDataset(await store.scan(view)))["user"]).toHaveLength(10_000 + wrote);
});

test("a backfill says what it costs first, and a run that was stopped goes on with the days that are left", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  const path = join(directory.path, "past.parquet");
  await duckdb.writeParquet(await past(duckdb), path);
  const source = await duckdb.scan(path);
  const refused = await store.backfill(view, source, { onEstimate: () => false });
  // 4 bytes a user, 8 a time, 4 a score, and a bit each where they may be null.
  expect(refused).toMatchObject({ estimate: { rows: 10_000 }, parts: 0, done: false });
  expect(refused.estimate.sizeBytes).toBeGreaterThanOrEqual(160_000);
  expect(refused.estimate.sizeBytes).toBeLessThanOrEqual(164_000);
  expect(await columnsOfDataset(await store.scan(view))).toMatchObject({ user: [] });
  const abort = new AbortController();
  const reason = new Error("enough");
  const stopped = store.backfill(view, source, {
    parallelism: 1,
    signal: abort.signal,
    onProgress: ({ doneParts }) => doneParts === 4 && abort.abort(reason),
  });
  await expect(stopped).rejects.toBe(reason);
  const doneParts: number[] = [];
  const result = await store.backfill(view, source, { onProgress: (progress) => doneParts.push(progress.doneParts) });
  expect(result).toMatchObject({ parts: 10, addedParts: 6, rows: 6_000, done: true });
  expect(doneParts).toEqual([5, 6, 7, 8, 9, 10]);
  expect(await store.backfill(view, source)).toMatchObject({ id: result.id, addedParts: 0, rows: 0 });
  expect((await columnsOfDataset(await store.scan(view)))["user"]).toHaveLength(10_000);
  await expect(store.backfill(view, source, { parallelism: 0 })).rejects.toThrow("parallelism");
});

test("rows come from Parquet, CSV, NDJSON and Arrow alike", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const rows = batchOf({
    user: column("int32", [1, 2]),
    at: column("timestamp", [new Date(NOW), new Date(NOW + 1)]),
    pages: column("int32", [3, 4]),
  });
  const schema = [
    { name: "user", type: "int32" },
    { name: "at", type: "timestamp" },
    { name: "pages", type: "int32" },
  ] as const;
  const path = (name: string): string => join(directory.path, name);
  await duckdb.writeParquet(rows, path("rows.parquet"));
  await writeFile(path("rows.csv"), "user,at,pages\n1,1970-04-11 00:00:00,3\n2,1970-04-11 00:00:00.001,4\n");
  await writeFile(
    path("rows.ndjson"),
    '{"user":1,"at":"1970-04-11 00:00:00","pages":3}\n{"user":2,"at":"1970-04-11 00:00:00.001","pages":4}\n',
  );
  await writeFile(path("rows.arrow"), toIpc([rows]));
  const clicks = defineFeatureView({
    name: "clicks",
    entity: user,
    eventTime: "at",
    inputs: { pages: "int32" },
    aggregates: { rows: count(days(1)) },
  });
  const sources: readonly Dataset[] = [
    await duckdb.scan(path("rows.parquet")),
    await duckdb.scan(path("rows.csv"), { schema }),
    await duckdb.scan(path("rows.ndjson"), { schema }),
    datasetOf(fromIpc(await readFile(path("rows.arrow")))),
  ];
  const digests = new Set<string>();
  for (const [index, source] of sources.entries()) {
    await using store = await openFeatureStore({
      history: path(`history-${index}`),
      services: [defineFeatureService({ name: "all", views: [clicks] })],
      duckdb,
    });
    const result = await store.ingest(clicks, source);
    expect(result).toMatchObject({ added: true, rows: 2 });
    digests.add(result.digest);
  }
  expect(digests.size).toBe(1);
  // Without a schema the types of a CSV are guessed: a whole number is a 64-bit one.
  await using store = await openFeatureStore({
    history: path("history"),
    services: [defineFeatureService({ name: "all", views: [clicks] })],
    duckdb,
  });
  await expect(store.ingest(clicks, await duckdb.scan(path("rows.csv")))).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_TYPE",
  });
});
