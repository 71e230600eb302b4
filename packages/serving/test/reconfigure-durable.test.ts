import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOfJson } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import type { ModelServer, ModelServerOptions, Stage } from "../src/index.ts";
import { openDatabaseConfigurationStore } from "../src/reload/configuration-store.ts";
import { packFolder } from "./models.ts";
import { one, openOn, answerOf, near } from "./reload-setting.ts";

test("SV-47: a restart serves the newest configuration, or says why not; one that is opened otherwise serves what it is opened with", async () => {
  await using folder = await packFolder(3);
  const directory = await mkdtemp(join(tmpdir(), "millwright-reload-"));
  try {
    const path = join(directory, "db");
    const session = async (
      work: (server: ModelServer) => Promise<void>,
      options: Partial<ModelServerOptions> = {},
    ): Promise<void> => {
      await using database = await openSqlite(path);
      await using server = await openOn(folder, { database, pollMs: 10, ...options });
      await work(server);
    };
    await session(async (server) => {
      await server.reconfigure({ endpoints: { late: one("late/2"), more: one("late/3") } });
      // A deployment to the model of a configuration is over with that configuration, also where it comes again.
      await server.deploy("late", { model: "late/3", traffic: { type: "all-at-once" } });
      await expect.poll(() => answerOf(server)).toEqual(near(3));
    });
    await session(async (server) => {
      expect(server.configuration.number).toBe(2);
      expect([await answerOf(server), await answerOf(server, "more")]).toEqual([near(3), near(3)]);
      await server.reconfigure({ endpoints: { late: one("late/1") } });
      await server.rollbackConfiguration();
      expect(await answerOf(server)).toEqual(near(2));
    });
    await session(async (server) => {
      expect([server.configuration.number, await answerOf(server)]).toEqual([4, near(2)]);
      const stage: Stage = { name: "mine" };
      await server.reconfigure({ endpoints: { late: one("late/3", { stages: [stage] }) } });
      expect(server.configuration.unrestorable).toContain('the stage "mine" of "late"');
      expect(await answerOf(server)).toEqual(near(3));
    });
    await session(async (server) => {
      expect(server.configuration).toMatchObject({
        number: 1,
        behind: { number: 5, reason: expect.stringContaining("mine") },
      });
      expect(await answerOf(server)).toEqual(near(1));
      await server.reconfigure({ endpoints: { late: one("late/2") } });
    });
    // Whoever opens it with another configuration means that.
    await session(async (server) => expect(await answerOf(server)).toEqual(near(3)), {
      endpoints: { late: one("late/3") },
    });
    await session(async (server) =>
      expect([server.configuration.number, await answerOf(server)]).toEqual([6, near(2)]),
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("a configuration of a newer release is told, and not served", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millwright-reload-"));
  try {
    await using database = await openSqlite(join(directory, "db"));
    const store = await openDatabaseConfigurationStore(database);
    const version = { number: 1, digest: digestOfJson({}), document: {}, differences: [], appliedMs: 1, since: {} };
    const kept = { ...version, formatVersion: 2, base: version.digest, opening: 1 };
    expect(await store.append(0, () => [kept as never])).toBe("written");
    await expect(store.newest(version.digest)).rejects.toMatchObject({ code: "SERVING_CONFIGURATION_NEWER" });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("SV-47: servers on one database follow each other's configurations", async () => {
  await using folder = await packFolder(3);
  const directory = await mkdtemp(join(tmpdir(), "millwright-reload-"));
  try {
    await using database = await openSqlite(join(directory, "db"));
    await using first = await openOn(folder, { database, pollMs: 10 });
    await using second = await openOn(folder, { database, pollMs: 10 });
    await first.reconfigure({ endpoints: { late: one("late/2") } }, { by: "ann" });
    await expect.poll(() => answerOf(second)).toEqual(near(2));
    expect(second.configuration).toEqual(first.configuration);
    await second.rollbackConfiguration();
    await expect.poll(() => answerOf(first)).toEqual(near(1));
    expect(first.configuration.number).toBe(3);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("SV-47: a deployment under way keeps its endpoint from being reconfigured, but not others; alerts of the configuration guard deployments", async () => {
  await using folder = await packFolder(3);
  const watched: string[] = [];
  await using server = await openOn(folder, {
    endpoints: { late: one("late/1"), more: one("late/1") },
    alerts: {
      async *watch() {
        watched.push("asked");
        yield* [];
      },
    } as never,
  });
  const plan = { traffic: { type: "canary", share: 0.5, bakeMs: 60_000 } } as const;
  await server.deploy("late", { model: "late/2", ...plan });
  await expect(server.reconfigure({ endpoints: { late: one("late/3"), more: one("late/1") } })).rejects.toMatchObject({
    code: "SERVING_CONFIGURATION_BUSY",
    retryable: true,
    message: expect.stringContaining("roll it back"),
  });
  await server.reconfigure({ endpoints: { late: one("late/1"), more: one("late/2", { rollbackOn: ["p99"] }) } });
  expect([await answerOf(server, "more"), (await server.status("late"))?.state]).toEqual([near(2), "baking"]);
  await server.rollback("late", "enough");
  await server.reconfigure({ endpoints: { late: one("late/3"), more: one("late/2", { rollbackOn: ["p99"] }) } });
  expect(await answerOf(server)).toEqual(near(3));
  expect((await server.deploy("late", { model: "late/1", ...plan })).unguarded).toBe(true);
  expect((await server.deploy("more", { model: "late/1", ...plan })).unguarded).toBeUndefined();
});
