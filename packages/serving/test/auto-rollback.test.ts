import type { Alert, AlertSource, DeploymentPlan, EventLog, ManualClock } from "@millwright/contracts";
import { createManualClock } from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import { describe, expect, test } from "vitest";
import { type ModelServer, type ModelServerOptions, openModelServer } from "@millwright/serving";
import { errorBudgetGate } from "@millwright/serving/rollout";
import { createAlerts } from "./alerts.ts";
import { denseRuntime, packFolder } from "./models.ts";

const candidate = "endpoint/late/variant/candidate";

interface Opened extends AsyncDisposable {
  readonly server: ModelServer;
  readonly clock: ManualClock;
  readonly events: EventLog;
  readonly warnings: string[];
  /** A second of the clock, and what follows from it. */
  tick(): Promise<void>;
  /** Share of the candidate as the traffic has it. */
  share(): Promise<number>;
}

async function open(
  alerts: (clock: ManualClock) => AlertSource | undefined,
  more: Partial<ModelServerOptions> = {},
): Promise<Opened> {
  const folder = await packFolder(2);
  const clock = createManualClock(1_000_000);
  const events = openMemoryEventLog({ clock });
  const warnings: string[] = [];
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    clock,
    events,
    alerts: alerts(clock),
    logger: { debug() {}, info() {}, error() {}, warn: (_fields, message) => void warnings.push(message) },
    ...more,
  });
  return {
    server,
    clock,
    events,
    warnings,
    async tick() {
      await clock.advance(1000);
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    },
    async share() {
      let second = 0;
      for (let key = 0; key < 50; key += 1) {
        const { provenance } = await server.predict("late", { instances: [[1, 2, 3, 4]], stickyKey: `user ${key}` });
        if (provenance.model.version === 2) second += 1;
      }
      return second / 50;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe("alarms", () => {
  const plans: readonly [string, Omit<DeploymentPlan, "model">][] = [
    ["in the bake of a canary", { traffic: { type: "canary", share: 0.5, bakeMs: 600_000 } }],
    ["in a later step", { traffic: { type: "linear", stepShare: 0.25, stepMs: 120_000 } }],
    [
      "after all traffic has moved",
      { traffic: { type: "canary", share: 0.5, bakeMs: 60_000 }, terminationWaitMs: 600_000 },
    ],
  ];
  for (const [when, plan] of plans) {
    test(`SV-15: an alarm at second 301, ${when}: all traffic is back one tick later, with the event, its reason and its evidence`, async () => {
      let alerts: ReturnType<typeof createAlerts> | undefined;
      await using opened = await open((clock) => (alerts = createAlerts(clock)).source);
      const { server, tick, share, events } = opened;
      await server.deploy("late", { model: "late/2", ...plan, rollbackOn: ["error-rate"] });
      for (let second = 0; second < 301; second += 1) await tick();
      expect((await server.status("late"))?.state).toBe("baking");
      expect(await share()).toBeGreaterThan(0.3);
      alerts?.fire("error-rate", candidate, undefined, "the alert's event" as never);
      await tick();
      expect(await share()).toBe(0);
      const status = await server.status("late");
      expect(status).toMatchObject({
        state: "rolled-back",
        reason: expect.stringContaining("error-rate") as string,
        evidence: { alert: "error-rate", subject: candidate, sinceMs: 1_301_000 },
        variants: [{ name: "main", model: "late/1", weight: 1 }],
        sinceMs: 1_301_000,
      });
      const told = [];
      for await (const { event } of events.read({ types: ["deployment.rolled-back"] })) told.push(event);
      expect(told).toMatchObject([
        { subject: "late", causationid: "the alert's event", data: { evidence: { alert: "error-rate" } } },
      ]);
    });
  }

  test("SV-15: a deployment that names no alarms says that it is unguarded: in its status, its events and the log", async () => {
    await using opened = await open((clock) => createAlerts(clock).source);
    const { server, events, warnings, tick } = opened;
    const traffic = { type: "canary", share: 0.1, bakeMs: 1000 } as const;
    expect(await server.deploy("late", { model: "late/2", traffic })).toMatchObject({ unguarded: true });
    expect(warnings).toContain("the deployment is unguarded: nothing rolls it back by itself");
    await tick();
    await tick();
    expect(await server.status("late")).toMatchObject({ state: "completed", unguarded: true });
    for await (const { event } of events.read({ types: ["deployment.started", "deployment.baking"] }))
      expect(event.data).toMatchObject({ unguarded: true });
    const guarded = await server.deploy("late", { model: "late/1", traffic, rollbackOn: ["errors"] });
    expect(guarded.unguarded).toBeUndefined();
  });

  const broken: AlertSource = {
    alerts: () => Promise.reject(new TypeError("connection refused")),
    // oxlint-disable-next-line require-yield -- it fails before it could tell of anything
    async *changes(): AsyncGenerator<Alert> {
      await Promise.resolve();
      throw new TypeError("connection refused");
    },
  };
  const traffic = { type: "canary", share: 0.5, bakeMs: 10_000 } as const;

  test("SV-15: where alarms cannot be read a step is held, until they can be or the deployment's time is over", async () => {
    let readable = false;
    const calm = createAlerts();
    await using opened = await open(() => ({
      alerts: (...call) => (readable ? calm.source.alerts(...call) : broken.alerts(...call)),
      changes: (...call) => (readable ? calm.source.changes(...call) : broken.changes(...call)),
    }));
    const { server, tick } = opened;
    await server.deploy("late", { model: "late/2", traffic, rollbackOn: ["errors"] });
    for (let second = 0; second < 60; second += 1) await tick();
    expect((await server.status("late"))?.state).toBe("baking");
    readable = true;
    for (let second = 0; second < 3; second += 1) await tick();
    expect((await server.status("late"))?.state).toBe("completed");
    readable = false;
    await server.deploy("late", { model: "late/1", traffic, rollbackOn: ["errors"], timeoutMs: 30_000 });
    for (let second = 0; second < 29; second += 1) await tick();
    expect((await server.status("late"))?.state).toBe("baking");
    for (let second = 0; second < 3; second += 1) await tick();
    expect(await server.status("late")).toMatchObject({
      state: "rolled-back",
      reason: expect.stringContaining("could not be read") as string,
    });
  });

  test("SV-15: the plan may say that missing alarms count as none, or as one", async () => {
    await using opened = await open(() => broken);
    const { server, tick } = opened;
    const plan = { model: "late/2", traffic, rollbackOn: ["errors"] };
    await server.deploy("late", { ...plan, missingAlerts: "rollback" });
    for (let second = 0; second < 4; second += 1) await tick();
    expect(await server.status("late")).toMatchObject({
      state: "rolled-back",
      reason: expect.stringContaining("connection refused") as string,
    });
    await server.deploy("late", { ...plan, missingAlerts: "proceed" });
    for (let second = 0; second < 11; second += 1) await tick();
    expect((await server.status("late"))?.state).toBe("completed");
  });
});

describe("gates", () => {
  const traffic = { type: "all-at-once" } as const;

  test("a deployment goes through while the error budget lasts, and is refused with its figures when it is spent", async () => {
    let left: number | undefined = 0.4;
    const budget = errorBudgetGate({ remaining: () => left, minimum: 0.1 });
    await using opened = await open(() => undefined, { gates: { budget } });
    const { server } = opened;
    await server.deploy("late", { model: "late/2", traffic, gates: ["budget"] });
    left = 0.05;
    const refused = server.deploy("late", { model: "late/1", traffic, gates: ["budget"] });
    await expect(refused).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_GATED", retryable: true });
    await expect(refused).rejects.toThrow("5 % of the error budget is left, and more than 10 % must be");
    left = undefined;
    await expect(server.deploy("late", { model: "late/1", traffic, gates: ["budget"] })).rejects.toMatchObject({
      code: "SERVING_DEPLOYMENT_GATED",
    });
    expect(await server.status("late")).toMatchObject({ state: "completed", variants: [{ model: "late/2" }] });
  });

  test("a gate that nobody gave, or that cannot be asked, keeps a deployment from beginning", async () => {
    const gates = { freeze: { check: () => Promise.reject(new TypeError("no calendar")) } };
    await using opened = await open(() => undefined, { gates });
    const { server } = opened;
    await expect(server.deploy("late", { model: "late/2", traffic, gates: ["budget"] })).rejects.toMatchObject({
      code: "SERVING_DEPLOYMENT_INVALID",
    });
    await expect(server.deploy("late", { model: "late/2", traffic, gates: ["freeze"] })).rejects.toThrow("no calendar");
    expect(await server.status("late")).toBeUndefined();
  });

  test("a budget that nobody knows may be allowed, and limits are checked", async () => {
    const gate = errorBudgetGate({ remaining: async () => undefined, whenUnknown: "allow" });
    const plan = { model: "late/2", traffic };
    expect(await gate.check({ endpoint: "late", plan })).toMatchObject({ open: true });
    expect(() => errorBudgetGate({ remaining: () => 1, minimum: 1 })).toThrow(RangeError);
  });
});
