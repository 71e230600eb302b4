import { join } from "node:path";
import { type Gate, type Registry, openRegistry } from "@millwright/registry";
import { expect, test } from "vitest";
import { openMlflowApp } from "./mlflow-app.ts";
import { type Workshop, openWorkshop, registerVersions } from "./workshop.ts";

const by = "ann";
const changed = { code: "REGISTRY_CHANGED_MEANWHILE", retryable: true };

interface Race extends AsyncDisposable {
  readonly workshop: Workshop;
  readonly registry: Registry;
  /** The same database without gates. */
  readonly other: Registry;
  readonly asked: () => number;
  /** Done once, when the gates of `registry` are asked next. */
  meddle(act: () => Promise<unknown>): void;
}

/** A gate reads the candidate, the champion, and the candidate's run; then somebody does something; then it opens. */
async function openRace(): Promise<Race> {
  let act = async (): Promise<unknown> => undefined;
  let asked = 0;
  const gate: Gate = {
    name: "slow",
    async check({ candidate, registry }) {
      asked += 1;
      if (candidate.runId !== undefined) await registry.series(candidate.runId, "auc");
      const once = act;
      act = async () => undefined;
      await once();
      return { passed: true, reason: "It is open." };
    },
  };
  const gates = { alias: { challenger: [gate] }, stage: { Production: [gate] }, approval: [gate] };
  const workshop = await openWorkshop({ gates });
  const other = await openRegistry({ ...workshop, directory: join(workshop.folder, "other") });
  return {
    workshop,
    registry: workshop.registry,
    other,
    asked: () => asked,
    meddle: (next) => void (act = next),
    async [Symbol.asyncDispose]() {
      await other[Symbol.asyncDispose]();
      await workshop[Symbol.asyncDispose]();
    },
  };
}

test("what gates let through is not written once anything they read has changed, and is once they are asked anew", async () => {
  await using race = await openRace();
  const { registry, other, workshop } = race;
  const run = await other.startRun({ experiment: "late" });
  await run.log({ metrics: [{ name: "auc", value: 0.8, step: 0 }] });
  await registerVersions(workshop, 2);
  await registry.register("late", await workshop.pack("three", { runId: run.id }));
  await other.approve("late", 1, { status: "approved", by });
  await other.setAlias("late", "champion", 1, { by });
  await other.setAlias("late", "challenger", 1, { by });
  const status = "InProgress";
  const acts: Readonly<Record<string, () => Promise<unknown>>> = {
    "an approval": () => registry.approve("late", 3, { status: "approved", by }),
    "a stage": () => registry.moveStage("late", 3, { stage: "Production", status: "Approved", by }),
    "an alias": () => registry.setAlias("late", "challenger", 3, { by }),
  };
  const meanwhile: Readonly<Record<string, () => Promise<unknown>>> = {
    "another stage": () => other.moveStage("late", 3, { stage: "QA", status, by }),
    "a card": () => other.editCard("late", 3, { intended_uses: { purpose_of_model: "delays" } }, { by }),
    "a request": () => other.requestApproval("late", 3, { by, quorum: 2 }),
    "points of its run": () => run.log({ metrics: [{ name: "auc", value: 0.1, step: 1 }] }),
    "its run's deletion": () => other.deleteRun(run.id, { by }),
    "a rejection": () => other.approve("late", 3, { status: "rejected", by }),
    "the champion's rejection": () => other.approve("late", 1, { status: "rejected", by }),
  };
  const standing = async () => [
    (await registry.approvals("late", 3)).filter((each) => each.status === "approved"),
    (await registry.stageHistory("late", 3)).filter(({ stage }) => stage === "Production"),
    await registry.aliasHistory("late", "challenger"),
  ];
  const before = await standing();
  const act = Object.entries(acts);
  for (const [index, [name, what]] of Object.entries(meanwhile).entries()) {
    const [kind, decide] = act[index % act.length] as (typeof act)[number];
    race.meddle(what);
    await expect(decide(), `${kind}: ${name}`).rejects.toMatchObject(changed);
  }
  expect(await standing()).toEqual(before);
  for (const decide of Object.values(acts)) await decide();
  const after = await standing();
  expect(after.map((each, index) => each.length - (before[index]?.length ?? 0))).toEqual([1, 1, 1]);
});

test("a champion that is another meanwhile stops a stage, and a version that is deleted meanwhile gets nothing", async () => {
  await using race = await openRace();
  const { registry, other, workshop } = race;
  await registerVersions(workshop, 3);
  await other.setAlias("late", "champion", 1, { by });
  const enter = (version: number): Promise<unknown> =>
    registry.moveStage("late", version, { stage: "Production", status: "Approved", by });
  race.meddle(() => other.setAlias("late", "champion", 2, { by }));
  await expect(enter(3)).rejects.toMatchObject(changed);
  race.meddle(() => other.deleteVersion("late", 3, { by }));
  await expect(enter(3)).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
  await other.restoreVersion("late", 3, { by });
  const gone = [
    () => registry.approve("late", 3, { status: "approved", by }),
    () => registry.setAlias("late", "challenger", 3, { by }),
  ];
  for (const act of gone) {
    race.meddle(() => other.deleteVersion("late", 3, { by }));
    await expect(act()).rejects.toThrowError(/late\/3/);
    await other.restoreVersion("late", 3, { by });
  }
  expect(await registry.approvals("late", 3)).toEqual([]);
  expect(await registry.stageHistory("late", 3)).toEqual([]);
  expect(await registry.aliases("late")).toEqual({ champion: 2 });
});

test("of votes that come at once the one that decides goes through the gates", async () => {
  await using race = await openRace();
  const { registry, workshop } = race;
  await registerVersions(workshop, 1);
  const request = await registry.requestApproval("late", 1, { by, quorum: 3 });
  await Promise.all(
    ["bob", "cem", "dee"].map((person) => registry.voteRequest(request.id, { by: person, decision: "approve" })),
  );
  expect(await registry.approvalRequest(request.id)).toMatchObject({ status: "approved" });
  expect(race.asked()).toBeGreaterThan(0);
  const approved = (await workshop.events()).filter(({ type }) => type === "model.approved");
  expect(approved).toMatchObject([{ data: { gates: { passed: true, results: [{ gate: "slow" }] } } }]);
});

test("a vote that is overtaken while its gates are asked is counted anew, and a vote that is not needed any more is refused", async () => {
  await using race = await openRace();
  const { registry, other, workshop } = race;
  await registerVersions(workshop, 2);
  const vote = (id: string, person: string, on: Registry) => on.voteRequest(id, { by: person, decision: "approve" });
  const first = await registry.requestApproval("late", 1, { by });
  race.meddle(() => other.commentRequest(first.id, { by: "eve", comment: "wait" }));
  expect(await vote(first.id, "bob", registry)).toMatchObject({ status: "approved" });
  expect(race.asked()).toBe(2);
  const second = await registry.requestApproval("late", 2, { by });
  race.meddle(() => vote(second.id, "cem", other));
  await expect(vote(second.id, "bob", registry)).rejects.toMatchObject({ code: "REGISTRY_REQUEST_REFUSED" });
});

test("of two who move a version from one stage one wins", async () => {
  await using race = await openRace();
  const { registry, other, workshop } = race;
  await registerVersions(workshop, 1);
  const moves = [registry, other].map((each, index) =>
    each.moveStage("late", 1, { stage: index === 0 ? "Proposal" : "QA", status: "InProgress", by }),
  );
  const settled = await Promise.allSettled(moves);
  const lost = settled.filter((result) => result.status === "rejected");
  // Whoever looked after the other had moved it went on from there.
  if (lost.length > 0) expect(lost).toMatchObject([{ reason: changed }]);
  expect(await registry.stageHistory("late", 1)).toHaveLength(2 - lost.length);
});

test("an MLflow client's stage is not entered over what its gates did not see: the version, and who has to leave the stage", async () => {
  let act = async (): Promise<unknown> => undefined;
  const slow: Gate = {
    name: "slow",
    async check() {
      const once = act;
      act = async () => undefined;
      await once();
      return { passed: true, reason: "It is open." };
    },
  };
  await using app = await openMlflowApp({}, "", { gates: { stage: { Production: [slow] } } });
  await app.done("POST", "registered-models/create", { name: "late" });
  for (let version = 1; version <= 3; version += 1)
    await app.done("POST", "model-versions/create", { name: "late", source: `s3://bucket/${version}` });
  const enter = (version: number) =>
    app.call("POST", "model-versions/transition-stage", {
      name: "late",
      version: String(version),
      stage: "Production",
      archive_existing_versions: true,
    });
  const stages = async () => {
    const { model_versions: found } = await app.done("GET", "model-versions/search?order_by=version_number%20ASC");
    const versions = found as { readonly version: string; readonly current_stage: string }[];
    return versions.toSorted((a, b) => Number(a.version) - Number(b.version)).map((each) => each.current_stage);
  };
  act = () => app.registry.approve("late", 1, { status: "rejected", by });
  const changedOne = await enter(1);
  expect([changedOne.status, changedOne.answer["message"]]).toEqual([409, expect.stringMatching(/late\/1 changed/)]);
  // Another one enters the stage meanwhile: it would have to be archived, and nobody looked at it.
  act = () => enter(2);
  const overtaken = await enter(3);
  expect([overtaken.status, overtaken.answer["message"]]).toEqual([409, expect.stringMatching(/changed/)]);
  expect(await stages()).toEqual(["None", "Production", "None"]);
  expect((await enter(3)).status).toBe(200);
  expect(await stages()).toEqual(["None", "Archived", "Production"]);
});
