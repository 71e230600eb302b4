import { createHmac } from "node:crypto";
import {
  type Batch,
  createRandom,
  type FeatureRequest,
  type FeatureServiceDescription,
  type FeatureSource,
  type FeatureVectors,
  type Random,
  systemClock,
} from "@millwright/contracts";
import { toArray } from "@millwright/data";
import type { FeatureService } from "../definition/service-definition.ts";
import { hashKeyMissing } from "../errors.ts";
import { encodeValue, type ValueText } from "../records/record-text.ts";
import type { OnlineValue } from "../online/online-store.ts";

/** A value of a sample: as it was, one by one where it is a list, or, where it is personal, its keyed hash. */
export type SampleValue = ValueText | { readonly list: readonly ValueText[] } | { readonly hash: string };

/** Features as they were served once. JSON-safe. */
export interface ServedSample {
  readonly formatVersion: 1;
  readonly service: string;
  readonly digest: string;
  /** Time of the request, UTC milliseconds. */
  readonly timeMs: number;
  readonly keys: Readonly<Record<string, SampleValue>>;
  readonly request: Readonly<Record<string, SampleValue>>;
  readonly features: Readonly<Record<string, SampleValue>>;
}

export interface SamplingOptions {
  readonly services: readonly FeatureService[];
  /** Share of the served rows that is kept, from 0 to 1. */
  readonly rate: number;
  /** Draws the rows that are kept. Default: a stream that starts from the time. */
  readonly random?: Pick<Random, "next"> | undefined;
  /** Time of reads that name none, UTC milliseconds. Default: the machine's. */
  readonly nowMs?: (() => number) | undefined;
  /** Takes the samples of a read. What it throws, or rejects with, goes to `onError` and never to the reader. */
  readonly sink: (samples: readonly ServedSample[]) => void | Promise<void>;
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Hashes values of columns that are `pii`; needed where a service has any. */
  readonly hashKey?: string | Uint8Array | undefined;
}

/** A source that reads as the given one does, and keeps a share of what it served. Throws `FEATURE_STORE_HASH_KEY_MISSING`. */
export function sampleServed(source: FeatureSource, options: SamplingOptions): FeatureSource {
  const { nowMs = () => systemClock.nowMs() } = options;
  const { random = createRandom(nowMs()) } = options;
  const personal = new Map(options.services.map((service) => [service.digest as string, personalColumns(service)]));
  for (const service of options.services) {
    const [column] = personal.get(service.digest)!;
    if (column !== undefined && options.hashKey === undefined) throw hashKeyMissing(service.id, column);
  }
  const descriptions = new Map<string, Promise<FeatureServiceDescription>>();
  const describe = (service: string): Promise<FeatureServiceDescription> => {
    let described = descriptions.get(service);
    if (described === undefined) {
      descriptions.set(service, (described = source.describe(service)));
      described.catch(() => descriptions.delete(service));
    }
    return described;
  };
  const keep = async (service: string, request: FeatureRequest, served: FeatureVectors): Promise<void> => {
    const rows: number[] = [];
    for (let row = 0; row < served.features.length; row++) if (random.next() < options.rate) rows.push(row);
    if (rows.length === 0) return;
    const { name, digest } = await describe(service);
    const hidden = personal.get(digest) ?? new Set<string>();
    const hide = (value: SampledValue): SampleValue =>
      value === null ? null : { hash: hashOf(options.hashKey!, value) };
    const textsOf = (batch: Batch | undefined): ((row: number) => Record<string, SampleValue>) => {
      const columns = Object.entries(batch?.columns ?? {}).map(
        ([column, values]) => [column, toArray(values)] as const,
      );
      return (row) =>
        Object.fromEntries(
          columns.map(([column, values]) => {
            const value = (values[row] ?? null) as SampledValue;
            return [column, hidden.has(column) ? hide(value) : encodeSample(value)];
          }),
        );
    };
    const [keysAt, requestAt, featuresAt] = [request.entities, request.request, served.features].map(textsOf);
    await options.sink(
      rows.map((row) => ({
        formatVersion: 1,
        service: name,
        digest,
        timeMs: request.timeMs ?? nowMs(),
        keys: keysAt!(row),
        request: requestAt!(row),
        features: featuresAt!(row),
      })),
    );
  };
  return {
    describe: (service, call) => source.describe(service, call),
    async read(service, request) {
      const served = await source.read(service, request);
      keep(service, request, served).catch((error: unknown) => options.onError?.(error));
      return served;
    },
  };
}

/** The names of a service's personal columns: keys, request inputs and features. */
export function personalColumns({ views }: FeatureService): ReadonlySet<string> {
  const names = views.flatMap((view) =>
    Object.entries(view.columns).flatMap(([column, { sensitivity }]) =>
      sensitivity === "pii" ? [column, `${view.name}__${column}`] : [],
    ),
  );
  return new Set(names);
}

/** A value of a feature, or a list of them. */
export type SampledValue = OnlineValue | readonly OnlineValue[];

const isList = (value: SampledValue): value is readonly OnlineValue[] => Array.isArray(value);

export const encodeSample = (value: SampledValue): Exclude<SampleValue, { readonly hash: string }> =>
  isList(value) ? { list: value.map(encodeValue) } : encodeValue(value);

/** Equal values have equal hashes under one key; the key is needed to try values out. */
export const hashOf = (key: string | Uint8Array, value: SampledValue): string =>
  createHmac("sha256", key)
    .update(JSON.stringify(encodeSample(value)))
    .digest("hex");
