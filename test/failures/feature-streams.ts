import { batchOf, column, datasetOf } from "../../packages/data/dist/index.js";
import * as features from "../../packages/feature-store/dist/index.js";
import { clicks, profile, service } from "./feature-definitions.ts";
import { type Failures, methods, type Subjects, well } from "./subjects.ts";

type Store = features.FeatureStore;

const signal = new AbortController().signal;
const few = 25;
const at = new Date(9_000);
const row = { user: "ann", at, ms: 5 };
const rows = datasetOf([batchOf({ user: ["ann"], at: [at], ms: column("float64", [5]) })]);

const viewUnknown = (call: () => unknown): Failures => ({ FEATURE_STORE_VIEW_UNKNOWN: call });
const serviceUnknown = (call: () => unknown): Failures => ({ PORT_FEATURE_SERVICE_UNKNOWN: call });

async function* records(...all: readonly features.SourceRow[]): AsyncGenerator<features.StreamRecord> {
  for (const [offset, record] of all.entries()) yield { record, offset };
}

/** Lets no click pass that took less than no time. */
export const gate: features.Gate = features.defineGate({ rules: [{ rule: "range", column: "ms", min: 0 }] });

/** Numbers alone, as a vector has them. */
export const numbers: features.FeatureService = features.defineFeatureService({ name: "numbers", views: [clicks] });

/** Rows on their way into the history, and the upkeep of what lies there. */
function upkeep(store: Store): Subjects {
  let source = 0;
  const consumed =
    (record: features.SourceRow, letter?: (found: features.DeadLetter) => void): (() => Promise<unknown>) =>
    () =>
      store.consume("clicks", records(record), { source: `failing ${(source += 1)}`, onDeadLetter: letter });
  /** Ends as the reason says that a record was put aside for. */
  const reason = (record: features.SourceRow) =>
    consumed(record, ({ code, reason: message }) => {
      throw Object.assign(new features.FeatureStoreError(code, message, { category: "user", remedy: "Send another." }));
    });
  return methods("openFeatureStore()", () => store, {
    consume: [
      () => ["clicks", records(row), { source: `stream ${(source += 1)}`, maxBatchRows: 5, maxWaitMs: 1, signal }],
      {
        ...viewUnknown(() => store.consume("other", records(), { source: "a" })),
        FEATURE_STORE_RECORD_REFUSED: consumed({ ...row, user: null }),
        FEATURE_STORE_KEY_MISSING: reason({ ...row, user: null }),
        FEATURE_STORE_EVENT_TIME_INVALID: reason({ ...row, at: new Date(Number.NaN) }),
        FEATURE_STORE_GATE_REFUSED: reason({ ...row, ms: -1 }),
      },
      few,
    ],
    backfill: [
      () => ["clicks", rows, { id: `backfill ${(source += 1)}`, parallelism: 1, signal }],
      viewUnknown(() => store.backfill("other", rows)),
      12,
    ],
    quarantined: [() => ["clicks", { signal }], viewUnknown(() => store.quarantined("other")), few],
    compact: [
      () => ["clicks", { minFiles: 2, maxFileBytes: 2 ** 20, graceMs: 1_000, signal }],
      viewUnknown(() => store.compact("other")),
      12,
    ],
    forget: [
      () => ["user", { user: `nobody ${(source += 1)}` }, { signal }],
      { FEATURE_STORE_DEFINITION_UNKNOWN: () => store.forget("other", { user: "ann" }) },
      12,
    ],
    warm: [() => ["score", { signal }], serviceUnknown(() => store.warm("other")), few],
  });
}

function vectors(store: Store): Subjects {
  const reader = store.vectorReader("numbers");
  return {
    ...methods("openFeatureStore()", () => store, {
      vectorReader: [
        () => ["numbers"],
        { ...serviceUnknown(() => store.vectorReader("other")), PORT_UNSUPPORTED: () => store.vectorReader(service) },
      ],
    }),
    ...methods("openFeatureStore().vectorReader()", () => reader, {
      readNow: [
        () => [{ user: "ann" }, new Float64Array(4), { offset: 1, timeMs: 9_500 }],
        {
          FEATURE_STORE_COLUMN_MISSING: () => reader.readNow({}, new Float64Array(4)),
          RangeError: () => reader.readNow({ user: "ann" }, new Float64Array(1)),
        },
      ],
    }),
  };
}

async function statistics(store: Store): Promise<Subjects> {
  const baseline = await features.takeBaseline(store, profile);
  return {
    takeBaseline: well(features.takeBaseline, () => [store, profile, { fromMs: 0, toMs: 9_500, signal }], {}, 15),
    reportFeatureDrift: well(
      features.reportFeatureDrift,
      () => [store, profile, { fromMs: 0, toMs: 9_500, windowMs: 5_000, threshold: 0.2, baseline, signal }],
      { FEATURE_STORE_BASELINE_DIFFERS: () => features.reportFeatureDrift(store, clicks, { baseline }) },
      15,
    ),
  };
}

/** What a store does beside reading and writing rows. */
export async function streams(store: Store): Promise<Subjects> {
  return {
    defineGate: well(
      features.defineGate,
      () => [{ rules: [{ rule: "range", name: "time", column: "ms", min: 0, max: 5 }], action: "quarantine" }],
      { FEATURE_STORE_DEFINITION_INVALID: () => features.defineGate({ rules: [{ rule: "nullRate" } as never] }) },
      100,
    ),
    ...upkeep(store),
    ...vectors(store),
    ...(await statistics(store)),
  };
}
