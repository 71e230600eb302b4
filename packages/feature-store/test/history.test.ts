import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Batch } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { count, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

import { clicks, HOUR, service, times, user, users } from "./score-service.ts";

test("a training set is a file: it can be referred to, and made again it has the same digest", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  await store.ingest(
    clicks,
    batches(batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float64", [3]) })),
  );
  const labels = batchOf({
    user: column("utf8", ["ann", "ann"]),
    at: times([2, 1]),
    amount: column("float64", [1, 2]),
  });
  const first = await store.history("score", { labels, labelTime: "at" });
  const ref = await first.ref();
  expect(await duckdb.openRef(ref).digest()).toBe(ref.digest);
  const second = await store.history("score", { labels, labelTime: "at" });
  expect(await second.ref()).toEqual(ref);
  const path = join(directory.path, "mine.parquet");
  expect((await (await store.history("score", { labels, labelTime: "at", path })).ref()).digest).toBe(ref.digest);
});

test("the same batch is ingested once; another one under its id is refused; no rows are fine", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  const batch = (value: number): Batch =>
    batchOf({
      user: column("utf8", ["ann", null]),
      at: times([1, 2]),
      ms: column("float64", [value, 0]),
      extra: column("int8", [1, 1]),
    });
  const [one, two] = await Promise.all([
    store.ingest(clicks, batches(batch(1))),
    store.ingest(clicks, batches(batch(1))),
  ]);
  expect([one.added, two.added].toSorted((a, b) => Number(a) - Number(b))).toEqual([false, true]);
  expect(one).toMatchObject({ batchId: one.digest, rows: 1, skippedRows: 1 });
  expect(await store.ingest(clicks, batches(batch(1)), { batchId: "monday" })).toMatchObject({ added: true });
  await expect(store.ingest(clicks, batches(batch(2)), { batchId: "monday" })).rejects.toMatchObject({
    code: "FEATURE_STORE_BATCH_CONFLICT",
  });
  expect(await store.ingest(clicks, batches(), { batchId: "nothing" })).toMatchObject({ added: true, rows: 0 });
  await using again = await openFeatureStore({ history: directory.path, services: [service] });
  expect(await again.ingest(clicks, batches(batch(1)), { batchId: "monday" })).toMatchObject({ added: false });
  const changed = defineFeatureView({
    name: "clicks",
    entity: user,
    eventTime: "at",
    inputs: { ms: "float32" },
    aggregates: { n: count(1) },
  });
  await using other = await openFeatureStore({
    history: directory.path,
    services: [defineFeatureService({ name: "other", views: [changed] })],
  });
  await expect(other.ingest(changed, batches())).rejects.toMatchObject({ code: "FEATURE_STORE_DEFINITION_CHANGED" });
});

test("rows have one digest and one place in the history whether they come as DuckDB's own or through columns, whatever their days", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 2 });
  const path = join(directory.path, "source.parquet");
  // Days before Christ have names of folders of their own; null keys and endless times have no place.
  const sql = `SELECT * FROM (SELECT 'user ' || (range % 1000) AS user, TIMESTAMP '2024-01-01' + to_hours(range % 50) AS at, range / 7.0::DOUBLE AS ms, 1 AS more FROM range(200000))
    UNION ALL VALUES ('old', TIMESTAMP '0044-03-15 (BC) 12:00:00', 1.5, 1), (NULL, TIMESTAMP '2024-01-01', 1.5, 1), ('never', 'infinity'::TIMESTAMP, 1.5, 1)`;
  await duckdb.writeParquet(sql, path);
  const source = await duckdb.scan(path);
  const placed = [];
  for (const [name, rows] of [
    ["own", source],
    ["columns", source.batches()],
  ] as const) {
    const history = join(directory.path, name);
    await using store = await openFeatureStore({ history, services: [service], duckdb });
    const first = await store.ingest(clicks, rows);
    expect(first).toMatchObject({ added: true, rows: 200_001, skippedRows: 2 });
    // The same rows the other way.
    const again = await store.ingest(clicks, name === "own" ? source.batches() : source);
    expect(again).toMatchObject({ added: false, digest: first.digest });
    const [entry] = await readdir(join(history, "clicks", "_batches"));
    const { parts } = JSON.parse(await readFile(join(history, "clicks", "_batches", entry!), "utf8")) as {
      readonly parts: readonly { readonly ds: string; readonly rows: number; readonly path: string }[];
    };
    placed.push({ digest: first.digest, days: parts.map(({ ds, rows: count }) => `${ds}: ${count}`) });
    for await (const found of duckdb.query(
      `SELECT "_sequence" % 4294967296 AS place, ms FROM read_parquet('${history}/clicks/ds=2024*/*.parquet') WHERE abs(ms - (place / 7.0)) > 1e-6`,
    ))
      expect(found.length).toBe(0);
  }
  expect(placed[0]).toEqual(placed[1]);
  expect(placed[0]!.days).toEqual(["-43-03-15: 1", "2024-01-01: 96000", "2024-01-02: 96000", "2024-01-03: 8000"]);
});

test("columns may have the names that the store's own queries could use", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const features = { d: "int32", n: "int32", rows: "int32", day: "int32", place: "int32", table: "int32" } as const;
  const names = Object.keys(features);
  const view = defineFeatureView({ name: "odd", entity: user, eventTime: "at", features });
  const services = [defineFeatureService({ name: "all", views: [view] })];
  await using store = await openFeatureStore({ history: directory.path, services, duckdb });
  const values = names.map((name) => `CAST(range AS INTEGER) AS "${name}"`);
  const sql = `SELECT 'ann' AS user, TIMESTAMP '2024-01-01' + to_days(CAST(range AS INTEGER)) AS at, ${values.join(", ")} FROM range(3)`;
  expect(await store.ingest(view, await duckdb.asDataset(sql))).toMatchObject({ rows: 3, skippedRows: 0 });
  const found = await columnsOfDataset(await store.scan(view));
  for (const name of names) expect(found[name]).toEqual([0, 1, 2]);
});

test("damaged, cut and missing history files are named", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  await using store = await openFeatureStore({ history: directory.path, services: [service], online });
  await store.ingest(
    clicks,
    batches(
      batchOf({
        user: column("utf8", Array<string>(500).fill("ann")),
        at: times(Array<number>(500).fill(1)),
        ms: column(
          "float64",
          Array.from({ length: 500 }, (_, row) => row),
        ),
      }),
    ),
  );
  const folder = join(directory.path, "clicks", "ds=1970-01-01");
  const [name] = await readdir(folder);
  const path = join(folder, name!);
  const whole = await readFile(path);
  let amount = 0;
  // Other labels each time: a training set that is there already is not made again.
  const read = () =>
    store.history("score", {
      labels: batchOf({ user: column("utf8", ["ann"]), at: times([2]), amount: column("float64", [amount++]) }),
      labelTime: "at",
    });
  await read();
  await truncate(path, whole.length - 30);
  await expect(read()).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_CORRUPT",
    category: "data",
    message: expect.stringContaining(path),
  });
  const footer = whole.length - 8 - whole.readUInt32LE(whole.length - 8);
  await writeFile(path, Buffer.from(whole).fill(0xff, footer, footer + 40));
  for (const work of [read, () => store.materialize(clicks, { upToMs: 3 * HOUR })]) {
    await expect(work()).rejects.toMatchObject({
      code: "FEATURE_STORE_HISTORY_CORRUPT",
      message: expect.stringContaining(path),
    });
  }
  await rm(path);
  await expect(read()).rejects.toMatchObject({
    code: "FEATURE_STORE_HISTORY_CORRUPT",
    message: expect.stringContaining("is missing"),
  });
});

test("unknown names and wrong columns are told with what there is", async () => {
  await using directory = await temporaryDirectory();
  await using online = openMemoryOnlineStore();
  await using store = await openFeatureStore({ history: directory.path, services: [service], online });
  const labels = batchOf({ user: column("utf8", ["ann"]), at: times([1]), amount: column("float64", [1]) });
  await expect(store.read("scores", { entities: users("ann") })).rejects.toMatchObject({
    code: "PORT_FEATURE_SERVICE_UNKNOWN",
    message: expect.stringContaining("Known services: score"),
  });
  await expect(store.history("scores", { labels, labelTime: "at" })).rejects.toMatchObject({
    code: "PORT_FEATURE_SERVICE_UNKNOWN",
  });
  await expect(store.push("click", labels)).rejects.toMatchObject({
    code: "FEATURE_STORE_VIEW_UNKNOWN",
    message: expect.stringContaining("Known views: profile, clicks"),
  });
  await expect(store.push("clicks", labels)).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
    message: expect.stringContaining('"ms"'),
  });
  const wrong = batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float32", [1]) });
  await expect(store.ingest("clicks", batches(wrong))).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_TYPE",
    message: expect.stringContaining("float32"),
  });
  await expect(
    store.history("score", { labels: batchOf({ ...labels.columns, user: column("int32", [1]) }), labelTime: "at" }),
  ).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_TYPE" });
  await expect(store.history("score", { labels, labelTime: "when" })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
  });
  await expect(
    store.history("score", { labels: batchOf({ ...labels.columns, hour: column("int32", [1]) }), labelTime: "at" }),
  ).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_TYPE" });
  await expect(store.read("score", { entities: users("ann") })).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
  });
  const huge = batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float64", [1e12]) });
  await expect(store.push("clicks", huge)).rejects.toMatchObject({ code: "FEATURE_STORE_VALUE_RANGE" });
  await expect(
    store.read("score", { entities: users("ann"), signal: AbortSignal.abort(new Error("enough")) }),
  ).rejects.toThrow("enough");
  await expect(openFeatureStore({ history: directory.path, services: [service, service] })).rejects.toMatchObject({
    code: "FEATURE_STORE_DEFINITION_INVALID",
  });
  await using offlineOnly = await openFeatureStore({ history: directory.path, services: [service] });
  await expect(offlineOnly.read("score", { entities: users("ann"), request: labels })).rejects.toMatchObject({
    code: "PORT_UNSUPPORTED",
  });
});

test("tables of the caller's DuckDB stay as they are, whatever they are called", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  const mine = batchOf({ mine: column("int32", [42]) });
  const names = ["labels", "results", "ingest", "entities", "events", "millwright_write"].flatMap((name) =>
    ["1", "2", "3", "1_0", "2_0"].map((end) => `${name}_${end}`),
  );
  for (const name of names) await duckdb.register(name, mine);
  const tables = async (): Promise<unknown> =>
    columnsOfDataset(await duckdb.asDataset("SELECT database_name, table_name FROM duckdb_tables() ORDER BY ALL"));
  const before = await tables();
  await store.ingest(
    clicks,
    batches(batchOf({ user: column("utf8", ["ann"]), at: times([1]), ms: column("float64", [3]) })),
  );
  const labels = batchOf({ user: column("utf8", ["ann"]), at: times([2]), amount: column("float64", [1]) });
  await store.history("score", { labels, labelTime: "at" });
  await duckdb.writeParquet(labels, join(directory.path, "labels.parquet"));
  expect(await tables()).toEqual(before);
  for (const name of names) {
    const rows = await columnsOfDataset(await duckdb.asDataset(`SELECT * FROM ${name}`));
    expect(rows, name).toEqual({ mine: [42] });
  }
});
