import { createRandom } from "@millwright/contracts";
import { batchOf, type Profile, profileDataset } from "@millwright/data";
import { expect, test } from "vitest";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
  reportFeatureDrift,
  takeBaseline,
} from "../src/index.ts";
import { batches, temporaryDirectory } from "./rows.ts";

const DAY = 86_400_000;
const view = defineFeatureView({
  name: "orders",
  entity: defineEntity({ name: "user", keys: { user: "utf8" } }),
  eventTime: "at",
  features: { amount: "float64", country: "utf8", items: "int32" },
});

/** A day's orders; what is shifted is so from the first row on. */
function ordersOf(day: number, shift: { readonly amount?: number; readonly country?: string } = {}) {
  const random = createRandom(100 + day);
  const rows = Array.from({ length: 1500 }, (_, row) => row);
  return batchOf({
    user: rows.map((row) => `user ${row}`),
    at: rows.map((row) => new Date(day * DAY + row * 10_000)),
    amount: rows.map(() => random.normal() * 10 + 50 + (shift.amount ?? 0)),
    country: rows.map(() => shift.country ?? ["DE", "FR", "IT"][random.integer(3)]!),
    items: Int32Array.from(rows, () => random.integer(9)),
  });
}

test("FS-28: a shift of one feature is a drift of that feature, in the windows that have it, and of no other", async () => {
  await using directory = await temporaryDirectory();
  const services = [defineFeatureService({ name: "all", views: [view] })];
  await using store = await openFeatureStore({ history: directory.path, services });
  for (const day of [10, 11, 12]) await store.ingest(view, batches(ordersOf(day)));
  const baseline = JSON.parse(JSON.stringify(await takeBaseline(store, view))) as Awaited<
    ReturnType<typeof takeBaseline>
  >;
  expect(baseline).toMatchObject({ view: "orders", rows: 4500 });
  await store.ingest(view, batches(ordersOf(13)));
  await store.ingest(view, batches(ordersOf(14, { amount: 20 })));
  await store.ingest(view, batches(ordersOf(16, { country: "XX" })));
  const drifts = await reportFeatureDrift(store, view, { baseline });
  expect(drifts).toHaveLength(6 * 3);
  const drifted = drifts
    .filter(({ isDrifted }) => isDrifted)
    .map(({ windowMs, column }) => `${windowMs / DAY} ${column}`);
  expect(drifted).toEqual(["14 amount", "16 country"]);
  expect(drifts.find(({ windowMs, column }) => windowMs === 14 * DAY && column === "amount")!.distance).toBeGreaterThan(
    0.5,
  );
  // Without a baseline the first week is what the others are compared with; here all days are of two weeks.
  const weekly = await reportFeatureDrift(store, view, { windowMs: 7 * DAY });
  expect(new Set(weekly.map(({ windowMs }) => windowMs / DAY))).toEqual(new Set([14]));
  const other = defineFeatureView({ ...view, ttlMs: DAY });
  const strange = takeBaseline(store, view).then((taken) => reportFeatureDrift(store, other, { baseline: taken }));
  await expect(strange).rejects.toMatchObject({ code: "FEATURE_STORE_BASELINE_DIFFERS" });
});

test("the profile of a view's rows is that of its batches, and a view of no such column has its rows", async () => {
  await using directory = await temporaryDirectory();
  const times = defineFeatureView({ ...view, name: "times", features: { seen: "timestamp" } });
  const services = [defineFeatureService({ name: "all", views: [view, times] })];
  await using store = await openFeatureStore({ history: directory.path, services });
  for (const day of [10, 11]) await store.ingest(view, batches(ordersOf(day)));
  const { user, at } = ordersOf(10).columns;
  await store.ingest(times, batches({ length: 1500, columns: { user: user!, at: at!, seen: at! } }));
  const rows = await store.scan(view, { duplicates: "keep" });
  const columns = ["amount", "country", "items"];
  const [own, walked] = [await profileDataset(rows, { columns }), await profileDataset({ ...rows }, { columns })];
  const exact = (profile: Profile): unknown =>
    Object.entries(profile.columns).map(([name, { moments, frequent, ...rest }]) => [
      name,
      rest,
      moments && [moments.count, moments.min, moments.max, moments.mean.toPrecision(11), moments.m2.toPrecision(9)],
      frequent?.counts,
    ]);
  expect(own.rows).toBe(3000);
  expect(exact(own)).toEqual(exact(walked));
  expect(await takeBaseline(store, times)).toMatchObject({ rows: 1500, profile: { columns: {} } });
});
