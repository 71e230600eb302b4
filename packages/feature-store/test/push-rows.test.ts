import { createManualClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { type FeatureStore, openFeatureStore } from "../src/index.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";
import { clicks, HOUR, profile, service, times, users } from "./score-service.ts";

const at = (hour: number): Date => new Date(hour * HOUR);

async function featuresOf(store: FeatureStore): Promise<Record<string, unknown[]>> {
  const request = batchOf({ at: times([11, 11]), amount: column("float64", [1, 20]) });
  const { features } = await store.read("score", { entities: users("ann", "bob"), request, timeMs: 11 * HOUR });
  return columnsOf(features);
}

test("plain rows that are pushed give the same features as columns", async () => {
  await using folder = await temporaryDirectory();
  const open = (name: string) =>
    openFeatureStore({
      history: `${folder.path}/${name}`,
      services: [service],
      online: openMemoryOnlineStore(),
      clock: createManualClock(11 * HOUR),
    });
  await using byRows = await open("rows");
  await using byColumns = await open("columns");
  await byRows.push("profile", [
    { user: "ann", at: at(9), seen: at(9), plan: "gold", credit: 7, unknown: true },
    { user: "bob", at: at(9), seen: null, credit: 2n ** 60n },
    { user: null, at: at(9), seen: null },
  ]);
  expect(await byRows.push("clicks", [{ user: "ann", at: at(10), ms: 1.5 }])).toMatchObject({
    rows: 1,
    skippedRows: 0,
  });
  await byColumns.push(
    profile,
    batchOf({
      ...users("ann", "bob").columns,
      at: times([9, 9]),
      seen: times([9, null]),
      plan: column("utf8", ["gold", null]),
      credit: column("int64", [7n, 2n ** 60n]),
    }),
  );
  await byColumns.push(clicks, batchOf({ ...users("ann").columns, at: times([10]), ms: column("float64", [1.5]) }));
  const features = await featuresOf(byRows);
  expect(features).toEqual(await featuresOf(byColumns));
  expect(features["profile__credit"]).toEqual([7n, 2n ** 60n]);
  expect(features["clicks__clicks_3h"]).toEqual([1, null]);
});

test("rows that lack a column, or have another type in it, are refused by its name", async () => {
  await using folder = await temporaryDirectory();
  await using store = await openFeatureStore({
    history: folder.path,
    services: [service],
    online: openMemoryOnlineStore(),
  });
  await expect(store.push("clicks", [{ user: "ann", at: at(1), mss: 1 }])).rejects.toMatchObject({
    code: "FEATURE_STORE_COLUMN_MISSING",
    message: expect.stringContaining('"ms"'),
  });
  for (const row of [
    { user: "ann", at: 1_700_000_000_000, ms: 1 },
    { user: "ann", at: at(1), ms: "1" },
    { user: 5, at: at(1), ms: 1 },
  ]) {
    await expect(store.push("clicks", [row])).rejects.toMatchObject({ code: "FEATURE_STORE_COLUMN_TYPE" });
  }
  expect(await store.push(clicks, [])).toMatchObject({ rows: 0, skippedRows: 0 });
});
