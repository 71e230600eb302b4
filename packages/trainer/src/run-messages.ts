import type { DatasetRef, Digest, JsonObject } from "@millwright/contracts";
import type { FittedTransforms, TransformPlan } from "@millwright/data";
import type { BuiltInRuleUse, FiredRule } from "./debugger/rule-use.ts";
import type { Device } from "@millwright/tfjs";
import type { DryRunRequest } from "./dry-run-report.ts";
import type { ToldError } from "./errors.ts";
import type { InputRequest } from "./input/input-plan.ts";
import type { CodeVersion } from "./reproduce/code-facts.ts";
import type { Metrics } from "./metrics.ts";
import type { DeterminismLevel } from "./determinism/determinism-level.ts";
import type { MemoryDecision, MemoryReport } from "./memory/memory-guard.ts";
import type { HangNews } from "./watchdog/hang-thread.ts";
import type { LeakFinding } from "./watchdog/leak-watch.ts";
import type { RunWatching } from "./watchdog/watch-options.ts";
import type { LossScaleState } from "./precision/loss-scale.ts";
import type { RunProfile } from "./profiler/run-profile.ts";
import type { StopConditions, StopReason } from "./stop-conditions.ts";
import type { WorkersReport } from "./parallel/run-workers.ts";
import type { WorkerChange } from "./parallel/worker-group.ts";
import type { ResolvedWorkers } from "./parallel/workers-option.ts";
import type { CallbackFailure } from "./training-callback.ts";

/** What a run's process is given. */
export interface TrainingRequest {
  readonly formatVersion: 1;
  readonly runId: string;
  readonly module: string;
  readonly name: string;
  readonly params: JsonObject;
  readonly train: DatasetRef;
  readonly validation: DatasetRef | null;
  readonly label: string;
  readonly transforms: FittedTransforms | null;
  readonly plan: TransformPlan | null;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly maxRows: number | null;
  readonly input: InputRequest;
  readonly verifyData: boolean;
  readonly device: "auto" | Device;
  readonly format: "auto" | "dense" | "tfjs-layers";
  readonly stopping: {
    readonly metric: string | null;
    readonly patience: number;
    readonly minDelta: number;
    readonly restoreBest: boolean;
    readonly baseline?: number | null;
  } | null;
  readonly stopWhen?: StopConditions | null;
  readonly checkpoints: {
    readonly everySteps: number | null;
    readonly everyMs?: number | null;
    /** Whether the training goes on meanwhile. Absent for yes. */
    readonly beside?: boolean;
    readonly best?: { readonly metric: string | null; readonly keep: number } | null;
  } | null;
  /** Those of the options. */
  readonly rules?: readonly BuiltInRuleUse[] | undefined;
  readonly profile?: { readonly traceSpans: number } | null | undefined;
  readonly watching?: RunWatching | undefined;
  readonly resumeFrom: string | null;
  /** Whether each epoch waits for a verdict. */
  readonly awaitVerdict: boolean;
  readonly progressEveryMs: number;
  /** The run's own folder. */
  readonly directory: string;
  readonly trackedRunId: string | null;
  readonly featureService: { readonly name: string; readonly digest: Digest } | null;
  readonly createdTimeMs: number;
  /** Which code it has, where git is not to be asked. */
  readonly code?: CodeVersion | null;
  /** Absent or null for one worker, which learns from batches whole. */
  readonly workers?: ResolvedWorkers | null | undefined;
  /** What was declared; absent or null for nothing. */
  readonly determinism?: DeterminismLevel | null | undefined;
  /** Absent or null for none. */
  readonly memoryGuard?: { readonly smallest: number } | null | undefined;
  /** Most rows learned from at once; absent or null for as many as the optimization says. */
  readonly microBatch?: number | null | undefined;
  /** Present where the process is only to try. */
  readonly dryRun?: DryRunRequest | undefined;
}

/** One epoch, once it is over. */
export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  /** Steps since the beginning of the run. */
  readonly step: number;
  /** Mean over the rows while they were learned from; on a GPU over a sample of them, which takes every 20th step and the epoch's last. */
  readonly trainLoss: number;
  /** Of the validation data; empty where there is none. */
  readonly metrics: Metrics;
  /** Steps that were left out because their loss was no number; absent where none were. */
  readonly skipped?: number | undefined;
}

/** `stopped`: before its last epoch, for the reason in `stop`; `stopped-early`: by early stopping. */
export type RunOutcome = "completed" | "stopped-early" | "stopped" | "pruned" | "paused";

/** What a run's process sends. */
export type RunMessage =
  | {
      readonly kind: "started";
      readonly pid: number;
      readonly device: string;
      readonly trainRows: number;
      /** How its rows come to the steps. */
      readonly input: "matrix" | "stream";
      readonly validationRows: number;
      readonly inputs: number;
      readonly weights: number;
      /** 0 at the beginning; more where it goes on from a checkpoint. */
      readonly step: number;
      readonly epoch: number;
    }
  | {
      readonly kind: "progress";
      readonly epoch: number;
      readonly epochs: number;
      readonly step: number;
      readonly steps: number;
      /** Null in steps where it was not looked at. */
      readonly loss: number | null;
      readonly rowsPerSecond: number;
      readonly secondsLeft: number;
    }
  | ({
      readonly kind: "epoch";
      /** What a trial is told: the task's objective, or the training loss where there is no validation data. */
      readonly value: number | null;
      readonly checkpoint: string | null;
      /** Told again after a restart; no verdict is awaited. */
      readonly again: boolean;
    } & EpochReport)
  | ({ readonly kind: "rule" } & FiredRule)
  | ({ readonly kind: "leak"; readonly action: string; readonly bundle?: string | undefined } & LeakFinding)
  | ({ readonly kind: "stalled"; readonly policy: string } & HangNews)
  | { readonly kind: "checkpoint"; readonly step: number; readonly path: string }
  | ({ readonly kind: "worker" } & WorkerChange)
  | ({ readonly kind: "memory"; readonly batchSize: number } & MemoryDecision)
  | { readonly kind: "error"; readonly error: ToldError };

/** What the trainer answers to an epoch, where the run awaits it. */
export interface Verdict {
  readonly epoch: number;
  readonly verdict: "continue" | "pause" | "prune";
}

/** Asks a run to end with a model package. */
export interface FinishRequest {
  readonly finish: StopReason;
}

/** What the trainer sends. */
export type TrainerMessage = Verdict | FinishRequest;

/** A checkpoint that was kept for its metric. */
export interface BestCheckpoint {
  readonly epoch: number;
  readonly step: number;
  readonly value: number;
  readonly path: string;
}

/** What a run's process returns. */
export interface RunSummary {
  readonly outcome: RunOutcome;
  readonly stop?: StopReason | undefined;
  readonly callbackFailures?: readonly CallbackFailure[] | undefined;
  readonly firedRules?: readonly FiredRule[] | undefined;
  readonly bestCheckpoints?: readonly BestCheckpoint[] | undefined;
  readonly metrics: Metrics;
  readonly epochs: readonly EpochReport[];
  /** From 1; the epoch whose weights the model has. */
  readonly bestEpoch: number;
  readonly step: number;
  /** Absent where the run was paused. */
  readonly modelDirectory?: string | undefined;
  readonly digest?: Digest | undefined;
  readonly format?: string | undefined;
  /** SHA-256 over all weights, in the model's order: equal for runs that are equal bit for bit. */
  readonly weightsDigest: string;
  readonly checkpoint?: string | undefined;
  readonly profile?: RunProfile | undefined;
  readonly workers?: WorkersReport | undefined;
  readonly memory?: MemoryReport | undefined;
  readonly determinism?: DeterminismLevel | undefined;
  readonly lossScale?: LossScaleState | undefined;
  /** Of the training steps alone, of this attempt. */
  readonly rowsPerSecond: number;
}
