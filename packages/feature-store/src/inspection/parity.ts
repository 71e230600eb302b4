import type { Batch, CallOptions, Dataset, Digest, FeatureSource } from "@millwright/contracts";
import { asFloat64, columnOf, datasetOf, selectColumns, takeRows, toArray, type Value } from "@millwright/data";
import type { FeatureService } from "../definition/service-definition.ts";
import { parityBroken } from "../errors.ts";
import type { FeatureStore } from "../feature-store.ts";

export interface ParityOptions extends CallOptions {
  /** Entity keys, times and request inputs, as for `history`. Online state must reach back to these times. */
  readonly labels: Dataset | Batch;
  readonly labelTime: string;
  /** Where the served features come from. Default: the store itself. */
  readonly online?: FeatureSource | undefined;
}

/** A value that is not the same in training and in serving. */
export interface ParityMismatch {
  readonly feature: string;
  /** Number of the label, from 0. */
  readonly row: number;
  readonly offline: Value;
  readonly online: Value;
}

export interface ParityReport {
  readonly service: string;
  /** Digest of the definitions, the code of on-demand features included, that were compared. */
  readonly digest: Digest;
  readonly rows: number;
  readonly values: number;
  readonly mismatches: number;
  /** By feature, only those with any. */
  readonly byFeature: Readonly<Record<string, number>>;
  /** The first of them, at most 20. */
  readonly examples: readonly ParityMismatch[];
}

/** Computes the features of labels offline and online, and compares them bit by bit: NaN equals NaN, and 0 is not −0. */
export async function checkParity(
  store: FeatureStore,
  service: FeatureService,
  options: ParityOptions,
): Promise<ParityReport> {
  const { labelTime, online = store, signal } = options;
  const labels = "schema" in options.labels ? options.labels : datasetOf([options.labels]);
  const offline = await store.history(service, { labels, labelTime, signal });
  const names = service.featureNames as readonly string[];
  const inputs = [...service.entityKeys, ...service.requestInputs].map(({ name }) => name);
  const columns = [...new Set([...inputs, labelTime, ...names])];
  const byFeature: Record<string, number> = {};
  const examples: ParityMismatch[] = [];
  let rows = 0;
  for await (const batch of offline.batches({ columns, signal })) {
    for (const { timeMs, at } of rowsByTime(batch, labelTime)) {
      const given = takeRows(batch, at);
      const read = await online.read(service.id, {
        entities: selectColumns(
          given,
          service.entityKeys.map(({ name }) => name),
        ),
        request: selectColumns(
          given,
          service.requestInputs.map(({ name }) => name),
        ),
        timeMs,
        signal,
      });
      for (const feature of names) {
        const expected = toArray(columnOf(given, feature));
        toArray(columnOf(read.features, feature)).forEach((value, index) => {
          if (isSame(expected[index] ?? null, value)) return;
          byFeature[feature] = (byFeature[feature] ?? 0) + 1;
          if (examples.length < 20)
            examples.push({ feature, row: rows + at[index]!, offline: expected[index] ?? null, online: value });
        });
      }
    }
    rows += batch.length;
  }
  const mismatches = Object.values(byFeature).reduce((sum, count) => sum + count, 0);
  return {
    service: service.id,
    digest: service.digest,
    rows,
    values: rows * names.length,
    mismatches,
    byFeature,
    examples,
  };
}

/** As `checkParity`, but throws `FEATURE_STORE_PARITY_BROKEN`, naming feature and row, where a value differs. */
export async function proveParity(
  store: FeatureStore,
  service: FeatureService,
  options: ParityOptions,
): Promise<ParityReport> {
  const report = await checkParity(store, service, options);
  const [first] = report.examples;
  if (first !== undefined) throw parityBroken(service.id, report.mismatches, first);
  return report;
}

/** Rows that ask for the same time, as one read answers them. Rows without a time are answered by nobody. */
function rowsByTime(batch: Batch, labelTime: string): { readonly timeMs: number; readonly at: Int32Array }[] {
  const groups = new Map<number, number[]>();
  asFloat64(columnOf(batch, labelTime)).forEach((us, row) => {
    if (Number.isNaN(us)) return;
    const group = groups.get(us);
    if (group === undefined) groups.set(us, [row]);
    else group.push(row);
  });
  return [...groups].map(([us, at]) => ({ timeMs: us / 1000, at: Int32Array.from(at) }));
}

export function isSame(a: Value, b: Value): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return Object.is(a, b);
  return a.length === b.length && a.every((item: Value, index) => isSame(item, b[index] as Value));
}
