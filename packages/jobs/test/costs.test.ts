import type { JobHistoryEntry } from "@millwright/contracts";
import { costsOf, jobTimes } from "@millwright/jobs";
import { expect, test } from "vitest";

const hours = (count: number): number => count * 3_600_000;

type Step = readonly [JobHistoryEntry["state"], number, Partial<JobHistoryEntry>?];

/** A history whose states last so many hours. */
function historyOf(steps: readonly Step[]): readonly JobHistoryEntry[] {
  let timeMs = 0;
  return steps.map(([state, lasts, more]) => {
    const entry = { state, timeMs, ...more };
    timeMs += hours(lasts);
    return entry;
  });
}

test("CO-6: cost by the training hour with failures, retries and spot, by epoch, thousand predictions, document and tenant are those of a hand computation", () => {
  const retried = historyOf([
    ["pending", 1],
    ["starting", 0],
    ["training", 2],
    ["interrupted", 0.5, { category: "transient", cause: "hung" }],
    ["starting", 0],
    ["training", 4],
    ["completed", 0],
  ]);
  const spot = historyOf([
    ["pending", 0],
    ["starting", 0],
    ["training", 1],
    ["interrupted", 8, { category: "transient", cause: "interrupted" }],
    ["starting", 0],
    ["training", 2],
    ["completed", 0],
  ]);
  const failed = historyOf([
    ["pending", 0],
    ["starting", 0],
    ["training", 2],
    ["failed", 0, { category: "bug", cause: "crashed" }],
  ]);
  const batch = historyOf([
    ["pending", 0],
    ["starting", 0],
    ["training", 0.5],
    ["completed", 0],
  ]);
  const costs = costsOf([
    { history: retried, perHour: { usd: 3 }, done: { epochs: 10 }, tenants: "acme" }, // 6 h: 18
    { history: spot, perHour: { usd: 10 }, priceRatio: 0.3, done: { epochs: 5 }, tenants: { acme: 1, umbra: 2 } }, // 3 h: 9
    { history: failed, perHour: { usd: 3 }, done: { epochs: 0 } }, // 2 h: 6
    { history: batch, perHour: { usd: 2 }, idleMs: hours(0.25), done: { predictions: 100_000, documents: 20 } }, // 1 + 0.5
  ]);
  expect(costs.total["usd"]).toBeCloseTo(34.5, 10);
  expect(costs.lost["usd"]).toBeCloseTo(12, 10); // 2 h of the first, 2 h of the third
  expect(costs.idle["usd"]).toBeCloseTo(0.5, 10);
  expect(costs.trainingHours).toBeCloseTo(11.5, 10);
  expect(costs.usefulHours).toBeCloseTo(7.5, 10);
  expect(costs.perTrainingHour["usd"]).toBeCloseTo(4.6, 10); // 34.5 / 7.5
  expect(costs.perUnit["epochs"]?.["usd"]).toBeCloseTo(2.2, 10); // 33 / 15
  expect(costs.perThousandUnits["predictions"]?.["usd"]).toBeCloseTo(0.015, 10); // 1.5 / 100
  expect(costs.perUnit["documents"]?.["usd"]).toBeCloseTo(0.075, 10);
  expect(costs.perTenant["acme"]?.["usd"]).toBeCloseTo(21, 10); // 18 + 9 / 3
  expect(costs.perTenant["umbra"]?.["usd"]).toBeCloseTo(6, 10);
  expect(costs.withoutTenant["usd"]).toBeCloseTo(7.5, 10);
  expect(jobTimes(retried)).toMatchObject({ waitingMs: hours(1.5), attempts: 2, interruptions: 0 });
});

test("units of an amount are kept apart, and nothing costs nothing", () => {
  const history = historyOf([
    ["starting", 0],
    ["training", 2],
    ["stopped", 0],
  ]);
  const costs = costsOf([
    { history, perHour: { usd: 1, kwh: 0.3 } },
    { history, perHour: { seconds: 3_600 } },
  ]);
  expect(costs.total).toEqual({ usd: 2, kwh: 0.6, seconds: 7_200 });
  expect(costsOf([])).toMatchObject({ total: {}, perTrainingHour: {}, usefulHours: 0 });
  expect(costsOf([{ history: [], perHour: { usd: 1 } }]).total).toEqual({ usd: 0 });
});

test("prices, times and counts that are none are refused by name", () => {
  const history = historyOf([["pending", 1]]);
  for (const [more, field] of [
    [{ perHour: { usd: -1 } }, "perHour.usd"],
    [{ perHour: { usd: 1 }, idleMs: Number.NaN }, "idleMs"],
    [{ perHour: { usd: 1 }, done: { epochs: -1 } }, "done.epochs"],
    [{ perHour: { usd: 1 }, tenants: { acme: -1 } }, "tenants.acme"],
    [{ perHour: { usd: 1 }, priceRatio: 2 }, "priceRatio"],
  ] as const) {
    const call = (): unknown => costsOf([{ history, ...more }]);
    expect(call).toThrow(RangeError);
    expect(call).toThrow(field);
  }
});
