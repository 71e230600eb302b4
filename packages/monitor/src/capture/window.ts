import type { Batch, BytesColumn } from "@millwright/contracts";
import {
  type ColumnProfile,
  addBytesToDistinct,
  addTextToDistinct,
  createProfiler,
  createQuantileSketcher,
  type DistinctSketch,
  emptyDistinct,
  emptyQuantileSketch,
  mergeDistinct,
  mergeProfiles,
  mergeQuantileSketches,
  type Profile,
  type Profiler,
  type QuantileSketch,
  type QuantileSketcher,
} from "@millwright/data";
import { addQuality, emptyQuality, type QualitySums } from "../quality/quality-sums.ts";
import { emptyRows, isKept, mergeRows, type RowSample, type SampledRow } from "./row-sample.ts";
import type { RowSampler, RowsSeen } from "./row-sampler.ts";

/** What one variant did in a span of time: a value that merges. */
export interface WindowSummary {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds, of requests that succeeded. */
  readonly latency: QuantileSketch;
  readonly features: Profile;
  readonly outputs: Profile;
  /** Ages of the features read, milliseconds, by view. */
  readonly featureAges: FeatureAges;
  /** The request ids met. */
  readonly requestIds: DistinctSketch;
  readonly quality: QualitySums;
  /** Undefined where none are kept. */
  readonly rows?: RowSample | undefined;
}

export type FeatureAges = Readonly<Record<string, QuantileSketch>>;

/** Most rows that are read of several windows together. */
export const mostRows = 5_000;

/** Associative. Columns that changed their type keep the later profiles alone. @param rowLimit Most sampled rows. */
export function mergeWindows(windows: readonly WindowSummary[], rowLimit: number = mostRows): WindowSummary {
  const merged = lazyWindow(windows, rowLimit);
  return {
    ...merged,
    latency: merged.latency,
    features: merged.features,
    outputs: merged.outputs,
    featureAges: merged.featureAges,
    requestIds: merged.requestIds,
    quality: merged.quality,
    rows: merged.rows,
  };
}

/** The windows' merge, each part of it made when it is first asked for: rules look at few parts of many windows. */
export function lazyWindow(windows: readonly WindowSummary[], rowLimit: number = mostRows): WindowSummary {
  const once = <Part>(make: () => Part): (() => Part) => {
    let made: { readonly part: Part } | undefined;
    return () => (made ??= { part: make() }).part;
  };
  const latency = once(() => mergeQuantileSketches(emptyQuantileSketch(), ...windows.map((window) => window.latency)));
  const features = once(() => mergeTables(windows.map((window) => window.features)));
  const outputs = once(() => mergeTables(windows.map((window) => window.outputs)));
  const featureAges = once(() => mergeAges(windows.map((window) => window.featureAges)));
  const requestIds = once(() => mergeDistinct(emptyDistinct(), ...windows.map((window) => window.requestIds)));
  const quality = once(() => {
    const sums = emptyQuality();
    for (const window of windows) addQuality(sums, window.quality);
    return sums;
  });
  const rows = once(() => {
    if (windows.every((window) => window.rows === undefined)) return undefined;
    return mergeRows(
      windows.map((window) => window.rows ?? { ...emptyRows, missing: rowsSeen(window) }),
      rowLimit,
    );
  });
  return {
    requests: windows.reduce((sum, { requests }) => sum + requests, 0),
    errors: windows.reduce((sum, { errors }) => sum + errors, 0),
    get latency() {
      return latency();
    },
    get features() {
      return features();
    },
    get outputs() {
      return outputs();
    },
    get featureAges() {
      return featureAges();
    },
    get requestIds() {
      return requestIds();
    },
    get quality() {
      return quality();
    },
    get rows() {
      return rows();
    },
  };
}

/** Rows that a sample could have been drawn from. */
const rowsSeen = ({ features, outputs }: WindowSummary): number => Math.max(features.rows, outputs.rows);

function mergeAges(ages: readonly FeatureAges[]): FeatureAges {
  const views = new Set(ages.flatMap((each) => Object.keys(each)));
  const sketches = (view: string): QuantileSketch[] =>
    ages.flatMap((each) => (Object.hasOwn(each, view) ? [each[view] as QuantileSketch] : []));
  return Object.fromEntries(
    Array.from(views, (view) => [view, mergeQuantileSketches(emptyQuantileSketch(), ...sketches(view))] as const),
  );
}

/** As `mergeProfiles`, for profiles whose columns need not be the same. */
function mergeTables(profiles: readonly Profile[]): Profile {
  const parts = new Map<string, ColumnProfile[]>();
  for (const { columns } of profiles) {
    for (const [name, column] of Object.entries(columns)) {
      const earlier = parts.get(name);
      if (earlier === undefined || earlier[0]?.type !== column.type) parts.set(name, [column]);
      else earlier.push(column);
    }
  }
  const merged = Array.from(parts, ([name, columns]) => [name, mergeColumn(columns)] as const);
  return { rows: profiles.reduce((sum, { rows }) => sum + rows, 0), columns: Object.fromEntries(merged) };
}

function mergeColumn(columns: readonly ColumnProfile[]): ColumnProfile {
  const [first, ...rest] = columns.map((column): Profile => ({ rows: 0, columns: { column } })) as [
    Profile,
    ...Profile[],
  ];
  return mergeProfiles(first, ...rest).columns["column"] as ColumnProfile;
}

/** What one drain of the queue saw of a variant in a window. */
export interface Observation {
  readonly requests: number;
  readonly errors: number;
  readonly latenciesMs: Float64Array;
  readonly features: readonly Batch[];
  readonly outputs: readonly Batch[];
  readonly requestIds: readonly string[] | BytesColumn;
  /** Milliseconds, by view. Default: no features were read. */
  readonly featureAges?: ReadonlyMap<string, readonly number[]> | undefined;
  /** The rows that a sample may be drawn from. Default: none is. */
  readonly rows?: readonly RowsSeen[] | undefined;
}

/** A window while it takes observations. */
export interface OpenWindow {
  /** @returns the rows that came into the sample. */
  observe(observation: Observation): readonly SampledRow[];
  /** Changed in place as predictions and labels come. */
  readonly quality: QualitySums;
  /** Rows of the request that are kept. */
  rowsOf(requestId: string): readonly SampledRow[];
  summary(): WindowSummary;
}

/**
 * @param sampler Default: no rows are kept.
 * @param earlier What was seen in the window before: it goes on from it. Its rows and those of the sampler are `rowLimit` at most.
 */
export function openWindow(sampler?: RowSampler, earlier?: WindowSummary, rowLimit: number = mostRows): OpenWindow {
  let requests = 0;
  let errors = 0;
  const latency = createQuantileSketcher();
  const features = createTableProfiler();
  const outputs = createTableProfiler();
  const ages = new Map<string, QuantileSketcher>();
  const requestIds = emptyDistinct();
  const quality = emptyQuality();
  if (earlier !== undefined) addQuality(quality, earlier.quality);
  let known: WindowSummary | undefined;
  return {
    quality,
    rowsOf: (requestId) => [earlier?.rows, sampler?.sample()].flatMap((sample) => rowsOfRequest(sample, requestId)),
    observe(observation) {
      known = undefined;
      requests += observation.requests;
      errors += observation.errors;
      latency.addAll(observation.latenciesMs);
      for (const batch of observation.features) features.update(batch);
      for (const batch of observation.outputs) outputs.update(batch);
      addIds(requestIds, observation.requestIds);
      for (const [view, ofView] of observation.featureAges ?? []) {
        const sketcher = ages.get(view) ?? createQuantileSketcher();
        ages.set(view, sketcher);
        sketcher.addAll(Float64Array.from(ofView));
      }
      const taken: SampledRow[] = [];
      if (sampler !== undefined) for (const seen of observation.rows ?? []) sampler.offer(seen, taken);
      return taken.filter(isKept);
    },
    summary() {
      if (known === undefined) {
        const seen: WindowSummary = {
          requests,
          errors,
          latency: latency.sketch(),
          features: features.profile(),
          outputs: outputs.profile(),
          featureAges: Object.fromEntries(Array.from(ages, ([view, sketcher]) => [view, sketcher.sketch()] as const)),
          requestIds: requestIds.slice(),
          quality,
          rows: sampler?.sample(),
        };
        known = earlier === undefined ? seen : { ...mergeWindows([earlier, seen], rowLimit), quality };
      }
      return { ...known };
    },
  };
}

export const rowsOfRequest = (sample: RowSample | undefined, requestId: string): readonly SampledRow[] =>
  sample?.rows.filter((row) => row.requestId === requestId) ?? [];

function addIds(sketch: DistinctSketch, ids: readonly string[] | BytesColumn): void {
  if (!("offsets" in ids)) {
    for (const id of ids) addTextToDistinct(sketch, id);
    return;
  }
  const { values, offsets, length } = ids;
  for (let at = 0; at < length; at += 1)
    addBytesToDistinct(sketch, values, offsets[at] as number, offsets[at + 1] as number);
}

/** Profiles each column for itself, so that requests need not all carry the same ones. */
function createTableProfiler(): Profiler {
  const profilers = new Map<string, { readonly type: string; readonly profiler: Profiler }>();
  let rows = 0;
  return {
    update(batch) {
      rows += batch.length;
      for (const [name, column] of Object.entries(batch.columns)) {
        let known = profilers.get(name);
        if (known?.type !== column.type) {
          known = { type: column.type, profiler: createProfiler([{ name, type: column.type }]) };
          profilers.set(name, known);
        }
        known.profiler.update({ length: batch.length, columns: { [name]: column } });
      }
    },
    profile: () => ({
      rows,
      columns: Object.fromEntries(
        [...profilers].map(([name, { profiler }]) => [name, profiler.profile().columns[name] as ColumnProfile]),
      ),
    }),
  };
}
