import { type MillwrightEvent, type Deployer, createManualClock, hasCode } from "@millwright/contracts";
import { openRegistry } from "@millwright/registry";
import { expect, test } from "vitest";
import { openWorkshop, registerVersions, startMs } from "./workshop.ts";

async function listOf<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const list: Value[] = [];
  for await (const value of values) list.push(value);
  return list;
}

test("MR-24: one call goes back to the approved version before, in the registry and on endpoints, and says how long it took", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  await registerVersions(workshop, 4);
  for (const version of [1, 2, 4]) await registry.approve("late", version, { status: "approved", by: "ann" });
  await registry.approve("late", 2, { status: "rejected", by: "ann" });
  await registry.setAlias("late", "champion", 4);
  expect(await registry.previousApproved("late", 4)).toMatchObject({ version: 1 });
  const told: string[] = [];
  const deployer = {
    async rollback(endpoint: string, reason: string) {
      told.push(`${endpoint}: ${reason}`);
      return {} as never;
    },
  } as unknown as Deployer;
  const record = await registry.rollback("late", { by: "oncall", reason: "errors", deployer, endpoints: ["a", "b"] });
  expect(record).toMatchObject({ from: 4, to: 1, alias: "champion", reason: "errors" });
  expect(record.durationMs).toBeGreaterThan(0);
  expect(told).toEqual(["a: errors", "b: errors"]);
  expect((await registry.resolve("late@champion")).version).toBe(1);
  const event = (await workshop.events()).at(-1);
  expect(event).toMatchObject({
    type: "model.alias-set",
    subject: "late@champion",
    data: {
      by: "oncall",
      previous: 4,
      version: 1,
      rollback: { reason: "errors", endpoints: ["a", "b"], durationMs: expect.any(Number) as number },
    },
  });
  const { durationMs } = (event as MillwrightEvent).data["rollback"] as { readonly durationMs: number };
  expect(durationMs).toBeGreaterThan(0);
  expect(durationMs).toBeLessThanOrEqual(record.durationMs);
  const impossible = { code: "REGISTRY_ROLLBACK_IMPOSSIBLE" };
  await expect(registry.rollback("late", { by: "oncall", reason: "more" })).rejects.toMatchObject(impossible);
  await expect(registry.rollback("late", { by: "oncall", reason: "more", to: 2 })).rejects.toMatchObject(impossible);
  expect(await registry.rollback("late", { by: "oncall", reason: "forward", to: 4 })).toMatchObject({ from: 1, to: 4 });
});

test("MR-25: interleaved canaries of two endpoints: the shares of any instant can be told afterwards", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  await registerVersions(workshop, 3);
  const share = (variant: string, version: number, part: number) => ({ variant, name: "late", version, share: part });
  const record = async (endpoint: string, shares: ReturnType<typeof share>[], outcome?: "started" | "rolled-back") => {
    await clock.advance(1000);
    return registry.recordTraffic({ endpoint, shares, by: "ci", outcome });
  };
  const steps = [
    await record("a", [share("main", 1, 1)]),
    await record("b", [share("main", 1, 1)]),
    await record("a", [share("main", 1, 0.9), share("canary", 2, 0.1)], "started"),
    await record("b", [share("main", 1, 0.5), share("canary", 3, 0.5)], "started"),
    await record("a", [share("main", 2, 1)]),
    await record("b", [share("main", 1, 1)], "rolled-back"),
    await record("a", []),
  ];
  // Naively: of each endpoint the last step up to then.
  for (let second = 0; second <= 8; second += 0.5) {
    const timeMs = startMs + second * 1000;
    const last = new Map(steps.filter((step) => step.timeMs <= timeMs).map((step) => [step.endpoint, step]));
    const serving = [...last.values()]
      .filter(({ shares }) => shares.length > 0)
      .map(({ endpoint, shares }) => [endpoint, shares]);
    const told = await registry.trafficAt(timeMs);
    expect(
      told.map(({ endpoint, shares }) => [endpoint, shares.toSorted((x, y) => (x.variant < y.variant ? 1 : -1))]),
    ).toEqual(serving.toSorted((x, y) => ((x[0] as string) < (y[0] as string) ? -1 : 1)));
  }
  expect((await registry.trafficHistory({ endpoint: "b" })).map(({ outcome }) => outcome)).toEqual([
    "completed",
    "started",
    "rolled-back",
  ]);
  const invalid = { code: "REGISTRY_DEPLOYMENT_INVALID" };
  for (const shares of [[share("main", 1, 0.9)], [share("main", 1, 0.5), share("main", 2, 0.5)], [share("main", 1, 2)]])
    await expect(registry.recordTraffic({ endpoint: "a", shares, by: "ci" })).rejects.toMatchObject(invalid);
  await expect(registry.recordTraffic({ endpoint: "a", shares: [share("main", 9, 1)], by: "ci" })).rejects.toSatisfy(
    (error) => hasCode(error, "PORT_MODEL_UNKNOWN"),
  );
});

test("MR-18: a version that comes into service late, or does not come at all, is told of once, to whoever follows the log", async () => {
  const clock = createManualClock(startMs);
  const minute = 60_000;
  await using workshop = await openWorkshop({ clock, approvalToServiceMs: 20 * minute });
  const { registry, database, artifacts, folder } = workshop;
  await registerVersions(workshop, 4);
  const approve = (version: number) => registry.approve("late", version, { status: "approved", by: "ann" });
  const serve = (endpoint: string, version: number) =>
    registry.recordTraffic({ endpoint, shares: [{ variant: "main", name: "late", version, share: 1 }], by: "ci" });
  await approve(1);
  // Nothing of the model is in service: nothing has to be.
  await clock.advance(60 * minute);
  expect(await registry.sweepLateServices()).toEqual([]);
  await serve("a", 1);
  const first = {
    name: "late",
    version: 1,
    state: "in-service",
    endpoint: "a",
    environment: "production",
    approvedMs: startMs,
    inServiceMs: startMs + 60 * minute,
    latencyMs: 60 * minute,
    objectiveMs: 20 * minute,
  };
  // Two processes sweep, one tells.
  await using other = await openRegistry({
    database,
    artifacts,
    directory: folder,
    clock,
    approvalToServiceMs: 20 * minute,
  });
  const told = await Promise.all([registry.sweepLateServices(), other.sweepLateServices()]);
  expect(told.flat()).toEqual([first]);
  expect((await workshop.events()).at(-1)).toMatchObject({
    type: "model.approval-to-service-late",
    subject: "late/1",
    data: { ...first, by: "sweep" },
  });
  // In time.
  await approve(2);
  await clock.advance(15 * minute);
  await serve("a", 2);
  expect(await registry.sweepLateServices()).toEqual([]);
  // Another threshold for one question.
  expect(await registry.sweepLateServices({ objectiveMs: 10 * minute })).toMatchObject([{ version: 2, endpoint: "a" }]);
  // One that does not come is told of when it is late, and not once more when it comes.
  await approve(3);
  await clock.advance(20 * minute);
  expect(await registry.sweepLateServices()).toEqual([]);
  await clock.advance(1);
  const waiting = { name: "late", version: 3, state: "waiting", latencyMs: 20 * minute + 1 };
  expect(await registry.sweepLateServices()).toMatchObject([waiting]);
  await serve("a", 3);
  expect(await registry.sweepLateServices()).toEqual([]);
  // One that a newer one took the place of need not come any more.
  await approve(4);
  await serve("a", 4);
  await clock.advance(60 * minute);
  await serve("b", 4);
  expect(await registry.sweepLateServices()).toMatchObject([{ version: 4, endpoint: "b", latencyMs: 60 * minute }]);
  expect(await registry.sweepLateServices()).toEqual([]);
  const late = (await workshop.events()).filter(({ type }) => type === "model.approval-to-service-late");
  expect(late.map(({ subject }) => subject)).toEqual(["late/1", "late/2", "late/3", "late/4"]);
  await expect(registry.sweepLateServices({ objectiveMs: -1 })).rejects.toThrowError(RangeError);
});

test("MR-18: how long approved versions took into service is what the ledger says, of people and of machines", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const minute = 60_000;
  await registerVersions(workshop, 2);
  await clock.advance(10 * minute);
  await registry.approve("late", 1, { status: "approved", by: "ann" });
  await clock.advance(5 * minute);
  const share = (version: number, part: number, variant = "main") => ({ variant, name: "late", version, share: part });
  const traffic = (shares: ReturnType<typeof share>[], outcome: "started" | "shifted" | "completed") =>
    registry.recordTraffic({ endpoint: "a", shares, by: "ci", outcome });
  await traffic([share(1, 1)], "started");
  await clock.advance(20 * minute);
  await traffic([share(1, 1)], "completed");
  await registry.approve("late", 2, { status: "approved", by: "ann" });
  await clock.advance(minute);
  await traffic([share(1, 0.9), share(2, 0.1, "canary")], "started");
  await clock.advance(40 * minute);
  await traffic([share(2, 1)], "completed");
  const told = await registry.registryLatency();
  expect(told).toEqual([
    {
      name: "late",
      version: 1,
      endpoint: "a",
      environment: "production",
      registeredMs: startMs,
      approvedMs: startMs + 10 * minute,
      inServiceMs: startMs + 35 * minute,
      latencyMs: 25 * minute,
      manualMs: 10 * minute,
      waitingMs: 5 * minute,
      deployingMs: 20 * minute,
      late: false,
    },
    {
      name: "late",
      version: 2,
      endpoint: "a",
      environment: "production",
      registeredMs: startMs,
      approvedMs: startMs + 35 * minute,
      inServiceMs: startMs + 76 * minute,
      latencyMs: 41 * minute,
      manualMs: 35 * minute,
      waitingMs: minute,
      deployingMs: 40 * minute,
      late: true,
    },
  ]);
  // And the same by the events alone.
  const events = await workshop.events();
  const timeOf = (type: string, match: (data: Record<string, unknown>) => boolean): number =>
    Date.parse(events.find((event) => event.type === type && match(event.data))?.time ?? "");
  const approved = timeOf("model.approved", ({ version }) => version === 2);
  const served = events.filter(({ type }) => type === "deployment.completed").at(-1)?.time ?? "";
  expect(told[1]?.latencyMs).toBe(Date.parse(served) - approved);
  expect(await registry.registryLatency({ sinceMs: startMs + 40 * minute, objectiveMs: 60 * minute })).toMatchObject([
    { version: 2, late: false },
  ]);
});

test("MR-26: what serves or is held is never deleted; what was deleted comes back, and garbage is what nothing speaks of", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry, artifacts } = workshop;
  await registerVersions(workshop, 3);
  const shares = [{ variant: "main", name: "late", version: 1, share: 1 }];
  await registry.recordTraffic({ endpoint: "a", shares, by: "ci" });
  const inService = { code: "REGISTRY_VERSION_IN_SERVICE" };
  await expect(registry.deleteVersion("late", 1, { by: "ann" })).rejects.toThrowError(/production\/a serves it/);
  const hold = await registry.holdVersion("late", 2, { by: "law", reason: "case 12" });
  await expect(registry.deleteVersion("late", 2, { by: "ann" })).rejects.toMatchObject(inService);
  await registry.setAlias("late", "challenger", 3);
  await registry.deleteVersion("late", 3, { by: "ann" });
  const unknown = { code: "PORT_MODEL_UNKNOWN" };
  await expect(registry.resolve("late/3")).rejects.toMatchObject(unknown);
  await expect(registry.resolve("late@challenger")).rejects.toMatchObject(unknown);
  expect(await registry.aliases("late")).toEqual({});
  expect((await registry.versions("late")).map(({ version }) => version)).toEqual([1, 2]);
  // The number stays taken.
  expect(await registry.register("late", await workshop.pack("four"))).toMatchObject({ version: 4 });
  const reachable = async (keepDeletedMs?: number) =>
    new Set(await listOf(registry.reachableArtifacts({ keepDeletedMs })));
  const stored = new Set((await listOf(artifacts.list())).map(({ digest }) => digest));
  expect(await reachable()).toEqual(stored);
  await clock.advance(1000);
  const after = await reachable(500);
  expect(after.size).toBeLessThan(stored.size);
  // Held bytes stay, also of a deleted version.
  await registry.holdVersion("late", 3, { by: "law", reason: "case 13" });
  expect(await reachable(500)).toEqual(stored);
  await registry.restoreVersion("late", 3, { by: "ann" });
  expect((await registry.resolve("late/3")).version).toBe(3);
  await registry.releaseHold(hold.id, { by: "law" });
  await expect(registry.releaseHold(hold.id, { by: "law" })).rejects.toMatchObject({ code: "REGISTRY_HOLD_UNKNOWN" });
  await registry.deleteVersion("late", 2, { by: "ann" });
  await registry.recordTraffic({ endpoint: "a", shares: [], by: "ci" });
  await registry.deleteVersion("late", 1, { by: "ann" });
  expect((await registry.holds()).map(({ reason }) => reason)).toEqual(["case 13"]);
});

test("baselines are registered with a version and stay as they were, whatever is trained later", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  const frozen = { statistics: { features: [{ name: "km", mean: 7 }] }, constraints: { version: 0, features: [] } };
  const { version } = await registry.register("late", await pack("one"), { baselines: frozen });
  await registry.register("late", await pack("two"), {
    baselines: { statistics: { features: [{ name: "km", mean: 9 }] } },
  });
  // Registered again with others: the version it has keeps its own.
  await registry.register("late", await pack("one"), { baselines: { statistics: { features: [] } } });
  expect(await registry.baselines("late", version)).toEqual(frozen);
  expect(await registry.baselines("late", 2)).toEqual({ statistics: { features: [{ name: "km", mean: 9 }] } });
});
