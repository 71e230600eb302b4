import type { Clock } from "@millwright/contracts";
import type { TensorFlow } from "@millwright/tfjs";
import type { KeptCheckpoint } from "./best-checkpoints.ts";
import type { ReadyModel } from "./build-model.ts";
import type { Checkpoint } from "./checkpoint-file.ts";
import type { TrainingTask } from "./define-training.ts";
import type { GradientSource } from "./gradient-step.ts";
import type { StoppingRule } from "./early-stopping.ts";
import type { Matrix } from "./minibatches.ts";
import { type EvaluationRows, evaluationRows, type TrainingRows, trainingRows } from "./input/training-rows.ts";
import type { Optimization } from "./optimization.ts";
import type { Observation } from "./debugger/observation.ts";
import type { FiredRule, RuleUse } from "./debugger/rule-use.ts";
import type { Phase, StepProfiler } from "./profiler/step-profiler.ts";
import type { LossScaleState } from "./precision/loss-scale.ts";
import type { EpochReport, RunOutcome } from "./run-messages.ts";
import type { LeakFinding } from "./watchdog/leak-watch.ts";
import type { StopConditions, StopReason } from "./stop-conditions.ts";
import type { CallbackFailure, CallbackHook, TrainingCallback } from "./training-callback.ts";

/** Watches a loop from outside. */
export interface LoopWatch {
  /** A phase is over. */
  beat(phase: Phase): void;
  /** @param index Of the callback that is in its hook; undefined when none is. */
  during(index: number | undefined, hook?: CallbackHook): void;
  /** A step is over. @returns what is found to grow. */
  step(step: number, stepMs: number): LeakFinding | undefined;
  /** Does what is to be done about a leak. @returns whether the process is to end at a checkpoint, and another to go on from it. */
  leak(finding: LeakFinding): Promise<boolean>;
}

export interface LoopOptions {
  readonly tf: TensorFlow;
  readonly ready: ReadyModel;
  readonly task: TrainingTask;
  readonly train: TrainingRows | Matrix;
  readonly validation: EvaluationRows | Matrix | undefined;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly stopping: (StoppingRule & { readonly restoreBest: boolean }) | undefined;
  readonly optimization?: Optimization | undefined;
  readonly callbacks?: readonly TrainingCallback[] | undefined;
  readonly stopWhen?: StopConditions | undefined;
  readonly rules?: readonly RuleUse[] | undefined;
  /** Newest stretches of time that are kept for a trace. Default: 0. */
  readonly traceSpans?: number | undefined;
  /** Whether tensors lie where reading them takes long. */
  readonly onDevice?: boolean | undefined;
  /** Most rows learned from at once, whatever the optimization says. Default: as it says. */
  readonly pieceRows?: number | undefined;
  /** Default: this process computes gradients alone. */
  readonly gradients?: GradientSource | undefined;
  /** The part of the batch size that an epoch's batches have, asked when it begins; learning rates have the same part of theirs. Default: 1. */
  readonly batchShare?: (() => number) | undefined;
  /** What a checkpoint must have been made with to be gone on from. */
  readonly fingerprint: Readonly<Record<string, string>>;
  /** Checkpoints after so many steps, besides those after each epoch; undefined for none within epochs. */
  readonly checkpointSteps: number | undefined;
  /** Checkpoints after so much time since the last. */
  readonly checkpointMs?: number | undefined;
  /** Checkpoints that are kept because their metric is among the best. */
  readonly keepBest?: { readonly metric: string; readonly keep: number } | undefined;
  /**
   * Steps between two looks at the loss; more than 1 where reading it makes a device wait. It is looked at besides in an epoch's last step
   * and in steps that a checkpoint follows.
   */
  readonly lossEverySteps: number;
  readonly signal: AbortSignal;
  readonly clock?: Clock | undefined;
  /** Whether the training goes on while a checkpoint is being kept. Default: false. */
  readonly saveBeside?: boolean | undefined;
  /** Whether a checkpoint must be there before its epoch is told. Default: false. */
  readonly saveBeforeTelling?: boolean | undefined;
  /** Keeps a checkpoint, and of the best those named; absent for none. */
  readonly save?:
    | ((step: number, checkpoint: Checkpoint, kept?: readonly KeptCheckpoint[]) => Promise<string>)
    | undefined;
  /** Keeps a checkpoint and what was observed when a rule fired. @returns their folder. */
  readonly snapshot?:
    | ((rule: string, taken: { readonly observation: Observation; readonly checkpoint: Checkpoint }) => Promise<string>)
    | undefined;
  readonly watch?: LoopWatch | undefined;
  /** Told when a rule has fired, once what it does is done. */
  readonly onRule?: ((fired: FiredRule) => void) | undefined;
  /** Whether the run was asked to end. */
  readonly stopAsked?: (() => StopReason | undefined) | undefined;
  /** `loss` is undefined in steps where it was not looked at. */
  readonly onStep: (step: number, epoch: number, loss: number | undefined, rowsPerSecond: number) => void;
  /** Called after each epoch with the path of its checkpoint; says whether to go on. */
  readonly onEpoch: (report: EpochReport, checkpoint: string | undefined) => Promise<"continue" | "pause" | "prune">;
}

/** Options with data that is walked. */
export interface WalkedOptions extends LoopOptions {
  readonly train: TrainingRows;
  readonly validation: EvaluationRows | undefined;
}

export function walkedOptions(options: LoopOptions): WalkedOptions {
  const { train, validation, seed } = options;
  return { ...options, train: trainingRows(train, seed), validation: validation && evaluationRows(validation) };
}

export interface LoopResult {
  readonly outcome: RunOutcome;
  /** Where the outcome is `stopped`. */
  readonly stop?: StopReason | undefined;
  readonly epochs: readonly EpochReport[];
  readonly bestEpoch: number;
  readonly step: number;
  readonly checkpoint: string | undefined;
  /** Best first; empty where none were to be kept. */
  readonly kept: readonly KeptCheckpoint[];
  readonly callbackFailures: readonly CallbackFailure[];
  /** Rules that have fired. */
  readonly firedRules: readonly FiredRule[];
  /** In the end, where the loss is scaled. */
  readonly lossScale?: LossScaleState | undefined;
  readonly rowsPerSecond: number;
  readonly profiler: StepProfiler;
}
