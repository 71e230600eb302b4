import type { CallOptions } from "@millwright/contracts";
import { distributionDistance, parseProfile, type Profile, profileDataset, profileToJson } from "@millwright/data";
import { type FeatureView, viewDigest } from "../definition/definition.ts";
import { baselineDiffers } from "../errors.ts";
import type { FeatureStore } from "../feature-store.ts";

export interface StatisticsRange extends CallOptions {
  /** Rows from this event time on, UTC milliseconds. Default: from the first. */
  readonly fromMs?: number | undefined;
  /** Rows before this event time, UTC milliseconds. Default: to the last. */
  readonly toMs?: number | undefined;
}

/** What a view's columns were like over some time: JSON-safe, to be kept beside the model that learnt from them. */
export interface FeatureBaseline {
  readonly formatVersion: 1;
  /** Id of the view. */
  readonly view: string;
  /** Digest of its definition. */
  readonly digest: string;
  readonly rows: number;
  /** As `profileToJson` of `@millwright/data` writes it. */
  readonly profile: ReturnType<typeof profileToJson>;
}

export interface FeatureDriftOptions extends StatisticsRange {
  /** Length of a window, by event time. Default: one day. */
  readonly windowMs?: number | undefined;
  /** What windows are compared with. Default: the first window that has rows. */
  readonly baseline?: FeatureBaseline | undefined;
  /** A column has drifted in a window when its distance is above this, from 0 to 1. Default: 0.1. */
  readonly threshold?: number | undefined;
}

/** How far a column of one window is from the baseline. */
export interface FeatureDrift {
  /** Start of the window, UTC milliseconds. */
  readonly windowMs: number;
  readonly column: string;
  readonly rows: number;
  /** Largest difference of the distributions, less what chance explains; NaN where a side has no values. */
  readonly distance: number;
  /** Share of nulls, less that of the baseline. */
  readonly missingChange: number;
  readonly isDrifted: boolean;
}

/** Profiles a view's rows in its history. */
export async function takeBaseline(
  store: FeatureStore,
  view: FeatureView,
  range: StatisticsRange = {},
): Promise<FeatureBaseline> {
  const profile = await profileOfRows(store, view, range);
  return {
    formatVersion: 1,
    view: view.id,
    digest: viewDigest(view),
    rows: profile.rows,
    profile: profileToJson(profile),
  };
}

/**
 * Compares a view's rows, window by window, with a baseline: a row a window and column. Only columns that are numbers, bools or texts; keys and times are
 * left out. Throws `FEATURE_STORE_BASELINE_DIFFERS` where the baseline is of another definition.
 */
export async function reportFeatureDrift(
  store: FeatureStore,
  view: FeatureView,
  options: FeatureDriftOptions = {},
): Promise<readonly FeatureDrift[]> {
  const { windowMs = 86_400_000, threshold = 0.1, baseline, signal } = options;
  if (!(windowMs > 0)) throw new RangeError(`windowMs must be above 0, not ${windowMs}.`);
  if (baseline !== undefined && (baseline.view !== view.id || baseline.digest !== viewDigest(view)))
    throw baselineDiffers(view.id, baseline.view, baseline.digest);
  let reference = baseline === undefined ? undefined : parseProfile(baseline.profile);
  const drifts: FeatureDrift[] = [];
  for (const fromMs of await windowsWithRows(store, view, options, windowMs)) {
    const range = { fromMs, toMs: Math.min(fromMs + windowMs, options.toMs ?? Number.POSITIVE_INFINITY), signal };
    const current = await profileOfRows(store, view, range);
    if (reference === undefined) reference = current;
    else drifts.push(...driftsOf(reference, current, { windowMs: fromMs, threshold }));
  }
  return drifts;
}

const columnsOf = (view: FeatureView): readonly string[] => [
  ...new Set([...Object.keys(view.features), ...Object.keys(view.inputs)]),
];

async function profileOfRows(store: FeatureStore, view: FeatureView, range: StatisticsRange): Promise<Profile> {
  const rows = await store.scan(view, { ...range, duplicates: "keep" });
  const columns = columnsOf(view);
  const schema = rows.schema.filter(
    ({ name, type }) => columns.includes(name) && type !== "date" && type !== "timestamp",
  );
  return await profileDataset(rows, { columns: schema.map(({ name }) => name), signal: range.signal });
}

/** Starts of the windows in which the view has rows, in order; a window begins at a whole number of lengths since 1970. */
async function windowsWithRows(
  store: FeatureStore,
  view: FeatureView,
  range: StatisticsRange,
  windowMs: number,
): Promise<number[]> {
  const rows = await store.scan(view, { ...range, duplicates: "keep" });
  const starts = new Set<number>();
  for await (const batch of rows.batches({ columns: [view.eventTime], signal: range.signal })) {
    for (const us of (batch.columns[view.eventTime]!.values as BigInt64Array).subarray(0, batch.length))
      starts.add(Math.floor(Number(us) / 1000 / windowMs) * windowMs);
  }
  return [...starts].toSorted((a, b) => a - b);
}

function driftsOf(
  reference: Profile,
  current: Profile,
  { windowMs, threshold }: { readonly windowMs: number; readonly threshold: number },
): FeatureDrift[] {
  return Object.entries(current.columns).map(([column, found]): FeatureDrift => {
    const known = reference.columns[column]!;
    const distance = distributionDistance(known, found);
    const missingChange = found.missing / current.rows - known.missing / reference.rows;
    const isDrifted = distance > threshold || Math.abs(missingChange) > threshold;
    return { windowMs, column, rows: current.rows, distance, missingChange, isDrifted };
  });
}
