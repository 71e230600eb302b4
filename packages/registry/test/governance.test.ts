import { type Authorizer, createManualClock } from "@millwright/contracts";
import { compareSignatures, sageMakerStages } from "@millwright/registry";
import { expect, test } from "vitest";
import { openWorkshop, registerVersions, startMs } from "./workshop.ts";

test("MR-13: versions go through stages of one's own; a jump needs permission, and names are SageMaker's", async () => {
  const stages = ["Research", "Test-2", "Live", "Retired"].map((name) => ({ name, statuses: ["Open", "Done"] }));
  const asked: string[] = [];
  const authorizer: Authorizer = {
    async decide({ principal, action, resource }) {
      asked.push(`${principal} ${action} ${resource}`);
      const isJump = action.startsWith("model:jump-stage/");
      if (isJump && principal !== "root") return { allowed: false, reason: "only root jumps" };
      return action.endsWith("/Live") && principal === "eve"
        ? { allowed: false, reason: "eve stays out" }
        : { allowed: true };
    },
  };
  await using workshop = await openWorkshop({ stages, authorizer, clock: createManualClock(startMs) });
  const { registry } = workshop;
  await registerVersions(workshop, 1);
  const move = (stage: string, by: string, status = "Open") => registry.moveStage("late", 1, { stage, status, by });
  const refused = { code: "REGISTRY_STAGE_REFUSED" };
  await expect(move("Live", "ann")).rejects.toMatchObject(refused);
  await move("Research", "ann");
  await move("Research", "ann", "Done");
  await expect(move("Live", "ann")).rejects.toThrowError(/only root jumps/);
  await move("Test-2", "ann");
  await expect(move("Live", "eve")).rejects.toThrowError(/eve stays out/);
  await move("Live", "ann");
  await expect(move("Research", "ann")).rejects.toMatchObject(refused);
  await move("Research", "root");
  await expect(move("Heaven", "root")).rejects.toMatchObject({ code: "REGISTRY_STAGE_UNKNOWN" });
  await expect(move("Live", "root", "Fine")).rejects.toMatchObject({ code: "REGISTRY_STAGE_UNKNOWN" });
  const history = await registry.stageHistory("late", 1);
  expect(history.map(({ stage, status, by }) => `${stage} ${status} ${by}`)).toEqual([
    "Research Open ann",
    "Research Done ann",
    "Test-2 Open ann",
    "Live Open ann",
    "Research Open root",
  ]);
  expect(asked).toContain("root model:jump-stage/Research model/late/1");
  const moves = (await workshop.events()).filter(({ type }) => type === "model.stage-moved");
  expect(moves).toHaveLength(5);
  expect(moves.at(-1)?.data).toMatchObject({
    by: "root",
    previous: { stage: "Live", status: "Open" },
    stage: "Research",
  });
  // The pattern of SageMaker's Stage and StageStatus, and 1,024 characters of description.
  for (const name of ["a b", "-a", "a-", "", "a".repeat(64), "ä"])
    await expect(openWorkshop({ stages: [{ name }] })).rejects.toMatchObject({ code: "REGISTRY_STAGE_INVALID" });
  const description = "x".repeat(1025);
  await expect(
    registry.moveStage("late", 1, { stage: "Research", status: "Open", by: "root", description }),
  ).rejects.toMatchObject({ code: "REGISTRY_STAGE_INVALID" });
  const pattern = /^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/;
  for (const { name } of sageMakerStages) expect(name).toMatch(pattern);
});

test("MR-16: two of three must approve, who asked never counts, and what nobody decides in time is rejected", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  await registerVersions(workshop, 3);
  const approvers = ["ann", "bob", "cem"];
  const asked = await registry.requestApproval("late", 1, { by: "ann", approvers: [...approvers, "dee"], quorum: 2 });
  const vote = (by: string, decision: "approve" | "reject" = "approve") =>
    registry.voteRequest(asked.id, { by, decision });
  const refused = { code: "REGISTRY_REQUEST_REFUSED" };
  await expect(vote("ann")).rejects.toThrowError(/ann asked for it/);
  await expect(vote("eve")).rejects.toMatchObject(refused);
  expect(await vote("bob")).toMatchObject({ status: "open" });
  // Twice is once.
  expect(await vote("bob")).toMatchObject({ status: "open" });
  await registry.commentRequest(asked.id, { by: "eve", comment: "looks good" });
  await registry.delegateRequest(asked.id, { by: "cem", to: "kim" });
  await expect(vote("cem")).rejects.toThrowError(/gave the vote to kim/);
  await expect(registry.delegateRequest(asked.id, { by: "dee", to: "ann" })).rejects.toMatchObject(refused);
  await expect(registry.requestApproval("late", 1, { by: "dee" })).rejects.toThrowError(/asked for already/);
  expect(await vote("kim")).toMatchObject({ status: "approved", entries: { length: 5 } });
  expect(await registry.version("late/1")).toMatchObject({ approval: "approved" });
  expect((await registry.approvals("late", 1)).at(-1)).toMatchObject({ approvers: ["bob", "kim"], by: "bob, kim" });
  await expect(vote("dee", "reject")).rejects.toThrowError(/is approved/);

  // One rejection rejects.
  const second = await registry.requestApproval("late", 2, { by: "ann", approvers, quorum: 2 });
  await registry.voteRequest(second.id, { by: "bob", decision: "approve" });
  const rejected = await registry.voteRequest(second.id, { by: "cem", decision: "reject", comment: "too slow" });
  expect(rejected.status).toBe("rejected");
  expect((await registry.approvals("late", 2)).at(-1)).toMatchObject({ by: "cem", comment: "too slow" });

  // Expiry, with reminders before.
  const hour = 3_600_000;
  const third = await registry.requestApproval("late", 3, {
    by: "ann",
    expiresAfterMs: 3 * hour,
    remindEveryMs: hour,
  });
  expect(await registry.sweepRequests()).toEqual({ expired: [], reminded: [] });
  await clock.advance(hour);
  expect((await registry.sweepRequests()).reminded.map(({ id }) => id)).toEqual([third.id]);
  expect((await registry.sweepRequests()).reminded).toEqual([]);
  await clock.advance(2 * hour);
  await expect(registry.voteRequest(third.id, { by: "bob", decision: "approve" })).rejects.toThrowError(/expired/);
  expect((await registry.sweepRequests()).expired.map(({ status }) => status)).toEqual(["expired"]);
  expect(await registry.version("late/3")).toMatchObject({ approval: "rejected" });
  expect((await registry.approvalRequests({ status: "open" })).length).toBe(0);
  // A quorum that the others cannot reach is refused at once.
  await expect(registry.requestApproval("late", 2, { by: "ann", approvers, quorum: 3 })).rejects.toMatchObject(refused);
  const types = (await workshop.events()).map(({ type }) => type).filter((type) => type.startsWith("model.approval-"));
  expect(new Set(types)).toEqual(
    new Set(["requested", "voted", "commented", "delegated", "reminded"].map((each) => `model.approval-${each}`)),
  );
});

test("MR-19: what callers of one version can do with the next: compatible, additive or breaking", () => {
  const input = (name: string, shape = [-1, 2], dtype: "float32" | "int32" = "float32") => ({ name, dtype, shape });
  const base = { inputs: [input("a"), input("b")], outputs: [input("y")] };
  const classOf = (after: Partial<typeof base>, options?: Parameters<typeof compareSignatures>[2]) =>
    compareSignatures(base, { ...base, ...after }, options).class;
  expect(classOf({})).toBe("compatible");
  expect(classOf({ inputs: [input("a")] })).toBe("breaking");
  expect(classOf({ inputs: [input("a")] }, { used: { inputs: ["a"], outputs: ["y"] } })).toBe("compatible");
  expect(classOf({ inputs: [...base.inputs, input("c")] })).toBe("breaking");
  expect(classOf({ inputs: [...base.inputs, input("c")] }, { optional: ["c"] })).toBe("additive");
  expect(classOf({ outputs: [...base.outputs, input("z")] })).toBe("additive");
  expect(classOf({ outputs: [] })).toBe("breaking");
  expect(classOf({ inputs: [input("a", [-1, -1]), input("b")] })).toBe("compatible");
  expect(classOf({ inputs: [input("a", [1, 2]), input("b")] })).toBe("breaking");
  expect(classOf({ outputs: [input("y", [4, 2])] })).toBe("compatible");
  expect(classOf({ outputs: [input("y", [-1, -1])] })).toBe("breaking");
  expect(classOf({ inputs: [input("a", [-1, 2], "int32"), input("b")] })).toBe("breaking");
  expect(compareSignatures(base, { ...base, inputs: [input("a")] }).changes).toEqual([
    { class: "breaking", change: 'the input "b" was removed' },
  ]);
});
