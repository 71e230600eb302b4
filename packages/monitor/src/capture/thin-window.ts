import { type ColumnProfile, emptyQuantileSketch, mergeQuantileSketches, type Profile } from "@millwright/data";
import type { WindowSummary } from "./window.ts";

/** Of the 2,048 that sketches have: ranks stay exact at their edges, and no bucket is wider than those of 256 filled ones. */
const thinBuckets = 256;

/** Coarser sketches of features and outputs, for windows so old that they are history and nothing else: a tenth of the bytes. Latencies and all sums stay as they are. */
export function thinWindow(summary: WindowSummary): WindowSummary {
  const features = thinProfile(summary.features);
  const outputs = thinProfile(summary.outputs);
  return features === summary.features && outputs === summary.outputs ? summary : { ...summary, features, outputs };
}

/** The profile itself where it is thin already. */
export function thinProfile(profile: Profile): Profile {
  const isThick = ({ quantiles }: ColumnProfile): boolean =>
    quantiles !== undefined && quantiles.maxBuckets > thinBuckets;
  if (!Object.values(profile.columns).some(isThick)) return profile;
  const thinned = Object.entries(profile.columns).map(([name, column]): [string, ColumnProfile] => [
    name,
    column.quantiles === undefined
      ? column
      : { ...column, quantiles: mergeQuantileSketches(emptyQuantileSketch(thinBuckets), column.quantiles) },
  ]);
  return { rows: profile.rows, columns: Object.fromEntries(thinned) };
}
