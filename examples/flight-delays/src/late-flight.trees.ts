import { rm } from "node:fs/promises";
import { fitGbdt, type GbdtOptions, packFitted } from "@millwright/algorithms";
import type { DatasetRef, Digest, JsonValue, ModelManifest } from "@millwright/contracts";
import { openDuckDb } from "@millwright/duckdb";
import type { WorkerContext } from "@millwright/jobs/worker";

/** What the job is given. */
export interface TreesRequest {
  readonly train: DatasetRef;
  readonly validation: DatasetRef;
  readonly features: readonly string[];
  readonly options: Pick<GbdtOptions, "trees" | "learningRate" | "maxLeaves" | "minLeafRows" | "earlyStopping">;
  /** Trees between two messages. */
  readonly reportEvery: number;
  /** Where the package goes; null where none is wanted. */
  readonly pack: {
    readonly directory: string;
    readonly featureService: ModelManifest["featureService"];
    readonly runId: string | null;
  } | null;
}

/** What it says on the way. */
export interface TreesProgress {
  readonly trees: number;
  readonly logLoss: number;
}

/** What it returns. */
export interface TreesFitted {
  readonly logLoss: number;
  readonly trees: number;
  /** Of the package; null where none was wanted. */
  readonly digest: Digest | null;
}

/** Boosted trees that say how likely a flight is to be late. Runs in a process of its own, and fits the same trees whenever it is run again. */
export default async function fitTrees({ input, send, signal }: WorkerContext): Promise<JsonValue> {
  const { train, validation, features, options, reportEvery, pack } = input as unknown as TreesRequest;
  await using duckdb = await openDuckDb();
  const sets = { train: duckdb.openRef(train), validation: duckdb.openRef(validation) };
  const fitted = await fitGbdt(sets.train, {
    ...options,
    label: "late",
    task: "binary",
    features,
    validation: sets.validation,
    signal,
    onProgress({ trees, validationLoss = Number.NaN }) {
      if (trees % reportEvery === 0) send({ trees, logLoss: validationLoss } satisfies TreesProgress);
    },
  });
  const result = { logLoss: fitted.metrics["validationLogLoss"] as number, trees: fitted.model.trees.length };
  if (pack === null) return { ...result, digest: null } satisfies TreesFitted;
  // What an attempt that was stopped left.
  await rm(pack.directory, { recursive: true, force: true });
  const { digest } = await packFitted(pack.directory, fitted, {
    name: "late",
    ...sets,
    featureService: pack.featureService,
    runId: pack.runId ?? undefined,
    signal,
  });
  return { ...result, digest } satisfies TreesFitted;
}
