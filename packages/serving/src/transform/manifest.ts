import { readFile } from "node:fs/promises";
import { type Digest, digestOfJson } from "@millwright/contracts";
import type { ObjectSummary } from "./ledger.ts";
import type { TransformTarget } from "./target.ts";

/** What a job was made of and what it made: enough to tell whether another run made the same. */
export interface TransformManifest {
  readonly formatVersion: 1;
  readonly job: string;
  /** Absent where the target does not say which model it is. */
  readonly model?: TransformTarget["model"];
  readonly target: string;
  /** Of everything but model and data that decides what is written. */
  readonly optionsDigest: Digest;
  /** The time as of which features were read, UTC milliseconds, where the job says one. */
  readonly featuresAsOfMs?: number | undefined;
  /** Of the keys and contents of all inputs. */
  readonly dataDigest: Digest;
  /** Of the names and contents of all outputs. */
  readonly outputDigest: Digest;
  readonly objects: readonly Omit<ObjectSummary, "version" | "chunks">[];
  readonly records: number;
  readonly written: number;
  readonly failed: number;
  /** When the job was begun and ended, UTC milliseconds; of a job that was interrupted, its last start. */
  readonly startedMs: number;
  readonly finishedMs: number;
}

export interface ManifestParts extends Pick<
  TransformManifest,
  "job" | "model" | "target" | "optionsDigest" | "featuresAsOfMs" | "startedMs" | "finishedMs"
> {
  readonly summaries: readonly ObjectSummary[];
}

export function createManifest({ summaries, ...parts }: ManifestParts): TransformManifest {
  const sum = (name: "records" | "written" | "failed"): number =>
    summaries.reduce((total, summary) => total + summary[name], 0);
  return {
    formatVersion: 1,
    ...parts,
    dataDigest: digestOfJson(summaries.map(({ key, inputDigest }) => [key, inputDigest])),
    outputDigest: digestOfJson(summaries.map(({ output, outputDigest }) => [output, outputDigest])),
    objects: summaries.map(
      ({ key, output, errors, inputBytes, inputDigest, outputBytes, outputDigest, ...counts }) => ({
        key,
        output,
        ...(errors === undefined ? {} : { errors }),
        inputBytes,
        inputDigest,
        outputBytes,
        outputDigest,
        records: counts.records,
        written: counts.written,
        failed: counts.failed,
      }),
    ),
    records: sum("records"),
    written: sum("written"),
    failed: sum("failed"),
  };
}

/** How a run differs from another. */
export interface ManifestComparison {
  /** Whether the outputs are the same bytes. */
  readonly identical: boolean;
  /** Which of what decides the outputs is not the same: where all are, and the outputs are not, the model or its features do not repeat themselves. */
  readonly changed: readonly ("model" | "data" | "options" | "featuresAsOf")[];
  /** Outputs that differ, or that only one of both has. */
  readonly outputs: readonly string[];
}

export function compareManifests(before: TransformManifest, after: TransformManifest): ManifestComparison {
  const outputsOf = ({ objects }: TransformManifest): ReadonlyMap<string, Digest> =>
    new Map(objects.map(({ output, outputDigest }) => [output, outputDigest]));
  const [first, second] = [outputsOf(before), outputsOf(after)];
  const outputs = [...new Set([...first.keys(), ...second.keys()])].filter(
    (name) => first.get(name) !== second.get(name),
  );
  const sides = {
    model: [before.model?.digest ?? before.target, after.model?.digest ?? after.target],
    data: [before.dataDigest, after.dataDigest],
    options: [before.optionsDigest, after.optionsDigest],
    featuresAsOf: [before.featuresAsOfMs, after.featuresAsOfMs],
  } as const;
  const names = ["model", "data", "options", "featuresAsOf"] as const;
  return {
    identical: before.outputDigest === after.outputDigest,
    changed: names.filter((name) => sides[name][0] !== sides[name][1]),
    outputs,
  };
}

/** @returns `undefined` where there is none, or none that this release reads. */
export async function readManifest(path: string): Promise<TransformManifest | undefined> {
  try {
    const value = JSON.parse(await readFile(path, "utf8")) as TransformManifest;
    return value.formatVersion === 1 ? value : undefined;
  } catch {
    return undefined;
  }
}
