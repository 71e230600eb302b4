import { createRandom, type Random } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { expect, test } from "vitest";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  max,
  minutes,
  openFeatureStore,
  sliding,
  sum,
  tumbling,
  type FeatureView,
  type OnlineRecord,
} from "../src/index.ts";
import { createOnlineView } from "../src/online/online-view.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";
import {
  batchOfEvents,
  everyAggregate,
  inputs,
  MINUTE,
  oracle,
  randomEvents,
  rowWindows,
  START_MS,
  tileWindows,
  type Event,
} from "./window-oracle.ts";

const entity = defineEntity({ name: "entity", keys: { key: "utf8" } });
const source = { entity, eventTime: "known", inputs } as const;
const aggregates = everyAggregate({ ...rowWindows, ...tileWindows });
const all = defineFeatureView({ ...source, name: "all", aggregates });
const keys = ["k0", "k1", "k2"];
const entities = batchOf({ key: column("utf8", keys) });

async function openOnline(view: FeatureView, history: string, latenessMs: number) {
  const service = defineFeatureService({ name: "only", views: [view] });
  return openFeatureStore({ history, services: [service], online: openMemoryOnlineStore(), latenessMs });
}

/** Pushes events one after another, in batches of some. */
async function pushAll(
  store: Awaited<ReturnType<typeof openOnline>>,
  view: FeatureView,
  events: readonly Event[],
  random: Random,
): Promise<number> {
  let late = 0;
  for (let next = 0; next < events.length;) {
    const amount = 1 + random.integer(40);
    late += (await store.push(view, batchOfEvents(events.slice(next, next + amount)))).lateRows;
    next += amount;
  }
  return late;
}

/** Each event is moved by less than the bound: no row comes more than that behind one that came before it. */
const shuffled = (events: readonly Event[], random: Random, boundMs: number): Event[] =>
  events
    .map((event) => ({ event, at: event.timeMs + random.next() * boundMs }))
    .sort((a, b) => a.at - b.at)
    .map(({ event }) => event);

test("FS-23: a stream shuffled within the lateness bound ends with the values of the sorted run, and no row is late", async () => {
  for (let seed = 0; seed < 3; seed++) {
    await using directory = await temporaryDirectory();
    const random = createRandom(40 + seed);
    const sorted = randomEvents(random, 1500).sort((a, b) => a.timeMs - b.timeMs);
    const endMs = sorted.at(-1)!.timeMs;
    await using inOrder = await openOnline(all, `${directory.path}/a`, 30 * MINUTE);
    await using outOfOrder = await openOnline(all, `${directory.path}/b`, 30 * MINUTE);
    expect(await pushAll(inOrder, all, sorted, random)).toBe(0);
    expect(await pushAll(outOfOrder, all, shuffled(sorted, random, 30 * MINUTE), random)).toBe(0);
    const { watermarkMs } = await outOfOrder.push(all, []);
    expect(watermarkMs).toBe(endMs - 30 * MINUTE);
    for (const timeMs of [watermarkMs!, endMs - 7 * MINUTE, endMs + 1, endMs + 95 * MINUTE]) {
      const [a, b] = await Promise.all([inOrder, outOfOrder].map((store) => store.read("only", { entities, timeMs })));
      const found = columnsOf(b!.features);
      expect(found).toEqual(columnsOf(a!.features));
      // And that is what all rows together give.
      keys.forEach((key, row) => {
        const wanted = oracle(sorted, key, timeMs, aggregates);
        expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, found[`all__${name}`]![row]]))).toEqual(
          wanted,
        );
      });
    }
  }
}, 300_000);

test("FS-23: rows beyond the bound are counted and told, and still count where a window reaches", async () => {
  await using directory = await temporaryDirectory();
  const random = createRandom(77);
  const sorted = randomEvents(random, 1500).sort((a, b) => a.timeMs - b.timeMs);
  const endMs = sorted.at(-1)!.timeMs;
  const late = sorted.filter(
    (event) => event.timeMs < endMs - 31 * MINUTE && event.amount !== null && event.amount > 20,
  );
  expect(late.length).toBeGreaterThan(50);
  await using store = await openOnline(all, directory.path, 30 * MINUTE);
  const others = sorted.filter((event) => !late.includes(event));
  expect(await pushAll(store, all, others, random)).toBe(0);
  const result = await store.push(all, batchOfEvents(late));
  expect(result).toMatchObject({ rows: late.length, lateRows: late.length });
  const { features } = await store.read("only", { entities, timeMs: endMs + 1 });
  const found = columnsOf(features);
  keys.forEach((key, row) => {
    const wanted = oracle(sorted, key, endMs + 1, aggregates);
    expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, found[`all__${name}`]![row]]))).toEqual(wanted);
  });
  await expect(store.read("only", { entities, timeMs: START_MS + 60 * MINUTE })).rejects.toMatchObject({
    code: "FEATURE_STORE_TIME_TOO_OLD",
  });
});

test("FS-23: a retraction takes back a row, whichever of the two comes first, online as in the batch", async () => {
  const view = defineFeatureView({ ...source, name: "all", aggregates, retracted: "retracted" });
  for (let seed = 0; seed < 2; seed++) {
    await using directory = await temporaryDirectory();
    const random = createRandom(60 + seed);
    const events = randomEvents(random, 1200).map((event) => ({ event, isRetraction: false }));
    const retracted = new Set(events.filter(() => random.integer(5) === 0));
    const stream = [...events, ...[...retracted].map(({ event }) => ({ event, isRetraction: true }))]
      .map((each) => ({ ...each, at: each.event.timeMs + random.next() * 30 * MINUTE }))
      .sort((a, b) => a.at - b.at);
    const left = events.filter((each) => !retracted.has(each)).map(({ event }) => event);
    const asBatch = (part: typeof stream) =>
      batchOfEvents(
        part.map(({ event }) => event),
        {
          retracted: column(
            "bool",
            part.map(({ isRetraction }) => isRetraction),
          ),
        },
      );
    await using store = await openOnline(view, directory.path, 30 * MINUTE);
    await store.ingest(view, batches(asBatch(stream)));
    for (let next = 0; next < stream.length; next += 30) {
      expect(await store.push(view, asBatch(stream.slice(next, next + 30)))).toMatchObject({ lateRows: 0 });
    }
    const endMs = Math.max(...events.map(({ event }) => event.timeMs));
    for (const timeMs of [endMs - 30 * MINUTE, endMs + 1]) {
      const { features } = await store.read("only", { entities, timeMs });
      const labels = batchOf({
        key: column("utf8", keys),
        time: column(
          "timestamp",
          keys.map(() => new Date(timeMs)),
        ),
      });
      const online = columnsOf(features);
      const offline = await columnsOfDataset(await store.history("only", { labels, labelTime: "time" }));
      keys.forEach((key, row) => {
        const wanted = oracle(left, key, timeMs, aggregates);
        const of = (columns: Record<string, unknown[]>) =>
          Object.fromEntries(Object.keys(wanted).map((name) => [name, columns[`all__${name}`]![row]]));
        expect(of(online)).toEqual(wanted);
        expect(of(offline)).toEqual(wanted);
      });
    }
  }
}, 300_000);

test("a retraction that waits for its row is kept over a restart", async () => {
  const view = defineFeatureView({
    name: "v",
    entity,
    eventTime: "known",
    inputs: { amount: "int32" },
    aggregates: { rows: count(days(1)), total: sum("amount", days(1)) },
    retracted: "retracted",
  });
  const options = { latenessMs: hours(1) };
  const row = (amount: number, isRetraction: boolean): OnlineRecord => ({
    key: "k0",
    timeUs: START_MS * 1000,
    createdUs: null,
    inputs: [amount],
    values: [isRetraction],
  });
  const before = createOnlineView(view, options);
  before.add([row(5, true), row(7, false)]);
  const after = createOnlineView(view, options);
  after.add(JSON.parse(JSON.stringify([...before.records()])) as OnlineRecord[]);
  const results = after.aggregates.createResults();
  after.add([row(5, false)]);
  after.read("k0", (START_MS + 1) * 1000, results);
  expect([...results.numbers]).toEqual([1, 7]);
  after.add([row(5, false)]);
  after.read("k0", (START_MS + 1) * 1000, results);
  expect([...results.numbers]).toEqual([2, 12]);
});

test("long windows in tiles are kept in memory that grows with tiles, not with rows, and sum beyond 2^53", () => {
  const view = defineFeatureView({
    name: "v",
    entity,
    eventTime: "known",
    inputs: { big: "int64" },
    aggregates: {
      rows: count(sliding(days(7), { slideMs: hours(1) })),
      total: sum("big", sliding(days(7), { slideMs: hours(1) })),
      today: max("big", tumbling(days(1), { which: "current" })),
      recent: count(minutes(5)),
    },
  });
  const online = createOnlineView(view, { latenessMs: minutes(10) });
  const rows = 60_000;
  const stepUs = (days(10) * 1000) / rows;
  for (let index = 0; index < rows; index++) {
    online.add([{ key: "k0", timeUs: index * stepUs, createdUs: null, inputs: [2 ** 40 + index], values: [] }]);
  }
  // Seven days and a step of tiles by the hour, and a few rows: 15 minutes of them, twice over before they are looked at again, or 64.
  expect(online.size).toBeLessThan(8 * 24 + 2 * 64 + 64);
  const timeUs = rows * stepUs;
  const results = online.aggregates.createResults();
  online.read("k0", timeUs, results);
  const inside = Array.from({ length: rows }, (_, index) => index).filter(
    (index) => index * stepUs >= timeUs - days(7) * 1000,
  );
  const total = inside.reduce((all, index) => all + 2n ** 40n + BigInt(index), 0n);
  expect([...results.numbers]).toEqual([inside.length, Number(total), Number.NaN, 20]);
});

test("an answer is given anew when a row of its window comes late or is taken back", () => {
  const view = defineFeatureView({
    name: "v",
    entity,
    eventTime: "known",
    inputs: { amount: "int32" },
    aggregates: { most: max("amount", sliding(hours(2), { slideMs: hours(1) })), rows: count(tumbling(hours(1))) },
    retracted: "retracted",
  });
  const hour = hours(1) * 1000;
  const online = createOnlineView(view, { latenessMs: hours(1) });
  const row = (at: number, amount: number, isRetraction = false): OnlineRecord => ({
    key: "k0",
    timeUs: at * hour,
    createdUs: null,
    inputs: [amount],
    values: [isRetraction],
  });
  const results = online.aggregates.createResults();
  const read = (): number[] => {
    online.read("k0", 3.5 * hour, results);
    return [...results.numbers];
  };
  online.add([row(1.5, 5), row(2.5, 4), row(3.2, 100)]);
  expect([read(), read()]).toEqual([
    [5, 1],
    [5, 1],
  ]);
  online.add([row(2.9, 7)]);
  expect(read()).toEqual([7, 2]);
  online.add([row(2.9, 7, true), row(3.1, 200)]);
  expect(read()).toEqual([5, 1]);
  online.add([row(1.5, 5, true)]);
  expect(read()).toEqual([4, 1]);
});

test("materializing puts history before a time and keeps what was pushed from then on, also where that is in tiles", async () => {
  await using directory = await temporaryDirectory();
  const window = sliding(days(2), { slideMs: hours(1) });
  const view = defineFeatureView({
    ...source,
    name: "v",
    aggregates: { rows: count(window), total: sum("amount", window) },
  });
  await using store = await openOnline(view, directory.path, 10 * MINUTE);
  const random = createRandom(5);
  const event = (minute: number): Event => ({
    ...randomEvents(random, 1)[0]!,
    key: "k0",
    timeMs: START_MS + minute * MINUTE,
  });
  const before = Array.from({ length: 600 }, (_, minute) => event(minute));
  // History ends, and pushes begin, in the middle of an hour; when the view is materialized, pushes are in tiles already.
  const pushed = Array.from({ length: 400 }, (_, minute) => event(600 + minute));
  await store.ingest(view, batches(batchOfEvents(before)));
  await store.push(view, batchOfEvents(pushed));
  const upToMs = START_MS + 600 * MINUTE;
  expect(await store.materialize(view, { upToMs })).toMatchObject({ rows: 600, keptRows: 400, upToMs });
  const timeMs = START_MS + 1010 * MINUTE;
  const check = async (events: readonly Event[]): Promise<void> => {
    const { features } = await store.read("only", { entities, timeMs });
    const wanted = oracle(events, "k0", timeMs, view.aggregates as typeof aggregates);
    expect([columnsOf(features)["v__rows"]![0], columnsOf(features)["v__total"]![0]]).toEqual([
      wanted["rows"],
      wanted["total"],
    ]);
  };
  await check([...before, ...pushed]);
  // Again, in the middle of a tile with rows of both sides: all of that tile stays as it was pushed, and the result says so.
  await store.ingest(view, batches(batchOfEvents(pushed)));
  const again = await store.materialize(view, { upToMs: START_MS + 850 * MINUTE });
  const hourMs = Math.floor((START_MS + 850 * MINUTE) / hours(1)) * hours(1);
  expect(again.upToMs).toBe(hourMs);
  expect(again.rows + again.keptRows).toBe(1000);
  await check([...before, ...pushed]);
});
