import { createManualClock, createRandom, type Batch } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  openFeatureStore,
  type FeatureView,
} from "../src/index.ts";
import { correlationRatio } from "../src/inspection/leakage.ts";
import { batches, temporaryDirectory } from "./rows.ts";

const HOUR = 3_600_000;
const user = defineEntity({ name: "user", keys: { user: "utf8" } });
const define = (name: string, features: Record<string, "float64" | "utf8">, availabilityLagMs?: number): FeatureView =>
  defineFeatureView({ name, entity: user, eventTime: "at", createdTime: "booked", features, availabilityLagMs });
const at = (hours: readonly number[]) =>
  column(
    "timestamp",
    hours.map((hour) => new Date(hour * HOUR)),
  );
const names = Array.from({ length: 600 }, (_, index) => `user ${index}`);

/** A target, a feature that honestly tells something of it, and one that was booked after the fact under the time before it. */
function world(): { readonly late: readonly boolean[]; readonly honest: Batch; readonly leaking: Batch } {
  const random = createRandom(15);
  const late = names.map(() => random.next() < 0.3);
  const early = names.map(() => 8);
  return {
    late,
    honest: batchOf({
      user: names,
      at: at(early),
      booked: at(names.map(() => 9)),
      delay: late.map((isLate) => random.normal() + (isLate ? 1 : 0)),
    }),
    leaking: batchOf({
      user: names,
      at: at(early),
      // The refund was paid the day after, and written under the booking's time.
      booked: at(names.map(() => 30)),
      refund: late.map((isLate) => (isLate ? 100 + random.integer(9) : random.integer(9))),
      reason: late.map((isLate) => (isLate ? "delayed" : random.next() < 0.5 ? "none" : "changed")),
    }),
  };
}

test("FS-15: a feature that knows the outcome from rows booked later fails the build by name, and no other does", async () => {
  await using directory = await temporaryDirectory();
  const views = [
    define("trips", { delay: "float64" }),
    define("refunds", { refund: "float64", reason: "utf8" }),
  ] as const;
  const service = defineFeatureService({ name: "late", views });
  await using store = await openFeatureStore({
    history: directory.path,
    services: [service],
    clock: createManualClock(99 * HOUR),
  });
  const { late, honest, leaking } = world();
  await store.ingest(views[0], batches(honest));
  await store.ingest(views[1], batches(leaking));
  const labels = batchOf({ user: names, departure: at(names.map(() => 12)), late });
  const build = (onLeak?: "warn") =>
    store.history(service, { labels, labelTime: "departure", leakage: { target: "late", onLeak } });
  await expect(build()).rejects.toMatchObject({
    code: "FEATURE_STORE_LEAKAGE",
    message: expect.stringMatching(/"late" refunds__\w+, refunds__\w+ know of "late"/) as string,
  });
  const { leakage } = await build("warn");
  expect(leakage).toMatchObject({ target: "late", asKnown: "created" });
  const byName = Object.fromEntries(leakage!.features.map((feature) => [feature.feature, feature]));
  expect(byName["refunds__refund"]).toMatchObject({ verdict: "leaks", asKnown: 0 });
  expect(byName["refunds__refund"]!.joined).toBeGreaterThan(0.95);
  expect(byName["refunds__reason"]).toMatchObject({ verdict: "leaks" });
  expect(byName["trips__delay"]).toMatchObject({ verdict: "ok" });
  expect(byName["trips__delay"]!.joined).toBe(byName["trips__delay"]!.asKnown);
  expect(byName["trips__delay"]!.joined).toBeGreaterThan(0.2);
});

test("FS-15: a view whose rows come later than it declares is told", async () => {
  await using directory = await temporaryDirectory();
  const prompt = define("prompt", { delay: "float64" }, 2 * HOUR);
  const tardy = defineFeatureView({ ...prompt, name: "tardy", availabilityLagMs: HOUR / 2 });
  const service = defineFeatureService({ name: "late", views: [prompt, tardy] });
  await using store = await openFeatureStore({ history: directory.path, services: [service] });
  const { late, honest } = world();
  for (const view of [prompt, tardy]) await store.ingest(view, batches(honest));
  const labels = batchOf({ user: names, departure: at(names.map(() => 12)), late });
  const build = store.history(service, { labels, labelTime: "departure", leakage: { target: "late" } });
  await expect(build).rejects.toMatchObject({ message: expect.stringContaining("tardy__delay knows") as string });
});

test("the correlation ratio is that of a table worked by hand", () => {
  // Weber's groups: 1, 2, 3 | 4, 5, 6 | 7, 8, 9: SSB 54, SST 60, MSW 1, so ε² = (54 − 2) / 60.
  expect(correlationRatio([0, 0, 0, 1, 1, 1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9])).toBeCloseTo(
    Math.sqrt(52 / 60),
    12,
  );
  expect(correlationRatio([0, 1, 0, 1], [1, 1, 1, 1])).toBe(0);
  expect(correlationRatio([0, 1, 2], [1, 2, 3])).toBe(0);
});
