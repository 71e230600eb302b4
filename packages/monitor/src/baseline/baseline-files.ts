import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type CallOptions, createIdSource, type JsonObject, systemClock } from "@millwright/contracts";
import {
  parseProfile,
  parseSageMakerConstraints,
  parseSageMakerStatistics,
  profileToJson,
  suggestConstraints,
  toSageMakerConstraints,
  toSageMakerStatistics,
} from "@millwright/data";
import { baselineInvalid, writeFailure } from "../errors.ts";
import type { Baseline } from "./baseline.ts";

/** The files of a baseline, by name. */
export interface BaselineFiles {
  /** As Model Monitor writes and reads it: KLL buckets and sketch. */
  readonly "statistics.json": JsonObject;
  readonly "constraints.json": JsonObject;
  /** The profile itself, which merges and loses nothing. */
  readonly "profile.json": JsonObject;
}

/** @returns the baseline as files, whose names are Model Monitor's. */
export function baselineFiles({ profile, constraints }: Baseline): BaselineFiles {
  return {
    "statistics.json": toSageMakerStatistics(profile),
    "constraints.json": toSageMakerConstraints(constraints),
    "profile.json": profileToJson(profile),
  };
}

/** The baseline in such files. Without `profile.json` it is made from `statistics.json`, as SageMaker's own jobs leave it; without `constraints.json` they are suggested. */
export function baselineFromFiles(files: Partial<Readonly<Record<keyof BaselineFiles, unknown>>>): Baseline {
  const { "profile.json": own, "statistics.json": statistics, "constraints.json": asked } = files;
  if (own === undefined && statistics === undefined)
    throw baselineInvalid("there is neither profile.json nor statistics.json");
  const profile = own === undefined ? parseSageMakerStatistics(statistics) : parseProfile(own);
  return { profile, constraints: asked === undefined ? suggestConstraints(profile) : parseSageMakerConstraints(asked) };
}

/**
 * Writes the files of a baseline to a folder, which is made where it is missing: each whole or not at all, and flushed to disk.
 * Throws `MONITOR_WRITE_FAILED`.
 */
export async function writeBaseline(
  directory: string,
  baseline: Baseline,
  { signal }: CallOptions = {},
): Promise<void> {
  const files = Object.entries(baselineFiles(baseline));
  signal?.throwIfAborted();
  try {
    await mkdir(directory, { recursive: true });
    for (const [name, content] of files) {
      signal?.throwIfAborted();
      await writeWhole(join(directory, name), JSON.stringify(content));
    }
  } catch (error) {
    throw writeFailure(directory, error);
  }
}

const parts = createIdSource(systemClock);

/** Beside its place, flushed, then renamed: a crash leaves the old file or the new one. */
async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.${parts.next()}.part`;
  const file = await open(part, "wx");
  try {
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Reads a baseline from a folder: ours, or the output of SageMaker's baseline job. Throws `MONITOR_BASELINE_INVALID`, and what its parsers throw. */
export async function readBaseline(directory: string, { signal }: CallOptions = {}): Promise<Baseline> {
  signal?.throwIfAborted();
  const [statistics, constraints, profile] = await Promise.all(
    ["statistics.json", "constraints.json", "profile.json"].map((name) => readJson(join(directory, name), signal)),
  );
  return baselineFromFiles({
    "statistics.json": statistics,
    "constraints.json": constraints,
    "profile.json": profile,
  });
}

async function readJson(path: string, signal: AbortSignal | undefined): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, { encoding: "utf8", signal });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    if (error instanceof Error && "syscall" in error)
      throw baselineInvalid(`${path} cannot be read: ${error.message}`, error);
    throw error;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw baselineInvalid(`${path} is no JSON`, error);
  }
}
