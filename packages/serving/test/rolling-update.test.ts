import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { describe, expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import {
  type Fleet,
  type RollingUpdateOptions,
  joinFleet,
  openDatabaseFleet,
  rollingFromSageMaker,
  rollingUpdate,
  planFromSageMaker,
} from "@millwright/serving/rollout";
import { createAlerts } from "./alerts.ts";
import { denseRuntime, packFolder } from "./models.ts";

interface Watched {
  readonly fleet: Fleet;
  readonly models: Map<string, string>;
  /** Fewest replicas in service at any instant, and most that changed at once, by direction. */
  readonly seen: { least: number; most: number; mostBack: number };
}

/** Replicas that are out of service while they change, and note how many there are. */
function watched(count: number, refuses: (id: string, model: string) => boolean = () => false): Watched {
  const models = new Map(Array.from({ length: count }, (_, at) => [`r${at}`, "late/1"]));
  const out = new Set<string>();
  const seen = { least: count, most: 0, mostBack: 0 };
  const fleet: Fleet = {
    replicas: async () => [...models].map(([id, model]) => ({ id, model })),
    async update(id, model) {
      out.add(id);
      if (model === "late/2") {
        seen.least = Math.min(seen.least, count - out.size);
        seen.most = Math.max(seen.most, out.size);
      } else seen.mostBack = Math.max(seen.mostBack, out.size);
      await new Promise((resolve) => setImmediate(resolve));
      out.delete(id);
      if (refuses(id, model)) throw new TypeError("out of memory");
      models.set(id, model);
    },
  };
  return { fleet, models, seen };
}

const plan = { endpoint: "late", model: "late/2", before: "late/1" } as const;

describe("a rolling update", () => {
  test("SV-14: at every instant at least (1 - batch) · N replicas are in service, whatever the fleet and the batch", async () => {
    for (const replicas of [2, 3, 4, 7, 10, 20])
      for (const batchShare of [0.05, 0.1, 0.25, 0.34, 0.5]) {
        const { fleet, models, seen } = watched(replicas);
        const update = rollingUpdate({ ...plan, fleet, batchShare });
        if (Math.floor(batchShare * replicas + 1e-9) < 1) {
          await expect(update).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_INVALID" });
          expect(new Set(models.values())).toEqual(new Set(["late/1"]));
          continue;
        }
        expect(await update).toEqual({ state: "completed", replicas: { "late/2": replicas } });
        expect(seen.least, `${replicas} by ${batchShare}`).toBeGreaterThanOrEqual((1 - batchShare) * replicas - 1e-9);
        expect(seen.most).toBe(Math.floor(batchShare * replicas + 1e-9));
      }
  });

  test("SV-14: batches bake for their wait, and an alert brings all back, in batches of the way back", async () => {
    const clock = createManualClock(1_000_000);
    const alerts = createAlerts(clock);
    const { fleet, models, seen } = watched(8);
    const options = {
      ...plan,
      fleet,
      batchShare: 0.25,
      waitMs: 60_000,
      rollbackBatchShare: 0.5,
      rollbackOn: ["errors"],
      alerts: alerts.source,
      clock,
    };
    const update = rollingUpdate(options);
    const count = (): number => [...models.values()].filter((model) => model === "late/2").length;
    const turns = async (ms: number): Promise<void> => {
      await clock.advance(ms);
      for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    await turns(0);
    await turns(59_000);
    expect(count()).toBe(2);
    await turns(1000);
    expect(count()).toBe(4);
    alerts.fire("errors", "endpoint/late/variant/main");
    expect(await update).toMatchObject({
      state: "rolled-back",
      reason: expect.stringContaining("errors") as string,
      replicas: { "late/1": 8 },
    });
    expect(seen.mostBack).toBe(4);
  });

  test("SV-14: a replica that cannot take the model, and a timeout, bring all back; what was begun before goes on", async () => {
    const failing = watched(4, (id, model) => id === "r2" && model === "late/2");
    expect(await rollingUpdate({ ...plan, fleet: failing.fleet, batchShare: 0.25 })).toMatchObject({
      state: "rolled-back",
      reason: expect.stringContaining('"r2" could not take it: out of memory') as string,
      replicas: { "late/1": 4 },
    });
    const late = watched(4);
    const told: string[] = [];
    const onProgress: RollingUpdateOptions["onProgress"] = ({ direction, done, total }) =>
      void told.push(`${direction} ${done}/${total}`);
    expect(
      await rollingUpdate({ ...plan, fleet: late.fleet, batchShare: 0.5, waitMs: 1000, timeoutMs: 500, onProgress }),
    ).toMatchObject({
      state: "rolled-back",
      reason: expect.stringContaining("timeoutMs") as string,
    });
    expect(told).toEqual(["forward 0/4", "back 2/4", "back 4/4"]);
    // Whoever began it died after a batch.
    const resumed = watched(4);
    resumed.models.set("r0", "late/2");
    expect(await rollingUpdate({ ...plan, fleet: resumed.fleet, batchShare: 0.25 })).toMatchObject({
      state: "completed",
    });
    const stopped = watched(4);
    const stop = new AbortController();
    const aborted = rollingUpdate({
      ...plan,
      fleet: stopped.fleet,
      batchShare: 0.25,
      waitMs: 60_000,
      signal: stop.signal,
    });
    setTimeout(() => stop.abort(new RangeError("enough")), 50);
    await expect(aborted).rejects.toThrow("enough");
    expect([...stopped.models.values()].filter((model) => model === "late/2")).toHaveLength(1);
  });

  test("SV-14: SageMaker's RollingUpdatePolicy is read, with its ranges", () => {
    const percent = (Value: number) => ({ Type: "CAPACITY_PERCENT", Value }) as const;
    const policy = {
      MaximumBatchSize: percent(25),
      WaitIntervalInSeconds: 60,
      RollbackMaximumBatchSize: percent(100),
      MaximumExecutionTimeoutInSeconds: 3600,
    };
    const config = { RollingUpdatePolicy: policy, AutoRollbackConfiguration: { Alarms: [{ AlarmName: "errors" }] } };
    expect(rollingFromSageMaker(config)).toEqual({
      batchShare: 0.25,
      waitMs: 60_000,
      rollbackBatchShare: 1,
      timeoutMs: 3_600_000,
      rollbackOn: ["errors"],
    });
    expect(
      rollingFromSageMaker(
        { RollingUpdatePolicy: { MaximumBatchSize: { Type: "INSTANCE_COUNT", Value: 2 }, WaitIntervalInSeconds: 0 } },
        { instances: 10 },
      ),
    ).toEqual({ batchShare: 0.2, waitMs: 0, rollbackOn: [] });
    for (const change of [
      { MaximumBatchSize: percent(4) },
      { MaximumBatchSize: percent(51) },
      { WaitIntervalInSeconds: 3601 },
      { MaximumExecutionTimeoutInSeconds: 599 },
      { RollbackMaximumBatchSize: percent(101) },
    ])
      expect(
        () => rollingFromSageMaker({ RollingUpdatePolicy: { ...policy, ...change } }),
        JSON.stringify(change),
      ).toThrow(expect.objectContaining({ code: "SERVING_DEPLOYMENT_INVALID" }));
    // Each has its own reader: neither takes the other's policy for none.
    expect(() => rollingFromSageMaker({})).toThrow("RollingUpdatePolicy");
    expect(() => planFromSageMaker(config, { model: "late/2" })).toThrow("RollingUpdatePolicy");
  });

  test("ranges are SageMaker's, and what is out of them is refused", async () => {
    const { fleet } = watched(20);
    const wrong: readonly Partial<RollingUpdateOptions>[] = [
      { batchShare: 0.04 },
      { batchShare: 0.51 },
      { waitMs: 3_600_001 },
      { rollbackBatchShare: 0.01 },
      { rollbackOn: ["errors"] },
    ];
    for (const each of wrong)
      await expect(
        rollingUpdate({ ...plan, fleet, batchShare: 0.1, ...each }),
        JSON.stringify(each),
      ).rejects.toMatchObject({
        code: "SERVING_DEPLOYMENT_INVALID",
      });
  });
});

test("SV-14: servers that share a database are updated in batches while they answer, and one that comes back has the fleet's model", async () => {
  await using folder = await packFolder(2);
  const directory = await mkdtemp(join(tmpdir(), "millwright-fleet-"));
  const open = (): Promise<ModelServer> =>
    openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    });
  const versionOf = async (server: ModelServer): Promise<number> =>
    (await server.predict("late", { instances: [[1, 2, 3, 4]] })).provenance.model.version ?? 0;
  try {
    await using database = await openSqlite(join(directory, "db"));
    const shared = { database, endpoint: "late", pollMs: 10, ttlMs: 2000 };
    const servers = await Promise.all(Array.from({ length: 4 }, open));
    const members = await Promise.all(
      servers.map((server, at) => joinFleet({ ...shared, server, replica: `r${at}`, model: "late/1" })),
    );
    const fleet = await openDatabaseFleet(shared);
    // One goes before the update, and is not waited for.
    await members[3]?.[Symbol.asyncDispose]();
    expect(await fleet.replicas()).toHaveLength(3);
    const most: number[] = [];
    const update = rollingUpdate({ ...plan, fleet, batchShare: 0.5, waitMs: 100 });
    let running = true;
    const watching = (async () => {
      while (running) {
        const versions = await Promise.all(servers.slice(0, 3).map(versionOf));
        most.push(versions.filter((version) => version === 2).length);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    expect(await update).toEqual({ state: "completed", replicas: { "late/2": 3 } });
    running = false;
    await watching;
    // One after the other: half of three is one.
    expect(most.filter((count, at) => at > 0 && count - (most[at - 1] ?? 0) > 1)).toEqual([]);
    expect(new Set(most)).toContain(1);
    const again = await joinFleet({ ...shared, server: servers[3] as ModelServer, replica: "r3", model: "late/1" });
    await expect.poll(() => versionOf(servers[3] as ModelServer), { timeout: 100_000 }).toBe(2);
    // A model that cannot be loaded: told by its replica, and all stay with what they have.
    const broken = await rollingUpdate({ ...plan, model: "late/9", before: "late/2", fleet, batchShare: 0.5 });
    expect(broken).toMatchObject({
      state: "rolled-back",
      reason: expect.stringContaining("late/9") as string,
      replicas: { "late/2": 4 },
    });
    await again[Symbol.asyncDispose]();
    await expect(fleet.update("r3", "late/1")).rejects.toMatchObject({ code: "SERVING_REPLICA_FAILED" });
    for (const member of members) await member[Symbol.asyncDispose]();
    for (const server of servers) await server.drain();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
