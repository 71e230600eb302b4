import { AsyncLocalStorage } from "node:async_hooks";
import { createSignature } from "@millwright/model";
import { type Registry, type RegistryOptions, openOfflineTracker } from "@millwright/registry";
import { generateKeyPairSync } from "node:crypto";
import { unzipSync } from "fflate";
import { expect, test } from "vitest";
import { openMlflowApp } from "./mlflow-app.ts";
import { type Workshop, openWorkshop } from "./workshop.ts";

const { privateKey } = generateKeyPairSync("ed25519");

/** Everything whose `by` is optional, none of which says it. */
const silent: Readonly<Record<string, (registry: Registry, workshop: Workshop, run: string) => Promise<unknown>>> = {
  startRun: (registry) => registry.startRun({ experiment: "other" }),
  register: async (registry, { pack }) => registry.register("late", await pack("one")),
  setAlias: (registry) => registry.setAlias("late", "champion", 1),
  addSignature: async (registry) =>
    registry.addSignature("late", 1, await createSignature(await registry.version("late/1"), { key: privateKey })),
  updateRun: (registry, _, run) => registry.updateRun(run, { notes: "a" }),
  tagRun: (registry, _, run) => registry.tagRun(run, { set: { a: "b" } }),
  logDatasets: (registry, _, run) => registry.logDatasets(run, [{ name: "a", digest: "b" }]),
  deleteRun: (registry, _, run) => registry.deleteRun(run),
  restoreRun: (registry, _, run) => registry.restoreRun(run),
  createExperiment: (registry) => registry.createExperiment("third"),
  updateExperiment: (registry) => registry.updateExperiment("third", { set: { a: "b" } }),
  deleteExperiment: (registry) => registry.deleteExperiment("third"),
  restoreExperiment: (registry) => registry.restoreExperiment("third"),
};

const started = async (registry: Registry): Promise<string> =>
  (await registry.startRun({ experiment: "late", by: "ann" })).id;

/** Who did what, after the run that `started` made. */
async function tellers(options: Partial<RegistryOptions>): Promise<(readonly [string, unknown])[]> {
  await using workshop = await openWorkshop(options);
  const { registry } = workshop;
  const run = await started(registry);
  for (const call of Object.values(silent)) await call(registry, workshop, run);
  return (await workshop.events()).slice(1).map(({ type, data }) => [type, data["by"]]);
}

test("where a call does not say who acts, the registry's actor does: a name, or whoever acts at the moment", async () => {
  const nobody = await tellers({});
  expect(nobody).toHaveLength(Object.keys(silent).length);
  expect(new Set(nobody.map(([, by]) => by))).toEqual(new Set([undefined]));
  const named = await tellers({ actor: "nightly-training", requireActor: true });
  expect(named).toEqual(nobody.map(([type]) => [type, "nightly-training"]));
  // As a service does that knows who asks.
  const current = new AsyncLocalStorage<string>();
  await using workshop = await openWorkshop({ actor: () => current.getStore(), requireActor: true });
  const { registry, pack } = workshop;
  const directory = await pack("one");
  const register = (): Promise<unknown> => registry.register("late", directory);
  await expect(register()).rejects.toMatchObject({ code: "REGISTRY_ACTOR_MISSING" });
  await current.run("bob", register);
  expect(await registry.version("late/1")).toMatchObject({ registeredBy: "bob" });
  // Who is named goes before.
  await current.run("bob", () => registry.setAlias("late", "champion", 1, { by: "cem" }));
  expect((await workshop.events()).at(-1)?.data).toMatchObject({ by: "cem" });
});

test("where an actor must be, whatever has none is refused and changes nothing", async () => {
  await using workshop = await openWorkshop({ requireActor: true });
  const { registry, pack } = workshop;
  const run = await started(registry);
  await registry.register("late", await pack("one"), { by: "ann" });
  const known = (await workshop.events()).length;
  for (const [method, call] of Object.entries(silent))
    await expect(call(registry, workshop, run), method).rejects.toMatchObject({ code: "REGISTRY_ACTOR_MISSING" });
  await using tracker = await openOfflineTracker({ directory: `${workshop.folder}/offline` });
  await tracker.startRun({ experiment: "late" });
  await expect(tracker.sync({ ...registry, artifacts: workshop.artifacts })).rejects.toMatchObject({
    code: "REGISTRY_ACTOR_MISSING",
  });
  expect((await workshop.events()).length).toBe(known);
  // Reading is nobody's.
  expect(await registry.checkGates("alias", "champion", "late", 1)).toMatchObject({ passed: true });
  await expect(openWorkshop({ actor: "" })).rejects.toMatchObject({ code: "REGISTRY_NAME_INVALID" });
  await expect(registry.setAlias("late", "champion", 1, { by: "" })).rejects.toMatchObject({
    code: "REGISTRY_ACTOR_MISSING",
  });
});

test("MLflow's clients have to say who they are where an actor must be, or the server's actor stands for them", async () => {
  await using strict = await openMlflowApp({ requireActor: true, authenticate: () => "ann" });
  const refused = await strict.call("POST", "runs/create", { experiment_id: "0" });
  expect([refused.status, refused.answer["error_code"]]).toEqual([401, "UNAUTHENTICATED"]);
  expect((await strict.put("0/r/artifacts/a.txt", "a")).status).toBe(401);
  expect((await strict.call("GET", "experiments/get?experiment_id=0")).status).toBe(200);
  const as = { authorization: `Basic ${Buffer.from("ann:secret").toString("base64")}` };
  expect((await strict.call("POST", "runs/create", { experiment_id: "0" }, as)).status).toBe(200);
  expect((await strict.events()).at(-1)?.data).toMatchObject({ by: "ann" });
  await using mild = await openMlflowApp({ requireActor: true, actor: "gateway" });
  await mild.done("POST", "registered-models/create", { name: "late" });
  expect((await mild.events()).at(-1)?.data).toMatchObject({ by: "gateway" });
});

test("the audit pack names the operations that have no actor", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  await registry.register("late", await pack("one"), { by: "ann" });
  await registry.approve("late", 1, { status: "approved", by: "bob" });
  const actors = async () =>
    (await registry.exportAuditPack("late/1")).completeness.checks.find(({ name }) => name === "actors");
  expect(await actors()).toMatchObject({ present: true });
  await registry.setAlias("late", "champion", 1);
  expect(await actors()).toEqual({
    name: "actors",
    present: false,
    detail: "1 operation without an actor: model.alias-set of late@champion (record 3).",
  });
  const { bytes } = await registry.exportAuditPack("late/1");
  expect(new TextDecoder().decode(unzipSync(bytes)["summary.md"])).toContain("| actors | **no** | 1 operation without");
});
