import type { Batch } from "@millwright/contracts";
import {
  type ColumnProfile,
  createProfiler,
  createQuantileSketcher,
  emptyQuantileSketch,
  mergeProfiles,
  mergeQuantileSketches,
  type Profile,
  type Profiler,
  type QuantileSketch,
} from "@millwright/data";
import { emptyQuality, mergeQuality, type QualitySums } from "./quality.ts";

/** What one variant did in a span of time: a value that merges. */
export interface WindowSummary {
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds, of requests that succeeded. */
  readonly latency: QuantileSketch;
  readonly features: Profile;
  readonly outputs: Profile;
  readonly quality: QualitySums;
}

export const emptyWindow = (): WindowSummary => ({
  requests: 0,
  errors: 0,
  latency: emptyQuantileSketch(),
  features: { rows: 0, columns: {} },
  outputs: { rows: 0, columns: {} },
  quality: emptyQuality(),
});

/** Associative. Columns that changed their type keep the later profile alone. */
export function mergeWindows(a: WindowSummary, b: WindowSummary): WindowSummary {
  return {
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    latency: mergeQuantileSketches(a.latency, b.latency),
    features: mergeColumns(a.features, b.features),
    outputs: mergeColumns(a.outputs, b.outputs),
    quality: mergeQuality(a.quality, b.quality),
  };
}

/** As `mergeProfiles`, for profiles whose columns need not be the same. */
function mergeColumns(a: Profile, b: Profile): Profile {
  const columns: Record<string, ColumnProfile> = { ...a.columns };
  for (const [name, later] of Object.entries(b.columns)) {
    const earlier = Object.hasOwn(columns, name) ? columns[name] : undefined;
    columns[name] = earlier === undefined || earlier.type !== later.type ? later : mergeColumn(earlier, later);
  }
  return { rows: a.rows + b.rows, columns };
}

function mergeColumn(a: ColumnProfile, b: ColumnProfile): ColumnProfile {
  return mergeProfiles({ rows: 0, columns: { column: a } }, { rows: 0, columns: { column: b } }).columns[
    "column"
  ] as ColumnProfile;
}

/** What one drain of the queue saw of a variant in a window. */
export interface Observation {
  readonly requests: number;
  readonly errors: number;
  readonly latenciesMs: Float64Array;
  readonly features: readonly Batch[];
  readonly outputs: readonly Batch[];
}

/** A window while it takes observations. */
export interface OpenWindow {
  observe(observation: Observation): void;
  /** Changed in place as predictions and labels come. */
  readonly quality: QualitySums;
  summary(): WindowSummary;
}

export function openWindow(): OpenWindow {
  let requests = 0;
  let errors = 0;
  const latency = createQuantileSketcher();
  const features = createTableProfiler();
  const outputs = createTableProfiler();
  const quality = emptyQuality();
  let known: Omit<WindowSummary, "quality"> | undefined;
  return {
    quality,
    observe(observation) {
      known = undefined;
      requests += observation.requests;
      errors += observation.errors;
      latency.addAll(observation.latenciesMs);
      for (const batch of observation.features) features.update(batch);
      for (const batch of observation.outputs) outputs.update(batch);
    },
    summary() {
      known ??= {
        requests,
        errors,
        latency: latency.sketch(),
        features: features.profile(),
        outputs: outputs.profile(),
      };
      return { ...known, quality };
    },
  };
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
