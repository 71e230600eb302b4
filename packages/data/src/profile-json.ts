import type { ColumnType, JsonObject, JsonValue } from "@millwright/contracts";
import { emptyDistinct, type DistinctSketch } from "./distinct.ts";
import { profileInvalid, versionUnsupported } from "./errors.ts";
import type { FrequentTexts } from "./frequent.ts";
import { createJsonReader, type JsonReader } from "./json-reader.ts";
import type { Moments } from "./moments.ts";
import type { ColumnProfile, Profile } from "./profile.ts";
import type { QuantileSketch } from "./quantile-sketch.ts";
import { parseRanks, ranksToJson } from "./rank-sketch-json.ts";

const columnTypes: readonly ColumnType[] = [
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float32",
  "float64",
  "date",
  "timestamp",
  "bool",
  "utf8",
  "binary",
  "dictionary",
  "list",
];

/** @returns the profile as JSON (format version 1), from which `parseProfile` makes an equal one. */
export function profileToJson(profile: Profile): JsonObject {
  // A list keeps the order of columns whose names look like numbers.
  const columns = Object.entries(profile.columns).map(([name, column]) => ({ name, ...columnToJson(column) }));
  return { formatVersion: 1, rows: profile.rows, columns };
}

function columnToJson({
  type,
  count,
  missing,
  nonFinite,
  moments,
  quantiles,
  ranks,
  frequent,
  distinct,
}: ColumnProfile): JsonObject {
  return {
    type,
    count,
    missing,
    nonFinite,
    ...(moments === undefined ? {} : { moments: { ...moments } }),
    ...(quantiles === undefined ? {} : { quantiles: sketchToJson(quantiles) }),
    ...(ranks === undefined ? {} : { ranks: ranksToJson(ranks) }),
    ...(frequent === undefined
      ? {}
      : { frequent: { ...frequent, counts: [...frequent.counts].map(([text, times]) => [text, times]) } }),
    ...(distinct === undefined ? {} : { distinct: distinctToJson(distinct) }),
  };
}

/** Keys as differences: they grow, so most are small. */
function sketchToJson({ maxBuckets, shift, keys, counts }: QuantileSketch): JsonObject {
  return {
    maxBuckets,
    shift,
    steps: Array.from(keys, (key, index) => key - (index === 0 ? 0 : (keys[index - 1] as number))),
    counts: [...counts],
  };
}

/** Few registers are filled while few values were met: those then stand by number. */
function distinctToJson(registers: DistinctSketch): JsonValue {
  const filled = [...registers.keys()].filter((register) => registers[register] !== 0);
  if (filled.length > registers.length / 4) return Buffer.from(registers).toString("base64");
  return filled.map((register) => [register, registers[register] as number]);
}

/** Reads what `profileToJson` wrote. Throws `DATA_PROFILE_INVALID`, which names the path, and `DATA_VERSION_UNSUPPORTED`. */
export function parseProfile(json: unknown): Profile {
  const reader = createJsonReader(json, "", (path, problem) =>
    profileInvalid(path === "" ? "the whole" : path, problem),
  );
  const version = reader.object()["formatVersion"];
  if (version !== 1) throw versionUnsupported("The profile", version);
  const columns = reader
    .field("columns")
    .items()
    .map((column) => [column.field("name").string(), parseColumn(column)] as const);
  return { rows: reader.field("rows").count(), columns: Object.fromEntries(columns) };
}

function parseColumn(reader: JsonReader): ColumnProfile {
  const part = <Part>(name: string, parse: (field: JsonReader) => Part): Record<string, Part> =>
    Object.hasOwn(reader.object(), name) ? { [name]: parse(reader.field(name)) } : {};
  return {
    type: reader.field("type").oneOf(columnTypes),
    count: reader.field("count").count(),
    missing: reader.field("missing").count(),
    nonFinite: reader.field("nonFinite").count(),
    ...part("moments", parseMoments),
    ...part("quantiles", parseSketch),
    ...part("ranks", parseRanks),
    ...part("frequent", parseFrequent),
    ...part("distinct", parseDistinct),
  };
}

function parseMoments(reader: JsonReader): Moments {
  return {
    count: reader.field("count").count(),
    mean: reader.field("mean").number(),
    m2: reader.field("m2").number(),
    min: reader.field("min").number(),
    max: reader.field("max").number(),
  };
}

function parseSketch(reader: JsonReader): QuantileSketch {
  const steps = reader.field("steps").numbers();
  const counts = reader.field("counts").counts();
  if (steps.length !== counts.length) reader.field("counts").fail(`must have ${steps.length} items`);
  const keys = new Int32Array(steps.length);
  const shift = reader.field("shift").count();
  if (shift > 31) reader.field("shift").fail("must be at most 31");
  let key = 0;
  for (const [index, step] of steps.entries()) {
    key += step;
    // Others would be counted in no bucket.
    if (key !== (key << shift) >> shift || (index > 0 && step <= 0))
      reader.field("steps").fail(`must make growing ${32 - shift}-bit integers`);
    keys[index] = key;
  }
  const maxBuckets = reader.field("maxBuckets").count();
  if (maxBuckets < 16) reader.field("maxBuckets").fail("must be at least 16");
  return { maxBuckets, shift, keys, counts, count: counts.reduce((sum, count) => sum + count, 0) };
}

function parseFrequent(reader: JsonReader): FrequentTexts {
  const counts = reader
    .field("counts")
    .items()
    .map((pair) => {
      const [text, times] = pair.items();
      return [
        text?.string() ?? pair.fail("must be a text and a count"),
        times?.count() ?? pair.fail("must be a text and a count"),
      ] as const;
    });
  return {
    capacity: reader.field("capacity").count(),
    total: reader.field("total").count(),
    error: reader.field("error").count(),
    counts: new Map(counts),
  };
}

function parseDistinct(reader: JsonReader): DistinctSketch {
  const registers = emptyDistinct();
  if (typeof reader.value === "string") {
    const bytes = Buffer.from(reader.value, "base64");
    if (bytes.length !== registers.length) reader.fail(`must hold ${registers.length} registers`);
    registers.set(bytes);
  } else {
    for (const pair of reader.items()) {
      const [register, rank] = pair.items();
      if (register === undefined || rank === undefined || register.count() >= registers.length)
        return pair.fail("must be a register and its rank");
      registers[register.count()] = rank.count();
    }
  }
  if (registers.some((rank) => rank > 33)) reader.fail("must hold ranks of at most 33");
  return registers;
}
