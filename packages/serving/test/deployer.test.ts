import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EventLog, createManualClock } from "@millwright/contracts";
import { type DeployerFixture, deployerContract } from "@millwright/contracts/testing";
import { openMemoryEventLog, openSqlite, openEventLog } from "@millwright/storage";
import { describe, expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { openDatabaseDeploymentStore } from "../src/rollout/deployment-record.ts";
import { createAlerts } from "./alerts.ts";
import { denseRuntime, packFolder } from "./models.ts";

const endpoints = { late: { variants: { main: { model: "late/1", weight: 1 } } } };
const canary = { type: "canary", share: 0.1, bakeMs: 60_000 } as const;
const pause = (ms = 15): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Opened extends AsyncDisposable {
  readonly server: ModelServer;
  readonly fixture: DeployerFixture;
  readonly alerts: ReturnType<typeof createAlerts>;
  readonly events: EventLog;
}

async function open(kind: "memory" | "sqlite"): Promise<Opened> {
  const cleanups: (() => PromiseLike<unknown>)[] = [];
  const use = <Resource extends AsyncDisposable>(resource: Resource): Resource => {
    cleanups.unshift(() => resource[Symbol.asyncDispose]());
    return resource;
  };
  const folder = use(await packFolder(4));
  const clock = createManualClock(1_000_000);
  const directory = await mkdtemp(join(tmpdir(), "millwright-deploy-"));
  cleanups.unshift(() => rm(directory, { recursive: true, force: true }));
  const database = kind === "sqlite" ? use(await openSqlite(join(directory, "db"), { clock })) : undefined;
  const alerts = createAlerts(clock);
  const events = database === undefined ? openMemoryEventLog({ clock }) : openEventLog(database);
  const store = database === undefined ? { events } : { database };
  const server = use(
    await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints,
      clock,
      alerts: alerts.source,
      ...store,
    }),
  );
  return {
    server,
    alerts,
    events,
    fixture: {
      deployer: server,
      endpoint: "late",
      models: ["late/1", "late/2", "late/3"],
      // Loading and writing take real time beside the clock's.
      advance: async (durationMs) => {
        await clock.advance(durationMs);
        await pause();
      },
    },
    async [Symbol.asyncDispose]() {
      for (const cleanup of cleanups) await cleanup();
    },
  };
}

async function typesOf(events: EventLog): Promise<readonly string[]> {
  const types: string[] = [];
  let cause: string | undefined;
  for await (const { event } of events.read({ types: ["deployment.*"] })) {
    if (event.type === "deployment.endpoint-created") continue;
    if (event.type !== "deployment.started") expect(event.causationid).toBe(cause);
    expect(event.subject).toBe("late");
    cause = event.id;
    types.push(event.type);
  }
  return types;
}

const versionsAnswered = async (server: ModelServer, count: number): Promise<readonly number[]> => {
  const versions: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const { provenance } = await server.predict("late", { instances: [[1, 2, 3, 4]], stickyKey: `user-${index}` });
    versions.push(provenance.model.version ?? 0);
  }
  return versions;
};

for (const kind of ["memory", "sqlite"] as const) {
  describe(`deployments kept in ${kind}`, () => {
    for (const { name, appliesTo, run } of deployerContract) {
      test(name, async ({ skip }) => {
        await using opened = await open(kind);
        if (appliesTo?.(opened.fixture) === false) skip("the case asks for what this deployer does not do");
        await run(opened.fixture);
      });
    }

    test("an alert that was named rolls a canary back at once, and the log tells why", async () => {
      await using opened = await open(kind);
      const { server, alerts, events, fixture } = opened;
      await server.deploy("late", { model: "late/4", traffic: canary, rollbackOn: ["error-rate"] });
      expect(await server.status("late")).toMatchObject({
        state: "baking",
        variants: [
          { name: "main", model: "late/1", weight: 0.9 },
          { name: "candidate", model: "late/4", weight: 0.1 },
        ],
      });
      const share = (await versionsAnswered(server, 300)).filter((version) => version === 4).length / 300;
      expect(Math.abs(share - 0.1)).toBeLessThan(3 * Math.sqrt((0.1 * 0.9) / 300));
      await fixture.advance(10_000);
      alerts.fire("unrelated", "endpoint/late/variant/candidate");
      alerts.fire("error-rate", "endpoint/late/variant/main");
      await pause();
      expect((await server.status("late"))?.state).toBe("baking");
      alerts.fire("error-rate", "endpoint/late/variant/candidate");
      await pause(50);
      expect(await server.status("late")).toMatchObject({
        state: "rolled-back",
        reason: expect.stringContaining("error-rate"),
        variants: [{ name: "main", model: "late/1", weight: 1 }],
      });
      expect(new Set(await versionsAnswered(server, 100))).toEqual(new Set([1]));
      expect(await typesOf(events)).toEqual(["deployment.started", "deployment.baking", "deployment.rolled-back"]);
      await fixture.advance(120_000);
      expect((await server.status("late"))?.state).toBe("rolled-back");
      expect(alerts.listeners).toBe(0);
    });

    test("an alert that fires already when the candidate gets its traffic rolls it back too", async () => {
      await using opened = await open(kind);
      const { server, alerts } = opened;
      alerts.fire("error-rate", "endpoint/late/variant/candidate");
      await server.deploy("late", { model: "late/2", traffic: canary, rollbackOn: ["error-rate"] });
      await expect.poll(async () => (await server.status("late"))?.state).toBe("rolled-back");
    });

    test("an alert left over from an earlier candidate does not roll back the next; one that fires anew does", async () => {
      await using opened = await open(kind);
      const { server, alerts, fixture } = opened;
      const subject = "endpoint/late/variant/candidate";
      await server.deploy("late", { model: "late/2", traffic: canary, rollbackOn: ["error-rate"] });
      await fixture.advance(1000);
      alerts.fire("error-rate", subject);
      await expect.poll(async () => (await server.status("late"))?.state).toBe("rolled-back");
      await fixture.advance(1000);
      await server.deploy("late", { model: "late/3", traffic: canary, rollbackOn: ["error-rate"] });
      await pause(50);
      expect((await server.status("late"))?.state).toBe("baking");
      // It is told of again while it goes on firing.
      alerts.fire("error-rate", subject, 1_001_000);
      await pause(50);
      expect((await server.status("late"))?.state).toBe("baking");
      await fixture.advance(1000);
      alerts.fire("error-rate", subject);
      await expect.poll(async () => (await server.status("late"))?.state).toBe("rolled-back");
      expect(await server.status("late")).toMatchObject({ variants: [{ model: "late/1" }] });
    });

    test("a linear deployment takes its steps, and a canary that nothing stops takes all", async () => {
      await using opened = await open(kind);
      const { server, events, fixture } = opened;
      await server.deploy("late", { model: "late/2", traffic: { type: "linear", stepShare: 0.4, stepMs: 1000 } });
      const shares: (number | undefined)[] = [];
      for (let step = 0; step < 3; step += 1) {
        const status = await server.status("late");
        shares.push(status?.variants.find(({ model }) => model === "late/2")?.weight);
        await fixture.advance(1000);
        await pause(50);
      }
      expect(shares).toEqual([0.4, 0.8, 1]);
      expect(await typesOf(events)).toEqual([
        "deployment.started",
        "deployment.baking",
        "deployment.baking",
        "deployment.completed",
      ]);
      expect(new Set(await versionsAnswered(server, 50))).toEqual(new Set([2]));
      expect((await server.predict("late", { instances: [[1, 2, 3, 4]] })).provenance.variant).toBe("main");
    });

    test("a completed deployment can be rolled back to the model before", async () => {
      await using opened = await open(kind);
      const { server } = opened;
      await server.deploy("late", { model: "late/2", traffic: { type: "all-at-once" } });
      expect(new Set(await versionsAnswered(server, 20))).toEqual(new Set([2]));
      expect((await server.rollback("late", "it is worse")).state).toBe("rolled-back");
      expect(new Set(await versionsAnswered(server, 20))).toEqual(new Set([1]));
    });

    test("a candidate that cannot be loaded fails the deployment and takes no traffic", async () => {
      await using opened = await open(kind);
      const { server, events } = opened;
      await expect(server.deploy("late", { model: "late/9", traffic: canary })).rejects.toMatchObject({
        code: "PORT_MODEL_UNKNOWN",
      });
      expect(await server.status("late")).toMatchObject({
        state: "failed",
        variants: [{ model: "late/1", weight: 1 }],
      });
      expect(await typesOf(events)).toEqual(["deployment.started", "deployment.failed"]);
      await server.deploy("late", { model: "late/2", traffic: { type: "all-at-once" } });
    });
  });
}

test("a plan out of range, or guarded by alerts that nobody raises, is refused and starts nothing", async () => {
  await using folder = await packFolder(2);
  await using server = await openModelServer({ source: folder.source, runtimes: [denseRuntime()], endpoints });
  for (const traffic of [
    { type: "canary", share: 0.6, bakeMs: 1 },
    { type: "canary", share: 0, bakeMs: 1 },
    { type: "canary", share: 0.1, bakeMs: 30 * 86_400_000 + 1 },
    { type: "linear", stepShare: 0.05, stepMs: 1 },
  ] as const) {
    await expect(server.deploy("late", { model: "late/2", traffic })).rejects.toMatchObject({
      code: "SERVING_DEPLOYMENT_INVALID",
    });
  }
  await expect(server.deploy("late", { model: "late/2", traffic: canary, rollbackOn: ["x"] })).rejects.toMatchObject({
    code: "SERVING_ALERTS_ABSENT",
  });
  await expect(server.rollback("late", "why not")).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_INVALID" });
  expect(await server.status("late")).toBeUndefined();
});

test("the events of a deployment name the candidate by its digest from the first, never by an alias", async () => {
  await using opened = await open("memory");
  const { server, events } = opened;
  await server.deploy("late", { model: "late@champion", traffic: { type: "all-at-once" } });
  const { provenance } = await server.predict("late", { instances: [[1, 2, 3, 4]] });
  for await (const { event } of events.read({ types: ["deployment.*"] })) {
    if (event.type === "deployment.endpoint-created") continue;
    const from = [{ kind: "model", id: provenance.model.digest, name: "late@champion" }];
    expect(event.data, event.type).toMatchObject({ model: "late@champion", from });
  }
});

test("a deployment that a newer release wrote is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-newer-"));
  try {
    await using database = await openSqlite(join(folder, "mill.db"));
    await openDatabaseDeploymentStore(database);
    const sql = "insert into millwright_serving_deployments (endpoint, revision, body) values (?, ?, ?)";
    await database.writeBatch([{ sql, rows: [["late", 1, '{"formatVersion":2}']] }]);
    const store = await openDatabaseDeploymentStore(database);
    await expect(store.read("late")).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_NEWER" });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
