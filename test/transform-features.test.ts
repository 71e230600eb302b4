import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createManualClock, createRandom } from "../packages/contracts/dist/index.js";
import { batchOf, datasetOf, fitTransforms, profileToJson } from "../packages/data/dist/index.js";
import { openMemoryOnlineStore } from "../packages/feature-store/dist/drivers/memory.js";
import {
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  type FeatureStore,
  openFeatureStore,
} from "../packages/feature-store/dist/index.js";
import { denseRuntime, openDirectoryModelSource, packModel, writeDenseModel } from "../packages/model/dist/index.js";
import { compare, type Monitor, openMonitor, recommended } from "../packages/monitor/dist/index.js";
import { openModelServer } from "../packages/serving/dist/index.js";
import { createAsOfFeatures, startTransform, type TransformOptions } from "../packages/serving/dist/transform.js";

const plane = defineEntity({ name: "plane", keys: { plane: "int32" } });
const delays = defineFeatureView({
  name: "delays",
  entity: plane,
  eventTime: "at",
  features: { late: "float64", flights: "float64" },
});
const service = defineFeatureService({ name: "punctuality", views: [delays] });

/** What was known of 5 planes at 200 times, in milliseconds. */
const random = createRandom(3);
const events = Array.from({ length: 200 }, (_, at) => ({
  plane: random.integer(5),
  at: new Date(10_000 + at * 100 + random.integer(50)),
  late: random.integer(1000) / 8,
  flights: random.integer(9),
}));

/** The model adds the two up; where there is nothing yet, a delay counts as 7 and a number of flights as 7 too. */
function oracle(key: number, timeMs: number): number {
  const known = events.filter(({ plane: of, at }) => of === key && at.getTime() <= timeMs);
  const last = known.toSorted((a, b) => a.at.getTime() - b.at.getTime()).at(-1);
  return last === undefined ? 14 : last.late + last.flights;
}

interface Opened extends AsyncDisposable {
  readonly root: string;
  readonly input: string;
  readonly output: string;
  readonly store: FeatureStore;
}

async function open(): Promise<Opened> {
  const root = await mkdtemp(join(tmpdir(), "millwright-transform-"));
  const store = await openFeatureStore({
    history: join(root, "history"),
    services: [service],
    online: openMemoryOnlineStore(),
    clock: createManualClock(60_000),
  });
  await store.put(delays, events);
  const columns = ["delays__late", "delays__flights"] as const;
  const transforms = await fitTransforms(
    columns.map((column) => ({ kind: "numeric", column, impute: 7, scale: "none" }) as const),
    datasetOf([batchOf({ delays__late: [1, 2], delays__flights: [1, 2] })]),
  );
  const dense = writeDenseModel([{ kernel: [1, 1], bias: [0], activation: "linear" }]);
  const trained = { name: service.name, digest: service.digest };
  await packModel(join(root, "models", "late", "1"), {
    name: "late",
    format: "dense",
    ...dense,
    transforms: { ...transforms },
    featureService: trained,
  } as never);
  await mkdir(join(root, "in"));
  return {
    root,
    input: join(root, "in"),
    output: join(root, "out"),
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

const modelOf = ({ root }: Opened): Pick<NonNullable<TransformOptions["model"]>, "source" | "runtimes" | "model"> => ({
  source: openDirectoryModelSource(join(root, "models")),
  runtimes: [denseRuntime()],
  model: "late/1",
});

const answersOf = async (path: string): Promise<readonly number[]> =>
  (await readFile(path, "utf8")).trimEnd().split("\n").map(Number);

/** 60 questions, some of planes nobody knows, some of a time before anything was known. */
const questions = Array.from({ length: 60 }, (_, at) => ({
  plane: at % 6,
  at: new Date(9_900 + ((at * 379) % 21_000)).toISOString(),
  note: `n${at}`,
}));

test("BT-10: features are joined as of the time that each record names, as a scan over all that was ever known has them", async () => {
  await using opened = await open();
  const { input, output, store } = opened;
  await writeFile(join(input, "q.jsonl"), questions.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const features = createAsOfFeatures(store, { timeColumn: "at" });
  const entities = { keys: ["plane", "at"] };
  await startTransform({
    model: { ...modelOf(opened), features },
    entities,
    input,
    output,
    maxBatchRecords: 7,
  }).result();
  const wanted = questions.map((row) => oracle(row.plane, Date.parse(row.at)));
  // Some before anything was known, and many that are not the latest.
  expect(wanted.filter((value) => value === 14).length).toBeGreaterThan(5);
  expect(wanted.filter((value, at) => value !== oracle(questions[at]!.plane, Infinity)).length).toBeGreaterThan(30);
  expect(await answersOf(join(output, "q.jsonl.out"))).toEqual(wanted);
});

test("BT-10: one time stands for all records, or what is latest when the job runs; from CSV with names, joined with their records", async () => {
  await using opened = await open();
  const { input, output, store } = opened;
  const rows = questions.map(({ plane: key, note }) => `${note},${key}`);
  await writeFile(join(input, "q.csv"), `note,plane\n${rows.join("\n")}\n`);
  const options = { entities: { keys: ["plane"] }, csvHeader: true, joinSource: "Input", input, output } as const;
  const run = async (more: Partial<TransformOptions>): Promise<readonly string[]> => {
    await startTransform({ ...options, ...more }).result();
    return (await readFile(join(output, "q.csv.out"), "utf8")).trimEnd().split("\n");
  };
  const asOfMs = 17_777;
  const then = await run({
    model: { ...modelOf(opened), features: createAsOfFeatures(store, { asOfMs }) },
    featuresAsOfMs: asOfMs,
  });
  expect(then).toEqual(questions.map(({ plane: key }, at) => `${rows[at]},${oracle(key, asOfMs)}`));
  const latest = await run({ model: { ...modelOf(opened), features: store } });
  expect(latest).toEqual(questions.map(({ plane: key }, at) => `${rows[at]},${oracle(key, Infinity)}`));
});

test("BT-9: with the time of its features fixed a rerun makes the same bytes, whatever the store learns meanwhile", async () => {
  await using opened = await open();
  const { input, output, store } = opened;
  await writeFile(join(input, "q.jsonl"), questions.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const asOfMs = 20_000;
  const fixed: TransformOptions = {
    model: { ...modelOf(opened), features: createAsOfFeatures(store, { asOfMs }) },
    featuresAsOfMs: asOfMs,
    entities: { keys: ["plane"] },
    input,
    output,
    name: "fixed",
  };
  const floating: TransformOptions = {
    ...fixed,
    model: { ...modelOf(opened), features: store },
    featuresAsOfMs: undefined,
    name: "floating",
  };
  const first = await startTransform(fixed).result();
  await startTransform(floating).result();
  expect(first.manifest?.featuresAsOfMs).toBe(asOfMs);
  await store.put(
    delays,
    [0, 1, 2, 3, 4].map((key) => ({ plane: key, at: new Date(50_000 + key), late: 999, flights: 1 })),
  );
  expect((await startTransform(fixed).result()).comparison).toEqual({ identical: true, changed: [], outputs: [] });
  expect((await startTransform(floating).result()).comparison).toEqual({
    identical: false,
    changed: [],
    outputs: ["q.jsonl.out"],
  });
});

test("BT-13: what a monitor says of a batch is what it says of the same rows at an endpoint, and it knows them by the job", async () => {
  await using opened = await open();
  const { input, output, store } = opened;
  await writeFile(join(input, "q.jsonl"), questions.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const clock = createManualClock(60_000);
  await using ofBatch = openMonitor({ clock });
  await using ofEndpoint = openMonitor({ clock });
  const ids: string[] = [];
  const predictions = {
    capture(prediction: Parameters<Monitor["capture"]>[0]) {
      ids.push(prediction.requestId);
      ofBatch.capture(prediction);
    },
  };
  const { source, runtimes, model } = modelOf(opened);
  const options = { entities: { keys: ["plane"] }, input, output, maxBatchRecords: 8, name: "nightly", clock };
  await startTransform({
    model: { source, runtimes, model, features: store, predictions, endpoint: "late", clock },
    ...options,
  }).result();
  await using server = await openModelServer({
    source,
    runtimes,
    features: store,
    predictions: ofEndpoint,
    clock,
    endpoints: { late: { variants: { main: { model, weight: 1 } } } },
    watch: false,
  });
  const ask = async (rows: typeof questions): Promise<void> => {
    for (const { plane: key } of rows) await server.predict("late", { entities: [{ plane: key }] });
    await ofEndpoint.flush();
  };
  // What drift is measured from: a part of the rows, and not a fair one.
  await ask(questions.slice(0, 15));
  const baseline = ofEndpoint.read("late", "main").features;
  await ask(questions.slice(15));
  await ofBatch.flush();
  expect(ids).toEqual(Array.from({ length: 8 }, (_, at) => `nightly/q.jsonl/${at * 8}-${Math.min(at * 8 + 7, 59)}`));
  const [batch, endpoint] = [ofBatch.read("late", "main"), ofEndpoint.read("late", "main")];
  expect([batch.errors, endpoint.errors]).toEqual([0, 0]);
  expect(rounded(profileToJson(batch.features))).toEqual(rounded(profileToJson(endpoint.features)));
  expect(rounded(profileToJson(batch.outputs))).toEqual(rounded(profileToJson(endpoint.outputs)));
  const reports = [batch, endpoint].map(({ features }) => compare(baseline, features, recommended()));
  expect(JSON.stringify(reports[0])).toContain("delays__late");
  expect(rounded(reports[0])).toEqual(rounded(reports[1]));
});

/** Sums of the same numbers, eight by eight or one by one, differ in their last bits. */
const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "number" ? Number(each.toPrecision(12)) : each)),
  );
