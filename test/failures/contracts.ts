import * as contracts from "../../packages/contracts/dist/index.js";
import { runConformance } from "../../packages/contracts/dist/testing/index.js";
import { openMemoryEventLog } from "../../packages/storage/dist/index.js";
import { clocksAndChance, queuesAndBudgets } from "./limits-and-chance.ts";
import { type FailureTable, type Failures, methods, type Subject, type Subjects, well } from "./subjects.ts";

const { createManualClock, createRandom, defineSchema, utf8 } = contracts;

const digest = contracts.digestOf("a");
const clock = createManualClock(0);
const ids = contracts.createIdSource(clock, createRandom(1));
const draft = { source: "mill", type: "run.started", subject: "r1", data: { made: [{ kind: "run", id: "r1" }] } };
const schema = defineSchema({ origin: utf8(), delay: contracts.float32({ nullable: true, minimum: 0 }) });
const tensor = { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) };
const manifest = {
  formatVersion: 1,
  name: "late",
  format: "dense",
  files: [{ path: "network.json", digest, sizeBytes: 1 }],
  signature: { inputs: [], outputs: [] },
  golden: [],
  provenance: { datasets: {}, environment: {}, hyperparameters: {}, metrics: {}, createdTimeMs: 0 },
};
const ref = { formatVersion: 1, digest, schema: [{ name: "a", type: "int32", nullable: false }], rows: 1, parts: [] };

const failing = (code: string, ...calls: readonly (() => unknown)[]): Failures =>
  Object.fromEntries(calls.map((call, at) => [`${code}: ${at + 1}`, call]));
const invalid = (...calls: readonly (() => unknown)[]): Failures => failing("CONTRACTS_VALUE_INVALID", ...calls);
const undeclarable = (...calls: readonly (() => unknown)[]): Failures => failing("CONTRACTS_SCHEMA_INVALID", ...calls);

/** Functions that make the errors of ports: what they give is thrown by drivers. */
function makers(): Subjects {
  const { PortError: _, ...all } = contracts;
  const texts: Readonly<Record<string, readonly unknown[]>> = {
    artifactCorrupt: [digest, digest],
    artifactMissing: [digest],
    budgetExhausted: ["usd", 2, 1],
    closed: ["The store"],
    deploymentRunning: ["late", "d1"],
    featureServiceUnknown: ["late", ["early"]],
    jobUnknown: ["j1"],
    leaseLost: ["gpu/0", 1],
    modelCorrupt: ["late", "a file is missing"],
    modelUnknown: ["late/1", ["early/1"]],
    transitionIllegal: ["The job", "completed", "training", ["failed"]],
    unsupported: ["Scanning", "Use another driver."],
    versionConflict: ["key", 1, 2],
  };
  return Object.fromEntries(
    Object.entries(texts).map(([name, args]): [string, Subject] => {
      const make = all[name as "closed"] as (...given: readonly unknown[]) => contracts.PortError;
      const { code } = make(...args);
      return [name, well(make as never, () => args, { [code]: () => Promise.reject(make(...args)) })];
    }),
  );
}

function fields(): Subjects {
  const declarers = { ...contracts };
  const names = ["bool", "binary", "date", "dictionary", "timestamp", "utf8", "float32", "float64"] as const;
  const whole = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const;
  const plain = [...names, ...whole].map((name): [string, Subject] => [
    name,
    well(declarers[name] as never, () => [{ nullable: true, description: "x" }]),
  ]);
  return {
    ...Object.fromEntries(plain),
    list: well(contracts.list, () => ["int32", { nullable: true }]),
    defineSchema: well(
      defineSchema,
      () => [{ a: utf8(), b: contracts.dictionary({ values: ["x", "y"] }), c: contracts.int32({ minimum: 1 }) }],
      undeclarable(
        () => defineSchema({ "": utf8() }),
        () => defineSchema({ 12: utf8() }),
        () => defineSchema({ a: contracts.int32({ minimum: 2, maximum: 1 }) }),
        () => defineSchema({ a: contracts.dictionary({ values: [] }) }),
      ),
    ),
    parseRow: well(
      contracts.parseRow,
      () => [schema, { origin: "JFK", delay: 3 }],
      invalid(
        () => contracts.parseRow(schema, { origin: 3, delay: 1 }),
        () => contracts.parseRow(schema, null),
      ),
    ),
    runConformance: well(
      runConformance,
      () => [{ open: () => ({}) }, { signal: new AbortController().signal }],
      { TypeError: () => runConformance({ open: () => ({}) }, { signal: AbortSignal.abort(new TypeError("stop")) }) },
      20,
    ),
    columnKinds: well(contracts.columnKinds, () => [schema]),
    rowJsonSchema: well(contracts.rowJsonSchema, () => [schema]),
    openInferenceTensors: well(contracts.openInferenceTensors, () => [schema]),
    sageMakerFeatures: well(
      contracts.sageMakerFeatures,
      () => [schema],
      undeclarable(() => contracts.sageMakerFeatures(defineSchema({ "a b": utf8() }))),
    ),
  };
}

function parsers(): Subjects {
  const history = contracts.startJobHistory(0);
  const event = contracts.createEvent(draft as never, { clock, ids });
  return {
    parseModelManifest: well(contracts.parseModelManifest, () => [manifest], {
      ...invalid(() => contracts.parseModelManifest({ ...manifest, name: 3 })),
      CONTRACTS_FORMAT_UNSUPPORTED: () => contracts.parseModelManifest({ ...manifest, formatVersion: 2 }),
    }),
    parseDatasetRef: well(contracts.parseDatasetRef, () => [ref], {
      ...invalid(() => contracts.parseDatasetRef({})),
      CONTRACTS_FORMAT_UNSUPPORTED: () => contracts.parseDatasetRef({ ...ref, formatVersion: 9 }),
    }),
    parseEvent: well(
      contracts.parseEvent,
      () => [event],
      invalid(() => contracts.parseEvent({})),
    ),
    parseJobHistory: well(
      contracts.parseJobHistory,
      () => [history],
      invalid(() => contracts.parseJobHistory([])),
    ),
    parseDigest: well(
      contracts.parseDigest,
      () => [digest],
      invalid(() => contracts.parseDigest("md5")),
    ),
    parseRunId: well(
      contracts.parseRunId,
      () => ["r1"],
      invalid(() => contracts.parseRunId("")),
    ),
    parseTrialId: well(
      contracts.parseTrialId,
      () => ["t1"],
      invalid(() => contracts.parseTrialId("a b")),
    ),
    parseJobId: well(
      contracts.parseJobId,
      () => ["j1"],
      invalid(() => contracts.parseJobId(".")),
    ),
    parseModelRef: well(
      contracts.parseModelRef,
      () => ["late@champion"],
      invalid(() => contracts.parseModelRef("late")),
    ),
    modelRef: well(
      contracts.modelRef,
      () => ["late/3"],
      invalid(() => contracts.modelRef("late/x")),
    ),
    modelVersionRef: well(
      contracts.modelVersionRef,
      () => ["late", 3],
      invalid(() => contracts.modelVersionRef("late", 0)),
    ),
    featureViewRef: well(
      contracts.featureViewRef,
      () => ["delays", digest],
      invalid(() => contracts.featureViewRef("#", digest)),
    ),
    parseEventTime: well(contracts.parseEventTime, () => ["2024-05-01T12:00:00Z"], {
      ...failing(
        "CONTRACTS_EVENT_TIME_INVALID",
        () => contracts.parseEventTime("yesterday"),
        () => contracts.parseEventTime("2024-02-30T00:00:00Z"),
        () => contracts.parseEventTime(1.00001),
      ),
    }),
    formatEventTime: well(contracts.formatEventTime, () => [0n], {
      CONTRACTS_EVENT_TIME_INVALID: () => contracts.formatEventTime(10n ** 18n),
    }),
    parseDate: well(contracts.parseDate, () => ["2024-05-01"], {
      CONTRACTS_EVENT_TIME_INVALID: () => contracts.parseDate("2024-13-01"),
    }),
    decodeNumbers: well(
      contracts.decodeNumbers,
      () => [{ a: [1, { $number: "NaN" }] }],
      invalid(() => contracts.decodeNumbers({ $number: "x" })),
    ),
    encodeNumbers: well(contracts.encodeNumbers, () => [{ a: [1, Number.NaN, 7n] }]),
    decodeTensor: well(
      contracts.decodeTensor,
      () => [{ dtype: "float32", shape: [2], data: [1, "NaN"] }],
      invalid(
        () => contracts.decodeTensor({ dtype: "float32", shape: [2], data: [1] }),
        () => contracts.decodeTensor({ dtype: "int8", shape: [1], data: [300] }),
        () => contracts.decodeTensor({ dtype: "string", shape: [1], data: [3] }),
        () => contracts.decodeTensor({ dtype: "utf8" as never, shape: [1], data: ["x"] }),
      ),
    ),
    encodeTensor: well(contracts.encodeTensor, () => [tensor]),
  };
}

function events(): Subjects {
  const log = openMemoryEventLog({ clock, ids });
  return {
    createNewestEvents: well(contracts.createNewestEvents, () => [log, { types: ["run.*"], subjectsOf: () => ["r1"] }]),
    ...methods(
      "createNewestEvents()",
      () => contracts.createNewestEvents(log, { types: ["run.*"], subjectsOf: () => ["r1"] }),
      { find: [() => ["r1", { signal: new AbortController().signal }]] },
    ),
    createEvent: well(contracts.createEvent, () => [draft, { clock, ids }]),
    matchesType: well(contracts.matchesType, () => ["run.*", "run.started"]),
  };
}

function theRest(): Subjects {
  const meter = contracts.silentMeter;
  const logged = [() => [{ a: 1 }, "words"]] as const;
  const history = contracts.startJobHistory(0);
  const digester = (): object => contracts.createDigestBuilder();
  const illegal = (call: () => unknown): Failures => ({ PORT_TRANSITION_ILLEGAL: call });
  return {
    abortable: well(contracts.abortable, () => [Promise.resolve(1), new AbortController().signal]),
    ...methods("allowAll", () => contracts.allowAll, {
      decide: [() => [{ principal: "ann", action: "endpoint:invoke", resource: "endpoint/late" }]],
    }),
    redactFields: well(contracts.redactFields, () => [["name"]]),
    ...methods("redactFields()", () => contracts.redactFields(["name"]), { redact: [() => ["name", "Ann"]] }),
    canonicalJson: well(contracts.canonicalJson, () => [{ b: 1, a: [true, null] }], {
      TypeError: () => contracts.canonicalJson({ a: Number.NaN }),
    }),
    digestOf: well(contracts.digestOf, () => ["text"]),
    digestOfJson: well(contracts.digestOfJson, () => [{ a: 1 }], { TypeError: () => contracts.digestOfJson(7n) }),
    createDigestBuilder: well(contracts.createDigestBuilder),
    ...methods("createDigestBuilder()", digester, { update: [() => [Uint8Array.of(1)]], digest: [] }),
    hasCode: well(contracts.hasCode, () => [contracts.closed("x"), "PORT_CLOSED"]),
    isMillwrightError: well(contracts.isMillwrightError, () => [contracts.closed("x")]),
    readTraceparent: well(contracts.readTraceparent, () => ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]),
    writeTraceparent: well(contracts.writeTraceparent, () => [contracts.childTrace(createRandom(1))]),
    childTrace: well(contracts.childTrace, () => [createRandom(1), contracts.childTrace(createRandom(2))]),
    isFinalJobState: well(contracts.isFinalJobState, () => ["completed"]),
    assertJobTransition: well(
      contracts.assertJobTransition,
      () => ["pending", "starting", "The job"],
      illegal(() => contracts.assertJobTransition("completed", "training")),
    ),
    startJobHistory: well(contracts.startJobHistory, () => [0, "asked for"]),
    currentJobState: well(contracts.currentJobState, () => [history]),
    nextJobState: well(
      contracts.nextJobState,
      () => [history, "starting", 1, "a slot is free"],
      illegal(() => contracts.nextJobState(history, "completed", 1)),
    ),
    sageMakerJobStatus: well(contracts.sageMakerJobStatus, () => ["training"]),
    ...methods("silentLogger", () => contracts.silentLogger, {
      debug: logged,
      info: logged,
      warn: logged,
      error: logged,
    }),
    ...methods("silentMeter", () => meter, {
      counter: [() => ["a_total", { help: "a" }]],
      gauge: [() => ["a", { help: "a" }]],
      histogram: [() => ["a_ms", { help: "a", buckets: [1] }]],
    }),
    ...methods("silentMeter.counter()", () => meter.counter("a", { help: "a" }), { add: [() => [1, { a: "b" }]] }),
    ...methods("silentMeter.gauge()", () => meter.gauge("a", { help: "a" }), {
      set: [() => [1, { a: "b" }]],
      onRead: [() => [() => {}]],
    }),
    ...methods("silentMeter.histogram()", () => meter.histogram("a", { help: "a" }), {
      observe: [() => [1, { a: "b" }]],
    }),
  };
}

export const openTable = (): FailureTable => ({
  subjects: {
    ...makers(),
    ...fields(),
    ...parsers(),
    ...events(),
    ...queuesAndBudgets(),
    ...clocksAndChance(),
    ...theRest(),
  },
  elsewhere: {},
  [Symbol.asyncDispose]: () => Promise.resolve(),
});
