import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Batch, createManualClock, type Dataset, type Digest } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { openHistoryLog } from "../src/history/history-log.ts";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  openFeatureStore,
} from "../src/index.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const before = defineFeatureView({ name: "users", entity: user, eventTime: "at", features: { age: "int32" } });
const users = defineFeatureView({
  name: "users",
  entity: user,
  eventTime: "at",
  features: { age: "int32", city: "utf8" },
});
const service = defineFeatureService({ name: "all", views: [users] });

const aged = (rows: readonly (readonly [user: string, hour: number, age: number])[]): Batch =>
  batchOf({
    user: column(
      "utf8",
      rows.map(([name]) => name),
    ),
    at: column(
      "timestamp",
      rows.map(([, hour]) => new Date(hour * HOUR)),
    ),
    age: column(
      "int32",
      rows.map(([, , age]) => age),
    ),
  });
const everything = { duplicates: "keep", deleted: "keep" } as const;
const dayFiles = async (directory: string): Promise<string[]> => {
  const names = await readdir(join(directory, "users"), { recursive: true });
  return names.filter((name) => name.startsWith("ds=") && name.endsWith(".parquet"));
};
const digestOf = async (dataset: Dataset): Promise<string> => await dataset.digest();

/** Every way of reading the history, as digests. */
async function readings(store: FeatureStore, pastMs: number): Promise<Record<string, string>> {
  await using directory = await temporaryDirectory();
  const labels = batchOf({
    user: column("utf8", ["ann", "bob", "cid", "ann"]),
    moment: column(
      "timestamp",
      [5, 30, 49, 80].map((hour) => new Date(hour * HOUR)),
    ),
  });
  const joined = async (asKnown?: "available"): Promise<string> => {
    const path = join(directory.path, `${asKnown}.parquet`);
    const options = { labels, labelTime: "moment", path, ...(asKnown === undefined ? {} : { asKnown }) };
    return await digestOf(await store.history(service, options));
  };
  return {
    everything: await digestOf(await store.scan(users, everything)),
    standing: await digestOf(await store.scan(users)),
    then: await digestOf(await store.scan(users, { ...everything, asOfMs: pastMs })),
    latest: await digestOf(await store.scan(users, { latest: true })),
    joined: await joined(),
    asKnown: await joined("available"),
  };
}

async function written(directory: string, clock: ReturnType<typeof createManualClock>): Promise<void> {
  const old = defineFeatureService({ name: "old", views: [before] });
  {
    await using store = await openFeatureStore({ history: directory, services: [old], clock });
    await store.ingest(
      before,
      batches(
        aged([
          ["ann", 1, 1],
          ["bob", 2, 2],
          ["ann", 25, 3],
        ]),
      ),
    );
    await clock.advance(HOUR);
  }
  await using online = openMemoryOnlineStore();
  await using store = await openFeatureStore({ history: directory, services: [service], clock, online });
  const put = async (name: string, hour: number, age: number): Promise<void> => {
    await store.put(users, [{ user: name, at: new Date(hour * HOUR), age, city: `of ${name}` }], { ttlMs: 40 * HOUR });
    await store.flush();
    await clock.advance(HOUR);
  };
  await put("ann", 3, 4);
  await put("bob", 26, 5);
  await put("cid", 26, 6);
  await store.delete(users, { user: "bob" }, { eventTimeMs: 28 * HOUR });
  await store.flush();
  await clock.advance(HOUR);
  await put("ann", 3, 7); // the same time again
}

test("merged files answer every read as the many did: superseded rows, deletes, times to live, what was known when, pins", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(100 * HOUR);
  await written(directory.path, clock);
  const pastMs = 103 * HOUR;
  await using store = await openFeatureStore({ history: directory.path, services: [service], clock });
  const set = await store.history(service, {
    labels: batchOf({ user: ["ann"], moment: column("timestamp", [new Date(90 * HOUR)]) }),
    labelTime: "moment",
  });
  const pin = await set.pin();
  const dataset = await store.scan(users, everything);
  const rows = await columnsOfDataset(dataset);
  const wanted = await readings(store, pastMs);
  const progress: number[] = [];
  const result = await store.compact(users, { onProgress: ({ doneFiles }) => progress.push(doneFiles) });
  expect(result).toEqual({ mergedFiles: 7, writtenFiles: 2, rows: 8, deletedFiles: 0 });
  expect(progress).toEqual([7]);
  expect(await readings(store, pastMs)).toEqual(wanted);
  expect(rows["age"]).toHaveLength(8);
  // Nothing is left to merge.
  expect(await store.compact()).toMatchObject({ mergedFiles: 0, writtenFiles: 0 });
  // Files go after their grace period, and neither what was opened before nor what is read anew misses them.
  await clock.advance(HOUR);
  expect(await store.compact()).toMatchObject({ deletedFiles: 7 });
  expect(await dayFiles(directory.path)).toHaveLength(2);
  expect(await columnsOfDataset(dataset)).toEqual(rows);
  await using again = await openFeatureStore({ history: directory.path, services: [service], clock });
  expect(await readings(again, pastMs)).toEqual(wanted);
  // A pin of what there was then is made again from the merged files, without what came since.
  await again.ingest(
    users,
    batches({ ...aged([["ann", 4, 99]]), columns: { ...aged([["ann", 4, 99]]).columns, city: column("utf8", ["x"]) } }),
  );
  await again.compact(users, { graceMs: 0 });
  expect((await (await again.replay(pin)).pin()).digest).toBe(pin.digest);
  // Its batches are known by their ids, although their entries are folded into one.
  expect(await readdir(join(directory.path, "users", "_batches"))).toHaveLength(1);
  expect(
    (await (await openHistoryLog(directory.path, "users")).batches()).filter(({ origin }) => origin !== "compaction"),
  ).toHaveLength(7);
});

test("a batch that was folded long ago is not ingested again, and two compactions at once count once", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const open = () => openFeatureStore({ history: directory.path, services: [service], duckdb });
  await using one = await open();
  await using two = await open();
  const given = (age: number): Batch => {
    const batch = aged([
      ["ann", 1, age],
      ["bob", 30, age],
    ]);
    return { ...batch, columns: { ...batch.columns, city: column("utf8", ["a", "b"]) } };
  };
  for (let age = 0; age < 5; age++) await one.ingest(users, batches(given(age)), { batchId: `batch ${age}` });
  const wanted = await digestOf(await one.scan(users, everything));
  const results = await Promise.all([one, two, one, two].map((store) => store.compact(users, { graceMs: 0 })));
  expect(results.reduce((sum, { rows }) => sum + rows, 0)).toBe(10);
  expect(await digestOf(await two.scan(users, everything))).toBe(wanted);
  for (const store of [one, two]) {
    expect(await store.ingest(users, batches(given(3)), { batchId: "batch 3" })).toMatchObject({
      added: false,
      rows: 2,
    });
    await expect(store.ingest(users, batches(given(7)), { batchId: "batch 3" })).rejects.toMatchObject({
      code: "FEATURE_STORE_BATCH_CONFLICT",
    });
  }
  expect(await dayFiles(directory.path)).toHaveLength(2);
});

test("a compaction that was aborted leaves whole steps, and one with limits leaves large files", async () => {
  await using directory = await temporaryDirectory();
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  for (let age = 0; age < 3; age++) {
    const batch = aged([["ann", 1, age]]);
    await store.ingest(users, batches({ ...batch, columns: { ...batch.columns, city: column("utf8", ["a"]) } }));
  }
  const reason = new Error("enough");
  await expect(store.compact(users, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(await store.compact(users, { minFiles: 4 })).toMatchObject({ mergedFiles: 0 });
  expect(await store.compact(users, { maxFileBytes: 10 })).toMatchObject({ mergedFiles: 0 });
  await expect(store.compact(users, { minFiles: 1 })).rejects.toThrow("minFiles must be 2 or more, not 1.");
  await expect(store.compact(users, { graceMs: -1 })).rejects.toThrow("graceMs must be 0 or more, not -1.");
  expect(await store.compact(users)).toMatchObject({ mergedFiles: 3, writtenFiles: 1, rows: 3 });
});

test("many batches need few files, and are all there when the folder is opened again", async () => {
  await using directory = await temporaryDirectory();
  const log = await openHistoryLog(directory.path, "users");
  const other = await openHistoryLog(directory.path, "users");
  const schema = [{ name: "user", type: "utf8" as const }];
  const draft = (number: number) => ({
    number,
    schema,
    rows: 0,
    skippedRows: 0,
    parts: [],
    digest: `sha256:${number}` as Digest,
  });
  for (let number = 1; number <= 1100; number++) {
    expect(await (number % 2 === 0 ? log : other).commit({ ...draft(number), id: `batch ${number}` })).toBe(true);
  }
  expect((await readdir(join(directory.path, "users", "_batches"))).length).toBeLessThan(520);
  for (const each of [log, other, await openHistoryLog(directory.path, "users")]) {
    expect((await each.batches()).map(({ number }) => number)).toEqual(
      Array.from({ length: 1100 }, (_, index) => index + 1),
    );
    expect(await each.find("batch 7")).toMatchObject({ id: "batch 7", number: 7, schema });
    expect(await each.commit({ ...draft(2000), id: "batch 7" })).toBe(false);
  }
  expect(await log.claim()).toBe(1101);
});

test("files of a writer that died before its entry are deleted on open; those that count stay", async () => {
  await using directory = await temporaryDirectory();
  const folder = join(directory.path, "users");
  {
    await using store = await openFeatureStore({ history: directory.path, services: [service] });
    const batch = aged([["ann", 1, 1]]);
    await store.ingest(users, batches({ ...batch, columns: { ...batch.columns, city: column("utf8", ["a"]) } }));
  }
  const twoDaysAgo = new Date(Date.now() - 48 * HOUR);
  const dead = 2 ** 22 + 1; // more than any process number there is
  for (const number of [1, 77]) {
    await mkdir(join(folder, `_incoming-${dead}-${number}`, "rows"), { recursive: true });
    await utimes(join(folder, `_incoming-${dead}-${number}`), twoDaysAgo, twoDaysAgo);
  }
  await writeFile(join(folder, "ds=1970-01-01", "part-77-data_0.parquet"), "half");
  await mkdir(join(folder, "_quarantine"));
  await writeFile(join(folder, "_quarantine", "part-77-aside.parquet"), "half");
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  expect((await columnsOfDataset(await store.scan(users)))["age"]).toEqual([1]);
  expect(await dayFiles(directory.path)).toEqual(["ds=1970-01-01/part-1-data_0.parquet"]);
  expect(await readdir(join(folder, "_quarantine"))).toEqual([]);
  expect((await readdir(folder)).filter((name) => name.startsWith("_incoming"))).toEqual([]);
});
