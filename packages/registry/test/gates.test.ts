import { type JsonObject, type ModelSignature, createManualClock } from "@millwright/contracts";
import { packModel, writeDenseModel } from "@millwright/model";
import {
  type Gate,
  type Registry,
  approvalsGate,
  boundGate,
  cardGate,
  driftBaselineGate,
  latencyGate,
  metricGate,
  openRegistry,
  scanGate,
  separationGate,
  signatureGate,
} from "@millwright/registry";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Workshop, openWorkshop, startMs } from "./workshop.ts";

interface Made {
  readonly folds?: readonly number[];
  readonly metrics?: Readonly<Record<string, number>>;
  readonly profile?: JsonObject;
  readonly widths?: readonly number[];
  readonly by?: string;
  readonly startedBy?: string;
}

let made = 0;

/** Registers a version of `late` with a run of its own. @returns its number. */
async function make(
  { registry, folder }: Workshop,
  { folds = [], metrics = {}, profile, widths = [2], by, startedBy }: Made,
) {
  made += 1;
  const run = await registry.startRun({ experiment: "late", by: startedBy });
  run.logMetrics(folds.map((value, step) => ({ name: "auc", value, step })));
  await run.end("finished");
  const kernel = Float32Array.from({ length: (widths[0] ?? 1) * 1 }, () => made);
  const dense = writeDenseModel([{ kernel, bias: new Float32Array(1), activation: "linear" }]);
  const signature: ModelSignature = dense.signature;
  const directory = join(folder, "made", String(made));
  const provenance = { runId: run.id, metrics };
  const clock = createManualClock(startMs);
  await packModel(directory, {
    name: "late",
    format: "dense",
    files: dense.files,
    signature,
    provenance,
    profile,
    clock,
  });
  return (await registry.register("late", directory, { by })).version;
}

/** What a gate says of the candidate before `champion`. */
async function ask(
  gate: Gate,
  champion: Made | undefined,
  candidate: Made,
  prepare?: (registry: Registry, version: number) => Promise<void>,
) {
  await using workshop = await openWorkshop({ gates: { alias: { champion: [gate] } } });
  const { registry } = workshop;
  if (champion !== undefined) {
    const version = await make(workshop, champion);
    await registry.setAlias("late", "champion", version, { by: "root", breakGlass: "the first one of all" });
  }
  const version = await make(workshop, candidate);
  await prepare?.(registry, version);
  const report = await registry.checkGates("alias", "champion", "late", version, { by: "ann" });
  const moved = registry.setAlias("late", "champion", version, { by: "ann" });
  if (report.passed) await moved;
  else await expect(moved).rejects.toMatchObject({ code: "REGISTRY_GATE_CLOSED" });
  const last = (await workshop.events()).at(-1);
  expect(last?.type).toBe(report.passed ? "model.alias-set" : "model.gate-refused");
  expect(last?.data).toMatchObject({ by: "ann", gates: { passed: report.passed, results: [{ gate: gate.name }] } });
  return report.results[0];
}

const better = [0.81, 0.84, 0.8, 0.86, 0.83, 0.85];
const worse = [0.78, 0.8, 0.77, 0.82, 0.79, 0.8];
const noisy = [0.7, 0.9, 0.75, 0.85, 0.78, 0.83];

test("MR-14: each gate opens and closes as its fixture says", { timeout: 300_000 }, async () => {
  const metric = metricGate({ metric: "auc", direction: "maximize" });
  const opened = { passed: true };
  const closed = { passed: false };
  expect(await ask(metric, undefined, {})).toMatchObject(opened);
  expect(await ask(metric, { folds: worse }, { folds: better })).toMatchObject({ ...opened, evidence: { pairs: 6 } });
  expect(await ask(metric, { folds: better }, { folds: worse })).toMatchObject(closed);
  // Better on average, and not surely.
  expect(await ask(metric, { folds: worse }, { folds: noisy })).toMatchObject(closed);
  expect(
    await ask(metricGate({ metric: "auc", direction: "minimize" }), { folds: better }, { folds: worse }),
  ).toMatchObject(opened);
  const noWorse = metricGate({ metric: "auc", direction: "maximize", improvement: -0.2 });
  expect(await ask(noWorse, { folds: worse }, { folds: noisy })).toMatchObject(opened);
  expect(await ask(metric, { metrics: { auc: 0.8 } }, { metrics: { auc: 0.81 } })).toMatchObject({
    ...opened,
    reason: expect.stringContaining("without an interval") as unknown,
  });
  expect(await ask(metric, { metrics: { auc: 0.8 } }, {})).toMatchObject({
    ...closed,
    reason: "The candidate has no auc.",
  });

  const bias = boundGate({ metric: "dpl", atLeast: -0.1, atMost: 0.1 });
  expect(await ask(bias, undefined, { metrics: { dpl: 0.05 } })).toMatchObject(opened);
  expect(await ask(bias, undefined, { metrics: { dpl: 0.3 } })).toMatchObject(closed);
  expect(await ask(bias, undefined, {})).toMatchObject(closed);

  expect(await ask(driftBaselineGate(), undefined, { profile: { rows: 3 } })).toMatchObject(opened);
  expect(await ask(driftBaselineGate(), undefined, {})).toMatchObject(closed);

  expect(await ask(signatureGate(), { widths: [2] }, { widths: [2] })).toMatchObject(opened);
  expect(await ask(signatureGate(), { widths: [2] }, { widths: [3] })).toMatchObject(closed);

  const latency = (ms: readonly number[]) => latencyGate({ measure: async () => ms, atMostMs: 10 });
  expect(await ask(latency([1, 2, 3]), undefined, {})).toMatchObject(opened);
  expect(await ask(latency([1, 2, 30]), undefined, {})).toMatchObject(closed);
  expect(await ask(latency([]), undefined, {})).toMatchObject(closed);

  expect(await ask(scanGate({ scan: async () => [] }), undefined, {})).toMatchObject(opened);
  expect(await ask(scanGate({ scan: async () => ["a pickle"] }), undefined, {})).toMatchObject(closed);
  const broken = scanGate({ scan: () => Promise.reject(new TypeError("no scanner")) });
  expect(await ask(broken, undefined, {})).toMatchObject({ ...closed, reason: "The check failed: no scanner" });

  expect(await ask(cardGate({ missing: async () => [] }), undefined, {})).toMatchObject(opened);
  expect(await ask(cardGate({ missing: async () => ["intendedUse"] }), undefined, {})).toMatchObject(closed);

  const approve =
    (...people: readonly string[]) =>
    async (registry: Registry, version: number) => {
      const approvers = [...people, "asker"];
      const request = await registry.requestApproval("late", version, {
        by: "asker",
        approvers,
        quorum: people.length,
      });
      for (const by of people) await registry.voteRequest(request.id, { by, decision: "approve" });
    };
  const two = approvalsGate({ count: 2 });
  expect(await ask(two, undefined, { by: "bob" }, approve("ann", "cem"))).toMatchObject(opened);
  expect(await ask(two, undefined, { by: "bob" }, approve("ann"))).toMatchObject(closed);
  expect(await ask(two, undefined, { by: "bob" }, approve("ann", "bob"))).toMatchObject(closed);
  expect(
    await ask(approvalsGate({ count: 2, countMakers: true }), undefined, { by: "bob" }, approve("ann", "bob")),
  ).toMatchObject(opened);

  expect(await ask(separationGate(), undefined, { by: "bob", startedBy: "cem" })).toMatchObject(opened);
  expect(await ask(separationGate(), undefined, { by: "ann" })).toMatchObject(closed);
  expect(await ask(separationGate(), undefined, { by: "bob", startedBy: "ann" })).toMatchObject(closed);
});

test("closed gates before an alias, a stage and an approval are passed only with a reason, which the event keeps", async () => {
  const shut: Gate = { name: "shut", check: () => ({ passed: false, reason: "It is shut." }) };
  await using workshop = await openWorkshop({
    gates: { alias: { champion: [shut] }, stage: { Production: [shut] }, approval: [shut] },
  });
  const { registry } = workshop;
  const version = await make(workshop, {});
  const why = "the site is down";
  const closed = { code: "REGISTRY_GATE_CLOSED", message: expect.stringContaining("shut: It is shut.") as unknown };
  const by = "ann";
  const approve = (breakGlass?: string) => registry.approve("late", version, { status: "approved", by, breakGlass });
  const enter = (breakGlass?: string) =>
    registry.moveStage("late", version, { stage: "Production", status: "Approved", by, breakGlass });
  const point = (breakGlass?: string) => registry.setAlias("late", "champion", version, { by, breakGlass });
  for (const act of [approve, enter, point]) {
    await expect(act()).rejects.toMatchObject(closed);
    // Ten characters at least.
    await expect(act("quick")).rejects.toMatchObject(closed);
  }
  expect(await registry.aliases("late")).toEqual({});
  expect(await registry.version(`late/${version}`)).toMatchObject({ approval: "pending" });
  for (const act of [approve, enter, point]) await act(why);
  const events = (await workshop.events()).filter(({ type }) => type.startsWith("model."));
  const refused = events.filter(({ type }) => type === "model.gate-refused");
  expect(refused).toHaveLength(6);
  const passed = events.filter(({ data }) => (data["gates"] as JsonObject | undefined)?.["breakGlass"] === why);
  expect(passed.map(({ type }) => type)).toEqual(["model.approved", "model.stage-moved", "model.alias-set"]);
  // What has no gate has none, and a rejection needs none.
  await registry.setAlias("late", "challenger", version);
  await registry.approve("late", version, { status: "rejected", by });
  // The vote that would decide is refused as well, and the request stays open.
  const other = await make(workshop, {});
  const request = await registry.requestApproval("late", other, { by: "bob" });
  await expect(registry.voteRequest(request.id, { by, decision: "approve" })).rejects.toMatchObject(closed);
  expect(await registry.approvalRequest(request.id)).toMatchObject({ status: "open", entries: [] });
});

test("an alias that was moved while its gates were asked is not moved over what they did not look at", async () => {
  let meddle = async (): Promise<void> => {};
  const slow: Gate = {
    name: "slow",
    async check() {
      await meddle();
      return { passed: true, reason: "It is open." };
    },
  };
  await using workshop = await openWorkshop({ gates: { alias: { champion: [slow] } } });
  const { registry, database, artifacts, folder } = workshop;
  for (let version = 1; version <= 3; version += 1) await make(workshop, {});
  await registry.setAlias("late", "champion", 1);
  await using other = await openRegistry({ database, artifacts, directory: join(folder, "other") });
  meddle = () => other.setAlias("late", "champion", 2);
  await expect(registry.setAlias("late", "champion", 3)).rejects.toMatchObject({ code: "PORT_VERSION_CONFLICT" });
  expect(await registry.aliases("late")).toEqual({ champion: 2 });
});
