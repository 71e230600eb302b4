import { digestOf } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openMlflowApp } from "./mlflow-app.ts";

test("stages, descriptions, tags and deletions each tell who did what in one event", async () => {
  await using app = await openMlflowApp({
    authenticate: (given) => (given.scheme === "basic" ? given.user : undefined),
  });
  const headers = { authorization: `Basic ${Buffer.from("ann:secret").toString("base64")}` };
  const send = async (method: string, path: string, body: object) => {
    const { status, answer } = await app.call(method, path, body, headers);
    expect(answer).not.toHaveProperty("error_code");
    expect(status).toBe(200);
  };
  await send("POST", "registered-models/create", { name: "late" });
  for (const where of ["a", "b"])
    await send("POST", "model-versions/create", { name: "late", source: `s3://b/${where}` });
  await send("POST", "model-versions/transition-stage", { name: "late", version: "1", stage: "production" });
  await send("POST", "model-versions/transition-stage", {
    name: "late",
    version: "2",
    stage: "Production",
    archive_existing_versions: true,
  });
  await send("PATCH", "model-versions/update", { name: "late", version: "2", description: "the second" });
  await send("POST", "model-versions/set-tag", { name: "late", version: "2", key: "a", value: "1" });
  await send("DELETE", "model-versions/delete-tag", { name: "late", version: "2", key: "a" });
  await send("POST", "registered-models/alias", { name: "late", alias: "champion", version: "1" });
  await send("DELETE", "registered-models/alias", { name: "late", alias: "champion" });
  await send("POST", "registered-models/alias", { name: "late", alias: "champion", version: "1" });
  await send("DELETE", "model-versions/delete", { name: "late", version: "1" });
  await send("POST", "registered-models/rename", { name: "late", new_name: "later" });
  await send("DELETE", "registered-models/delete", { name: "later" });
  const events = await app.events();
  expect(events.map(({ type, subject, data }) => [type, subject, data["by"]])).toEqual(
    [
      ["model.created", "late"],
      ["model.registered", "late/1"],
      ["model.registered", "late/2"],
      ["model.stage-set", "late/1"],
      ["model.stage-set", "late/2"],
      ["model.described", "late/2"],
      ["model.tagged", "late/2"],
      ["model.tagged", "late/2"],
      ["model.alias-set", "late@champion"],
      ["model.alias-deleted", "late@champion"],
      ["model.alias-set", "late@champion"],
      ["model.deleted", "late/1"],
      ["model.renamed", "later"],
      ["model.deleted", "later"],
    ].map((each) => [...each, "ann"]),
  );
  expect(events[4]?.data).toMatchObject({ stage: "Production", previous: "None", archived: [1] });
  expect(events[11]?.data["aliases"]).toEqual(["champion"]);
});

test("a deleted experiment takes its runs with it and brings them back, without those that were deleted before", async () => {
  await using app = await openMlflowApp();
  const { experiment_id: id } = await app.done("POST", "experiments/create", { name: "late" });
  const create = async (name: string): Promise<string> =>
    (await app.done("POST", "runs/create", { experiment_id: id, run_name: name }))["run"].info.run_id;
  const kept = await create("kept");
  const gone = await create("gone");
  await app.done("POST", "runs/delete", { run_id: gone });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await app.done("POST", "experiments/delete", { experiment_id: id });
  const names = async (view: string): Promise<string[]> =>
    ((await app.done("POST", "runs/search", { experiment_ids: [id], run_view_type: view }))["runs"] ?? []).map(
      (run: { info: { run_name: string } }) => run.info.run_name,
    );
  expect([await names("ACTIVE_ONLY"), (await names("DELETED_ONLY")).toSorted()]).toEqual([[], ["gone", "kept"]]);
  expect((await app.call("POST", "runs/log-metric", { run_id: kept, key: "m", value: 1, timestamp: 1 })).status).toBe(
    400,
  );
  await app.done("POST", "experiments/restore", { experiment_id: id });
  expect([await names("ACTIVE_ONLY"), await names("DELETED_ONLY")]).toEqual([["kept"], ["gone"]]);
});

test("gates and holds have a say in what an MLflow client does", async () => {
  const gate = { name: "has notes", check: async () => ({ passed: false, reason: "It has none." }) };
  await using app = await openMlflowApp({}, "", {
    gates: { alias: { champion: [gate] }, stage: { Production: [gate] } },
  });
  await app.done("POST", "registered-models/create", { name: "late" });
  await app.done("POST", "model-versions/create", { name: "late", source: "s3://bucket/late" });
  const refused = async (method: string, path: string, body: object): Promise<string> => {
    const { status, answer } = await app.call(method, path, { name: "late", version: "1", ...body });
    expect([status, answer["error_code"]]).toEqual([400, "INVALID_PARAMETER_VALUE"]);
    return answer["message"] as string;
  };
  expect(await refused("POST", "registered-models/alias", { alias: "champion" })).toContain("has notes: It has none.");
  expect(await refused("POST", "model-versions/transition-stage", { stage: "Production" })).toContain("has notes");
  await app.done("POST", "registered-models/alias", { name: "late", alias: "challenger", version: "1" });
  await app.done("POST", "model-versions/transition-stage", { name: "late", version: "1", stage: "Staging" });
  const hold = await app.registry.holdVersion("late", 1, { by: "ann", reason: "a legal case" });
  expect(await refused("DELETE", "model-versions/delete", {})).toContain("ann holds it: a legal case");
  expect(await refused("DELETE", "registered-models/delete", {})).toContain("a legal case");
  await app.registry.editCard("late", 1, { business_details: null }, { by: "ann" });
  await app.registry.setMaterials("late", 1, { license: "MIT" }, { by: "ann" });
  // The hold, the card and the license go with the model when it is renamed.
  await app.done("POST", "registered-models/rename", { name: "late", new_name: "later" });
  expect(await app.registry.holds()).toMatchObject([{ id: hold.id, name: "later" }]);
  expect(await app.registry.cardRevisions("later", 1)).toHaveLength(1);
  expect(await app.registry.materials("later", 1)).toMatchObject({ license: "MIT" });
  await app.registry.releaseHold(hold.id, { by: "ann" });
  await app.done("DELETE", "registered-models/delete", { name: "later" });
  expect(await app.registry.versions("later")).toEqual([]);
});

test("collecting garbage leaves what logged models consist of", async () => {
  await using app = await openMlflowApp();
  const { model } = await app.done("POST", "logged-models", { experiment_id: "0", name: "late" });
  await app.put(`0/models/${model.info.model_id}/artifacts/weights.bin`, "weights");
  const kept: string[] = [];
  for await (const digest of app.registry.reachableArtifacts()) kept.push(digest);
  expect(kept).toEqual([digestOf("weights")]);
});

test("an experiment that is renamed or tagged, and a run that is renamed, tell what was and what is", async () => {
  await using app = await openMlflowApp();
  const { experiment_id: id } = await app.done("POST", "experiments/create", { name: "late" });
  await app.done("POST", "experiments/update", { experiment_id: id, new_name: "later" });
  for (const value of ["a", "b", "b"])
    await app.done("POST", "experiments/set-experiment-tag", { experiment_id: id, key: "team", value });
  await app.done("POST", "experiments/delete-experiment-tag", { experiment_id: id, key: "team" });
  const { run } = await app.done("POST", "runs/create", { experiment_id: id, run_name: "one" });
  await app.done("POST", "runs/update", { run_id: run.info.run_id, run_name: "two" });
  const told = (await app.events()).map(({ type, data }) => [type, data["name"] ?? data["tags"]]);
  expect(told.filter(([type]) => String(type).endsWith("updated"))).toEqual([
    ["run.experiment-updated", { from: "late", to: "later" }],
    ["run.experiment-updated", { team: { from: null, to: "a" } }],
    ["run.experiment-updated", { team: { from: "a", to: "b" } }],
    ["run.experiment-updated", { team: { from: "b", to: null } }],
    ["run.updated", { from: "one", to: "two" }],
  ]);
});
