import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import type { ServerConfiguration, Stage } from "../src/index.ts";
import { packFolder } from "./models.ts";
import { one, openOn, answerOf, near, load, countingRuntime } from "./reload-setting.ts";

test(
  "SV-47: 1,000 reloads under load over HTTP: weights, models, limits, stages and endpoints change, and no request fails or meets a closed model",
  { timeout: 600_000 },
  async () => {
    await using folder = await packFolder(3);
    const counting = countingRuntime();
    const opened = new Set<Stage>();
    const parts = {
      stages: {
        pass: (): Stage => {
          const stage: Stage = {
            name: "pass",
            open: () => void opened.add(stage),
            request: (call, next) => {
              if (!opened.has(stage)) throw new Error("asked while closed");
              return next(call);
            },
            close: async () => void opened.delete(stage),
          };
          return stage;
        },
      },
    };
    await using server = await openOn(folder, { runtimes: [counting.runtime], parts });
    const http = createServer(server.node).listen(0, "127.0.0.1");
    await once(http, "listening");
    const traffic = load((http.address() as AddressInfo).port, 3);
    const configurations: readonly ((turn: number) => ServerConfiguration["endpoints"])[] = [
      (turn) => ({
        late: { variants: { a: { model: "late/1", weight: 1 + turn }, b: { model: "late/2", weight: 1 } } },
      }),
      (turn) => ({
        late: { variants: { a: { model: "late/1", weight: 1 }, b: { model: "late/2", weight: 2 + turn } } },
      }),
      (turn) => ({ late: one("late/3", { maxBatchRows: 8 + (turn % 5) }), more: one("late/2") }),
      (turn) => ({
        late: one("late/3", { stages: [{ part: "pass", options: { turn } }], latencyObjectiveMs: 1000 + turn }),
      }),
      (turn) => ({
        late: one("late/3", { stages: [{ part: "pass", options: { turn } }], admission: { maxQueue: 1000 + turn } }),
      }),
    ];
    let applied = 0;
    for (let turn = 0; turn < 1000; turn += 1) {
      const endpoints = configurations[turn % configurations.length]?.(turn) ?? {};
      applied += Number((await server.reconfigure({ endpoints })).applied);
    }
    const counts = await traffic.stop();
    http.close();
    expect(applied).toBe(1000);
    expect([...counts.keys()]).toEqual(["well"]);
    expect(counts.get("well")).toBeGreaterThan(1000);
    expect(counting.late()).toBe(0);
    expect(server.configuration.number).toBe(1001);
    // What is served is what was asked for last, and what left was closed.
    expect(await answerOf(server)).toEqual(near(3));
    await expect.poll(counting.open).toBe(1);
    expect(opened.size).toBe(1);
  },
);

test("SV-47: over HTTP the configuration is read and changed by whom the authorizer lets, and If-Match keeps changes apart", async () => {
  await using folder = await packFolder(2);
  await expect(openOn(folder, { configurationRoutes: true })).rejects.toThrow(RangeError);
  const asked: string[] = [];
  await using server = await openOn(folder, {
    configurationRoutes: true,
    principal: (headers) => headers["x-user"],
    authorizer: {
      decide: async ({ principal, action, resource }: Record<string, unknown>) => {
        asked.push(`${String(action)} ${String(resource)}`);
        return principal === "ann" ? { allowed: true } : { allowed: false, reason: "not you" };
      },
    } as never,
  });
  const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const answer = await server.handle(
      new Request(`http://server${path}`, {
        method,
        headers: { "x-user": "ann", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    return {
      status: answer.status,
      etag: answer.headers.get("etag"),
      body: (await answer.json()) as Record<string, unknown>,
    };
  };
  expect(await call("GET", "/configuration")).toMatchObject({ status: 200, etag: '"1"', body: { number: 1 } });
  expect((await call("PUT", "/configuration", {}, { "x-user": "eve" })).status).toBe(403);
  const next = { endpoints: { late: one("late/2") }, reason: "newer" };
  expect(await call("PUT", "/configuration?dryRun=true", next)).toMatchObject({
    status: 200,
    body: { applied: false },
  });
  expect(await call("PUT", "/configuration", next, { "if-match": '"1"' })).toMatchObject({
    etag: '"2"',
    body: { applied: true },
  });
  expect(
    (await call("PUT", "/configuration", { endpoints: { late: one("late/1") } }, { "if-match": '"1"' })).status,
  ).toBe(409);
  expect(await call("PUT", "/configuration", { endpoints: { late: 1 } })).toMatchObject({
    status: 400,
    body: { code: "SERVING_CONFIGURATION_INVALID", problems: [{ path: "/endpoints/late" }] },
  });
  expect(await answerOf(server)).toEqual(near(2));
  expect(await call("POST", "/configuration/rollback", { to: 1, reason: "back" })).toMatchObject({
    status: 200,
    etag: '"3"',
  });
  const versions = (await call("GET", "/configuration/versions?limit=2")).body as unknown as {
    number: number;
    by: string;
  }[];
  expect(versions.map(({ number, by }) => [number, by])).toEqual([
    [3, "ann"],
    [2, "ann"],
  ]);
  expect(new Set(asked)).toEqual(new Set(["server:configuration server", "server:reconfigure server"]));
});
