import { batchOf, column, datasetOf } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { defineEntity, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { begin } from "./kill.ts";
import { temporaryDirectory } from "./rows.ts";

const view = defineFeatureView({
  name: "numbers",
  entity: defineEntity({ name: "key", keys: { key: "int32" } }),
  eventTime: "at",
  features: { batch: "int32" },
});
const service = defineFeatureService({ name: "all", views: [view] });

// About 20 s: eight processes read while this one writes.
test("eight processes read whole batches while one ingests, compacts and deletes what it merged", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  await using store = await openFeatureStore({ history: directory.path, services: [service], duckdb });
  const ingest = async (number: number): Promise<void> => {
    const rows = Array.from({ length: 20 }, (_, row) => row);
    const at = rows.map((row) => new Date(Date.UTC(2024, 0, 1 + (row % 2), 0, row)));
    const batch = batchOf({
      key: column("int32", rows),
      at: column("timestamp", at),
      batch: column("int32", Array<number>(20).fill(number)),
    });
    await store.ingest(view, datasetOf([batch]));
  };
  await ingest(0);
  const readers = await Promise.all(Array.from({ length: 8 }, () => begin("scan-for-ever.mjs", [directory.path])));
  const reading = Promise.all(readers.map((reader) => reader.killAfter(8_000)));
  let isDone = false;
  void reading.then(() => (isDone = true));
  let number = 1;
  for (; !isDone; number++) {
    await ingest(number);
    // Shorter than any grace period should be: readers meet files that are gone.
    if (number % 5 === 0) await store.compact(view, { graceMs: 50 });
  }
  for (const said of await reading) {
    expect(said.filter((line) => line.startsWith("wrong"))).toEqual([]);
    expect(said.length).toBeGreaterThan(2);
    expect(Number(said.at(-1))).toBeGreaterThan(1);
    expect(Number(said.at(-1))).toBeLessThanOrEqual(number);
  }
}, 600_000);
