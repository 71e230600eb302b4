import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { batchOf, column, datasetOf } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  openFeatureStore,
} from "../src/index.ts";
import { columnsOfDataset } from "./rows.ts";
import { mountSmallDisk } from "./small-disk.ts";

const view = defineFeatureView({
  name: "notes",
  entity: defineEntity({ name: "user", keys: { user: "int32" } }),
  eventTime: "at",
  features: { text: "utf8" },
});
const service = defineFeatureService({ name: "all", views: [view] });
/** Text that does not get smaller when it is compressed. */
const noise = (length: number, seed: number): string => {
  const random = createRandom(seed);
  return Array.from({ length }, () => String.fromCharCode(33 + random.integer(90))).join("");
};
const row = (user: number, length: number) => ({ user, at: new Date(user * 1000), text: noise(length, user) });
const usersOf = async (store: FeatureStore): Promise<unknown[]> =>
  (await columnsOfDataset(await store.scan(view, { duplicates: "keep" })))["user"]!;
const full = { code: "FEATURE_STORE_WRITE_FAILED", category: "capacity", retryable: true };

test("a put that a full disk has no room for is refused, those before it stay, and with room the store goes on", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(2048);
  if (disk === undefined) return skip("This process may not mount a file system.");
  const history = join(disk.directory, "history");
  {
    await using store = await openFeatureStore({ history, services: [service] });
    await store.put(view, [row(1, 10)]);
    await disk.fill(8_192);
    await expect(store.put(view, [row(2, 60_000)])).rejects.toMatchObject(full);
    await store.put(view, [row(3, 10)]); // what the large one had taken was given back
    await disk.free();
    await disk.fill();
    // The rows stay in the journal where the history has no room for them.
    await expect(store.flush(view)).rejects.toMatchObject({ category: "capacity" });
    await disk.free();
    await store.put(view, [row(4, 10)]);
    expect(await usersOf(store)).toEqual([1, 3, 4]);
  }
  await using again = await openFeatureStore({ history, services: [service] });
  expect(await usersOf(again)).toEqual([1, 3, 4]);
});

test("a compaction that a full disk has no room for leaves the files as they are, and nothing of its own", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(4096);
  if (disk === undefined) return skip("This process may not mount a file system.");
  await using duckdb = await openDuckDb();
  const history = join(disk.directory, "history");
  await using store = await openFeatureStore({ history, services: [service], duckdb });
  for (let user = 0; user < 4; user++) {
    const rows = [row(user * 2, 30_000), row(user * 2 + 1, 30_000)];
    const batch = batchOf({
      user: column(
        "int32",
        rows.map((each) => each.user),
      ),
      at: column(
        "timestamp",
        rows.map((each) => each.at),
      ),
      text: column(
        "utf8",
        rows.map((each) => each.text),
      ),
    });
    await store.ingest(view, datasetOf([batch]));
  }
  const files = async (): Promise<string[]> =>
    (await readdir(join(history, "notes"), { recursive: true })).filter((name) => name.endsWith(".parquet")).toSorted();
  const before = await files();
  await disk.fill(12_288);
  await expect(store.compact(view)).rejects.toMatchObject({ category: "capacity" });
  expect(await files()).toEqual(before);
  expect((await readdir(join(history, "notes"))).filter((name) => name.startsWith("_incoming"))).toEqual([]);
  expect(await usersOf(store)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  await disk.free();
  expect(await store.compact(view, { graceMs: 0 })).toMatchObject({ mergedFiles: 4, writtenFiles: 1, deletedFiles: 4 });
  expect(await usersOf(store)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});
