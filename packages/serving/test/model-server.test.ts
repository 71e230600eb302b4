import {
  type LoadedModel,
  type ModelRuntime,
  type PredictionSink,
  type Tensors,
  createRandom,
} from "@millwright/contracts";
import { expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { denseRuntime, expected, matrix, packFolder, width } from "./models.ts";

const one = { late: { variants: { main: { model: "late@champion", weight: 1 } } } };

const probability = (outputs: Tensors, row = 0): number => Number(outputs["probability"]?.data[row]);

/** The dense runtime behind a promise, with a record of how many rows each call had. */
function slowRuntime(calls: number[], delayMs = 1): ModelRuntime {
  const dense = denseRuntime();
  return {
    formats: dense.formats,
    async load(directory, manifest, options) {
      const loaded = await dense.load(directory, manifest, options);
      const slow: LoadedModel = {
        ...loaded,
        predict: async (inputs) => {
          calls.push(inputs["features"]?.shape[0] ?? 0);
          await new Promise((resolve) => setTimeout(resolve, delayMs));
          return loaded.predict(inputs);
        },
      };
      return slow;
    },
  };
}

test("an answer is the model's, and says where it comes from", async () => {
  await using folder = await packFolder(2, { champion: 2 });
  await using server = await openModelServer({ source: folder.source, runtimes: [denseRuntime()], endpoints: one });
  const row = [0.5, -1, 2, 0.25];
  const { digest } = await folder.source.resolve("late/2");
  const { outputs, provenance } = await server.predict("late", {
    inputs: { features: matrix([row]) },
    requestId: "r-1",
  });
  expect(probability(outputs)).toBeCloseTo(expected(2, row), 6);
  expect(provenance).toEqual({
    requestId: "r-1",
    endpoint: "late",
    variant: "main",
    model: { name: "late", version: 2, digest },
  });
  const again = await server.predict("late", { instances: [row, [1, 1, 1, 1]] });
  expect(probability(again.outputs)).toBe(probability(outputs));
  expect(probability(again.outputs, 1)).toBeCloseTo(expected(2, [1, 1, 1, 1]), 6);
  expect(again.provenance.requestId).toMatch(/^[0-9a-f-]{36}$/);
});

test("1,000 requests at once share batches, and each gets the answer it gets alone", async () => {
  await using folder = await packFolder(1);
  const calls: number[] = [];
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [slowRuntime(calls)],
    endpoints: { late: { ...one.late, maxBatchRows: 64 } },
  });
  calls.length = 0;
  const random = createRandom(7);
  const requests = Array.from({ length: 1000 }, () => {
    const rows = 1 + random.integer(3);
    return Array.from({ length: rows }, () => Array.from({ length: width }, () => Math.fround(random.normal())));
  });
  const answers = await Promise.all(
    requests.map((rows) => server.predict("late", { inputs: { features: matrix(rows) } })),
  );
  const rows = requests.reduce((sum, each) => sum + each.length, 0);
  expect(calls.reduce((sum, each) => sum + each, 0)).toBe(rows);
  expect(Math.max(...calls)).toBeLessThanOrEqual(64);
  expect(calls.length).toBeLessThan(rows / 32);
  for (const [index, { outputs }] of answers.entries()) {
    const given = requests[index] ?? [];
    expect(outputs["probability"]?.shape).toEqual([given.length, 1]);
    for (const [at, row] of given.entries()) expect(probability(outputs, at)).toBeCloseTo(expected(1, row), 5);
  }
  const alone = await server.predict("late", { inputs: { features: matrix(requests[0] ?? []) } });
  expect(answers[0]?.outputs).toEqual(alone.outputs);
});

test("a row that does not fit fails alone, before the model sees it", async () => {
  await using folder = await packFolder(1);
  const calls: number[] = [];
  await using server = await openModelServer({ source: folder.source, runtimes: [slowRuntime(calls)], endpoints: one });
  calls.length = 0;
  const asked = await Promise.allSettled([
    server.predict("late", { instances: [[1, 2, 3, 4]] }),
    server.predict("late", { instances: [[1, 2, 3]] }),
    server.predict("late", { instances: [[1, "two", 3, 4]] }),
    server.predict("late", { inputs: { other: matrix([[1, 2, 3, 4]]) } }),
    server.predict("late", { instances: [[1, 2, 3, 4]] }),
  ]);
  expect(asked.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected", "fulfilled"]);
  expect(calls).toEqual([2]);
  expect(asked[1]).toMatchObject({
    reason: { code: "SERVING_INPUT_INVALID", message: expect.stringContaining('"features"') },
  });
  expect(asked[2]).toMatchObject({ reason: { message: expect.stringContaining('element 1 is "two"') } });
  expect(asked[3]).toMatchObject({ reason: { message: expect.stringContaining('"other"') } });
});

test("where a batch fails in the model, only the row that broke it fails", async () => {
  await using folder = await packFolder(1);
  const dense = denseRuntime();
  const runtime: ModelRuntime = {
    formats: ["dense"],
    async load(...options) {
      const loaded = await dense.load(...options);
      return {
        ...loaded,
        predict: (inputs) => {
          if (inputs["features"]?.data.includes(666 as never) === true) throw new Error("this row breaks the model");
          return loaded.predict(inputs);
        },
      };
    },
  };
  await using server = await openModelServer({ source: folder.source, runtimes: [runtime], endpoints: one });
  const asked = await Promise.allSettled(
    [1, 2, 666, 4].map((value) => server.predict("late", { instances: [[value, 0, 0, 0]] })),
  );
  expect(asked.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  expect(asked[2]).toMatchObject({ reason: { code: "SERVING_MODEL_FAILED", category: "bug" } });
});

test("a full queue turns requests away, and takes them again when it has emptied", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [slowRuntime([], 20)],
    endpoints: { late: { ...one.late, maxBatchRows: 4, maxQueueRows: 8 } },
  });
  const ask = (): ReturnType<ModelServer["predict"]> => server.predict("late", { instances: [[1, 2, 3, 4]] });
  const asked = await Promise.allSettled(Array.from({ length: 20 }, ask));
  const refused = asked.filter((each) => each.status === "rejected");
  expect(refused).toHaveLength(12);
  expect(refused[0]).toMatchObject({ reason: { code: "SERVING_OVERLOADED", retryable: true } });
  await ask();
});

test("a request that is given up while it waits is not asked of the model", async () => {
  await using folder = await packFolder(1);
  const calls: number[] = [];
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [slowRuntime(calls, 20)],
    endpoints: one,
  });
  calls.length = 0;
  const first = server.predict("late", { instances: [[1, 2, 3, 4]] });
  await new Promise((resolve) => setTimeout(resolve, 5));
  const gone = new AbortController();
  const second = server.predict("late", { instances: [[1, 2, 3, 4]], signal: gone.signal });
  gone.abort(new Error("gone"));
  await expect(second).rejects.toThrow("gone");
  await first;
  expect(calls).toEqual([1]);
});

test("what is captured is what was asked and answered, as soon as the caller has it; a sink that throws harms nobody", async () => {
  await using folder = await packFolder(1);
  const captured: Parameters<PredictionSink["capture"]>[0][] = [];
  const sink: PredictionSink = {
    capture: (prediction) => {
      captured.push(prediction);
      throw new Error("a broken sink");
    },
  };
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: one,
    predictions: sink,
  });
  const { outputs } = await server.predict("late", { instances: [[1, 2, 3, 4]], requestId: "seen" });
  expect(captured).toHaveLength(1);
  await expect(server.predict("late", { instances: [[1, 2]], requestId: "bad" })).rejects.toThrow("row 0");
  expect(captured.map(({ requestId, errorCode }) => [requestId, errorCode])).toEqual([
    ["seen", undefined],
    ["bad", "SERVING_INPUT_INVALID"],
  ]);
  const [seen] = captured;
  expect(seen?.outputs).toEqual(outputs);
  expect(Object.keys(seen?.features?.columns ?? {})).toEqual(["features_0", "features_1", "features_2", "features_3"]);
  expect(seen?.latencyMs).toBeGreaterThanOrEqual(0);
});

test("an unknown endpoint and an unknown variant are told by name", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, runtimes: [denseRuntime()], endpoints: one });
  await expect(server.predict("early", { instances: [[1, 2, 3, 4]] })).rejects.toMatchObject({
    code: "SERVING_ENDPOINT_UNKNOWN",
  });
  await expect(server.predict("late", { instances: [[1, 2, 3, 4]], variant: "b" })).rejects.toMatchObject({
    code: "SERVING_VARIANT_UNKNOWN",
    message: expect.stringContaining("main"),
  });
  await expect(server.predict("late", {})).rejects.toMatchObject({ code: "SERVING_REQUEST_INVALID" });
});
