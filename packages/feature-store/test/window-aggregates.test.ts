import { createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { expect, test } from "vitest";
import { defineEntity, defineFeatureService, defineFeatureView, openFeatureStore } from "../src/index.ts";
import { replayOnline } from "./replay-online.ts";
import { batches, columnsOfDataset, temporaryDirectory } from "./rows.ts";
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
      const random = createRandom(900 + seed);
      const events = randomEvents(random, 1500).sort((a, b) => a.timeMs - b.timeMs);
      const { labels, online, offline } = await replayOnline({
        kind,
        duckdb,
        random,
        service,
        events,
        batchOf: batchOfEvents,
        fromMs: START_MS + 300 * MINUTE,
        endMs: START_MS + 1600 * MINUTE,
        stepMs: 23 * MINUTE,
        reloadsOneIn: 12,
        entitiesAt: (timeMs) => ["k0", "k1", "k2", "k3"].map((key) => ({ key, timeMs })),
        batchOfLabels,
      });
      expect(labels.length).toBeGreaterThan(150);
      for (const { name } of service.features) expect(online[name], `seed ${seed}: ${name}`).toEqual(offline[name]);
      labels.forEach((label, row) => {
        if (row % 9 !== 0) return;
        const wanted = expected(events, label);
        const actual = Object.fromEntries(Object.keys(wanted).map((name) => [name, offline[name]![row]]));
        expect(actual, `seed ${seed}, row ${row}`).toEqual(wanted);
      });
    }
  }, 600_000);
}
