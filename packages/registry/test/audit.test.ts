import { type MillwrightEvent, type RunId, createManualClock } from "@millwright/contracts";
import type { Registry } from "@millwright/registry";
import { openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { modelMutations } from "./audit-models.ts";
import { type Held, imported, runMutations } from "./audit-runs.ts";
import { openWorkshop, startMs } from "./workshop.ts";

const by = "ann";
const mutations = [...runMutations, ...modelMutations];

/** Methods that change nothing, and so tell nothing. Every other one is in the tables of mutations: a method that is in neither fails the test. */
const reading: Readonly<Record<string, (registry: Registry, held: Held) => unknown>> = {
  affectedEndpoints: (registry) => registry.affectedEndpoints({ column: "distance" }),
  aliasHistory: (registry) => registry.aliasHistory("late", "champion"),
  aliases: (registry) => registry.aliases("late"),
  approvalRequest: (registry, { request }) => registry.approvalRequest(request),
  approvalRequests: (registry) => registry.approvalRequests(),
  approvals: (registry) => registry.approvals("late", 1),
  baselines: (registry) => registry.baselines("late", 1),
  billOfMaterials: (registry) => registry.billOfMaterials("late/1"),
  card: (registry) => registry.card("late", 1),
  cardRevisions: (registry) => registry.cardRevisions("late", 1),
  chart: (registry, { run }) => registry.chart(run, "none").catch(() => undefined),
  charts: (registry, { run }) => registry.charts(run),
  checkGates: (registry) => registry.checkGates("alias", "champion", "late", 1),
  compareRuns: (registry, { run }) => registry.compareRuns([run, imported]),
  curves: (registry, { run }) => registry.curves([run], "loss").catch(() => undefined),
  experiment: (registry) => registry.experiment("late"),
  experiments: (registry) => registry.experiments(),
  explainPath: (registry) => registry.explainPath({ kind: "dataset", id: "a" }, { kind: "model", id: "b" }),
  exportAuditPack: (registry) => registry.exportAuditPack("late/1"),
  featureLineage: (registry) => registry.featureLineage("late/1"),
  history: (registry, { run }) => registry.history(run, "loss").catch(() => undefined),
  holds: (registry) => registry.holds(),
  importedPosition: (registry, { run }) => registry.importedPosition("journal", run),
  lineageGraph: (registry) => registry.lineageGraph(),
  lineage: (registry) => registry.lineage({ kind: "dataset", id: "a" }, { direction: "descendants" }),
  materials: (registry) => registry.materials("late", 1),
  missingEvidence: (registry) => registry.missingEvidence("late", 1),
  previousApproved: (registry) => registry.previousApproved("late", 1),
  reachableArtifacts: async (registry) => {
    for await (const _ of registry.reachableArtifacts()) continue;
  },
  receivedDataset: (registry) => registry.receivedDataset({ namespace: "file", name: "/a" }),
  receivedRun: (registry, { run }) => registry.receivedRun(run),
  rebuildLineage: (registry) => registry.rebuildLineage(),
  registryLatency: (registry) => registry.registryLatency(),
  resolve: (registry) => registry.resolve("late/1"),
  run: (registry, { run }) => registry.run(run),
  runs: (registry) => registry.runs(),
  searchExperiments: (registry) => registry.searchExperiments(),
  searchModels: (registry) => registry.searchModels(),
  searchRuns: (registry) => registry.searchRuns(),
  searchVersions: (registry) => registry.searchVersions(),
  series: (registry, { run }) => registry.series(run, "loss"),
  signatures: (registry) => registry.signatures("late", 1),
  stageHistory: (registry) => registry.stageHistory("late", 1),
  tracePrediction: (registry) =>
    registry
      .tracePrediction("none", { predictions: { find: () => Promise.resolve(undefined) } })
      .catch(() => undefined),
  trafficAt: (registry) => registry.trafficAt(),
  trafficHistory: (registry) => registry.trafficHistory(),
  version: (registry) => registry.version("late/1"),
  whatChanged: (registry) => registry.whatChanged({ from: 0, to: startMs }),
  versions: (registry) => registry.versions("late"),
  watch: async (registry) => {
    for await (const _ of registry.watch("late/1")) break;
  },
};

test("SE-5: by reflection, every method of the registry that changes something tells one event of it: who, what, when, from what to what; no other tells any", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry, database } = workshop;
  const methods = Object.entries(registry).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  const classified = new Set([...mutations.map(([method]) => method), ...Object.keys(reading)]);
  expect(
    methods.filter((method) => !classified.has(method)),
    "methods that this test has to say of whether they change something",
  ).toEqual([]);

  const held: Held = { run: "" as RunId, hold: "", request: "" };
  for (const [method, { before, call, type, subject, data }] of mutations) {
    await before?.(registry, held, workshop);
    await clock.advance(1000);
    const known = (await workshop.events()).length;
    await call(registry, held, workshop);
    const told = (await workshop.events()).slice(known);
    expect(
      told.map((event) => event.type),
      method,
    ).toEqual([type]);
    const [event] = told as [MillwrightEvent];
    expect(event, method).toMatchObject({ subject: typeof subject === "string" ? subject : subject(held), data });
    expect(event.data, method).toHaveProperty("by");
    expect(Date.parse(event.time), method).toBe(clock.nowMs());
  }
  const known = (await workshop.events()).length;
  for (const [method, call] of Object.entries(reading)) {
    await call(registry, held);
    expect((await workshop.events()).length, method).toBe(known);
  }
  // The audit log is the log: chained, and whole.
  expect(await openEventLog(database).verify()).toMatchObject({ records: known, broken: undefined });
}, 300_000);

test("a change that is refused, or changes nothing, tells nothing", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  await registry.register("late", await workshop.pack("one"), { by });
  await registry.approve("late", 1, { status: "approved", by });
  await registry.setAlias("late", "champion", 1, { by });
  const known = (await workshop.events()).length;
  await expect(registry.approve("late", 1, { status: "approved", by })).rejects.toMatchObject({
    code: "PORT_TRANSITION_ILLEGAL",
  });
  await expect(registry.setAlias("late", "champion", 1, { by, ifVersion: 9 })).rejects.toMatchObject({
    code: "PORT_VERSION_CONFLICT",
  });
  await registry.setAlias("late", "champion", 1, { by });
  await registry.register("late", await workshop.pack("one"), { by });
  expect((await workshop.events()).length).toBe(known);
});
