import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CallOptions,
  type Clock,
  type Digest,
  type ModelManifest,
  type ModelProvenance,
  createManualClock,
} from "@millwright/contracts";
import { verifyModel } from "@millwright/model";
import type { DescribedVersion } from "../models/version-records.ts";
import type { Registry } from "../registry.ts";
import { type FieldDifference, fieldDifferences } from "./manifest-differences.ts";

/** What training is told, to make the same package again. */
export interface RebuildPlan {
  readonly version: DescribedVersion;
  /** Seed, hyperparameters, digests of data and code, the run and the time: as the package has them. */
  readonly provenance: ModelProvenance;
  /** Stands at the time that the package was made; for `packModel`, whose digest covers it. */
  readonly clock: Clock;
  /** Where the package may be written; it is not there yet, and is removed at the end. */
  readonly directory: string;
  readonly signal: AbortSignal | undefined;
}

export interface ReproduceVersionOptions extends CallOptions {
  /** Trains and packs again: in this process, or by a job it waits for. @returns the directory of the new package. */
  readonly rebuild: (plan: RebuildPlan) => Promise<string>;
  /** The digest that a dataset has now; undefined where it is gone. Default: data is not checked. */
  readonly datasets?: ((role: string, digest: Digest, options: CallOptions) => Promise<Digest | undefined>) | undefined;
  /** The digest that the training code has now. Default: code is not checked. */
  readonly code?: Digest | undefined;
  /** What trains now, by name, such as `node`. Default: the environment is not compared. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Rebuilds although data or code are not what they were. Default: false. */
  readonly anyway?: boolean | undefined;
}

/** A digest then and now. */
export interface DigestCheck {
  /** A dataset's role, or `code`. */
  readonly what: string;
  readonly was: Digest;
  readonly is: Digest | undefined;
  readonly result: "same" | "changed" | "missing" | "unchecked";
}

export interface ReproductionReport {
  /** Such as `late/3`. */
  readonly ref: string;
  /**
   * `identical`: the package has the same digest, every byte of it. `same-model`: every file, the signature and the transforms are the same, and only what the manifest tells of its making
   * differs. `different`: something that answers differs. `not-run`: data or code are not what they were.
   */
  readonly verdict: "identical" | "same-model" | "different" | "not-run";
  readonly was: Digest;
  readonly is?: Digest | undefined;
  readonly data: readonly DigestCheck[];
  /** Undefined where the package names no code. */
  readonly code?: DigestCheck | undefined;
  /** What the environment has not as it was. */
  readonly environment: readonly FieldDifference[];
  /** Fields of the manifest that differ: where they are `files[0].digest`, a file does. */
  readonly differences: readonly FieldDifference[];
}

/**
 * Makes a version again from what its package says that it was made from, and compares. Data and code are looked at before, so that nobody waits for a training whose result
 * could not be the same. Throws `PORT_MODEL_UNKNOWN`, `PORT_MODEL_CORRUPT` for a package that was rebuilt badly, and what `rebuild` throws.
 */
export async function reproduceVersion(
  registry: Pick<Registry, "version">,
  ref: string,
  options: ReproduceVersionOptions,
): Promise<ReproductionReport> {
  const { rebuild, anyway = false, signal } = options;
  signal?.throwIfAborted();
  const version = await registry.version(ref, { signal });
  const { provenance } = version.manifest;
  const checks = await checkOrigin(provenance, options);
  const report = { ref: `${version.name}/${version.version}`, was: version.digest, ...checks };
  const isAsItWas = [...checks.data, ...(checks.code === undefined ? [] : [checks.code])].every(
    ({ result }) => result === "same" || result === "unchecked",
  );
  if (!isAsItWas && !anyway) return { ...report, verdict: "not-run", differences: [] };
  const folder = await mkdtemp(join(tmpdir(), "millwright-reproduce-"));
  try {
    const clock = createManualClock(provenance.createdTimeMs);
    const plan = { version, provenance, clock, directory: join(folder, "package"), signal };
    const { digest, manifest } = await verifyModel(await rebuild(plan), { signal });
    const differences = fieldDifferences(version.manifest, manifest);
    return { ...report, is: digest, differences, verdict: verdictOf(version.digest === digest, differences) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function verdictOf(
  isSameDigest: boolean,
  differences: readonly FieldDifference[],
): "identical" | "same-model" | "different" {
  if (isSameDigest) return "identical";
  // What answers is in the files, the signature and the transforms; the rest tells of it.
  const telling: readonly (keyof ModelManifest)[] = ["name", "provenance", "profile", "golden", "featureService"];
  const tells = ({ path }: FieldDifference): boolean =>
    telling.some((field) => path === field || path.startsWith(`${field}.`) || path.startsWith(`${field}[`));
  return differences.every(tells) ? "same-model" : "different";
}

async function checkOrigin(
  provenance: ModelProvenance,
  { datasets, code, environment, signal }: ReproduceVersionOptions,
): Promise<Pick<ReproductionReport, "data" | "code" | "environment">> {
  const data: DigestCheck[] = [];
  for (const [role, digest] of Object.entries(provenance.datasets)) {
    const is = await datasets?.(role, digest, { signal });
    data.push({ what: role, was: digest, is, result: resultOf(digest, is, datasets !== undefined) });
  }
  const wasCode = provenance.code;
  return {
    data,
    ...(wasCode === undefined
      ? {}
      : { code: { what: "code", was: wasCode, is: code, result: resultOf(wasCode, code, code !== undefined) } }),
    environment: environment === undefined ? [] : fieldDifferences(provenance.environment, environment),
  };
}

function resultOf(was: Digest, is: Digest | undefined, isChecked: boolean): DigestCheck["result"] {
  if (!isChecked) return "unchecked";
  if (is === undefined) return "missing";
  return is === was ? "same" : "changed";
}
