import { createManualClock, createRandom } from "@millwright/contracts";
import { openRegistry, logChart, tableChart } from "@millwright/registry";
import { openMemoryArtifactStore } from "@millwright/storage";
import { expect } from "vitest";
import { postgresEngine } from "../../storage/test/engines.ts";
import { checkSearchTable } from "./search-table-suite.ts";
import { startMs } from "./workshop.ts";

// The server's programs are looked for as MILLWRIGHT_POSTGRES says.
const engine = postgresEngine();

async function openOnPostgres(clock = createManualClock(startMs)) {
  const place = await engine.makePlace();
  const database = await place.open({ clock });
  const registry = await openRegistry({
    database,
    artifacts: openMemoryArtifactStore(),
    directory: "never-staged",
    clock,
    flushMs: 60_000,
  });
  return {
    registry,
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

engine.test("on PostgreSQL 200 queries find, order and page what a naive filter finds", async () => {
  const clock = createManualClock(startMs);
  await using opened = await openOnPostgres(clock);
  // Each query is planned anew: pages of few runs would take their time.
  await checkSearchTable(opened.registry, clock, [20, 1000]);
});

engine.test("on PostgreSQL runs are changed, searched with long texts, read as curves and compared", async () => {
  const clock = createManualClock(startMs);
  await using opened = await openOnPostgres(clock);
  const { registry } = opened;
  const random = createRandom(1);
  const long = Array.from({ length: 8000 }, () => String.fromCodePoint(0x4e00 + random.integer(5000))).join("");
  const name = "名".repeat(500);
  const ids: string[] = [];
  for (const shift of [0, 1]) {
    const run = await registry.startRun({ experiment: "late", tags: { [name]: long } });
    run.logParams({ [name]: long });
    run.logMetrics(Array.from({ length: 5000 }, (_, step) => ({ name: "loss", step, value: shift + random.normal() })));
    run.logMetrics([{ name: "odd", step: 0, value: shift === 0 ? Number.NaN : Infinity }]);
    await logChart(run, "table", tableChart({ a: [shift] }));
    await run.end("finished");
    ids.push(run.id);
  }
  const quoted = `tags."${name}" = '${long}' and params."${name}" = '${long}'`;
  expect((await registry.searchRuns({ filter: quoted })).runs).toHaveLength(2);
  expect((await registry.searchRuns({ filter: `${quoted} and metrics.odd = inf` })).runs).toHaveLength(1);
  expect((await registry.searchRuns({ filter: "start_time > 1.5 and end_time < 1e300" })).runs).toHaveLength(2);
  const curve = await registry.history(ids[0] as string, "loss", { points: 100 });
  expect(curve.total).toBe(5000);
  expect(curve.points.length).toBeLessThanOrEqual(100);
  const { metrics } = await registry.compareRuns(ids, { metrics: ["loss"] });
  expect(metrics.find((each) => each.name === "loss")?.differences).toMatchObject([
    { basis: "steps", isDifferent: true },
  ]);
  await registry.updateRun(ids[0] as string, { name: "renamed", notes: "x" }, { by: "ann" });
  await registry.tagRun(ids[0] as string, { set: { a: "b" }, remove: [name] });
  await registry.logDatasets(ids[0] as string, [{ name: "flights", digest: "d1" }]);
  await registry.deleteExperiment("late");
  expect((await registry.searchRuns()).runs).toEqual([]);
  await registry.restoreExperiment("late");
  expect(
    (await registry.searchRuns({ filter: "name = 'renamed' and datasets.digest = 'd1' and tags.a = 'b'" })).runs,
  ).toHaveLength(1);
  const found = await registry.searchExperiments({ filter: "name like 'l%'", orderBy: ["creation_time DESC"] });
  expect(found.experiments).toMatchObject([{ name: "late" }]);
  for (const search of [registry.searchModels, registry.searchVersions])
    expect(await search({ filter: "name = 'x' and tags.a = 'b'", orderBy: ["name DESC"] })).toMatchObject({});
});
