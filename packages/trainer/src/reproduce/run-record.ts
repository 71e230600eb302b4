import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOfJson } from "@millwright/contracts";
import type { Tfjs } from "@millwright/tfjs";
import type { RunSummary, TrainingRequest } from "../run-messages.ts";
import { codeFacts } from "./code-facts.ts";
import { machineFacts } from "./machine-facts.ts";

/** What is kept of a run in its folder, so that it can be done again. */
export interface RunRecord {
  readonly formatVersion: 1;
  readonly request: TrainingRequest;
  /** Everything that may decide what comes out, by name, as text. */
  readonly facts: Readonly<Record<string, string>>;
  /** Absent until it has ended. */
  readonly result?: RecordedResult | undefined;
}

export type RecordedResult = Pick<RunSummary, "outcome" | "step" | "weightsDigest" | "digest">;

const recordIn = (directory: string): string => join(directory, "record.json");

/** What a run's process knows of what it will do. */
export async function factsOf(request: TrainingRequest, tfjs: Tfjs): Promise<Readonly<Record<string, string>>> {
  const { seed, params, epochs, batchSize, train, validation, maxRows, plan, transforms, input } = request;
  return {
    ...machineFacts(),
    ...tfjs.environment,
    device: tfjs.device,
    backend: tfjs.backend,
    ...(await codeFacts(fileURLToPath(request.module), request.code)),
    seed: String(seed),
    options: digestOfJson({ params, epochs, batchSize, maxRows, plan, transforms, input }),
    "data.train": train.digest,
    ...(validation === null ? {} : { "data.validation": validation.digest }),
  };
}

export async function writeRecord(record: RunRecord): Promise<void> {
  const { directory } = record.request;
  const path = recordIn(directory);
  await mkdir(directory, { recursive: true });
  await writeFile(`${path}.draft`, JSON.stringify(record));
  await rename(`${path}.draft`, path);
}

/** @returns undefined where there is none that can be read. */
export async function readRecord(directory: string): Promise<RunRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(recordIn(directory), "utf8")) as RunRecord;
    return record.formatVersion === 1 ? record : undefined;
  } catch {
    return undefined;
  }
}

/** What was one thing and is another. */
export interface RecordDifference {
  /** `lockfile`, `node`, `code.commit`, `data.train`, … */
  readonly what: string;
  readonly was: string | undefined;
  readonly is: string | undefined;
}

/** @returns what differs, ordered by name. */
export function differencesBetween(was: RunRecord["facts"], is: RunRecord["facts"]): readonly RecordDifference[] {
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((what) => was[what] !== is[what])
    .toSorted()
    .map((what) => ({ what, was: was[what], is: is[what] }));
}
