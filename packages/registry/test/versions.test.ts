import { type ApprovalStatus, createManualClock, digestOf } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { openWorkshop, refuseInserts, registerVersions, startMs } from "./workshop.ts";

const states: readonly ApprovalStatus[] = ["pending", "approved", "rejected"];

/** From → to → is it allowed: SageMaker's table of ModelApprovalStatus. */
const table: Readonly<Record<ApprovalStatus, Readonly<Record<ApprovalStatus, boolean>>>> = {
  pending: { pending: false, approved: true, rejected: true },
  approved: { pending: false, approved: false, rejected: true },
  rejected: { pending: false, approved: true, rejected: false },
};

test("MR-12: of the nine changes of approval four are made, each with its event, and a rejection names what to redeploy", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry, pack } = workshop;
  const by = "ann";
  // Version 1 stays approved: what a rejected version makes way for.
  const { digest: goodDigest } = await registry.register("late", await pack("good"));
  await registry.approve("late", 1, { status: "approved", by });
  for (const from of states) {
    for (const to of states) {
      const { version, digest } = await registry.register("late", await pack(`${from} to ${to}`));
      if (from !== "pending") await registry.approve("late", version, { status: from, by });
      const before = (await workshop.events()).length;
      const deciding = registry.approve("late", version, { status: to as "approved", by: "bob", comment: "read it" });
      if (table[from][to]) {
        expect((await deciding).approval).toBe(to);
        const added = (await workshop.events()).slice(before);
        expect(added).toHaveLength(1);
        expect(added[0]).toMatchObject({
          source: "millwright/registry",
          type: `model.${to}`,
          subject: `late/${version}`,
        });
        const redeploy = from === "approved" ? { redeploy: { version: 1, digest: goodDigest } } : {};
        const data = { name: "late", version, digest, previous: from, by: "bob", comment: "read it", ...redeploy };
        expect(added[0]?.data).toEqual(data);
        expect((await registry.approvals("late", version)).at(-1)).toEqual({
          status: to,
          by: "bob",
          comment: "read it",
          timeMs: startMs,
        });
        // Out of the way of the next: the newest approved version is to be version 1.
        if (to === "approved") await registry.approve("late", version, { status: "rejected", by });
      } else {
        await expect(deciding).rejects.toMatchObject({ code: "PORT_TRANSITION_ILLEGAL" });
        expect(await workshop.events()).toHaveLength(before);
        expect((await registry.version(`late/${version}`)).approval).toBe(from);
        if (from === "approved") await registry.approve("late", version, { status: "rejected", by });
      }
    }
  }
});

test("where nothing else is approved, a rejection names nothing to redeploy", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  await registerVersions(workshop, 2);
  await registry.approve("late", 2, { status: "approved", by: "ann" });
  await registry.approve("late", 2, { status: "rejected", by: "ann" });
  const rejected = (await workshop.events()).at(-1);
  expect(rejected?.type).toBe("model.rejected");
  expect(rejected?.data).not.toHaveProperty("redeploy");
});

test("decisions are kept in the order they were made, with who and why", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  await registerVersions(workshop, 1);
  await registry.approve("late", 1, { status: "rejected", by: "ann", comment: "too slow" });
  await registry.approve("late", 1, { status: "approved", by: "bob" });
  await clock.advance(10);
  await registry.approve("late", 1, { status: "rejected", by: "cid" });
  expect(await registry.approvals("late", 1)).toEqual([
    { status: "rejected", by: "ann", comment: "too slow", timeMs: startMs },
    { status: "approved", by: "bob", timeMs: startMs },
    { status: "rejected", by: "cid", timeMs: startMs + 10 },
  ]);
  expect(await registry.approvals("nobody", 1)).toEqual([]);
});

test("previousApproved is the newest approved version below", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  await registerVersions(workshop, 6);
  const decide = (version: number, status: "approved" | "rejected") =>
    registry.approve("late", version, { status, by: "ann" });
  for (const version of [1, 3, 4, 6]) await decide(version, "approved");
  await decide(4, "rejected");
  expect((await registry.previousApproved("late", 6))?.version).toBe(3);
  expect((await registry.previousApproved("late", 3))?.version).toBe(1);
  expect(await registry.previousApproved("late", 1)).toBeUndefined();
  expect(await registry.previousApproved("nobody", 9)).toBeUndefined();
});

test("an alias keeps the history of its moves; setting it to what it means adds nothing", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  await registerVersions(workshop, 3);
  for (const version of [1, 3, 3, 2]) {
    await registry.setAlias("late", "champion", version);
    await clock.advance(1);
  }
  await registry.setAlias("late", "challenger", 3);
  expect(await registry.aliasHistory("late", "champion")).toEqual([
    { version: 1, timeMs: startMs },
    { version: 3, timeMs: startMs + 1 },
    { version: 2, timeMs: startMs + 3 },
  ]);
  expect(await registry.aliases("late")).toEqual({ champion: 2, challenger: 3 });
  const moves = (await workshop.events()).filter(({ type }) => type === "model.alias-set");
  expect(moves.map(({ subject, data }) => [subject, data["previous"], data["version"]])).toEqual([
    ["late@champion", undefined, 1],
    ["late@champion", 1, 3],
    ["late@champion", 3, 2],
    ["late@challenger", undefined, 3],
  ]);
});

test("versions read back with run, time and tags", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry, pack } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  await registry.register("late", await pack("one"), { runId: run.id, tags: { team: "mill" } });
  await registry.register("late", await pack("two", { runId: "elsewhere" }));
  await registry.register("early", await pack("two"));
  const versions = await registry.versions();
  expect(versions.map(({ name, version, runId, tags }) => ({ name, version, runId, tags }))).toEqual([
    { name: "early", version: 1, runId: undefined, tags: {} },
    { name: "late", version: 1, runId: run.id, tags: { team: "mill" } },
    { name: "late", version: 2, runId: "elsewhere", tags: {} },
  ]);
  expect(versions.every(({ createdTimeMs }) => createdTimeMs === startMs)).toBe(true);
  expect(await registry.versions("late")).toEqual(versions.slice(1));
  expect(await registry.versions("nobody")).toEqual([]);
});

test("a change that fails leaves neither record nor event", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  await registerVersions(workshop, 2);
  await registry.setAlias("late", "champion", 1);
  const before = await workshop.events();
  // The log refuses what is appended: nothing of the same transaction may stay.
  const allow = await refuseInserts(database, "millwright_events", "full");
  await expect(registry.approve("late", 1, { status: "approved", by: "ann" })).rejects.toThrowError(/full/);
  await expect(registry.setAlias("late", "champion", 2)).rejects.toThrowError(/full/);
  await expect(registry.register("late", await workshop.pack("three"))).rejects.toThrowError(/full/);
  await expect(registry.startRun({ experiment: "late" })).rejects.toThrowError(/full/);
  await allow();
  expect(await workshop.events()).toEqual(before);
  expect((await registry.versions("late")).map(({ approval }) => approval)).toEqual(["pending", "pending"]);
  expect(await registry.approvals("late", 1)).toEqual([]);
  expect(await registry.aliases("late")).toEqual({ champion: 1 });
  expect(await registry.runs()).toEqual([]);
  expect((await registry.register("late", await workshop.pack("three"))).version).toBe(3);
});

describe("names", () => {
  test("that cannot stand in a reference are refused", async () => {
    await using workshop = await openWorkshop();
    const { registry, pack } = workshop;
    await registerVersions(workshop, 1);
    const directory = await pack("other");
    const invalid = { code: "REGISTRY_NAME_INVALID" };
    for (const name of ["", "a/b", "a@b", ".a", "-a", "a b", "a".repeat(129), "ü"])
      await expect(registry.register(name, directory)).rejects.toMatchObject(invalid);
    for (const alias of ["", "1st", "a/b", "a@b", "a b"])
      await expect(registry.setAlias("late", alias, 1)).rejects.toMatchObject(invalid);
    const longest = "a".repeat(128);
    await registry.register(longest, directory);
    await registry.setAlias(longest, longest, 1);
    expect((await registry.resolve(`${longest}@${longest}`)).digest).toBe(
      (await registry.version(`${longest}/1`)).digest,
    );
  });

  test("that nothing answers to are told apart from what is no reference, and known ones are named", async () => {
    await using workshop = await openWorkshop();
    const { registry } = workshop;
    await registerVersions(workshop, 2);
    await expect(registry.version("late/3")).rejects.toMatchObject({
      code: "PORT_MODEL_UNKNOWN",
      message: expect.stringContaining("late/1, late/2") as string,
    });
    await expect(registry.version("early@champion")).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
    await expect(registry.version("late")).rejects.toMatchObject({ code: "CONTRACTS_VALUE_INVALID" });
    await expect(registry.version(digestOf("late"))).rejects.toMatchObject({ code: "CONTRACTS_VALUE_INVALID" });
  });
});
