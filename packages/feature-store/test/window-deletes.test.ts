import { createManualClock, createRandom, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  hours,
  openFeatureStore,
  sliding,
  sum,
} from "../src/index.ts";
import { holdOnline, onlineKinds } from "./online-kinds.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";
import {
  batchOfEvents,
  type Event,
  everyAggregate,
  inputs,
  MINUTE,
  oracle,
  randomEvents,
  rowWindows,
  START_MS,
  tileWindows,
  timestamps,
} from "./window-oracle.ts";

const entity = defineEntity({ name: "entity", keys: { key: "utf8" } });
const source = { entity, eventTime: "known", inputs, deleted: "gone", createdTime: "created" } as const;
const aggregates = everyAggregate({ ...rowWindows, ...tileWindows });
const windows = defineFeatureView({ ...source, name: "windows", aggregates });
const mixed = defineFeatureView({ ...source, name: "mixed", aggregates, features: { plan: "utf8" } });
const services = [defineFeatureService({ name: "both", views: [windows, mixed] })];
const keys = ["k0", "k1", "k2"];

/** A row or a delete, and when it was created: some come to be known late. */
interface Row extends Event {
  readonly gone: boolean;
  readonly createdMs: number;
}

function randomRows(random: Random, amount: number): Row[] {
  return randomEvents(random, amount).map((event) => ({
    ...event,
    gone: random.integer(25) === 0,
    createdMs: event.timeMs + (random.integer(5) === 0 ? random.integer(90) * MINUTE : 0),
  }));
}

const asBatch = (rows: readonly Row[]) =>
  batchOfEvents(rows, {
    gone: column(
      "bool",
      rows.map(({ gone }) => gone),
    ),
    created: timestamps(rows.map(({ createdMs }) => createdMs)),
    plan: column(
      "utf8",
      rows.map((row) => planOf(row)),
    ),
  });

const planOf = ({ timeMs }: Row): string => `plan of ${timeMs}`;

/**
 * By the rule read out loud: a delete takes away its entity's rows at its time or before; where none is newer, there is nothing. In windows what is at the very time
 * does not count yet, in features it does.
 */
function expected(rows: readonly Row[], key: string, timeMs: number): Record<string, unknown> {
  const own = rows.filter((row) => row.key === key);
  const nothing = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, null]));
  const of = (name: string, isKnown: (row: Row) => boolean) => {
    const known = own.filter(isKnown);
    const deletedMs = Math.max(...known.filter(({ gone }) => gone).map((row) => row.timeMs));
    const left = known.filter((row) => !row.gone && row.timeMs > deletedMs);
    const names = Object.keys(aggregates);
    const found = left.length === 0 ? nothing(names) : oracle(left, key, timeMs, aggregates);
    return { left, values: Object.fromEntries(names.map((each) => [`${name}__${each}`, found[each]])) };
  };
  const strict = of("windows", (row) => row.timeMs < timeMs);
  const atOrBefore = of("mixed", (row) => row.timeMs <= timeMs);
  const newestMs = Math.max(...atOrBefore.left.map((row) => row.timeMs));
  // A mixed view has its newest row at the very time, and counts of rows before it.
  if (newestMs === timeMs) Object.assign(atOrBefore.values, onlyBefore(atOrBefore.left, key, timeMs));
  const plan = atOrBefore.left.length === 0 ? null : `plan of ${newestMs}`;
  return { ...strict.values, ...atOrBefore.values, mixed__plan: plan };
}

function onlyBefore(left: readonly Row[], key: string, timeMs: number): Record<string, unknown> {
  const none = { count: 0, sum: 0, distinct: 0, first: [], last: [] } as Readonly<Record<string, unknown>>;
  const before = left.filter((row) => row.timeMs < timeMs);
  const found = before.length > 0 ? oracle(left, key, timeMs, aggregates) : undefined;
  return Object.fromEntries(
    Object.entries(aggregates).map(([name, { kind }]) => [
      `mixed__${name}`,
      found === undefined ? (none[kind] ?? null) : found[name],
    ]),
  );
}

const labelsOf = (labels: readonly { readonly key: string; readonly timeMs: number }[]) =>
  batchOf({
    key: column(
      "utf8",
      labels.map(({ key }) => key),
    ),
    time: timestamps(labels.map(({ timeMs }) => timeMs)),
  });

const rowOf = (columns: Record<string, unknown[]>, row: number, names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, columns[name]![row]]));

test("FS-6: a delete takes rows out of windows from its time on, as an oracle says, also as known at the time", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  for (let seed = 0; seed < 3; seed++) {
    await using directory = await temporaryDirectory();
    const random = createRandom(7000 + seed);
    const rows = randomRows(random, [700, 60, 250][seed]!);
    await using store = await openFeatureStore({ history: directory.path, services, duckdb });
    for (const view of [windows, mixed]) await store.ingest(view, batches(asBatch(rows)));
    const labels = Array.from({ length: 150 }, (_, index) => ({
      key: `k${random.integer(4)}`,
      timeMs: index % 3 === 0 ? rows[random.integer(rows.length)]!.timeMs : START_MS + random.integer(1700) * MINUTE,
    }));
    for (const asKnown of [undefined, "created"] as const) {
      const options = { labels: labelsOf(labels), labelTime: "time", asKnown };
      const found = await columnsOfDataset(await store.history("both", options));
      labels.forEach(({ key, timeMs }, row) => {
        const known = asKnown === undefined ? rows : rows.filter(({ createdMs }) => createdMs <= timeMs);
        const wanted = expected(known, key, timeMs);
        expect(rowOf(found, row, Object.keys(wanted)), `seed ${seed}, row ${row}, ${asKnown}`).toEqual(wanted);
      });
    }
  }
}, 600_000);

for (const kind of onlineKinds) {
  test(`FS-6: deletes reach windows online as in the history, whichever comes first, over restarts and loads, in tiles too: ${kind}`, async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    for (let seed = 0; seed < 2; seed++) {
      await using directory = await temporaryDirectory();
      const random = createRandom(7100 + seed);
      const rows = randomRows(random, 900);
      const arrivals = rows
        .map((row) => ({ row, at: row.timeMs + random.next() * 30 * MINUTE }))
        .sort((a, b) => a.at - b.at)
        .map(({ row }) => row);
      const endMs = Math.max(...rows.map(({ timeMs }) => timeMs)) + 1;
      await using online = await holdOnline(kind, `${directory.path}/online`);
      const open = (): Promise<FeatureStore> =>
        openFeatureStore({
          history: `${directory.path}/history`,
          services,
          online: online.store,
          duckdb,
          clock: createManualClock(endMs),
          latenessMs: 30 * MINUTE,
        });
      let store = await open();
      let isLoaded = false;
      for (let next = 0; next < arrivals.length; next += 45) {
        const given = arrivals.slice(next, next + 45);
        for (const view of [windows, mixed]) {
          // What is ingested comes online by `materialize`; what is put is in both at once.
          if (next % 90 === 0) await store.put(view, asBatch(given));
          else {
            await store.ingest(view, batches(asBatch(given)));
            await store.materialize(view, isLoaded ? {} : { upToMs: endMs });
          }
        }
        isLoaded ||= next > 450;
        if (random.integer(4) === 0) {
          await store[Symbol.asyncDispose]();
          await online.restart();
          store = await open();
        }
      }
      for (const timeMs of [endMs - 29 * MINUTE, endMs - 3 * MINUTE, endMs, endMs + 45 * MINUTE]) {
        const { features } = await store.read("both", { entities: batchOf({ key: column("utf8", keys) }), timeMs });
        const found = columnsOf(features);
        keys.forEach((key, row) => {
          const wanted = expected(rows, key, timeMs);
          expect(rowOf(found, row, Object.keys(wanted)), `seed ${seed}, ${key} at ${timeMs}`).toEqual(wanted);
        });
      }
      await store[Symbol.asyncDispose]();
    }
  }, 600_000);
}

for (const kind of onlineKinds) {
  test(`FS-6: store.delete of a view with windows, soft and hard, earlier, at and after the newest row: ${kind}`, async () => {
    const view = defineFeatureView({
      name: "v",
      entity,
      eventTime: "known",
      inputs: { amount: "int32" },
      aggregates: { rows: count(hours(2)), total: sum("amount", sliding(hours(2), { slideMs: MINUTE })) },
    });
    const service = defineFeatureService({ name: "only", views: [view] });
    const at = (minute: number): number => START_MS + minute * MINUTE;
    for (const hard of [false, true]) {
      for (const [minute, wanted] of [
        [15, [1, 4]],
        [20, [null, null]],
        [25, [null, null]],
      ] as const) {
        await using directory = await temporaryDirectory();
        const clock = createManualClock(at(40));
        await using online = await holdOnline(kind, `${directory.path}/online`);
        const options = { history: `${directory.path}/history`, services: [service], online: online.store, clock };
        await using store = await openFeatureStore(options);
        const rowAt = (of: number, amount: number) => ({ key: "k0", known: new Date(at(of)), amount });
        await store.put(view, [rowAt(10, 3), rowAt(20, 4)]);
        const call = store.delete(view, { key: "k0" }, { eventTimeMs: at(minute), hard });
        const isRefused = hard && minute <= 20;
        if (isRefused) await expect(call).rejects.toMatchObject({ code: "FEATURE_STORE_DELETE_OUTDATED" });
        else await call;
        const read = async (of: number) => {
          const request = { entities: batchOf({ key: ["k0"] }), timeMs: at(of) };
          const { features, views } = await store.read("only", request);
          const dataset = await store.history("only", {
            labels: labelsOf([{ key: "k0", timeMs: at(of) }]),
            labelTime: "time",
          });
          const [found, offline] = [columnsOf(features), await columnsOfDataset(dataset)];
          const pair = (columns: Record<string, unknown[]>) => [columns["v__rows"]![0], columns["v__total"]![0]];
          expect(pair(offline)).toEqual(pair(found));
          return { values: pair(found), status: views["v"]!.status[0] };
        };
        const all = [2, 7];
        expect(await read(30)).toEqual({
          values: isRefused ? all : wanted,
          status: isRefused || minute < 20 ? "present" : "deleted",
        });
        // A row that comes late is deleted as well; a newer one begins anew.
        await store.put(view, [rowAt(5, 100), rowAt(35, 1)]);
        const kept = isRefused ? [4, 108] : minute < 20 ? [2, 5] : [1, 1];
        expect(await read(36)).toEqual({ values: kept, status: "present" });
        await expect(store.update(view, { key: "k0" }, {})).rejects.toMatchObject({ code: "PORT_UNSUPPORTED" });
      }
    }
  }, 600_000);
}
