import { type Clock, systemClock } from "@millwright/contracts";
import { CallbackRunner } from "./callback-runner.ts";
import type { CheckpointPart } from "./checkpoint-file.ts";
import { RunRules } from "./debugger/run-rules.ts";
import { loopControl } from "./loop-control.ts";
import { type LoopOptions, type WalkedOptions, walkedOptions } from "./loop-options.ts";
import { initialPosition, type Position } from "./loop-position.ts";
import { objectiveOf } from "./loop-metrics.ts";
import { SavingInFlight } from "./saving-in-flight.ts";
import { StepProfiler } from "./profiler/step-profiler.ts";
import { RunLearningRate } from "./run-learning-rate.ts";
import type { StopReason } from "./stop-conditions.ts";
import { AveragedWeights } from "./weight-averaging.ts";

/** What the parts of a run's loop share. */
export class LoopState {
  readonly options: WalkedOptions;
  readonly clock: Clock;
  readonly rate: RunLearningRate;
  readonly average: AveragedWeights | undefined;
  readonly callbacks: CallbackRunner;
  readonly profiler: StepProfiler;
  /** Undefined where there are none. */
  readonly rules: RunRules | undefined;
  position: Position = initialPosition();
  /** From 1: the one that runs, or has just ended. */
  epoch = 1;
  /** Weights of the best epoch, where they are to be put back. */
  best: readonly CheckpointPart[] = [];
  /** The folder of the newest checkpoint. */
  checkpoint: string | undefined;
  readonly saving: SavingInFlight = new SavingInFlight();
  /** When the newest checkpoint was written, or the run began. */
  savedMs = 0;
  /** When the run began, had it all been one attempt. */
  #beganMs = 0;

  constructor(options: LoopOptions) {
    const { tf, ready, optimization = {}, callbacks = [], rules = [], watch } = options;
    this.options = walkedOptions(options);
    this.clock = options.clock ?? systemClock;
    this.rate = new RunLearningRate(ready.optimizer, optimization.learningRate, {
      objective: objectiveOf(options),
      batchSize: options.batchSize,
    });
    this.average =
      optimization.average === undefined ? undefined : new AveragedWeights(tf, ready.model, optimization.average);
    this.rules = rules.length === 0 ? undefined : new RunRules(rules, options);
    this.profiler = new StepProfiler(this.clock, options.traceSpans, watch && ((phase) => watch.beat(phase)));
    this.callbacks = new CallbackRunner(callbacks, loopControl(this), watch && ((...place) => watch.during(...place)));
  }

  begin(): void {
    this.savedMs = this.clock.monotonicMs();
    this.#beganMs = this.savedMs - this.position.elapsedMs;
    this.epoch = this.position.epoch + 1;
    this.profiler.begin(this.position.step);
  }

  elapse(nowMs: number): void {
    this.position.elapsedMs = nowMs - this.#beganMs;
  }

  /** The first reason counts. */
  stop(reason: StopReason | undefined): void {
    this.position.stop ??= reason;
  }
}
