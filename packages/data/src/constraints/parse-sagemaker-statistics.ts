import type { ColumnType } from "@millwright/contracts";
import { addTextToDistinct, emptyDistinct } from "../distinct.ts";
import type { JsonReader } from "../json-reader.ts";
import { emptyMoments, type Moments } from "../moments.ts";
import type { ColumnProfile, Profile } from "../profile.ts";
import {
  createQuantileSketcher,
  emptyQuantileSketch,
  mergeQuantileSketches,
  type QuantileSketch,
} from "../quantile-sketch.ts";
import { isPresent, readModelMonitorFile } from "./sagemaker-constraints.ts";

/**
 * Reads Model Monitor's `statistics.json` as a profile, to compare with or to suggest from. Ranks are those of its KLL sketch, or where there is none, of its
 * buckets, each spread evenly. Distinct numbers are not told by it, distinct texts where its buckets hold them all.
 * Throws `DATA_MODEL_MONITOR_INVALID`, which names the path.
 */
export function parseSageMakerStatistics(json: unknown): Profile {
  const reader = readModelMonitorFile(json, "statistics.json", true);
  const rows = reader.field("dataset").field("item_count").count();
  const columns = reader
    .field("features")
    .items()
    .map((feature) => [feature.field("name").string(), parseFeature(feature)] as const);
  return { rows, columns: Object.fromEntries(columns) };
}

function parseFeature(feature: JsonReader): ColumnProfile {
  const inferredType = feature.field("inferred_type").oneOf(["Integral", "Fractional", "String", "Unknown"]);
  if (inferredType !== "Integral" && inferredType !== "Fractional") return parseTexts(feature);
  const statistics = feature.field("numerical_statistics");
  const type: ColumnType = inferredType === "Integral" ? "int64" : "float64";
  const { count, missing } = parseCommon(statistics);
  const moments = parseMoments(statistics, count);
  const quantiles = moments.count === 0 ? emptyQuantileSketch() : parseDistribution(statistics);
  return { type, count, missing, nonFinite: 0, moments, quantiles };
}

function parseCommon(statistics: JsonReader): { readonly count: number; readonly missing: number } {
  const common = statistics.field("common");
  return { count: common.field("num_present").count(), missing: common.field("num_missing").count() };
}

function parseMoments(statistics: JsonReader, count: number): Moments {
  if (count === 0 || !isPresent(statistics, "mean")) return emptyMoments;
  const deviation = statistics.field("std_dev").number();
  return {
    count,
    mean: statistics.field("mean").number(),
    m2: deviation * deviation * count,
    min: statistics.field("min").number(),
    max: statistics.field("max").number(),
  };
}

function parseDistribution(statistics: JsonReader): QuantileSketch {
  if (!isPresent(statistics, "distribution")) return emptyQuantileSketch();
  const kll = statistics.field("distribution").field("kll");
  if (isPresent(kll, "sketch"))
    return sketchOfLevels(
      kll
        .field("sketch")
        .field("data")
        .items()
        .map((level) => level.items().map((item) => item.number())),
    );
  return sketchOfBuckets(kll.field("buckets"));
}

/** An item of level `i` stands for 2^i values. */
function sketchOfLevels(levels: readonly (readonly number[])[]): QuantileSketch {
  const [first = emptyQuantileSketch(), ...rest] = levels.map((items, level) => weighted(items, 2 ** level));
  return mergeQuantileSketches(first, ...rest);
}

function weighted(values: readonly number[], weight: number): QuantileSketch {
  const sketcher = createQuantileSketcher();
  sketcher.addAll(Float64Array.from(values));
  const sketch = sketcher.sketch();
  return { ...sketch, counts: sketch.counts.map((count) => count * weight), count: sketch.count * weight };
}

const stepsPerBucket = 64;

function sketchOfBuckets(buckets: JsonReader): QuantileSketch {
  const parts = buckets.items().flatMap((bucket) => {
    const lower = bucket.field("lower_bound").number();
    const upper = bucket.field("upper_bound").number();
    const count = Math.round(bucket.field("count").number());
    return Array.from({ length: stepsPerBucket }, (_, step) => {
      const share = Math.floor((count * (step + 1)) / stepsPerBucket) - Math.floor((count * step) / stepsPerBucket);
      return share === 0
        ? emptyQuantileSketch()
        : weighted([lower + ((upper - lower) * (step + 0.5)) / stepsPerBucket], share);
    });
  });
  return mergeQuantileSketches(emptyQuantileSketch(), ...parts);
}

function parseTexts(feature: JsonReader): ColumnProfile {
  const statistics = feature.field(
    isPresent(feature, "string_statistics") ? "string_statistics" : "numerical_statistics",
  );
  const { count, missing } = parseCommon(statistics);
  const buckets = isPresent(statistics, "distribution")
    ? statistics
        .field("distribution")
        .field("categorical")
        .field("buckets")
        .items()
        .map((bucket) => [bucket.field("value").string(), bucket.field("count").count()] as const)
    : [];
  const counts = new Map(buckets);
  const listed = [...counts.values()].reduce((sum, each) => sum + each, 0);
  const distinct = emptyDistinct();
  for (const text of counts.keys()) addTextToDistinct(distinct, text);
  // What the buckets leave out may all be one text.
  const error = Math.max(0, count - listed);
  return {
    type: "utf8",
    count,
    missing,
    nonFinite: 0,
    frequent: { capacity: Math.max(256, counts.size), total: count, error, counts },
    ...(error === 0 ? { distinct } : {}),
  };
}
