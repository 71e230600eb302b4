import type { JsonObject } from "@millwright/contracts";
import type { TensorFlow } from "@millwright/tfjs";
import type { LayersModel } from "./define-training.ts";
import type { EpochReport, RunOutcome } from "./run-messages.ts";

/** The run as a callback sees it, and what it may do to it. */
export interface CallbackRun<State extends JsonObject = JsonObject> {
  /** From 1: the epoch that runs, or has just ended. */
  readonly epoch: number;
  /** Batches of the whole run that are over, skipped ones among them. More than 0 in `onFitStart` where the run goes on from a checkpoint. */
  readonly step: number;
  /** Of the next step, or of the one that runs. */
  readonly learningRate: number;
  /** The callback's own; it is in every checkpoint, so it must be JSON: no NaN, no undefined, no dates. */
  state: State;
  readonly tf: TensorFlow;
  /** Its weights are those of the steps, not averaged ones. */
  readonly model: LayersModel;
  /**
   * From the next step on, until it is set again; a schedule of learning rates has no say any more. Throws `TRAINER_INPUT_INVALID` unless it is
   * finite and not negative.
   */
  setLearningRate(learningRate: number): void;
  /** Ends the run after the step or epoch that runs, with a model package. The first reason counts. */
  stop(reason: string): void;
}

/** A batch before it is learned from. */
export interface BatchStart {
  /** From 0, within the epoch. */
  readonly batch: number;
  readonly rows: number;
  /** The batch counts as a step, and is not learned from; it has no `onBatchEnd`. */
  skip(): void;
}

export interface BatchEnd {
  /** From 0, within the epoch. */
  readonly batch: number;
  readonly rows: number;
  /** Mean over the batch; undefined in steps where it was not looked at (on a GPU, 19 of 20). */
  readonly loss: number | undefined;
}

type Hooked = void | Promise<void>;

/**
 * What is called along a run, in the run's own process. Of several, each moment is told in the order in which they are listed, and the next is
 * told when the one before is done.
 */
export interface TrainingCallback<State extends JsonObject = JsonObject> {
  /** Its own among the run's callbacks: its state is kept under it. */
  readonly name: string;
  /** With what state it begins. Default: `{}`. */
  readonly state?: State | undefined;
  /**
   * What an exception in it does: `"fail"` ends the run with `TRAINER_CALLBACK_FAILED`, `"report"` counts it in the result's `callbackFailures` and
   * goes on. Default: `"fail"`.
   */
  readonly failures?: "fail" | "report" | undefined;
  onFitStart?(run: CallbackRun<State>): Hooked;
  /** Not told again for an epoch that is gone on with from a checkpoint. */
  onEpochStart?(run: CallbackRun<State>): Hooked;
  onBatchStart?(run: CallbackRun<State>, batch: BatchStart): Hooked;
  onBatchEnd?(run: CallbackRun<State>, batch: BatchEnd): Hooked;
  /** After the validation; what it changes is in the epoch's checkpoint. */
  onEpochEnd?(run: CallbackRun<State>, report: EpochReport): Hooked;
  /** Before a checkpoint is written. Interruptions write some too, so state that decides how training goes should not change here. */
  onCheckpoint?(run: CallbackRun<State>): Hooked;
  /** The run ends with an error, or is interrupted; the error stays the run's whatever happens here. */
  onException?(run: CallbackRun<State>, error: unknown): Hooked;
  /** The model has the weights that will be packed. */
  onFitEnd?(run: CallbackRun<State>, end: { readonly outcome: RunOutcome }): Hooked;
}

/** Gives the callback back; it is there for the type of its state. */
export const defineCallback = <State extends JsonObject>(callback: TrainingCallback<State>): TrainingCallback =>
  callback as unknown as TrainingCallback;

export type CallbackHook = Extract<keyof TrainingCallback, `on${string}`>;

/** Exceptions of one callback's hook that were reported. */
export interface CallbackFailure {
  readonly callback: string;
  readonly hook: string;
  /** Of the first. */
  readonly message: string;
  /** Steps that were over at the first. */
  readonly step: number;
  readonly count: number;
}
