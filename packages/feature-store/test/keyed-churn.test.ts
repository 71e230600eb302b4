import { join } from "node:path";
import { createRandom, systemClock } from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect } from "vitest";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  type FeatureView,
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { openPlace, testKeyed } from "./keyed-kinds.ts";
import { type Begun, begin } from "./kill.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const NOW = 100 * 24 * 3_600_000;
const KILLS = 18;
/** Where the machine is busy, it takes more until one fell into each work. */
const MOST_KILLS = 60;
const WORK = ["put", "load", "materialize"];
/** So many processes are at work on one store and one history at once. */
const AT_ONCE = 3;
const entity = defineEntity({ name: "key", keys: { key: "int32" } });
const totals = defineFeatureView({
  name: "numbers",
  entity,
  eventTime: "at",
  inputs: { value: "int32" },
  aggregates: { rows: count(days(7)), total: sum("value", days(7)) },
});
/** Without windows: loaded and caught up with from columns. */
const newest = defineFeatureView({ name: "newest", entity, eventTime: "at", features: { value: "int32" } });
const views = [totals, newest];
const services = [defineFeatureService({ name: "all", views })];
const keys = batchOf({
  key: column(
    "int32",
    Array.from({ length: 10 }, (_, key) => key),
  ),
});

async function historyOf(store: FeatureStore, view: FeatureView): Promise<number[]> {
  const numbers: number[] = [];
  const dataset = await store.scan(view, { duplicates: "keep", deleted: "keep" });
  for await (const batch of dataset.batches({ columns: ["value"] })) {
    numbers.push(...(toArray(batch.columns["value"]!) as number[]));
  }
  return numbers;
}

async function onlineOf(store: FeatureStore): Promise<{ rows: number; total: number; agesOfNewest: number[] }> {
  const found = columnsOf((await store.read("all", { entities: keys, timeMs: NOW })).features);
  const add = (name: string): number =>
    (found[name] as (number | null)[]).reduce<number>((all, each) => all + (each ?? 0), 0);
  const agesOfNewest = (found["newest__value"] as number[]).map(ageOf);
  return { rows: add("numbers__rows"), total: add("numbers__total"), agesOfNewest };
}

/** How long ago a number happened, in minutes. */
const ageOf = (number: number): number => number % 1000;

// About 30 s a store: processes are started and killed.
testKeyed(
  "three processes at work on one keyed store, killed at random points of puts, flushes, loads and compactions, lose no acknowledged row and count none twice",
  async (kind) => {
    await using directory = await temporaryDirectory();
    await using place = await openPlace(kind, directory.path);
    await using duckdb = await openDuckDb();
    const history = join(directory.path, "history");
    const clock = { ...systemClock, nowMs: () => NOW };
    const random = createRandom(36);
    const acknowledged: number[] = [];
    const killedDuring = new Map<string, number>();
    let begun = 0;
    const start = (): Promise<Begun> =>
      begin("keyed-churn-for-ever.mjs", [kind, place.place, history, String(NOW), String(begun++ * 10_000)]);
    const killOne = async (program: Promise<Begun>): Promise<void> => {
      const said = await (await program).killAfter(100 + random.next() * 900);
      let during = "open";
      for (const line of said) {
        const [, name] = /begin (\w+)$/.exec(line) ?? [];
        const [first = 0, last = -1] = line.split(" ").map(Number);
        if (name !== undefined) during = name;
        else for (let number = first; number <= last; number++) acknowledged.push(number);
      }
      killedDuring.set(during, (killedDuring.get(during) ?? 0) + 1);
    };
    const workers = Array.from({ length: AT_ONCE }, async () => {
      let next = start();
      while (begun < KILLS || (begun < MOST_KILLS && !WORK.every((name) => killedDuring.has(name)))) {
        const program = next;
        next = start();
        await killOne(program);
      }
      await killOne(next);
    });
    await Promise.all(workers);
    const opened = await place.open();
    for (const upToMs of [undefined, NOW]) {
      await using store = await openFeatureStore({ history, services, online: opened.online, duckdb, clock });
      for (const view of views) await store.materialize(view, { upToMs });
      const [numbers = [], others = []] = await Promise.all(views.map((view) => historyOf(store, view)));
      for (const each of [numbers, others]) {
        const kept = new Set(each);
        expect(each.length).toBe(kept.size);
        expect(acknowledged.filter((number) => !kept.has(number))).toEqual([]);
      }
      const total = numbers.reduce((all, each) => all + each, 0);
      const agesOfNewest = Array.from({ length: 10 }, (_, key) =>
        Math.min(...others.filter((number) => number % 10 === key).map(ageOf)),
      );
      expect(await onlineOf(store)).toEqual({ rows: numbers.length, total, agesOfNewest });
    }
    expect(acknowledged.length).toBeGreaterThan(KILLS);
    for (const name of WORK) {
      expect(killedDuring.get(name) ?? 0, JSON.stringify([...killedDuring])).toBeGreaterThan(0);
    }
    await opened.close();
  },
  600_000,
);
