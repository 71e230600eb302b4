import { copyFile, open, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Dataset } from "@millwright/contracts";
import { profileDataset } from "@millwright/data";
import { expect, test } from "vitest";
import { type DuckDb, openDuckDb } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const ROWS = 300_000;
const sqlOf = (add: number): string =>
  `SELECT (i + ${add})::BIGINT AS x, 'a' || i % 3 AS t FROM range(${ROWS}) AS r(i)`;

/** All that reads a dataset's rows, or speaks of them. */
const readings: Readonly<Record<string, (duckdb: DuckDb, dataset: Dataset, folder: string) => Promise<unknown>>> = {
  batches: async (_duckdb, dataset) => await columnsOf(dataset.batches()),
  "some columns": async (_duckdb, dataset) => await columnsOf(dataset.batches({ columns: ["t"] })),
  slice: async (_duckdb, dataset) => await columnsOf(dataset.slice!(10, 20).batches()),
  digest: async (_duckdb, dataset) => await dataset.digest(),
  ref: async (_duckdb, dataset) => await dataset.ref(),
  profile: async (duckdb, dataset) => await duckdb.profile(dataset),
  profileDataset: async (_duckdb, dataset) => await profileDataset(dataset),
  register: async (duckdb, dataset) => await duckdb.register("copied", dataset),
  writeParquet: async (duckdb, dataset, folder) => await duckdb.writeParquet(dataset, join(folder, "copy.parquet")),
  writeCsv: async (duckdb, dataset, folder) => await duckdb.writeCsv(dataset, join(folder, "copy.csv")),
  groupBy: async (duckdb, dataset) =>
    await columnsOf((await duckdb.groupBy(dataset, { by: ["t"], aggregates: { n: { kind: "rows" } } })).batches()),
  join: async (duckdb, dataset) =>
    await columnsOf(
      (await duckdb.join(await duckdb.asDataset("SELECT 1::BIGINT AS x"), dataset, { on: ["x"] })).batches(),
    ),
};

test("a file that another of as many rows and the same types has replaced is never taken for it", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 2 });
  const path = join(directory.path, "rows.parquet");
  const other = join(directory.path, "other.parquet");
  await duckdb.writeParquet(sqlOf(0), path);
  const stored = await duckdb.scan([path]);
  const again = await duckdb.scan([path]);
  const ref = await stored.ref();
  const opened = duckdb.openRef(ref);
  // Read once, so that its digest is remembered.
  await opened.digest();
  for (const read of Object.values(readings)) await read(duckdb, stored, directory.path);
  await duckdb.writeParquet(sqlOf(1), other);
  await rename(other, path);
  const changed = { code: "DUCKDB_FILE_CHANGED", message: expect.stringContaining(path) as string };
  for (const [name, read] of Object.entries(readings)) {
    await expect(read(duckdb, stored, directory.path), name).rejects.toMatchObject(changed);
    await expect(read(duckdb, opened, directory.path), `${name}, of a reference`).rejects.toMatchObject(changed);
  }
  await expect(again.digest()).rejects.toMatchObject(changed);
  // Whoever opens it now has what is there now; a reference knows its rows by their digest.
  expect(await (await duckdb.scan(path)).digest()).not.toBe(ref.digest);
  await expect(duckdb.openRef(ref).digest()).rejects.toMatchObject({ code: "DUCKDB_REF_CHANGED" });
  await rm(path);
  for (const dataset of [stored, opened])
    await expect(dataset.digest()).rejects.toMatchObject({ code: "DUCKDB_FILE_MISSING" });
});

test("neither the size nor the time of a file lets another pass, nor a write in its place", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = join(directory.path, "rows.csv");
  const other = join(directory.path, "other.csv");
  await writeFile(path, "x\n1\n2\n");
  await writeFile(other, "x\n1\n3\n");
  const { atime, mtime } = await stat(path);
  for (const file of [path, other]) await utimes(file, atime, mtime);
  const stored = await duckdb.scan(path);
  expect(await columnsOf(stored.batches())).toEqual({ x: [1n, 2n] });
  await rename(other, path);
  expect((await stat(path)).size).toBe(6);
  await expect(columnsOf(stored.batches())).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
  const third = await duckdb.scan(path);
  const file = await open(path, "r+");
  await file.write("4", 4);
  await file.close();
  await utimes(path, atime, new Date(mtime.getTime() + 1));
  await expect(columnsOf(third.batches())).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
  await expect(third.digest()).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
});

test("a file that is replaced or cut while it is read is told of at the end, whatever its reader saw", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = join(directory.path, "rows.parquet");
  const [kept, other] = [join(directory.path, "kept"), join(directory.path, "other.parquet")];
  await duckdb.writeParquet(sqlOf(0), kept, { rowGroupRows: 4096 });
  await duckdb.writeParquet(sqlOf(1), other, { rowGroupRows: 4096 });
  const bytes = await readFile(other);
  const changes: readonly (() => Promise<void>)[] = [
    async () => await copyFile(other, `${path}.new`).then(() => rename(`${path}.new`, path)),
    async () => await writeFile(path, bytes),
    async () => await writeFile(path, bytes.subarray(0, bytes.length / 2)),
  ];
  for (const change of changes) {
    await copyFile(kept, path);
    const stored = await duckdb.scan(path);
    const walk = async (): Promise<void> => {
      let seen = 0;
      for await (const batch of stored.batches({ batchRows: 4096 }))
        if ((seen += batch.length) === 4096) await change();
    };
    await expect(walk()).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
    await copyFile(kept, path);
    let isFirst = true;
    const progress = (): void => {
      if (isFirst) renaming = change();
      isFirst = false;
    };
    let renaming: Promise<void> = Promise.resolve();
    const profiled = profileDataset(await duckdb.scan(path), { progress });
    await expect(profiled.finally(() => renaming)).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
  }
});

test("a file that stays as it is may be read while others come and go beside it", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = (name: string): string => join(directory.path, `${name}.parquet`);
  await duckdb.writeParquet("SELECT 1 AS x", path("a"));
  const stored = await duckdb.scan(join(directory.path, "*.parquet"));
  const digest = await stored.digest();
  await duckdb.writeParquet("SELECT 2 AS x", path("b"));
  await rename(path("b"), path("c"));
  expect(await columnsOf(stored.batches())).toEqual({ x: [1] });
  expect(await stored.digest()).toBe(digest);
  expect((await duckdb.profile(stored)).rows).toBe(1);
});

test("of many who write a file at one time, and keep one that is there, the first counts, and no reader finds it changed", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb({ threads: 1 });
  const path = join(directory.path, "named-by-content.parquet");
  const datasets = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const parts = await duckdb.writeParquet("SELECT 1 AS x", path, { existing: "keep" });
      expect(parts).toMatchObject([{ path, rows: 1 }]);
      return await duckdb.scan(path);
    }),
  );
  await duckdb.writeParquet("SELECT 2 AS x", path, { existing: "keep" });
  for (const dataset of datasets) expect(await columnsOf(dataset.batches())).toEqual({ x: [1] });
  expect(await readdir(directory.path)).toEqual(["named-by-content.parquet"]);
  await duckdb.writeParquet("SELECT 2 AS x", path);
  await expect(datasets[0]!.digest()).rejects.toMatchObject({ code: "DUCKDB_FILE_CHANGED" });
});
