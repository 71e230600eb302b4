import { createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { defineEntity, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
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
  timestamps,
} from "./window-oracle.ts";

const entity = defineEntity({ name: "entity", keys: { key: "utf8" } });
const source = { entity, eventTime: "known", inputs } as const;
const byRows = everyAggregate(rowWindows);
const byTiles = everyAggregate(tileWindows);
const views = [
  defineFeatureView({ ...source, name: "rows", aggregates: byRows }),
  defineFeatureView({ ...source, name: "tiles", aggregates: byTiles }),
  defineFeatureView({ ...source, name: "both", aggregates: { ...byRows, ...byTiles } }),
] as const;
const service = defineFeatureService({ name: "windows", views });

interface Label {
  readonly key: string;
  readonly timeMs: number;
}
const batchOfLabels = (labels: readonly Label[]) =>
  batchOf({
    key: column(
      "utf8",
      labels.map((label) => label.key),
    ),
    time: timestamps(labels.map((label) => label.timeMs)),
  });

/** Of every view, what the oracle says. */
function expected(events: Parameters<typeof oracle>[0], { key, timeMs }: Label): Record<string, unknown> {
  const all = oracle(events, key, timeMs, { ...byRows, ...byTiles });
  const of = (view: string, names: Readonly<Record<string, unknown>>) =>
    Object.keys(names).map((name) => [`${view}__${name}`, all[name]] as const);
  return Object.fromEntries([...of("rows", byRows), ...of("tiles", byTiles), ...of("both", { ...byRows, ...byTiles })]);
}

test("FS-22: every aggregate over every window, of rows and of tiles, equals a naive recompute, to the bit, on random streams", async () => {
  await using duckdb = await openDuckDb({ threads: 2 });
  await using directory = await temporaryDirectory();
  for (let seed = 0; seed < 4; seed++) {
    const random = createRandom(500 + seed);
    const events = randomEvents(random, [900, 40, 300, 1]![seed]!);
    await using store = await openFeatureStore({ history: `${directory.path}/${seed}`, services: [service], duckdb });
    for (const view of views) await store.ingest(view, batches(batchOfEvents(events)));
    const labels = Array.from({ length: 150 }, (_, index) => ({
      key: `k${random.integer(4)}`,
      // Boundaries of windows and times of rows, and times between them.
      timeMs: START_MS + random.integer(1700) * MINUTE + (index % 3 === 0 ? 500 : index % 3 === 1 ? 0.001 : 0),
    }));
    const dataset = await store.history(service, { labels: batchOfLabels(labels), labelTime: "time" });
    const found = await columnsOfDataset(dataset);
    labels.forEach((label, row) => {
      const wanted = expected(events, label);
      const actual = Object.fromEntries(Object.keys(wanted).map((name) => [name, found[name]![row]]));
      expect(actual, `seed ${seed}, row ${row}`).toEqual(wanted);
    });
  }
}, 600_000);

for (const kind of ["memory", "log"] as const) {
  test(`FS-22: online equals offline and the oracle, to the bit, with late rows, restarts and materialization: ${kind}`, async () => {
    await using duckdb = await openDuckDb({ threads: 2 });
    for (let seed = 0; seed < 3; seed++) {
      await using directory = await temporaryDirectory();
      const random = createRandom(900 + seed);
      const events = randomEvents(random, 1500).sort((a, b) => a.timeMs - b.timeMs);
      const openOnline = () =>
        kind === "memory"
          ? openMemoryOnlineStore()
          : openLogOnlineStore(`${directory.path}/online`, { flush: "system" });
      const open = async (online: Awaited<ReturnType<typeof openOnline>>) =>
        openFeatureStore({
          history: `${directory.path}/history`,
          services: [service],
          duckdb,
          online,
          latenessMs: 20 * MINUTE,
        });
      let online = await openOnline();
      let store = await open(online);
      const labels: Label[] = [];
      const vectors: Record<string, unknown[]> = {};
      for (const view of views) await store.ingest(view, batches(batchOfEvents(events)));
      const from = START_MS + 300 * MINUTE;
      for (const view of views) await store.materialize(view, { upToMs: from });
      const arrivals = events
        .filter((event) => event.timeMs >= from)
        .map((event) => ({ event, at: event.timeMs + random.integer(10) * MINUTE }))
        .sort((a, b) => a.at - b.at);
      let next = 0;
      for (let nowMs = from + 10 * MINUTE; nowMs < START_MS + 1600 * MINUTE; nowMs += 23 * MINUTE) {
        const arrived = [];
        for (; next < arrivals.length && arrivals[next]!.at <= nowMs; next++) arrived.push(arrivals[next]!.event);
        for (const view of views) await store.push(view, batchOfEvents(arrived));
        if (random.integer(12) === 0)
          for (const view of views) await store.materialize(view, { upToMs: nowMs - 40 * MINUTE });
        if (kind === "log" && random.integer(6) === 0) {
          await store[Symbol.asyncDispose]();
          await online[Symbol.asyncDispose]();
          online = await openOnline();
          store = await open(online);
        }
        // All rows up to ten minutes ago have arrived: at such a time the answer is final, whatever has come since.
        const timeMs = nowMs - 10 * MINUTE - random.integer(6) * MINUTE;
        if (timeMs < from) continue;
        const entities = ["k0", "k1", "k2", "k3"].map((key) => ({ key, timeMs }));
        const { features } = await store.read("windows", { entities: batchOfLabels(entities), timeMs });
        labels.push(...entities);
        expect(Object.keys(features.columns)).toEqual(service.features.map((field) => field.name));
        for (const [name, values] of Object.entries(columnsOf(features))) (vectors[name] ??= []).push(...values);
      }
      expect(next).toBe(arrivals.length);
      const dataset = await store.history(service, { labels: batchOfLabels(labels), labelTime: "time" });
      const offline = await columnsOfDataset(dataset);
      expect(labels.length).toBeGreaterThan(150);
      for (const { name } of service.features) {
        expect(
          vectors[name]!.some((value) => value !== null),
          name,
        ).toBe(true);
        expect(vectors[name], `seed ${seed}: ${name}`).toEqual(offline[name]);
      }
      labels.forEach((label, row) => {
        if (row % 9 !== 0) return;
        const wanted = expected(events, label);
        const actual = Object.fromEntries(Object.keys(wanted).map((name) => [name, offline[name]![row]]));
        expect(actual, `seed ${seed}, row ${row}`).toEqual(wanted);
      });
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
    }
  }, 600_000);
}
