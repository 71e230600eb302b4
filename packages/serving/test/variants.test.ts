import { once } from "node:events";
import fastify from "fastify";
import { createManualClock } from "@millwright/contracts";
import { expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { denseRuntime, expected, packFolder } from "./models.ts";

const row = [0.5, -1, 2, 0.25];

async function assignments(server: ModelServer, keys: number): Promise<ReadonlyMap<string, string>> {
  const assigned = new Map<string, string>();
  for (let index = 0; index < keys; index += 1) {
    const { provenance } = await server.predict("late", { instances: [row], stickyKey: `user ${index}` });
    assigned.set(`user ${index}`, provenance.variant);
  }
  return assigned;
}

const share = (assigned: ReadonlyMap<string, string>, variant: string): number =>
  [...assigned.values()].filter((each) => each === variant).length / assigned.size;

const served = (
  weights: Readonly<Record<string, number>>,
): { late: { variants: Record<string, { model: string; weight: number }> } } => ({
  late: {
    variants: Object.fromEntries(
      Object.entries(weights).map(([name, weight], at) => [name, { model: `late/${at + 1}`, weight }]),
    ),
  },
});

test("variants get the shares of their weights, keys stay where they are, and a change of weights moves no key it need not", async () => {
  await using folder = await packFolder(3);
  const options = { source: folder.source, runtimes: [denseRuntime()] };
  await using server = await openModelServer({ ...options, endpoints: served({ a: 6, b: 3, c: 1 }) });
  await using changed = await openModelServer({ ...options, endpoints: served({ a: 6, b: 1, c: 3 }) });
  const keys = 4000;
  const first = await assignments(server, keys);
  expect(await assignments(server, keys)).toEqual(first);
  for (const [variant, weight] of [
    ["a", 0.6],
    ["b", 0.3],
    ["c", 0.1],
  ] as const) {
    // Four standard deviations of a binomial share.
    expect(Math.abs(share(first, variant) - weight), variant).toBeLessThan(
      4 * Math.sqrt((weight * (1 - weight)) / keys),
    );
  }
  const second = await assignments(changed, keys);
  const moves = [...first].flatMap(([key, variant]) =>
    second.get(key) === variant ? [] : [`${variant}>${second.get(key)}`],
  );
  expect(new Set(moves)).toEqual(new Set(["b>a", "b>c", "a>c"].filter((move) => moves.includes(move))));
  // From b's 0.3 to 0.1 and from c's 0.1 to 0.3: a fifth must move, and hashing moves little more.
  expect(moves.length / keys).toBeGreaterThan(0.17);
  expect(moves.length / keys).toBeLessThan(0.3);
});

test("entities stick by their keys, and a variant can be asked for by name", async () => {
  await using folder = await packFolder(2);
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: served({ a: 1, b: 1 }),
  });
  const asked = await server.predict("late", { instances: [row], variant: "b" });
  expect(asked.provenance).toMatchObject({ variant: "b", model: { version: 2 } });
  const reply = await server.handle(
    new Request("http://server/invocations", {
      method: "POST",
      headers: { "x-amzn-sagemaker-target-variant": "b" },
      body: JSON.stringify({ instances: [row] }),
    }),
  );
  expect(await reply.json()).toEqual({ predictions: [expect.closeTo(expected(2, row), 6)] });
});

test("an alias that moves under load drops no request, and every answer is of the model it names", async () => {
  await using folder = await packFolder(3, { champion: 1 });
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late@champion", weight: 1 } } } },
  });
  const app = fastify();
  await app.register(server.fastify);
  const address = await app.listen({ port: 0 });
  const seen: number[] = [];
  let running = true;
  const client = async (): Promise<void> => {
    while (running) {
      const reply = await fetch(`${address}/endpoints/late/predict`, {
        method: "POST",
        body: JSON.stringify({ instances: [row] }),
      });
      expect(reply.status).toBe(200);
      const { predictions, provenance } = (await reply.json()) as {
        predictions: number[];
        provenance: { model: { version: number } };
      };
      const { version } = provenance.model;
      expect(predictions[0]).toBeCloseTo(expected(version, row), 6);
      seen.push(version);
    }
  };
  const clients = [client(), client(), client(), client()];
  for (const version of [2, 3, 1, 2, 3]) {
    await folder.point("champion", version);
    const from = seen.length;
    while (!seen.slice(from).includes(version)) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  running = false;
  await Promise.all(clients);
  await app.close();
  const changes = seen.filter((version, at) => at > 0 && version !== seen[at - 1]);
  expect(changes.length).toBeGreaterThanOrEqual(5);
});

test("a model that does not answer its golden requests is refused, and the one that serves goes on", async () => {
  await using folder = await packFolder(2, { champion: 1 });
  const dense = denseRuntime();
  const refused: string[] = [];
  await using server = await openModelServer({
    source: folder.source,
    endpoints: { late: { variants: { main: { model: "late@champion", weight: 1 } } } },
    logger: {
      debug() {},
      info() {},
      warn() {},
      error: (fields, message) => void refused.push(`${message} ${String((fields as { error?: unknown }).error)}`),
    },
    runtimes: [
      {
        formats: ["dense"],
        async load(directory, manifest, options) {
          const loaded = await dense.load(directory, manifest, options);
          if (!directory.endsWith("2")) return loaded;
          return {
            ...loaded,
            predict: (inputs) => {
              const rows = inputs["features"]?.shape[0] ?? 0;
              return { probability: { dtype: "float32", shape: [rows, 1], data: new Float32Array(rows) } };
            },
          };
        },
      },
    ],
  });
  await folder.point("champion", 2);
  while (refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(refused[0]).toContain("does not give the answers it was packed with");
  expect((await server.predict("late", { instances: [row] })).provenance.model.version).toBe(1);
});

test("draining says not ready, goes on for its grace, finishes what it has and then refuses", async () => {
  await using folder = await packFolder(1);
  const dense = denseRuntime();
  const disposed: number[] = [];
  const clock = createManualClock();
  let held = Promise.resolve();
  let letGo = (): void => {};
  const server = await openModelServer({
    source: folder.source,
    clock,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    runtimes: [
      {
        formats: ["dense"],
        async load(...options) {
          const loaded = await dense.load(...options);
          return {
            ...loaded,
            predict: async (inputs) => {
              await held;
              return loaded.predict(inputs);
            },
            dispose: async () => void disposed.push(1),
          };
        },
      },
    ],
  });
  const get = async (path: string): Promise<number> =>
    (await server.handle(new Request(`http://server${path}`))).status;
  expect([await get("/ping"), await get("/v2/health/ready"), await get("/v2/models/late/ready")]).toEqual([
    200, 200, 200,
  ]);
  held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const before = server.predict("late", { instances: [row] });
  const drained = server.drain({ graceMs: 5000 });
  expect([await get("/ping"), await get("/v2/health/ready"), await get("/v2/health/live")]).toEqual([503, 503, 200]);
  await clock.advance(4999);
  const within = server.predict("late", { instances: [row] });
  await clock.advance(1);
  const after = await server.handle(
    new Request("http://server/invocations", { method: "POST", body: JSON.stringify({ instances: [row] }) }),
  );
  expect([after.status, after.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(disposed).toEqual([]);
  letGo();
  expect(Number((await before).outputs["probability"]?.data[0])).toBeCloseTo(expected(1, row), 6);
  await within;
  await drained;
  expect(disposed).toEqual([1]);
});

test("callers who leave take their waiting requests with them", async () => {
  await using folder = await packFolder(1);
  const dense = denseRuntime();
  let asked = 0;
  let held = Promise.resolve();
  let release = (): void => {};
  await using server = await openModelServer({
    source: folder.source,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, maxBatchRows: 1 } },
    runtimes: [
      {
        formats: ["dense"],
        async load(...options) {
          const loaded = await dense.load(...options);
          return {
            ...loaded,
            predict: async (inputs) => {
              asked += 1;
              await held;
              return loaded.predict(inputs);
            },
          };
        },
      },
    ],
  });
  asked = 0;
  held = new Promise((resolve) => (release = resolve));
  const app = fastify();
  await app.register(server.fastify);
  const address = await app.listen({ port: 0 });
  const gone = new AbortController();
  const body = JSON.stringify({ instances: [row] });
  const stays = fetch(`${address}/invocations`, { method: "POST", body });
  await once(app.server, "request");
  let [came, left] = [0, 0];
  app.server.on("request", (_, response) => {
    came += 1;
    response.once("close", () => (left += 1));
  });
  const leaves = Array.from({ length: 5 }, () =>
    fetch(`${address}/invocations`, { method: "POST", body, signal: gone.signal }),
  );
  await expect.poll(() => came, { interval: 5 }).toBe(5);
  gone.abort();
  await Promise.allSettled(leaves);
  await expect.poll(() => left, { interval: 5 }).toBe(5);
  release();
  expect((await stays).status).toBe(200);
  await app.close();
  expect(asked).toBeLessThanOrEqual(2);
});
