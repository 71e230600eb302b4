import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fastify from "fastify";
import { type Batch, digestOfJson, type FeatureSource, type Tensors } from "@millwright/contracts";
import { batchOf, column, compileTransforms, datasetOf, fitTransforms, sliceBatch, toArray } from "@millwright/data";
import {
  denseRuntime,
  loadModel,
  openDirectoryModelSource,
  packModel,
  verifyModel,
  writeDenseModel,
} from "@millwright/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listen, type ModelServerOptions, openModelServer } from "@millwright/serving";
import { everyStep, flights, networkOf } from "../../model/test/flights.ts";

const trained = digestOfJson("flights");

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-serving-round-trip-"));
  const transforms = await fitTransforms(everyStep, datasetOf([flights(5000, 1)]));
  const network = writeDenseModel(networkOf(compileTransforms(transforms).width, 3, 5));
  await packModel(join(root, "late", "1"), {
    name: "late",
    format: "dense",
    ...network,
    transforms,
    featureService: { name: "flights", digest: trained },
  });
});
afterAll(() => rm(root, { recursive: true, force: true }));

const open = (options: Partial<ModelServerOptions> = {}) =>
  openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    ...options,
  });

const rows = 10_000;
const perRequest = 500;

/** Rows that JSON can hold: no infinities, no −0. NaN is null there, as it is to transforms. */
function jsonRows(batch: Batch): readonly Record<string, unknown>[] {
  const columns = Object.entries(batch.columns).map(([name, each]) => [name, toArray(each)] as const);
  const cell = (value: unknown): unknown => {
    if (typeof value === "bigint") return Number(value);
    return typeof value === "number" ? (Number.isFinite(value) ? value + 0 : null) : value;
  };
  return Array.from({ length: batch.length }, (_, row) =>
    Object.fromEntries(columns.map(([name, values]) => [name, cell(values[row])])),
  );
}

/** The same, as columns. */
const plain = (batch: Batch): Batch => ({
  length: batch.length,
  columns: Object.fromEntries(
    Object.entries(batch.columns).map(([name, each]) => [
      name,
      each.type === "float64" || each.type === "float32"
        ? column(
            each.type,
            toArray(each).map((value) => (Number.isFinite(value) ? (value as number) + 0 : null)),
          )
        : each,
    ]),
  ),
});

async function inProcess(batch: Batch): Promise<Float32Array> {
  await using model = await loadModel(await verifyModel(join(root, "late", "1")), [denseRuntime()]);
  return (await model.predictBatch(batch))["prediction"]?.data as Float32Array;
}

test(
  "DQ-13: 10,000 raw rows over HTTP get the bits that the package gives in process",
  { timeout: 600_000 },
  async () => {
    const batch = plain(flights(rows, 3, true));
    const expected = await inProcess(batch);
    await using server = await open();
    const app = fastify();
    await app.register(server.fastify);
    const url = await listen(app, { port: 0 });
    try {
      const answers: number[] = [];
      for (let start = 0; start < rows; start += perRequest) {
        const reply = await fetch(`${url}/invocations`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ instances: jsonRows(sliceBatch(batch, start, start + perRequest)) }),
        });
        const { predictions } = (await reply.json()) as { predictions: readonly (readonly number[])[] };
        answers.push(...predictions.flat());
      }
      expect(new Set(answers).size).toBeGreaterThan(9000);
      expect(answers.map(Math.fround)).toEqual([...expected]);
    } finally {
      await app.close();
    }
  },
);

test("DQ-13: raw columns are tensors of the Open Inference Protocol too, and its metadata name them", async () => {
  await using server = await open();
  const metadata = (await (await server.handle(new Request("http://server/v2/models/late"))).json()) as object;
  expect(metadata).toMatchObject({
    inputs: [{ name: "features" }],
    columns: expect.arrayContaining([
      { name: "day", type: "date" },
      { name: "carrier", type: "utf8" },
    ]) as unknown,
  });
  // Text has no null in a tensor: rows without one.
  const batch = flights(50, 4, true);
  const text = (name: string): string[] =>
    toArray(batch.columns[name]!).map((each) => (each as string | null) ?? "none");
  const whole = (name: string): number[] => toArray(batch.columns[name]!).map((each) => Number(each));
  const inputs: Tensors = {
    ...Object.fromEntries(
      ["distance", "tiny", "id", "month", "hour", "day"].map(
        (name) => [name, { dtype: "float64", shape: [50], data: Float64Array.from(whole(name)) }] as const,
      ),
    ),
    carrier: { dtype: "string", shape: [50, 1], data: text("carrier") },
    tail: { dtype: "string", shape: [50], data: text("tail") },
    late: { dtype: "bool", shape: [50], data: Uint8Array.from(whole("late")) },
    time: {
      dtype: "int64",
      shape: [50, 1],
      data: BigInt64Array.from(toArray(batch.columns["time"]!), (each) =>
        each === null ? 0n : BigInt(each as bigint),
      ),
    },
  };
  const same = batchOf({
    ...Object.fromEntries(
      ["distance", "tiny", "id", "month", "hour", "day"].map((name) => [name, column("float64", whole(name))]),
    ),
    carrier: text("carrier"),
    tail: text("tail"),
    late: whole("late").map((each) => each === 1),
    time: column(
      "timestamp",
      toArray(batch.columns["time"]!).map((each) => (each as bigint | null) ?? 0n),
    ),
  });
  const { outputs } = await server.predict("late", { inputs });
  expect(outputs["prediction"]?.data).toEqual(await inProcess(same));
  const wrong = async (change: Tensors) =>
    server.predict("late", { inputs: { ...inputs, ...change } }).catch((error: unknown) => error);
  expect(await wrong({ other: inputs["tail"]! })).toMatchObject({
    code: "SERVING_INPUT_INVALID",
    message: expect.stringContaining('"other"') as string,
  });
  expect(await wrong({ tail: { dtype: "string", shape: [1, 50], data: text("tail") } })).toMatchObject({
    code: "SERVING_INPUT_INVALID",
  });
  expect(await wrong({ tail: { dtype: "string", shape: [1], data: ["N1"] } })).toMatchObject({
    code: "SERVING_INPUT_INVALID",
  });
  expect(await wrong({ tail: inputs["late"]! })).toMatchObject({ code: "DATA_COLUMN_TYPE" });
});

test("DQ-13: dates and timestamps come as ISO 8601 where the transforms read such, and as nothing else", async () => {
  await using server = await open();
  const [row] = jsonRows(plain(flights(1, 7)));
  const ask = async (time: unknown, day: unknown): Promise<unknown> => {
    const reply = await server.handle(
      new Request("http://server/invocations", {
        method: "POST",
        body: JSON.stringify({ instances: [{ ...row, time, day }] }),
      }),
    );
    const body = (await reply.json()) as { predictions?: unknown; code?: string };
    return body.predictions ?? body.code;
  };
  const ms = Date.UTC(2024, 1, 29, 23, 59);
  const expected = await ask(ms * 1000 + 123_456, ms / 86_400_000 - (ms % 86_400_000) / 86_400_000);
  expect(expected).toHaveLength(1);
  for (const [time, day] of [
    ["2024-02-29T23:59:00.123456Z", "2024-02-29"],
    ["2024-02-29T23:59:00.123456", "2024-02-29T10:00:00"],
    ["2024-03-01T01:59:00.123456+02:00", "2024-02-29T23:00Z"],
  ])
    expect(await ask(time, day)).toEqual(expected);
  expect(await ask("yesterday", "2024-02-29")).toBe("SERVING_INPUT_INVALID");
  expect(await ask("2024-02-29T23:59:00Z", "29.2.2024")).toBe("SERVING_INPUT_INVALID");
  const { outputs } = await server.predict("late", {
    instances: [{ ...row, time: new Date(ms), day: new Date(ms) } as never],
  });
  expect([...(outputs["prediction"]?.data ?? [])]).toHaveLength(3);
});

test("DQ-13: features that the transforms cannot take fail the load by name, not each request", async () => {
  const features: FeatureSource = {
    describe: async (name) => ({
      name,
      digest: trained,
      entityKeys: [{ name: "tail", type: "utf8" }],
      requestInputs: [],
      features: [{ name: "distance", type: "utf8" }],
    }),
    read: () => Promise.reject(new Error("It is not read.")),
  };
  await expect(open({ features })).rejects.toMatchObject({
    code: "DATA_SCHEMA_MISMATCH",
    message: expect.stringContaining('"distance" is utf8') as string,
  });
});
