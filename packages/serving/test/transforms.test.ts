import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@millwright/contracts";
import { batchOf, datasetOf, fitTransforms } from "@millwright/data";
import { openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { createCounts } from "./counts.ts";
import { denseRuntime, packFolder } from "./models.ts";

/** probability = sigmoid(2·scaled distance + 1·[carrier AA] − 1·[carrier BB]), where distances have the mean 100 and deviation 50. */
async function openServer(): Promise<{ readonly server: ModelServer } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "millwright-transforms-"));
  const rows = batchOf({ distance: [50, 150, 50, 150], carrier: ["AA", "AA", "BB", "BB"] });
  const fitted = await fitTransforms(
    [
      { kind: "numeric", column: "distance" },
      { kind: "oneHot", column: "carrier", other: false },
    ],
    datasetOf([rows]),
  );
  const { files, signature } = writeDenseModel([{ kernel: [2, 1, -1], bias: [0], activation: "sigmoid" }]);
  await packModel(join(root, "late", "1"), {
    name: "late",
    format: "dense",
    files,
    signature,
    transforms: fitted as unknown as JsonObject,
  });
  const server = await openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server.drain();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

test("rows with names go through the model's transforms, in whatever order the names stand", async () => {
  await using opened = await openServer();
  const { server } = opened;
  const { outputs } = await server.predict("late", {
    instances: [
      { distance: 150, carrier: "AA" },
      { carrier: "BB", distance: 50 },
      { distance: null, carrier: "AA" },
    ],
  });
  const nothing = await server.predict("late", { instances: [{ distance: null, carrier: null }] });
  expect(Number(nothing.outputs["prediction"]?.data[0])).toBeCloseTo(0.5, 6);
  expect([...(outputs["prediction"]?.data ?? [])]).toEqual(
    [sigmoid(3), sigmoid(-3), sigmoid(1)].map((value) => expect.closeTo(value, 5)),
  );
  const csv = await server.handle(
    new Request("http://server/invocations", {
      method: "POST",
      headers: { "content-type": "text/csv; header=present" },
      body: "carrier,distance\nAA,150\nBB,50\n",
    }),
  );
  expect((await csv.text()).trim().split("\n").map(Number)).toEqual(
    [sigmoid(3), sigmoid(-3)].map((value) => expect.closeTo(value, 5)),
  );
});

test("raw columns by name are read as rows are: texts, nulls, and columns with a value in a list of its own", async () => {
  await using opened = await openServer();
  const ask = async (path: string, body: object): Promise<readonly [number, unknown]> => {
    const reply = await opened.server.handle(
      new Request(`http://server${path}`, { method: "POST", body: JSON.stringify(body) }),
    );
    return [reply.status, await reply.json()];
  };
  const answers = [sigmoid(3), sigmoid(-3), sigmoid(1)].map((value) => expect.closeTo(value, 5));
  const inputs = { distance: [150, 50, null], carrier: ["AA", "BB", "AA"] };
  for (const path of ["/invocations", "/endpoints/late/predict"])
    expect(await ask(path, { inputs }), path).toEqual([200, expect.objectContaining({ predictions: answers })]);
  const lists = { distance: [[150], [50], [null]], carrier: [["AA"], ["BB"], ["AA"]] };
  expect(await ask("/invocations", { inputs: lists })).toEqual([200, { predictions: answers }]);
  const refused = async (wrong: object): Promise<unknown> => (await ask("/invocations", { inputs: wrong }))[1];
  expect(await refused({ distance: [1, 2], carrier: ["AA"] })).toMatchObject({ path: "/inputs/carrier" });
  expect(await refused({ distance: 1, carrier: "AA" })).toMatchObject({ path: "/inputs/distance" });
  expect(await refused({ distance: ["far"], carrier: ["AA"] })).toMatchObject({
    error: expect.stringContaining("distance"),
  });
  expect(await refused({})).toMatchObject({ code: "SERVING_REQUEST_INVALID" });
});

test("requests of named rows at once share batches, whatever the order of their names", async () => {
  await using opened = await openServer();
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, at) =>
      opened.server.predict("late", {
        instances: [at % 2 === 0 ? { distance: at, carrier: "AA" } : { carrier: "BB", distance: at }],
      }),
    ),
  );
  for (const [at, { outputs }] of answers.entries()) {
    expect(Number(outputs["prediction"]?.data[0])).toBeCloseTo(
      sigmoid((2 * (at - 100)) / 50 + (at % 2 === 0 ? 1 : -1)),
      5,
    );
  }
});

test("a named row that lacks a feature, or has it in another type, is a 400 that names it", async () => {
  await using opened = await openServer();
  const ask = async (instances: unknown): Promise<readonly [number, string]> => {
    const reply = await opened.server.handle(
      new Request("http://server/invocations", { method: "POST", body: JSON.stringify({ instances }) }),
    );
    return [reply.status, ((await reply.json()) as { error: string }).error];
  };
  expect(await ask([{ distance: 1 }])).toEqual([400, expect.stringContaining("carrier")]);
  expect(await ask([{ distance: "far", carrier: "AA" }])).toEqual([400, expect.stringContaining("distance")]);
  expect(await ask([{ distance: [1], carrier: "AA" }])).toEqual([400, expect.stringContaining("distance")]);
  expect(
    await ask([
      { distance: 1, carrier: "AA" },
      { distance: "x", carrier: "AA" },
    ]),
  ).toEqual([400, expect.stringContaining("distance")]);
  expect(await ask([[1, 2]])).toEqual([400, expect.stringContaining("row 0")]);
});

test("requests, errors, latencies, batches, the queue and what is in flight are counted", async () => {
  await using folder = await packFolder(1);
  const { meter, of } = createCounts();
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    meter,
  });
  await Promise.allSettled([
    ...Array.from({ length: 7 }, () => server.predict("late", { instances: [[1, 2, 3, 4]] })),
    server.predict("late", { instances: [[1]] }),
  ]);
  const labels = { endpoint: "late", variant: "main" };
  expect(of("millwright_serving_requests_total", labels)).toHaveLength(8);
  expect(of("millwright_serving_errors_total", { ...labels, code: "SERVING_INPUT_INVALID" })).toEqual([1]);
  expect(of("millwright_serving_latency_seconds", labels)).toHaveLength(8);
  expect(of("millwright_serving_batch_rows", { endpoint: "late" })).toEqual([7]);
  expect(Math.max(...of("millwright_serving_queue_rows"))).toBe(7);
  expect(of("millwright_serving_queue_rows").at(-1)).toBe(0);
  expect(Math.max(...of("millwright_serving_in_flight"))).toBe(8);
  expect(of("millwright_serving_in_flight").at(-1)).toBe(0);
});
