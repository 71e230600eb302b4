import {
  type CapturedPrediction,
  type Digest,
  type FeatureSource,
  digestOf,
  redactFields,
} from "@millwright/contracts";
import { batchOf, column, toArray } from "@millwright/data";
import { openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ModelServerOptions, openModelServer } from "@millwright/serving";
import { denseRuntime, expected, layersOf } from "./models.ts";

/** Flights with three features each, kept in a map; a fourth is what the request brings. */
function flights(digest: Digest): { readonly source: FeatureSource; readonly reads: number[] } {
  const known = new Map([
    ["AA1", [0.1, 0.2, 0.3]],
    ["BB2", [-1, 2, -3]],
  ]);
  const reads: number[] = [];
  const source: FeatureSource = {
    describe: async () => ({
      name: "late_v1",
      digest,
      entityKeys: [{ name: "flight", type: "utf8", nullable: false }],
      requestInputs: [{ name: "wind", type: "float64" }],
      features: ["a", "b", "c", "wind"].map((name) => ({ name, type: "float64" as const })),
    }),
    read: async (_service, { entities, request }) => {
      const keys = toArray(entities.columns["flight"] as never) as string[];
      reads.push(keys.length);
      const cells = (at: number): (number | null)[] => keys.map((key) => known.get(key)?.[at] ?? null);
      return {
        features: batchOf({
          a: column("float64", cells(0)),
          b: column("float64", cells(1)),
          c: column("float64", cells(2)),
          wind: request?.columns["wind"] as never,
        }),
        views: {
          flights: {
            status: keys.map((key) => (known.has(key) ? "present" : "missing")),
            ageMs: Float64Array.from(keys, (key) => (known.has(key) ? 1000 * key.length : Number.NaN)),
          },
        },
      };
    },
  };
  return { source, reads };
}

async function packFed(service: Digest): Promise<{ readonly root: string } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), "millwright-features-"));
  const { files, signature } = writeDenseModel(layersOf(5), { input: "features", output: "probability" });
  await packModel(join(root, "late", "1"), {
    name: "late",
    format: "dense",
    files,
    signature,
    featureService: { name: "late_v1", digest: service },
  });
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

const endpoints: ModelServerOptions["endpoints"] = { late: { variants: { main: { model: "late/1", weight: 1 } } } };
const definition = digestOf("the definition at training");

test("entities are answered from their features and what the request brings, in the order asked", async () => {
  await using packed = await packFed(definition);
  const { source, reads } = flights(definition);
  const captured: CapturedPrediction[] = [];
  await using server = await openModelServer({
    source: openDirectoryModelSource(packed.root),
    runtimes: [denseRuntime()],
    features: source,
    endpoints,
    redactor: redactFields(["wind"]),
    predictions: { capture: (prediction) => void captured.push(prediction) },
  });
  const { outputs, provenance } = await server.predict("late", {
    entities: [{ flight: "BB2" }, { flight: "AA1" }],
    request: [{ wind: 4 }, { wind: 0.4 }],
  });
  expect([...(outputs["probability"]?.data ?? [])]).toEqual([
    expect.closeTo(expected(5, [-1, 2, -3, 4]), 6),
    expect.closeTo(expected(5, [0.1, 0.2, 0.3, 0.4]), 6),
  ]);
  expect(provenance.features).toEqual({
    service: "late_v1",
    digest: definition,
    views: {
      flights: {
        statuses: { present: 2, missing: 0, expired: 0, deleted: 0, stale: 0, defaulted: 0 },
        oldestAgeMs: 3000,
      },
    },
  });
  expect(reads).toEqual([2]);
  const missing = await server.predict("late", { entities: [{ flight: "??" }], request: [{ wind: 1 }] });
  expect(missing.provenance.features?.views["flights"]).toEqual({
    statuses: { present: 0, missing: 1, expired: 0, deleted: 0, stale: 0, defaulted: 0 },
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(toArray(captured[0]?.features?.columns["wind"] as never)).toEqual(["[redacted]", "[redacted]"]);
  expect(toArray(captured[0]?.features?.columns["a"] as never)).toEqual([-1, 0.1]);
});

test("requests for many entities at once share batches of the model", async () => {
  await using packed = await packFed(definition);
  const { source } = flights(definition);
  await using server = await openModelServer({
    source: openDirectoryModelSource(packed.root),
    runtimes: [denseRuntime()],
    features: source,
    endpoints,
  });
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, at) =>
      server.predict("late", { entities: [{ flight: at % 2 === 0 ? "AA1" : "BB2" }], request: [{ wind: at }] }),
    ),
  );
  for (const [at, { outputs }] of answers.entries()) {
    const features = at % 2 === 0 ? [0.1, 0.2, 0.3] : [-1, 2, -3];
    expect(Number(outputs["probability"]?.data[0])).toBeCloseTo(expected(5, [...features, at]), 5);
  }
});

test("entities that do not fit the service are told by their column", async () => {
  await using packed = await packFed(definition);
  const { source } = flights(definition);
  await using server = await openModelServer({
    source: openDirectoryModelSource(packed.root),
    runtimes: [denseRuntime()],
    features: source,
    endpoints,
  });
  const wrong = [
    [{ entities: [{ flight: 7 }], request: [{ wind: 1 }] }, "SERVING_INPUT_INVALID", "flight"],
    [{ entities: [{}], request: [{ wind: 1 }] }, "SERVING_INPUT_INVALID", "flight"],
    [{ entities: [{ flight: "AA1", other: 1 }], request: [{ wind: 1 }] }, "SERVING_INPUT_INVALID", "other"],
    [{ entities: [{ flight: "AA1" }], request: [{ wind: "strong" }] }, "SERVING_INPUT_INVALID", "wind"],
    [{ entities: [{ flight: "AA1" }] }, "SERVING_REQUEST_INVALID", "wind"],
    [{ entities: [{ flight: "AA1" }], request: [] }, "SERVING_REQUEST_INVALID", "request"],
    [{ entities: [] }, "SERVING_REQUEST_INVALID", "entities"],
  ] as const;
  for (const [request, code, message] of wrong) {
    await expect(server.predict("late", request)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  }
});

test("a service that changed since training is refused at load, or taken with a warning", async () => {
  await using packed = await packFed(definition);
  const { source } = flights(digestOf("another definition"));
  const warnings: string[] = [];
  const options: ModelServerOptions = {
    source: openDirectoryModelSource(packed.root),
    runtimes: [denseRuntime()],
    features: source,
    endpoints,
    logger: { debug() {}, info() {}, error() {}, warn: (_fields, message) => void warnings.push(message) },
  };
  await expect(openModelServer(options)).rejects.toMatchObject({ code: "SERVING_FEATURE_SERVICE_MISMATCH" });
  expect(warnings).toEqual([]);
  await using server = await openModelServer({
    ...options,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, onFeatureMismatch: "warn" } },
  });
  expect(warnings).toEqual(["features differ from those of training"]);
  await server.predict("late", { entities: [{ flight: "AA1" }], request: [{ wind: 1 }] });
});
