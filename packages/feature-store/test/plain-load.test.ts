import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryKeyedOnlineStore } from "../src/drivers/memory-keyed.ts";
import type { Forgotten } from "../src/erasure/forgotten.ts";
import type { HistoryBatch } from "../src/history/history-log.ts";
import type { HistorySource } from "../src/history/history-sql.ts";
import { defineEntity, defineFeatureView } from "../src/index.ts";
import { withSection } from "../src/keyed/entity-blob.ts";
import { type EntityProgress, NO_PROGRESS, progressTo } from "../src/keyed/entity-progress.ts";
import { createKeyedView } from "../src/keyed/keyed-view.ts";
import { plainEntries } from "../src/keyed/plain-entries.ts";
import { plainAdded } from "../src/keyed/plain-load.ts";
import { NO_ROWS } from "../src/keyed/row-section.ts";
import { type Given, loadedProgress, writeLoaded, type Written } from "../src/keyed/write-loaded.ts";
import type { OnlineRow } from "../src/online/online-store.ts";
import { markOf } from "../src/online/row-layout.ts";

const HOUR_US = 3_600_000_000;
const UP_TO = 1000 * HOUR_US;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const view = defineFeatureView({
  name: "plan",
  entity: user,
  eventTime: "at",
  features: { plan: "utf8", visits: "int32" },
});
const keyed = createKeyedView(view, 3_600_000);
const rowAt = (timeUs: number, visits: number): OnlineRow => ({
  key: "ann",
  timeUs,
  createdUs: null,
  inputs: [],
  values: ["free", visits],
});
const other = withSection(undefined, markOf("other"), new Uint8Array([1, 2, 3]))!;

/** What an entity may be when the history comes. */
const rowsBefore: readonly (readonly OnlineRow[])[] = [
  [],
  [rowAt(UP_TO - 9 * HOUR_US, 1)],
  [rowAt(UP_TO - 3, 1), rowAt(UP_TO - 2, 2)],
  [rowAt(UP_TO - 3, 1), rowAt(UP_TO, 2)],
  [rowAt(UP_TO + 5, 3)],
];
const progressBefore: readonly EntityProgress[] = [
  NO_PROGRESS,
  { ...NO_PROGRESS, seenBatches: [[1, 2]] },
  { ...NO_PROGRESS, seenBatches: [[1, 3]], loadedUs: UP_TO - 7 },
  { ...NO_PROGRESS, seenBatches: [[1, 1]], partway: [[3, 12]] },
  { ...NO_PROGRESS, seenBatches: [[1, 4]] },
  { ...NO_PROGRESS, seenBatches: [[1, 9]] },
  { ...NO_PROGRESS, partway: [[9, 3]] },
  { ...NO_PROGRESS, marks: [{ markedBatch: "batch 2", calls: [[0, 3]] }] },
  { ...NO_PROGRESS, marks: [{ markedBatch: "puts/here", calls: [[0, 0]] }] },
  { ...NO_PROGRESS, marks: [{ markedBatch: "puts/gone", calls: [[0, 0]] }] },
  { ...NO_PROGRESS, seenBatches: [[1, 2]], removedUs: UP_TO - 1 },
  { ...NO_PROGRESS, removedUs: UP_TO + 1 },
];
const befores = [undefined, other].flatMap((beside) =>
  rowsBefore.flatMap((rows) =>
    progressBefore.map((progress) => keyed.withRows(beside, { ...NO_ROWS, rows }, progress) ?? undefined),
  ),
);
const listed = [1, 2, 3].map((number) => ({ number, id: `batch ${number}` })) as unknown as HistoryBatch[];
const batch = batchOf({ user: ["ann"], plan: ["paid"], visits: column("int32", [7]) });
const columns = {
  time: column("timestamp", [BigInt(UP_TO - 2 * HOUR_US)]),
  created: undefined,
};

test("an entity loaded from an entry made of columns is, byte for byte, one loaded from rows, whatever was there, known of it, or forgotten", async () => {
  const options = { upToUs: UP_TO, listed };
  const floorUs = UP_TO - HOUR_US;
  const head = { floorUs, generation: 5, progress: keyed.progressSection(loadedProgress(options)) };
  const [entry] = plainEntries(keyed.layout, batch, columns, head) as [Uint8Array];
  const given: Given[] = [{ entry }, { rows: keyed.rowsOf("ann", entry).rows }];
  let replaced = 0;
  for (const untilUs of [Number.NEGATIVE_INFINITY, UP_TO - 3 * HOUR_US, UP_TO - HOUR_US]) {
    for (const [index, before] of befores.entries()) {
      const after: unknown[] = [];
      for (const each of given) {
        await using store = openMemoryKeyedOnlineStore();
        await store.update("user", ["ann"], () => before);
        const written: Written = {
          keyed,
          store,
          source: {} as HistorySource,
          latenessMs: 3_600_000,
          generation: 5,
          waiting: {
            rowsOf: (_, [mark]) => (mark!.markedBatch === "puts/here" ? [rowAt(UP_TO - 1, 9)] : undefined),
            isWaiting: () => false,
          },
          forgotten: { reader: () => () => untilUs } as unknown as Forgotten,
          outdated: [[4, 4]],
          late: new Set(),
          keptRows: 0,
        };
        await writeLoaded(written, { keys: ["ann"], given: [each], floorUs }, options);
        const [bytes] = await store.read("user", ["ann"]);
        after.push([bytes && Buffer.from(bytes).toString("hex"), [...written.late], written.keptRows]);
      }
      expect(after[0], `${index}`).toEqual(after[1]);
      if (JSON.stringify(after[0]).includes(Buffer.from(entry.subarray(40)).toString("hex"))) replaced++;
    }
  }
  expect(replaced).toBeGreaterThan(10);
});

test("an entity that gets its first row from an entry made of columns is, byte for byte, one that gets it as a row", () => {
  const record = { seenBatches: [[1, 2]], partway: { batch: 3, row: 14 } } as const;
  const progress = progressTo(NO_PROGRESS, record);
  const added = plainAdded(keyed, historyBatch(), { floorUs: UP_TO - HOUR_US, progress });
  let made = 0;
  for (const before of befores) {
    const entry = added.entryOf("ann", [0], before);
    if (entry === undefined) continue;
    made++;
    const rows = keyed.adding(keyed.rowsOf("ann", before), [added.rowAt("ann", 0)], UP_TO - HOUR_US);
    const known = progressTo(keyed.progressOf("ann", before), record);
    expect(Buffer.from(entry).equals(keyed.withRows(before, rows, known)!)).toBe(true);
  }
  expect(made).toBe(2);
});

/** The row as it comes out of the history. */
const historyBatch = () => ({
  length: 1,
  columns: {
    ...batch.columns,
    _time: columns.time,
    _created: column("timestamp", [null]),
    _deleted: column("bool", [false]),
    _expires: column("timestamp", [null]),
  },
});
