import { createManualClock, createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import {
  count,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  type FeatureStore,
  lastValue,
  minutes,
  openFeatureStore,
  sliding,
  sum,
} from "../src/index.ts";
import { createOnlineView } from "../src/online/online-view.ts";
import { hashOfEvent } from "../src/windows/event-hashes.ts";
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
const source = { entity, eventTime: "known", inputs: { ...inputs, id: "utf8" } } as const;
const aggregates = everyAggregate({ ...rowWindows, ...tileWindows });
const all = defineFeatureView({ ...source, name: "all", aggregates, eventId: "id" });
const keys = ["k0", "k1", "k2"];

interface Named extends Event {
  readonly id: string;
}

const asBatch = (events: readonly Named[]) =>
  batchOfEvents(events, {
    id: column(
      "utf8",
      events.map(({ id }) => id),
    ),
  });

/** What the store says online and offline at a time, and what the oracle says. */
async function answers(store: FeatureStore, events: readonly Named[], timeMs: number) {
  const { features } = await store.read("only", { entities: batchOf({ key: column("utf8", keys) }), timeMs });
  const labels = batchOf({ key: column("utf8", keys), time: timestamps(keys.map(() => timeMs)) });
  const offline = await columnsOfDataset(await store.history("only", { labels, labelTime: "time" }));
  const wanted = keys.map((key) => oracle(events, key, timeMs, aggregates));
  const of = (columns: Record<string, unknown[]>) =>
    keys.map((_, row) =>
      Object.fromEntries(Object.keys(aggregates).map((name) => [name, columns[`all__${name}`]![row]])),
    );
  return { online: of(columnsOf(features)), offline: of(offline), wanted };
}

for (const kind of onlineKinds) {
  test(`FS-25: an event counts once however often it is pushed, put and ingested, in any order and over restarts, in tiles too: ${kind}`, async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    for (let seed = 0; seed < 2; seed++) {
      await using directory = await temporaryDirectory();
      const random = createRandom(3000 + seed);
      const sorted = randomEvents(random, 900).sort((a, b) => a.timeMs - b.timeMs);
      // Some happen twice: all is equal but the id, which tells that there were two.
      const events = sorted.flatMap((event, index): Named[] => {
        const named = { ...event, id: `event ${index}` };
        return index % 9 === 0 ? [named, { ...named, id: `another ${index}` }] : [named];
      });
      const endMs = events.at(-1)!.timeMs + 1;
      const clock = createManualClock(endMs);
      await using online = await holdOnline(kind, `${directory.path}/online`);
      const open = () =>
        openFeatureStore({
          history: `${directory.path}/history`,
          services: [defineFeatureService({ name: "only", views: [all] })],
          online: online.store,
          duckdb,
          clock,
          latenessMs: 30 * MINUTE,
        });
      let store = await open();
      const unseen = new Set(events);
      for (let next = 0; next < events.length; next += 60) {
        const fresh = events.slice(next, next + 60);
        // Now, and again much later: what was sent an hour or half a day ago comes once more.
        const again = events.slice(Math.max(0, next - random.integer(600)), next).filter(() => random.integer(4) === 0);
        const given = [...fresh, ...fresh.slice(0, 20), ...again].sort(() => random.next() - 0.5);
        const way = random.integer(3);
        if (way === 0) await store.push(all, asBatch(given));
        else if (way === 1) await store.put(all, asBatch(given));
        else await store.ingest(all, batches(asBatch(given)), { batchId: `${next}` });
        if (way !== 0) for (const event of given) unseen.delete(event);
        if (random.integer(3) === 0) await store.materialize(all);
        if (random.integer(5) === 0) {
          await store[Symbol.asyncDispose]();
          await online.restart();
          store = await open();
        }
      }
      // The nightly load: the history gets what was only pushed, with some that it has, and all of it comes online.
      await store.ingest(all, batches(asBatch([...unseen, ...events.slice(0, 300)])), { batchId: "nightly" });
      await store.materialize(all);
      await store.push(all, asBatch(events.slice(-200)));
      for (const timeMs of [endMs - 29 * MINUTE, endMs - 7 * MINUTE, endMs, endMs + 61 * MINUTE]) {
        const found = await answers(store, events, timeMs);
        expect(found.offline, `offline, seed ${seed}`).toEqual(found.wanted);
        expect(found.online, `online, seed ${seed}`).toEqual(found.wanted);
      }
      await store[Symbol.asyncDispose]();
    }
  }, 600_000);
}

test("FS-25: without an id each row is an event of its own, and the ways that know what came before count it once", async () => {
  await using directory = await temporaryDirectory();
  const clock = createManualClock(START_MS + 60 * MINUTE);
  const view = defineFeatureView({
    name: "v",
    entity,
    eventTime: "known",
    inputs: { amount: "int32" },
    aggregates: { rows: count(hours(1)) },
  });
  const service = defineFeatureService({ name: "only", views: [view] });
  await using online = await holdOnline("memory", directory.path);
  await using store = await openFeatureStore({
    history: directory.path,
    services: [service],
    online: online.store,
    clock,
  });
  const row = { key: "k0", known: new Date(START_MS), amount: 5 };
  const batch = batchOf({ key: ["k0"], known: timestamps([START_MS]), amount: column("int32", [5]) });
  const counted = async () => {
    const request = { entities: batchOf({ key: ["k0"] }), timeMs: START_MS + MINUTE };
    return columnsOf((await store.read("only", request)).features)["v__rows"]![0];
  };
  // Two flights may land in the same minute with the same delay.
  await store.push(view, [row, row]);
  expect(await counted()).toBe(2);
  // The same batch again, and what was put, are known.
  await store.ingest(view, batches(batch));
  await store.ingest(view, batches(batch));
  await store.put(view, [row]);
  await store.materialize(view);
  await store.materialize(view);
  expect(await counted()).toBe(4);
  const labels = batchOf({ key: ["k0"], time: timestamps([START_MS + MINUTE]) });
  const found = await columnsOfDataset(await store.history("only", { labels, labelTime: "time" }));
  expect(found["v__rows"]).toEqual([2]);
});

const corrected = {
  entity,
  eventTime: "known",
  inputs: { id: "int64", amount: "int32" },
  aggregates: {
    rows: count(hours(2)),
    total: sum("amount", sliding(hours(2), { slideMs: minutes(1) })),
    last: lastValue("amount", hours(2)),
  },
  eventId: ["id"],
} as const;

test("FS-25: of rows of one event the one created last counts, and without created times the greater one, whatever comes first", async () => {
  const byCreated = defineFeatureView({ ...corrected, name: "created", createdTime: "created" });
  const byValue = defineFeatureView({ ...corrected, name: "value" });
  const mixed = defineFeatureView({ ...corrected, name: "mixed", createdTime: "created", features: { plan: "utf8" } });
  const versions = [
    { id: 2 ** 50, amount: 40, created: 3, plan: "c" },
    { id: 2 ** 50, amount: 90, created: 1, plan: "a" },
    { id: 2 ** 50, amount: 60, created: 2, plan: "b" },
    { id: 7, amount: 1000, created: 1, plan: "a" },
  ];
  const expected = { created: [2, 1040, 1000], value: [2, 1090, 1000], mixed: [2, 1040, 1000] };
  for (const view of [byCreated, byValue, mixed]) {
    for (const order of [
      [0, 1, 2, 3],
      [2, 1, 0, 3],
      [3, 1, 2, 0, 1],
      [0, 0, 2, 1, 3, 2],
      [1, 3, 0, 2],
    ]) {
      await using directory = await temporaryDirectory();
      await using online = await holdOnline("memory", directory.path);
      const services = [defineFeatureService({ name: "only", views: [view] })];
      await using store = await openFeatureStore({ history: directory.path, services, online: online.store });
      const rows = order.map((index) => {
        const { id, amount, created, plan } = versions[index]!;
        return {
          key: "k0",
          known: new Date(START_MS),
          id: BigInt(id),
          amount,
          created: new Date(START_MS + created),
          plan,
        };
      });
      for (const row of rows) await store.push(view, [row]);
      const at = <Name extends keyof (typeof rows)[0]>(name: Name) => rows.map((row) => row[name]);
      const batch = batchOf({
        key: at("key"),
        known: column("timestamp", at("known")),
        id: column("int64", at("id")),
        amount: column("int32", at("amount")),
        created: column("timestamp", at("created")),
        plan: at("plan"),
      });
      await store.ingest(view, batches(batch));
      const timeMs = START_MS + MINUTE;
      const { features } = await store.read("only", { entities: batchOf({ key: ["k0"] }), timeMs });
      const labels = batchOf({ key: ["k0"], time: timestamps([timeMs]) });
      const offline = await columnsOfDataset(await store.history("only", { labels, labelTime: "time" }));
      const of = (columns: Record<string, unknown[]>) =>
        ["rows", "total", "last"].map((name) => columns[`${view.name}__${name}`]![0]);
      const wanted = expected[view.name as keyof typeof expected];
      expect(of(columnsOf(features)), `${view.name} ${order.join()}`).toEqual(wanted);
      expect(of(offline), `${view.name} ${order.join()}`).toEqual(wanted);
    }
  }
});

test("FS-25: a retracted event stays taken back, however often it and its retraction come, and when it is old too", () => {
  const window = sliding(hours(20), { slideMs: minutes(10) });
  const view = defineFeatureView({
    ...corrected,
    name: "v",
    retracted: "retracted",
    aggregates: { rows: count(window), total: sum("amount", window) },
  });
  const online = createOnlineView(view, { latenessMs: minutes(10) });
  const row = (minute: number, id: number, isRetraction = false) => ({
    key: "k0",
    timeUs: (START_MS + minute * MINUTE) * 1000,
    createdUs: null,
    inputs: [id, 10],
    values: [isRetraction],
  });
  const results = online.aggregates.createResults();
  const read = (minute: number) => {
    online.read("k0", (START_MS + minute * MINUTE) * 1000, results);
    return [...results.numbers];
  };
  online.add([row(1, 1), row(1, 2), row(1, 1, true), row(1, 1, true), row(1, 1), row(1, 3, true)]);
  expect(read(10)).toEqual([1, 10]);
  // All of that is in a tile by now, and still known.
  for (let minute = 130; minute < 400; minute++) online.add([row(minute, minute)]);
  expect(online.size).toBeLessThan(200);
  online.add([row(1, 1), row(1, 2), row(1, 3), row(399, 399)]);
  expect(read(400)).toEqual([264, 2640]);
});

test("events that tiles remember are kept on disk as hashes that stay what they are", () => {
  expect(hashOfEvent(1_709_154_420_000_000, ["event 7", 12, Number.NaN])).toBe(4_914_780_505_112_580);
  const view = defineFeatureView({ ...corrected, name: "v" });
  const [before, after] = [0, 1].map(() => createOnlineView(view, { latenessMs: minutes(10) }));
  const row = (minute: number) => ({
    key: "k0",
    timeUs: (START_MS + minute * MINUTE) * 1000,
    createdUs: null,
    inputs: [minute, 1],
    values: [],
  });
  for (let minute = 0; minute < 300; minute++) before!.add([row(minute)]);
  after!.add(JSON.parse(JSON.stringify([...before!.records()])) as ReturnType<typeof row>[]);
  for (let minute = 160; minute < 300; minute++) after!.add([row(minute)]);
  const results = after!.aggregates.createResults();
  after!.read("k0", (START_MS + 300 * MINUTE) * 1000, results);
  expect([...results.numbers]).toEqual([120, 120, 1]);
});
