import { createRandom, systemClock } from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
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
import { type Begun, begin } from "./kill.ts";
import { columnsOf, temporaryDirectory } from "./rows.ts";

const NOW = 100 * 24 * 3_600_000;
/** Each process is at work on so many stores: a kill meets each at a point of its own. */
const STORES = 3;
const KILLS = 100;
const view = defineFeatureView({
  name: "numbers",
  entity: defineEntity({ name: "key", keys: { key: "int32" } }),
  eventTime: "at",
  inputs: { value: "int32" },
  aggregates: { rows: count(days(7)), total: sum("value", days(7)) },
});
const service = defineFeatureService({ name: "all", views: [view] });
const keys = batchOf({
  key: column(
    "int32",
    Array.from({ length: 10 }, (_, key) => key),
  ),
});

/** Every row's number: of the history, and what online says of them together. */
async function held(store: FeatureStore): Promise<{ history: number[]; rows: number; total: number }> {
  const history: number[] = [];
  for await (const batch of (await store.scan(view, { duplicates: "keep", deleted: "keep" })).batches({
    columns: ["value"],
  })) {
    history.push(...(toArray(batch.columns["value"]!) as number[]));
  }
  const found = columnsOf((await store.read("all", { entities: keys, timeMs: NOW })).features);
  const add = (name: string): number =>
    (found[name] as (number | null)[]).reduce((all: number, each) => all + (each ?? 0), 0);
  return { history, rows: add("numbers__rows"), total: add("numbers__total") };
}

// About 90 s: a process is started and killed a hundred times.
test("stores killed at 300 random points of puts, ingests, flushes, compactions and materializations: no acknowledged row is lost, none is there twice", async () => {
  await using directory = await temporaryDirectory();
  await using duckdb = await openDuckDb();
  const random = createRandom(300);
  const clock = { ...systemClock, nowMs: () => NOW };
  const acknowledged = Array.from({ length: STORES }, (): number[] => []);
  const killedDuring = new Map<string, number>();
  const check = async (index: number): Promise<void> => {
    const folder = `${directory.path}/${index}`;
    await using online = await openLogOnlineStore(`${folder}/online`, { flush: "system" });
    await using store = await openFeatureStore({
      history: `${folder}/history`,
      services: [service],
      online,
      duckdb,
      clock,
    });
    await store.materialize(view);
    const { history, rows, total } = await held(store);
    const kept = new Set(history);
    expect(history.length).toBe(kept.size);
    expect(acknowledged[index]!.filter((number) => !kept.has(number))).toEqual([]);
    expect(rows).toBe(history.length);
    expect(total).toBe(history.reduce((all, each) => all + each, 0));
  };
  // The next processes load their modules while one is at work.
  const waiting: Promise<Begun>[] = [];
  let begun = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    while (waiting.length < 3 && begun < KILLS) {
      const args = [directory.path, String(NOW), String(begun++ * 10_000), String(STORES)];
      waiting.push(begin("churn-for-ever.mjs", args));
    }
    const said = await (await waiting.shift()!).killAfter(70 + random.next() * 430);
    const during = Array<string>(STORES).fill("open");
    for (const line of said) {
      const [index = 0, first = 0, last = 0] = line.split(" ").map(Number);
      const [, name] = /begin (\w+)$/.exec(line) ?? [];
      if (name !== undefined) during[index] = name;
      else for (let number = first; number <= last; number++) acknowledged[index]!.push(number);
    }
    for (const name of during) killedDuring.set(name, (killedDuring.get(name) ?? 0) + 1);
    if (kill % 20 === 0) for (let index = 0; index < STORES; index++) await check(index);
  }
  // Enough to lose: how much is done between two kills depends on the machine.
  for (const each of acknowledged) expect(each.length).toBeGreaterThan(KILLS / 4);
  for (const name of ["put", "ingest", "compact", "materialize"]) {
    expect(killedDuring.get(name) ?? 0, JSON.stringify([...killedDuring])).toBeGreaterThan(4);
  }
}, 900_000);
