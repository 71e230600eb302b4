import { type CapturedPrediction, type FeatureSource, digestOf, systemClock } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";
import { openDirectoryModelSource, packModel, writeDenseModel } from "@millwright/model";
import fastify from "fastify";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fault, chaos } from "../src/chaos.ts";
import { fallback, listen, openModelServer } from "../src/index.ts";
import { isolated } from "./isolation-setting.ts";
import { expected, layersOf, matrix } from "./models.ts";

const definition = digestOf("the definition at training");
const hourMs = 3_600_000;

/** A feature store with one flight of four features. */
const features: FeatureSource = {
  describe: async () => ({
    name: "late_v1",
    digest: definition,
    entityKeys: [{ name: "flight", type: "utf8", nullable: false }],
    requestInputs: [],
    features: ["a", "b", "c", "d"].map((name) => ({ name, type: "float64" as const })),
  }),
  read: async (_service, { entities }) => ({
    features: batchOf(
      Object.fromEntries(
        ["a", "b", "c", "d"].map((name, at) => [
          name,
          column(
            "float64",
            Array.from({ length: entities.length }, () => row[at] ?? 0),
          ),
        ]),
      ),
    ),
    views: {
      flights: {
        status: Array.from({ length: entities.length }, () => "present" as const),
        ageMs: new Float64Array(entities.length).fill(1000),
      },
    },
  }),
};

const row = [0.1, -0.2, 0.3, 0.4];
/** What the model says of the flight, and what stands in for it. */
export const right = expected(5, row);
export const standIn = 0.5;

export interface Answered {
  readonly status: number;
  readonly value: number | null | undefined;
  readonly degraded: string | null;
  readonly ms: number;
}

/** Every kind of fault there is. */
const faultsOf = (runtime: ReturnType<typeof isolated>): readonly Fault[] => [
  { kind: "delay", name: "slow", delayMs: 60, jitterMs: 20, share: 0.5 },
  { kind: "error", name: "broken", share: 0.3 },
  { kind: "corrupt", name: "wrong", share: 0.4, match: { mark: "wrong" } },
  { kind: "kill-worker", name: "killer", runtime, share: 0.2 },
  { kind: "clock-skew", name: "skewed", skewMs: -hourMs },
  { kind: "disk-full", name: "full" },
  { kind: "features-down", name: "unfed", share: 0.5 },
  { kind: "features-down", name: "unanswered", how: "hang", hangMs: 60_000 },
  { kind: "features-down", name: "old", how: "stale", staleMs: hourMs },
];

/** A server that listens: its model in two worker processes, features through a port, a row to fall back on, and chaos in all of it. */
export async function openChaoticServer(seed = 7) {
  const root = await mkdtemp(join(tmpdir(), "millwright-chaos-"));
  const { files, signature } = writeDenseModel(layersOf(5), { input: "features", output: "probability" });
  await packModel(join(root, "late", "1"), {
    name: "late",
    format: "dense",
    files,
    signature,
    featureService: { name: "late_v1", digest: definition },
  });
  const runtime = isolated({ workers: 2 });
  const faults = chaos({ seed, faults: faultsOf(runtime), armed: [] });
  const captured: CapturedPrediction[] = [];
  const server = await openModelServer({
    source: openDirectoryModelSource(root),
    runtimes: [runtime],
    clock: faults.clock(systemClock),
    features: faults.features(features),
    predictions: faults.predictions({ capture: (prediction) => void captured.push(prediction) }),
    endpoints: {
      late: {
        variants: { main: { model: "late/1", weight: 1 } },
        stages: [
          fallback({
            to: [{ row: { probability: matrix([[standIn]]) } }],
            timeoutMs: 8000,
            breaker: { minRequests: 10_000 },
          }),
          faults.stage(),
        ],
      },
    },
  });
  const app = fastify();
  await app.register(server.fastify);
  const url = await listen(app, { port: 0 });
  const ask = async (id: string, headers: Readonly<Record<string, string>> = {}): Promise<Answered> => {
    const since = performance.now();
    const response = await fetch(`${url}/endpoints/late/predict`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": id, ...headers },
      body: JSON.stringify({ entities: [{ flight: "AA1" }] }),
    });
    const body = (await response.json()) as { readonly predictions?: readonly (readonly (number | null)[])[] };
    const value = body.predictions?.flat(2)[0];
    return {
      status: response.status,
      value,
      degraded: response.headers.get("x-millwright-degraded"),
      ms: performance.now() - since,
    };
  };
  return {
    faults,
    runtime,
    captured,
    ask,
    /** So many requests, ten at a time. */
    async askMany(count: number, headers: Readonly<Record<string, string>> = {}): Promise<readonly Answered[]> {
      const answers: Answered[] = [];
      for (let from = 0; from < count; from += 10)
        answers.push(...(await Promise.all(Array.from({ length: 10 }, (_, at) => ask(`r${from + at}`, headers)))));
      return answers;
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await server[Symbol.asyncDispose]();
      await runtime[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
