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
  openFeatureStore,
  sum,
} from "../src/index.ts";
import { openPlace, testKeyed } from "./keyed-kinds.ts";
import { type Begun, begin } from "./kill.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const NOW = 100 * 24 * 3_600_000;
const KILLS = 18;
/** So many processes are at work on one store and one history at once. */
const AT_ONCE = 3;
const view = defineFeatureView({
  name: "numbers",
  entity: defineEntity({ name: "key", keys: { key: "int32" } }),
  eventTime: "at",
  inputs: { value: "int32" },
  aggregates: { rows: count(days(7)), total: sum("value", days(7)) },
});
const services = [defineFeatureService({ name: "all", views: [view] })];
const keys = batchOf({
  key: column(
    "int32",
    Array.from({ length: 10 }, (_, key) => key),
  ),
});

async function historyOf(store: FeatureStore): Promise<number[]> {
  const numbers: number[] = [];
  const dataset = await store.scan(view, { duplicates: "keep", deleted: "keep" });
  for await (const batch of dataset.batches({ columns: ["value"] })) {
    numbers.push(...(toArray(batch.columns["value"]!) as number[]));
  }
  return numbers;
}

async function onlineOf(store: FeatureStore): Promise<{ rows: number; total: number }> {
  const found = columnsOf((await store.read("all", { entities: keys, timeMs: NOW })).features);
  const add = (name: string): number =>
    (found[name] as (number | null)[]).reduce<number>((all, each) => all + (each ?? 0), 0);
  return { rows: add("numbers__rows"), total: add("numbers__total") };
}

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
      while (begun < KILLS) {
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
      await store.materialize(view, { upToMs });
      const numbers = await historyOf(store);
      const kept = new Set(numbers);
      expect(numbers.length).toBe(kept.size);
      expect(acknowledged.filter((number) => !kept.has(number))).toEqual([]);
      const total = numbers.reduce((all, each) => all + each, 0);
      expect(await onlineOf(store)).toEqual({ rows: numbers.length, total });
    }
    expect(acknowledged.length).toBeGreaterThan(KILLS);
    for (const name of ["put", "load", "materialize"]) {
      expect(killedDuring.get(name) ?? 0, JSON.stringify([...killedDuring])).toBeGreaterThan(0);
    }
    await opened.close();
  },
  600_000,
);
