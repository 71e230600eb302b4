import { join } from "node:path";
import { createRandom, type RunHandle } from "@millwright/contracts";
import { runTrackerContract } from "@millwright/contracts/testing";
import { type OfflineTracker, type RunImport, openOfflineTracker } from "@millwright/registry";
import { openAppendLog } from "@millwright/storage";
import { describe, expect, test } from "vitest";
import { startChild } from "./child.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

describe("as a run tracker", () => {
  for (const { name, appliesTo, run } of runTrackerContract) {
    test(name, async ({ skip }) => {
      await using workshop = await openWorkshop();
      await using tracker = await openOfflineTracker({ directory: join(workshop.folder, "offline") });
      if (appliesTo?.(tracker) === false) skip("the case asks for what this tracker does not do");
      await run(tracker);
    });
  }
});

/** Three runs, one below another, one that still goes on. */
async function logRuns(tracker: OfflineTracker): Promise<readonly RunHandle[]> {
  const parent = await tracker.startRun({ experiment: "field", name: "parent", tags: { site: "north" }, by: "ann" });
  parent.logParams({ rate: 0.1, odd: Number.NaN, list: [1, -0] });
  await parent.logArtifact("notes/a.txt", new TextEncoder().encode("hello"));
  const child = await tracker.startRun({ experiment: "field", name: "child", parentRunId: parent.id });
  for (let step = 0; step < 1000; step += 1)
    child.logMetrics([
      { name: "loss", value: step === 7 ? Number.NaN : 1 / (step + 1), step, timeMs: step },
      { name: "odd", value: step % 2 === 0 ? Number.POSITIVE_INFINITY : -0, step, timeMs: step },
    ]);
  child.logParams({ units: 8 });
  child.logParams({ units: 16 });
  await child.end("failed");
  await parent.end("finished");
  const open = await tracker.startRun({ experiment: "field", name: "open" });
  open.logMetrics([{ name: "loss", value: 3, step: 0, timeMs: 5 }]);
  await open.flush();
  return [parent, child, open];
}

/** Everything of the runs that was logged; ids of artifacts' stores aside. */
async function told({ registry }: Workshop, runs: readonly RunHandle[]) {
  const read = await Promise.all(runs.map(({ id }) => registry.run(id)));
  const series = await Promise.all(["loss", "odd"].map((metric) => registry.series(runs[1]?.id ?? "", metric)));
  return { read, series };
}

test("MR-7: runs logged without a registry come to it whole, once, however often the way is cut and begun again", async () => {
  await using workshop = await openWorkshop();
  const { registry, artifacts, folder } = workshop;
  await using tracker = await openOfflineTracker({ directory: join(folder, "offline") });
  const runs = await logRuns(tracker);
  // A network that drops every second call, before it arrives or before it is answered.
  const random = createRandom(3);
  const drop = async <Value>(call: () => Promise<Value>): Promise<Value> => {
    const luck = random.next();
    if (luck < 0.25) throw new TypeError("fetch failed");
    const value = await call();
    if (luck < 0.5) throw new TypeError("terminated");
    return value;
  };
  const target: RunImport & { artifacts: typeof artifacts } = {
    artifacts,
    importRun: (...args) => drop(() => registry.importRun(...args)),
    importedPosition: (...args) => drop(() => registry.importedPosition(...args)),
  };
  let cuts = 0;
  for (;;) {
    try {
      await tracker.sync(target);
      break;
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      cuts += 1;
    }
  }
  expect(cuts).toBeGreaterThan(3);
  const once = await told(workshop, runs);
  expect(once.read.map(({ status }) => status)).toEqual(["finished", "failed", "running"]);
  expect(once.read[0]).toMatchObject({
    params: { rate: 0.1, odd: Number.NaN, list: [1, -0] },
    startedBy: "ann",
    tags: { site: "north" },
  });
  expect(once.read[1]).toMatchObject({ params: { units: 16 }, parentRunId: runs[0]?.id });
  expect(once.series[0]).toHaveLength(1000);
  expect(once.series[0]?.[7]?.value).toBeNaN();
  expect(Object.is(once.series[1]?.[1]?.value, -0)).toBe(true);
  // Again is as once.
  const events = (await workshop.events()).length;
  const again = await tracker.sync({ ...target, importRun: registry.importRun });
  expect(again).toMatchObject({ runs: 3, imported: 0, artifacts: 0, conflicts: [] });
  expect(await told(workshop, runs)).toEqual(once);
  expect(await workshop.events()).toHaveLength(events);
  // And what is logged later comes later.
  runs[2]?.logMetrics([{ name: "loss", value: 2, step: 1, timeMs: 6 }]);
  await runs[2]?.end("finished");
  expect(await tracker.sync({ artifacts, ...pick(registry) })).toMatchObject({ imported: 2, conflicts: [] });
  expect(await registry.run(runs[2]?.id ?? "")).toMatchObject({ status: "finished", metrics: { loss: 2 } });
});

const pick = ({ importRun, importedPosition }: RunImport): RunImport => ({ importRun, importedPosition });

test("what the registry has otherwise is reported, and stays unless the journal is preferred", async () => {
  await using workshop = await openWorkshop();
  const { registry, artifacts, folder } = workshop;
  await using tracker = await openOfflineTracker({ directory: join(folder, "offline") });
  const run = await tracker.startRun({ experiment: "field" });
  run.logParams({ rate: 0.1, units: 8 });
  await run.flush();
  const target = { artifacts, ...pick(registry) };
  await tracker.sync(target);
  const other = await registry.resumeRun?.(run.id);
  other?.logParams({ rate: 0.5 });
  await other?.end("killed");
  run.logParams({ rate: 0.2, units: 9 });
  await run.end("finished");
  const report = await tracker.sync(target);
  expect(report.conflicts).toEqual([
    { run: run.id, kind: "param", name: "rate", stored: 0.5, given: 0.2 },
    { run: run.id, kind: "status", name: "", stored: "killed", given: "finished" },
  ]);
  expect(await registry.run(run.id)).toMatchObject({ status: "killed", params: { rate: 0.5, units: 9 } });
});

test("a journal that a newer release wrote is refused, and so is one that was changed", async () => {
  await using workshop = await openWorkshop();
  const directory = join(workshop.folder, "offline");
  await using tracker = await openOfflineTracker({ directory });
  const run = await tracker.startRun({ experiment: "field" });
  await run.end("finished");
  const target = { artifacts: workshop.artifacts, ...pick(workshop.registry) };
  const path = join(directory, "runs", run.id, "journal.log");
  const rewrite = async (record: string): Promise<void> => {
    await using log = await openAppendLog(path);
    await log.clear();
    await log.append([record]);
  };
  await rewrite(JSON.stringify({ formatVersion: 2 }));
  const refused = {
    code: "REGISTRY_JOURNAL_INVALID",
    message: expect.stringContaining("formatVersion is 2") as unknown,
  };
  await expect(tracker.sync(target)).rejects.toMatchObject(refused);
  await rewrite("{");
  await expect(tracker.sync(target)).rejects.toMatchObject({ code: "REGISTRY_JOURNAL_INVALID" });
});

test("two who sync one folder at once write nothing twice", async () => {
  await using workshop = await openWorkshop();
  const { registry, artifacts, folder } = workshop;
  const directory = join(folder, "offline");
  await using tracker = await openOfflineTracker({ directory });
  await using second = await openOfflineTracker({ directory });
  const runs = await logRuns(tracker);
  const target = { artifacts, ...pick(registry) };
  const reports = await Promise.all([tracker.sync(target), second.sync(target), tracker.sync(target)]);
  expect(reports.reduce((sum, { imported }) => sum + imported, 0)).toBe(reports[0].imported + reports[0].known);
  expect((await told(workshop, runs)).series[0]).toHaveLength(1000);
});

test("a process that is killed while it logs leaves what it had logged", { timeout: 600_000 }, async () => {
  await using workshop = await openWorkshop();
  const { registry, artifacts, folder } = workshop;
  const directory = join(folder, "offline");
  const lines: { id: string; logged: number }[] = [];
  for (const after of [1, 2001, 7001]) {
    const child = startChild("offline-logger.mjs", [directory]);
    await child.said(`"logged":${after}`);
    child.process.kill("SIGKILL");
    await child.ended;
    const said = child.output().split("\n").slice(0, -1);
    lines.push(JSON.parse(said.at(-1) ?? "") as (typeof lines)[number]);
  }
  await using tracker = await openOfflineTracker({ directory });
  await tracker.sync({ artifacts, ...pick(registry) });
  for (const { id, logged } of lines) {
    const series = await registry.series(id, "loss");
    expect(series.length).toBeGreaterThanOrEqual(logged);
    expect(series).toEqual(series.map((_, step) => ({ step, value: step / 7, timeMs: step })));
  }
});
