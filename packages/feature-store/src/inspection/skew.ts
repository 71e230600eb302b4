import type { Batch, CallOptions, Schema } from "@millwright/contracts";
import { columnOf, isNumericType, toArray, type Value } from "@millwright/data";
import type { FeatureService } from "../definition/service-definition.ts";
import { hashKeyMissing } from "../errors.ts";
import type { FeatureStore } from "../feature-store.ts";
import { decodeValue, type ValueText } from "../records/record-text.ts";
import type { OnlineValue } from "../online/online-store.ts";
import { encodeSample, hashOf, type SampledValue, type SampleValue, type ServedSample } from "./served-samples.ts";
import { batchOfFields, type SourceRow } from "../definition/source-columns.ts";

export interface SkewOptions extends CallOptions {
  readonly samples: Iterable<ServedSample> | AsyncIterable<ServedSample>;
  /** The key that personal values were hashed with, where there are any. */
  readonly hashKey?: string | Uint8Array | undefined;
  /** Numbers count as equal up to this relative difference. Default: 0, to the bit. */
  readonly tolerance?: number | undefined;
}

/** How a feature that was served differs from what history gives for the same key and time. */
export interface FeatureSkew {
  readonly feature: string;
  readonly compared: number;
  readonly mismatches: number;
  /** From 0 to 1. */
  readonly mismatchRate: number;
  /** Greatest absolute difference of two numbers; 0 for other types. */
  readonly maxError: number;
  /** Greatest difference of the two distribution functions (Kolmogorov–Smirnov), 0 to 1; of shares for other types. */
  readonly distance: number;
}

export interface SkewReport {
  readonly service: string;
  readonly samples: number;
  /** Samples of another definition, or of entities whose hashed keys the history does not have: they cannot be compared. */
  readonly skipped: number;
  /** The worst first: by share of mismatches, then by distance. */
  readonly features: readonly FeatureSkew[];
}

const TIME = "__served_at";

/** Computes sampled feature vectors again from the history, and tells where serving gave others. */
export async function reportSkew(
  store: FeatureStore,
  service: FeatureService,
  options: SkewOptions,
): Promise<SkewReport> {
  const all: ServedSample[] = [];
  for await (const sample of options.samples) all.push(sample);
  const unhash = await keysByHash(store, service, all, options);
  const rows = all.flatMap((sample) => {
    const label = sample.digest === service.digest ? labelOf(service, sample, unhash) : undefined;
    return label === undefined ? [] : [{ sample, label }];
  });
  const columns = service.featureNames.map((name) => ({ name: name as string, pairs: [] as Pair[] }));
  if (rows.length > 0) {
    const schema: Schema = [...service.entityKeys, ...service.requestInputs, { name: TIME, type: "timestamp" }];
    const labels = batchOfFields(
      "The samples",
      schema,
      rows.map(({ label }) => label),
    );
    const offline = await store.history(service, { labels, labelTime: TIME, signal: options.signal });
    let at = 0;
    for await (const batch of offline.batches({ signal: options.signal })) {
      for (const { name, pairs } of columns)
        addPairs(
          pairs,
          batch,
          name,
          rows.slice(at).map(({ sample }) => sample.features[name] ?? null),
        );
      at += batch.length;
    }
  }
  const types = new Map(service.features.map(({ name, type }) => [name, type]));
  const features = columns.map(({ name, pairs }) => skewOf(name, pairs, isNumericType(types.get(name)!), options));
  return {
    service: service.id,
    samples: all.length,
    skipped: all.length - rows.length,
    features: features.toSorted((a, b) => b.mismatchRate - a.mismatchRate || b.distance - a.distance),
  };
}

interface Pair {
  readonly served: SampleValue;
  readonly offline: SampledValue;
}

function addPairs(pairs: Pair[], batch: Batch, name: string, served: readonly SampleValue[]): void {
  toArray(columnOf(batch, name)).forEach((value: Value, row) => {
    pairs.push({ served: served[row] ?? null, offline: value as SampledValue });
  });
}

/** The entity, time and inputs of a sample as a label; undefined where a hashed key is of nobody in the history. */
function labelOf(
  service: FeatureService,
  { timeMs, keys, request }: ServedSample,
  unhash: ReadonlyMap<string, OnlineValue>,
): SourceRow | undefined {
  const label: Record<string, SourceRow[string]> = { [TIME]: BigInt(Math.round(timeMs * 1000)) };
  for (const { name } of [...service.entityKeys, ...service.requestInputs]) {
    const value = keys[name] ?? request[name] ?? null;
    const known = isHash(value) ? unhash.get(value.hash) : plainOf(value);
    if (known === undefined) return undefined;
    label[name] = known;
  }
  return label;
}

/** What was served as it can be compared: a list as the text of its values. */
const plainOf = (value: Exclude<SampleValue, { readonly hash: string }>): OnlineValue =>
  isList(value) ? JSON.stringify(value) : decodeValue(value);

const isList = (value: SampleValue): value is { readonly list: readonly ValueText[] } =>
  typeof value === "object" && value !== null && "list" in value;

const isHash = (value: SampleValue): value is { readonly hash: string } =>
  typeof value === "object" && value !== null && "hash" in value;

/** What hashed keys stand for, by trying all entities of the history. */
async function keysByHash(
  store: FeatureStore,
  service: FeatureService,
  samples: readonly ServedSample[],
  { hashKey, signal }: SkewOptions,
): Promise<Map<string, OnlineValue>> {
  const found = new Map<string, OnlineValue>();
  const hidden = new Set(
    samples.flatMap(({ keys }) => Object.entries(keys).flatMap(([name, value]) => (isHash(value) ? [name] : []))),
  );
  if (hidden.size === 0) return found;
  if (hashKey === undefined) throw hashKeyMissing(service.id, [...hidden][0]!);
  for (const view of service.views) {
    const columns = Object.keys(view.entity.keys).filter((name) => hidden.has(name));
    if (columns.length === 0) continue;
    const entities = await store.scan(view, { latest: true, deleted: "keep", signal });
    for await (const batch of entities.batches({ columns, signal })) {
      for (const column of columns)
        for (const value of toArray(columnOf(batch, column)) as OnlineValue[]) found.set(hashOf(hashKey, value), value);
    }
  }
  return found;
}

function skewOf(
  feature: string,
  pairs: readonly Pair[],
  isNumber: boolean,
  { hashKey, tolerance = 0 }: SkewOptions,
): FeatureSkew {
  let mismatches = 0;
  let maxError = 0;
  for (const { served, offline: wanted } of pairs) {
    if (isHash(served)) {
      if (wanted === null || hashKey === undefined || hashOf(hashKey, wanted) !== served.hash) mismatches++;
      continue;
    }
    const [value, offline] = [plainOf(served), plainOf(encodeSample(wanted))];
    if (Object.is(value, offline)) continue;
    const error = value === null || offline === null ? Number.NaN : Math.abs(Number(value) - Number(offline));
    if (isNumber && error <= tolerance * Math.abs(Number(offline))) continue;
    mismatches++;
    if (isNumber && error > maxError) maxError = error;
  }
  const compared = pairs.length;
  const plain = pairs.flatMap(({ served, offline }) =>
    isHash(served) ? [] : [{ served: plainOf(served), offline: plainOf(encodeSample(offline)) }],
  );
  return {
    feature,
    compared,
    mismatches,
    mismatchRate: compared === 0 ? 0 : mismatches / compared,
    maxError,
    distance: isNumber ? distanceOfNumbers(plain) : distanceOfShares(plain),
  };
}

interface PlainPair {
  readonly served: OnlineValue;
  readonly offline: OnlineValue;
}

/** The Kolmogorov–Smirnov statistic of two samples: the greatest difference of their empirical distribution functions. Nulls stand apart. */
function distanceOfNumbers(pairs: readonly PlainPair[]): number {
  const sorted = (pick: (pair: PlainPair) => OnlineValue): Float64Array =>
    Float64Array.from(
      pairs
        .map(pick)
        .filter((value) => value !== null)
        .map(Number),
    ).toSorted();
  const a = sorted(({ served }) => served);
  const b = sorted(({ offline }) => offline);
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 0 : 1;
  let greatest = 0;
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const at = Math.min(a[i]!, b[j]!);
    while (i < a.length && a[i]! <= at) i++;
    while (j < b.length && b[j]! <= at) j++;
    greatest = Math.max(greatest, Math.abs(i / a.length - j / b.length));
  }
  return greatest;
}

/** The greatest difference of the shares of any one value. */
function distanceOfShares(pairs: readonly PlainPair[]): number {
  const shares = new Map<OnlineValue, number>();
  for (const { served, offline } of pairs) {
    shares.set(served, (shares.get(served) ?? 0) + 1 / pairs.length);
    shares.set(offline, (shares.get(offline) ?? 0) - 1 / pairs.length);
  }
  return Math.max(0, ...[...shares.values()].map(Math.abs));
}
