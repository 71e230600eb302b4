import type { JsonObject } from "@millwright/contracts";
import { profileInvalid, versionUnsupported } from "./errors.ts";
import { createJsonReader, type JsonReader } from "./json-reader.ts";
import type { RankSketch } from "./rank-sketch.ts";

/** @returns the sketch as JSON (format version 1), from which `parseRankSketch` makes an equal one. */
export function rankSketchToJson(sketch: RankSketch): JsonObject {
  return { formatVersion: 1, ...ranksToJson(sketch) };
}

/** Without a version of its own, as it stands in a profile. Levels are the bytes of 64-bit floats, lowest byte first, in base64. */
export function ranksToJson({ epsilon, count, min, max, levels }: RankSketch): JsonObject {
  return { epsilon, count, min, max, levels: levels.map(bytesOf) };
}

function bytesOf(level: Float64Array): string {
  const bytes = Buffer.alloc(level.length * 8);
  for (const [at, value] of level.entries()) bytes.writeDoubleLE(value, at * 8);
  return bytes.toString("base64");
}

/** Reads what `rankSketchToJson` wrote. Throws `DATA_PROFILE_INVALID`, which names the path, and `DATA_VERSION_UNSUPPORTED`. */
export function parseRankSketch(json: unknown): RankSketch {
  const reader = createJsonReader(json, "", (path, problem) =>
    profileInvalid(path === "" ? "the whole" : path, problem),
  );
  const version = reader.object()["formatVersion"];
  if (version !== 1) throw versionUnsupported("The sketch", version);
  return parseRanks(reader);
}

export function parseRanks(reader: JsonReader): RankSketch {
  const epsilon = reader.field("epsilon").number();
  if (!(epsilon > 0 && epsilon <= 0.5)) reader.field("epsilon").fail("must be above 0 and at most 0.5");
  const levels = reader.field("levels").items().map(parseLevel);
  if (levels.length > 60) reader.field("levels").fail("must be at most 60");
  const count = reader.field("count").count();
  const standing = levels.reduce((sum, level, at) => sum + level.length * 2 ** at, 0);
  if (standing !== count) reader.field("levels").fail(`must stand for ${count} numbers, not ${standing}`);
  return { epsilon, count, min: reader.field("min").number(), max: reader.field("max").number(), levels };
}

function parseLevel(reader: JsonReader): Float64Array {
  const bytes = Buffer.from(reader.string(), "base64");
  if (bytes.length % 8 !== 0) reader.fail("must hold whole 64-bit floats");
  const level = Float64Array.from({ length: bytes.length / 8 }, (_, at) => bytes.readDoubleLE(at * 8));
  if (level.some((value, at) => !Number.isFinite(value) || (at > 0 && value < (level[at - 1] as number))))
    reader.fail("must hold finite numbers that grow");
  return level;
}
