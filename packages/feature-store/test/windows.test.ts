import { createRandom, type Batch, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  mean,
  minutes,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { replayOnline } from "./replay-online.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";

const START_MS = Date.UTC(2024, 1, 28, 22);
const MINUTE = 60_000;

interface Event {
  readonly from: string;
  readonly to: number;
  readonly timeMs: number;
  readonly delay: number | null;
  readonly late: boolean | null;
  readonly cost: number | null;
}

function randomEvents(random: Random, amount: number): Event[] {
  return Array.from({ length: amount }, () => ({
    from: `airport ${random.integer(3)}`,
    to: random.integer(3),
    timeMs: START_MS + random.integer(300) * MINUTE,
    delay: random.integer(6) === 0 ? null : random.integer(200) - 50,
    late: random.integer(6) === 0 ? null : random.integer(2) === 1,
    // Sums of such numbers depend on their order, unless they are made exact.
    cost:
      random.integer(6) === 0 ? null : random.integer(9) === 0 ? NaN : (random.next() - 0.5) * 10 ** random.integer(9),
  }));
}

const timestamps = (values: readonly number[]) =>
  column(
    "timestamp",
    values.map((ms) => BigInt(ms) * 1000n),
  );

const batchOfEvents = (events: readonly Event[]): Batch =>
  batchOf({
    from: column(
      "utf8",
      events.map((event) => event.from),
    ),
    to: column(
      "int64",
      events.map((event) => BigInt(event.to)),
    ),
    known: timestamps(events.map((event) => event.timeMs)),
    delay: column(
      "int32",
      events.map((event) => event.delay),
    ),
    late: column(
      "bool",
      events.map((event) => event.late),
    ),
    cost: column(
      "float64",
      events.map((event) => event.cost),
    ),
  });

const batchOfLabels = (labels: readonly { readonly from: string; readonly to: number; readonly timeMs: number }[]) =>
  batchOf({
    from: column(
      "utf8",
      labels.map((label) => label.from),
    ),
    to: column(
      "int64",
      labels.map((label) => BigInt(label.to)),
    ),
    time: timestamps(labels.map((label) => label.timeMs)),
  });

const inputs = { delay: "int32", late: "bool", cost: "float64" } as const;
const aggregates = {
  delay_mean_1h: mean("delay", hours(1)),
  late_share_1h: mean("late", hours(1)),
  cost_sum_1h: sum("cost", hours(1)),
  cost_mean_90m: mean("cost", minutes(90)),
  delay_sum_5m: sum("delay", minutes(5)),
  count_1h: count(hours(1)),
  count_1m: count(minutes(1)),
};
const airport = defineEntity({ name: "airport", keys: { from: "utf8" } });
const route = defineEntity({ name: "route", keys: { from: "utf8", to: "int64" } });
const byAirport = defineFeatureView({ name: "by_airport", entity: airport, eventTime: "known", inputs, aggregates });
const byRoute = defineFeatureView({
  name: "by_route",
  entity: route,
  eventTime: "known",
  features: { delay: "int32" },
  inputs: { late: "bool", cost: "float64" },
  aggregates: { late_1h: mean("late", hours(1)), cost_1h: sum("cost", hours(1)), count_1h: count(hours(1)) },
  ttlMs: hours(2),
});
const service = defineFeatureService({ name: "windows", views: [byAirport, byRoute] });

/** Exact: whole millionths as bigint, and one rounding at the end. */
const millionths = (value: number): bigint => BigInt(Math.floor(value * 1e6 + 0.5));

function oracleAirport(events: readonly Event[], from: string, timeMs: number): Record<string, number | null> {
  const before = events.filter((event) => event.from === from && event.timeMs < timeMs);
  const names = Object.keys(aggregates).map((name) => `by_airport__${name}`);
  if (before.length === 0) return Object.fromEntries(names.map((name) => [name, null]));
  const within = (ms: number): Event[] => before.filter((event) => event.timeMs >= timeMs - ms);
  const present = <T>(values: (T | null)[]): T[] =>
    values.filter((value): value is T => value !== null && !Number.isNaN(value));
  const total = (values: readonly bigint[]): bigint => values.reduce((all, value) => all + value, 0n);
  const delays = (ms: number) => present(within(ms).map((event) => event.delay)).map(BigInt);
  const costs = (ms: number) => present(within(ms).map((event) => event.cost)).map(millionths);
  const lates = present(within(hours(1)).map((event) => event.late)).map((late) => (late ? 1n : 0n));
  const meanOf = (values: readonly bigint[], scale: number): number | null =>
    values.length === 0 ? null : Number(total(values)) / (values.length * scale);
  return {
    by_airport__delay_mean_1h: meanOf(delays(hours(1)), 1),
    by_airport__late_share_1h: meanOf(lates, 1),
    by_airport__cost_sum_1h: Number(total(costs(hours(1)))) / 1e6,
    by_airport__cost_mean_90m: meanOf(costs(minutes(90)), 1e6),
    by_airport__delay_sum_5m: Number(total(delays(minutes(5)))),
    by_airport__count_1h: within(hours(1)).length,
    by_airport__count_1m: within(minutes(1)).length,
  };
}

test("windows before the label time equal an oracle in whole numbers, to the bit, on random datasets", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  await using directory = await temporaryDirectory();
  for (let seed = 0; seed < 12; seed++) {
    const random = createRandom(1000 + seed);
    const events = randomEvents(random, [0, 30, 200, 600][seed % 4]!);
    await using store = await openFeatureStore({ history: `${directory.path}/${seed}`, services: [service], duckdb });
    const half = Math.floor(events.length / 2);
    await store.ingest(byAirport, batches(batchOfEvents(events.slice(0, half)), batchOfEvents(events.slice(half))));
    const labels = Array.from({ length: seed % 2 === 0 ? 30 : 200 }, () => ({
      from: `airport ${random.integer(4)}`,
      to: random.integer(4),
      timeMs: START_MS + random.integer(420) * MINUTE + (random.integer(3) === 0 ? 1 : 0),
    }));
    const dataset = await store.history(service, { labels: batchOfLabels(labels), labelTime: "time" });
    const found = await columnsOfDataset(dataset);
    labels.forEach((label, row) => {
      const expected = oracleAirport(events, label.from, label.timeMs);
      const actual = Object.fromEntries(Object.keys(expected).map((name) => [name, found[name]![row]]));
      expect(actual, `seed ${seed}, row ${row}`).toEqual(expected);
    });
  }
}, 600_000);

for (const kind of ["memory", "log"] as const) {
  test(`online equals offline to the bit: ${kind}, rows pushed out of order, restarts, materialization`, async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    for (let seed = 0; seed < 6; seed++) {
      const random = createRandom(2000 + seed);
      const { labels, online, offline } = await replayOnline({
        kind,
        duckdb,
        random,
        service,
        events: randomEvents(random, 400).sort((a, b) => a.timeMs - b.timeMs),
        batchOf: batchOfEvents,
        fromMs: START_MS + 60 * MINUTE,
        endMs: START_MS + 420 * MINUTE,
        stepMs: 7 * MINUTE,
        entitiesAt: (timeMs) =>
          Array.from({ length: 4 }, () => ({ from: `airport ${random.integer(4)}`, to: random.integer(4), timeMs })),
        batchOfLabels,
        onRead: ({ features, views }) => {
          views["by_airport"]!.status.forEach((each, row) => {
            expect(each).toBe(columnsOf(features)["by_airport__count_1h"]![row] === null ? "missing" : "present");
          });
        },
      });
      expect(labels.length).toBeGreaterThan(100);
      for (const { name } of service.features) {
        // A tie of equal times goes to the row that came last, and rows arrived in another order than they were ingested.
        if (name !== "by_route__delay") expect(online[name], `seed ${seed}: ${name}`).toEqual(offline[name]);
      }
    }
  }, 600_000);
}
