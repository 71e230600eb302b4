import { inputInvalid } from "./errors.ts";
import { learningRateOf, setLearningRate } from "./gradient-step.ts";
import { learningRateAt, type LearningRateSchedule } from "./learning-rate.ts";
import type { Position } from "./loop-position.ts";
import type { Metrics } from "./metrics.ts";
import type { Optimizer } from "./define-training.ts";
import { initialPlateau, stepPlateau } from "./reduce-on-plateau.ts";

/** A run's learning rate: what a callback set, else what the schedule says, else the optimizer's own. */
export class RunLearningRate {
  readonly #optimizer: Optimizer;
  readonly #schedule: LearningRateSchedule | undefined;
  readonly #objective: string;
  readonly #base: number;
  readonly #batchSize: number;
  #applied: number;

  /** Throws `TRAINER_INPUT_INVALID` where there is a schedule, and the optimizer has no learning rate. */
  constructor(
    optimizer: Optimizer,
    schedule: LearningRateSchedule | undefined,
    { objective, batchSize }: { readonly objective: string; readonly batchSize: number },
  ) {
    this.#optimizer = optimizer;
    this.#schedule = schedule;
    this.#objective = objective;
    this.#batchSize = batchSize;
    const base = learningRateOf(optimizer);
    if (base === undefined && schedule !== undefined)
      throw inputInvalid(
        "learningRate",
        schedule,
        `absent: the optimizer ${optimizer.getClassName()} has no learning rate`,
      );
    this.#base = base ?? Number.NaN;
    this.#applied = this.#base;
  }

  /** Of the step that is next at the position. */
  at(position: Position): number {
    if (position.learningRate !== undefined) return position.learningRate;
    // Batches that have shrunk with their workers: the rate shrinks with them.
    return this.#scheduled(position) * ((position.batchRows ?? this.#batchSize) / this.#batchSize);
  }

  #scheduled(position: Position): number {
    const schedule = this.#schedule;
    if (schedule === undefined) return this.#base;
    if (schedule.kind === "plateau") return position.plateau?.learningRate ?? this.#base;
    return learningRateAt(schedule, this.#base, schedule.per === "epoch" ? position.epoch : position.step);
  }

  /** Gives the optimizer the rate of the step that is next. */
  apply(position: Position): void {
    const next = this.at(position);
    if (next === this.#applied || Number.isNaN(next)) return;
    setLearningRate(this.#optimizer, next);
    this.#applied = next;
  }

  endEpoch(position: Position, metrics: Metrics): void {
    if (this.#schedule?.kind !== "plateau") return;
    const rule = { ...this.#schedule, metric: this.#schedule.metric ?? this.#objective };
    position.plateau = stepPlateau(position.plateau ?? initialPlateau(this.#base), metrics, rule);
  }
}
