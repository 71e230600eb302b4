import { createRandom, type Batch, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
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
    const found = await columnsOfDataset(
      await store.history(service, {
        labels: batchOf({
          from: column(
            "utf8",
            labels.map((label) => label.from),
          ),
          to: column(
            "int64",
            labels.map((label) => BigInt(label.to)),
          ),
          time: timestamps(labels.map((label) => label.timeMs)),
        }),
        labelTime: "time",
      }),
    );
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
      await using directory = await temporaryDirectory();
      const random = createRandom(2000 + seed);
      const events = randomEvents(random, 400).sort((a, b) => a.timeMs - b.timeMs);
      const openStore = () =>
        kind === "memory"
          ? openMemoryOnlineStore()
          : openLogOnlineStore(`${directory.path}/online`, { flush: "system" });
      const open = async (online: Awaited<ReturnType<typeof openStore>>) =>
        openFeatureStore({
          history: `${directory.path}/history`,
          services: [service],
          duckdb,
          online,
          latenessMs: 20 * MINUTE,
        });
      let online = await openStore();
      let store = await open(online);
      const views = [byAirport, byRoute];
      for (const view of views) await store.ingest(view, batches(batchOfEvents(events)));
      // History speaks for the first hour; from then on rows are pushed as they become known, up to ten minutes late.
      const from = START_MS + 60 * MINUTE;
      for (const view of views) await store.materialize(view, { upToMs: from });
      const arrivals = events
        .filter((event) => event.timeMs >= from)
        .map((event) => ({ event, at: event.timeMs + random.integer(10) * MINUTE }))
        .sort((a, b) => a.at - b.at);
      const labels: { from: string; to: number; timeMs: number }[] = [];
      const vectors: Record<string, unknown[]> = {};
      let next = 0;
      for (let nowMs = from + 10 * MINUTE; nowMs < START_MS + 420 * MINUTE; nowMs += 7 * MINUTE) {
        const arrived: Event[] = [];
        for (; next < arrivals.length && arrivals[next]!.at <= nowMs; next++) arrived.push(arrivals[next]!.event);
        for (const view of views) await store.push(view, batchOfEvents(arrived));
        if (kind === "log" && random.integer(8) === 0) {
          await store[Symbol.asyncDispose]();
          await online[Symbol.asyncDispose]();
          online = await openStore();
          store = await open(online);
        }
        // All rows up to ten minutes ago have arrived: at such a time the answer is final, whatever has come since.
        const timeMs = nowMs - 10 * MINUTE - random.integer(5) * MINUTE;
        if (timeMs < from) continue;
        const entities = Array.from({ length: 4 }, () => ({
          from: `airport ${random.integer(4)}`,
          to: random.integer(4),
          timeMs,
        }));
        const { features, views: status } = await store.read("windows", {
          entities: batchOf({
            from: column(
              "utf8",
              entities.map((each) => each.from),
            ),
            to: column(
              "int64",
              entities.map((each) => BigInt(each.to)),
            ),
          }),
          timeMs,
        });
        labels.push(...entities);
        expect(Object.keys(features.columns)).toEqual(service.features.map((field) => field.name));
        for (const [name, values] of Object.entries(columnsOf(features))) (vectors[name] ??= []).push(...values);
        status["by_airport"]!.status.forEach((each, row) => {
          expect(each).toBe(columnsOf(features)["by_airport__count_1h"]![row] === null ? "missing" : "present");
        });
      }
      const dataset = await store.history(service, {
        labels: batchOf({
          from: column(
            "utf8",
            labels.map((each) => each.from),
          ),
          to: column(
            "int64",
            labels.map((each) => BigInt(each.to)),
          ),
          time: timestamps(labels.map((each) => each.timeMs)),
        }),
        labelTime: "time",
      });
      const offline = await columnsOfDataset(dataset);
      expect(labels.length).toBeGreaterThan(100);
      for (const { name } of service.features) {
        expect(
          vectors[name]!.some((value) => value !== null),
          name,
        ).toBe(true);
        // A tie of equal times goes to the row that came last, and rows arrived in another order than they were ingested.
        if (name !== "by_route__delay") expect(vectors[name], `seed ${seed}: ${name}`).toEqual(offline[name]);
      }
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
    }
  }, 600_000);
}
