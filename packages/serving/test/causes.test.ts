import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock, type EventId, type EventLog, type MillwrightEvent } from "@millwright/contracts";
import { denseRuntime } from "@millwright/model";
import { openModelServer } from "@millwright/serving";
import { openMemoryEventLog, openSqlite, openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { createAlerts } from "./alerts.ts";
import { packFolder } from "./models.ts";

const endpoints = { late: { variants: { main: { model: "late/1", weight: 1 } } } };
const canary = { type: "canary", share: 0.1, bakeMs: 60_000 } as const;

async function deploymentEvents(log: EventLog): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types: ["deployment.*"] })) events.push(event);
  return events;
}

/** Tells the log of a version as a registry does. @returns the ids of registration and approval. */
async function register(log: EventLog, subject: string, digest: string): Promise<readonly EventId[]> {
  const source = "test/registry";
  const logged = await log.append([
    { source, type: "model.registered", subject, data: { made: [{ kind: "model", id: digest, name: subject }] } },
    { source, type: "model.approved", subject, data: { digest } },
  ]);
  return logged.map(({ event }) => event.id);
}

test("an endpoint and a deployment are caused by what the log last said of their packages, a roll-back by its alert", async () => {
  await using folder = await packFolder(2);
  const log = openMemoryEventLog();
  const clock = createManualClock(1_000_000);
  const alerts = createAlerts(clock);
  const digestOf = async (ref: string): Promise<string> => (await folder.source.resolve(ref)).digest;
  const [, approved] = await register(log, "late/1", await digestOf("late/1"));
  const [registered] = await register(log, "late/2", await digestOf("late/2"));
  const candidate = await digestOf("late/2");
  const alias = { name: "late", alias: "next", version: 2, digest: candidate };
  const [moved] = await log.append([{ source: "test", type: "model.alias-set", subject: "late@next", data: alias }]);
  expect(moved?.event.id).not.toBe(registered);
  {
    const models = { source: folder.source, runtimes: [denseRuntime()], endpoints };
    await using server = await openModelServer({ ...models, clock, alerts: alerts.source, events: log });
    await server.deploy("late", { model: "late/2", traffic: canary, rollbackOn: ["quality"] });
    const fired = { source: "test", type: "alert.firing", subject: "endpoint/late", data: {} } as const;
    const [firing] = await log.append([fired]);
    alerts.fire("quality", "endpoint/late/variant/candidate", clock.nowMs(), firing?.event.id);
    await expect.poll(async () => (await server.status("late"))?.state).toBe("rolled-back");
    const [created, started, baking, rolledBack] = await deploymentEvents(log);
    expect([created, started, baking, rolledBack].map((event) => event?.type)).toEqual([
      "deployment.endpoint-created",
      "deployment.started",
      "deployment.baking",
      "deployment.rolled-back",
    ]);
    expect(created?.causationid).toBe(approved);
    expect(created?.data).toMatchObject({ variants: [{ name: "main", model: "late/1", weight: 1 }] });
    expect(started?.causationid).toBe(moved?.event.id);
    expect(baking?.causationid).toBe(started?.id);
    expect(rolledBack?.causationid).toBe(firing?.event.id);
  }
  const events = await deploymentEvents(log);
  expect(events).toHaveLength(5);
  expect(events.at(-1)).toMatchObject({ type: "deployment.endpoint-deleted", causationid: events.at(-2)?.id });
});

test("an endpoint that a database keeps is told of once, however often it is opened; a model nobody told of has no cause", async () => {
  await using folder = await packFolder(1);
  const directory = await mkdtemp(join(tmpdir(), "millwright-created-"));
  try {
    await using database = await openSqlite(join(directory, "mill.db"));
    for (let round = 0; round < 2; round += 1) {
      const options = { source: folder.source, runtimes: [denseRuntime()], endpoints, database };
      await using first = await openModelServer(options);
      await using second = await openModelServer(options);
      expect([first.ready, second.ready]).toEqual([true, true]);
    }
    const events = await deploymentEvents(openEventLog(database));
    expect(events.map(({ type, causationid }) => [type, causationid])).toEqual([
      ["deployment.endpoint-created", undefined],
    ]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("a log that cannot be read or written keeps no endpoint from opening", async () => {
  await using folder = await packFolder(1);
  const failure = new Error("The disk is away.");
  const away: EventLog = {
    append: () => Promise.reject(failure),
    // oxlint-disable-next-line require-yield -- it fails before it gives anything
    async *read() {
      throw failure;
    },
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints,
    events: away,
  });
  expect(server.ready).toBe(true);
});
