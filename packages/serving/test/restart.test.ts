import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createManualClock } from "@millwright/contracts";
import { type Database, openSqlite, openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { type ModelServer, type ModelServerOptions, openModelServer } from "@millwright/serving";
import { createAlerts } from "./alerts.ts";
import { type ModelFolder, denseRuntime, packFolder } from "./models.ts";

const endpoints = { late: { variants: { main: { model: "late/1", weight: 1 } } } };

/** A server in a process of its own, in the middle of a canary. */
async function begin(root: string, path: string, when: "baking" | "deploying"): Promise<ChildProcess> {
  const script = fileURLToPath(new URL("./fixtures/rollout-child.js", import.meta.url));
  const child = spawn(process.execPath, [script, root, path, when], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const chunk of child.stdout as NonNullable<ChildProcess["stdout"]>) {
    said += String(chunk);
    if (said.includes(when)) break;
  }
  expect(said).toContain(when);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

interface Place extends AsyncDisposable {
  readonly folder: ModelFolder;
  readonly path: string;
}

async function openPlace(): Promise<Place> {
  const folder = await packFolder(3);
  const directory = await mkdtemp(join(tmpdir(), "millwright-restart-"));
  return {
    folder,
    path: join(directory, "db"),
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const openOn = (database: Database, { folder }: Place, more: Partial<ModelServerOptions> = {}): Promise<ModelServer> =>
  openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints,
    database,
    leaseTtlMs: 1000,
    pollMs: 20,
    ...more,
  });

async function shareOf(server: ModelServer, version: number): Promise<number> {
  let count = 0;
  for (let index = 0; index < 200; index += 1) {
    const { provenance } = await server.predict("late", { instances: [[1, 2, 3, 4]], stickyKey: `user ${index}` });
    if (provenance.model.version === version) count += 1;
  }
  return count / 200;
}

async function until(server: ModelServer, state: string): Promise<void> {
  while ((await server.status("late"))?.state !== state) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function typesOf(database: Database): Promise<readonly string[]> {
  const types: string[] = [];
  for await (const { event } of openEventLog(database).read({ types: ["deployment.*"] })) types.push(event.type);
  return types;
}

// These kill real processes and wait for their leases to run out: about two seconds each.
test(
  "a process killed while its canary bakes: the next one shares the traffic at once, goes on baking and completes",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await kill(await begin(place.folder.root, place.path, "baking"));
    await using database = await openSqlite(place.path);
    const clock = createManualClock(Date.now());
    await using server = await openOn(database, place, { clock, alerts: createAlerts().source });
    expect((await server.status("late"))?.state).toBe("baking");
    expect(Math.abs((await shareOf(server, 2)) - 0.5)).toBeLessThan(0.15);
    expect(await shareOf(server, 1)).toBeGreaterThan(0.3);
    // Past the dead one's lease, then the whole of the bake, which begins anew: later on this clock where the machine is slow.
    for (let second = 0; (await server.status("late"))?.state === "baking"; second += 10) {
      if (second === 590) expect((await server.status("late"))?.state).toBe("baking");
      await clock.advance(10_000);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect((await server.status("late"))?.state).toBe("completed");
    expect(await shareOf(server, 2)).toBe(1);
    expect(await typesOf(database)).toEqual([
      "deployment.endpoint-created",
      "deployment.started",
      "deployment.baking",
      "deployment.completed",
    ]);
  },
);

test(
  "a process killed while its canary bakes: an alert that fired meanwhile rolls back",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await kill(await begin(place.folder.root, place.path, "baking"));
    await using database = await openSqlite(place.path);
    const alerts = createAlerts();
    alerts.fire("error-rate", "endpoint/late/variant/candidate");
    await using server = await openOn(database, place, { alerts: alerts.source });
    await until(server, "rolled-back");
    expect((await server.status("late"))?.reason).toContain("error-rate");
    expect(await shareOf(server, 1)).toBe(1);
  },
);

test(
  "after a process was killed an operator may roll back at once, and deploy again when its lease has run out",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await kill(await begin(place.folder.root, place.path, "baking"));
    await using database = await openSqlite(place.path);
    await using server = await openOn(database, place);
    await server.rollback("late", "the operator saw enough");
    expect(await shareOf(server, 1)).toBe(1);
    expect((await server.status("late"))?.reason).toContain("the operator saw enough");
    await server.deploy("late", { model: "late/3", traffic: { type: "all-at-once" } });
    expect(await shareOf(server, 3)).toBe(1);
  },
);

test(
  "a process killed while it loads a candidate, which is gone when the next one comes: rolled back, no traffic lost",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await kill(await begin(place.folder.root, place.path, "deploying"));
    await rm(join(place.folder.root, "late", "2"), { recursive: true });
    await using database = await openSqlite(place.path);
    await using server = await openOn(database, place);
    expect(await shareOf(server, 1)).toBe(1);
    await until(server, "rolled-back");
    expect((await server.status("late"))?.reason).toContain("late/2");
    await server.deploy("late", { model: "late/3", traffic: { type: "all-at-once" } });
    expect(await shareOf(server, 3)).toBe(1);
  },
);

test(
  "a process killed while it loads a candidate: the next one loads it, and it bakes with its share before it completes",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await kill(await begin(place.folder.root, place.path, "deploying"));
    await using database = await openSqlite(place.path);
    const clock = createManualClock(Date.now() + 5000);
    await using server = await openOn(database, place, { clock, alerts: createAlerts().source });
    await until(server, "baking");
    expect(Math.abs((await shareOf(server, 2)) - 0.5)).toBeLessThan(0.15);
    while ((await server.status("late"))?.state === "baking") {
      await clock.advance(10_000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(server, "completed");
    expect(await shareOf(server, 2)).toBe(1);
  },
);

test(
  "a completed deployment outlives a restart, until the configuration names another model",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await using database = await openSqlite(place.path);
    {
      await using server = await openOn(database, place);
      await server.deploy("late", { model: "late/2", traffic: { type: "all-at-once" } });
    }
    {
      await using server = await openOn(database, place);
      expect(await shareOf(server, 2)).toBe(1);
    }
    await using server = await openOn(database, place, {
      endpoints: { late: { variants: { main: { model: "late/3", weight: 1 } } } },
    });
    expect(await shareOf(server, 3)).toBe(1);
  },
);

test(
  "two processes on one database: one decides, both share the traffic, and either may roll back",
  { timeout: 600_000 },
  async () => {
    await using place = await openPlace();
    await using first = await openSqlite(place.path);
    await using second = await openSqlite(place.path);
    await using decider = await openOn(first, place);
    await using follower = await openOn(second, place);
    await decider.deploy("late", { model: "late/2", traffic: { type: "canary", share: 0.5, bakeMs: 600_000 } });
    await expect(follower.deploy("late", { model: "late/3", traffic: { type: "all-at-once" } })).rejects.toMatchObject({
      code: "PORT_DEPLOYMENT_RUNNING",
    });
    while ((await shareOf(follower, 2)) === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    // Equal seeds: a key has the same variant in both.
    expect(await shareOf(follower, 2)).toBe(await shareOf(decider, 2));
    await follower.rollback("late", "seen from here it is worse");
    expect(await shareOf(follower, 1)).toBe(1);
    while ((await shareOf(decider, 1)) < 1) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await typesOf(first)).toEqual([
      "deployment.endpoint-created",
      "deployment.started",
      "deployment.baking",
      "deployment.rolled-back",
    ]);
  },
);
