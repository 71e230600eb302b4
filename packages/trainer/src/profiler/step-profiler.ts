import type { Clock } from "@millwright/contracts";

/**
 * What a run's time goes to. `data`: rows of the batch are gathered, or waited for; `forward`: the model and its loss; `backward`: gradients;
 * `optimizer`: the step, with clipping and averaging; `sync`: the loss is read, which waits for a device that works by itself; `callbacks`,
 * `rules`, `validation` and `checkpoint`: those; `other`: all else, yielding to the event loop among it.
 */
export const phases = [
  "data",
  "forward",
  "backward",
  "optimizer",
  "sync",
  "callbacks",
  "rules",
  "validation",
  "checkpoint",
  "other",
] as const;
export type Phase = (typeof phases)[number];

/** One stretch of one phase. */
export interface PhaseSpan {
  readonly phase: Phase;
  /** Steps that were over. */
  readonly step: number;
  /** Since the run's loop began. */
  readonly startMs: number;
  readonly durationMs: number;
}

/** Splits a run's time by phase: each stretch between two laps belongs to the phase of the later. */
export class StepProfiler {
  readonly #clock: Clock;
  readonly #spansKept: number;
  readonly #onLap: ((phase: Phase) => void) | undefined;
  readonly #sums = new Map<Phase, number>();
  readonly #stepsMs: number[] = [];
  readonly #spans: PhaseSpan[] = [];
  #beganMs = 0;
  #lastMs = 0;
  #stepMs = 0;
  #step = 0;
  #steps = 0;

  /** @param spansKept Newest stretches that are kept for a trace. */
  constructor(clock: Clock, spansKept = 0, onLap?: (phase: Phase) => void) {
    this.#onLap = onLap;
    this.#clock = clock;
    this.#spansKept = spansKept;
  }

  begin(step: number): void {
    this.#beganMs = this.#clock.monotonicMs();
    this.#lastMs = this.#beganMs;
    this.#stepMs = this.#beganMs;
    this.#step = step;
  }

  lap(phase: Phase): void {
    const nowMs = this.#clock.monotonicMs();
    const durationMs = nowMs - this.#lastMs;
    this.#sums.set(phase, (this.#sums.get(phase) ?? 0) + durationMs);
    if (this.#spansKept > 0 && durationMs > 0) {
      this.#spans.push({ phase, step: this.#step, startMs: this.#lastMs - this.#beganMs, durationMs });
      if (this.#spans.length >= 2 * this.#spansKept) this.#spans.splice(0, this.#spans.length - this.#spansKept);
    }
    this.#lastMs = nowMs;
    this.#onLap?.(phase);
  }

  beginStep(): void {
    this.#stepMs = this.#lastMs;
  }

  /** The step is over, as far as learning goes. @returns what it took. */
  endStep(step: number): number {
    const stepMs = this.#lastMs - this.#stepMs;
    this.#step = step;
    this.#steps += 1;
    this.#stepsMs.push(stepMs);
    if (this.#stepsMs.length >= 2 * stepsKept) this.#stepsMs.splice(0, this.#stepsMs.length - stepsKept);
    return stepMs;
  }

  get spans(): readonly PhaseSpan[] {
    return this.#spans.slice(-this.#spansKept);
  }

  get steps(): number {
    return this.#steps;
  }

  /** Durations of the newest 20,000 steps or more, in their order. */
  get stepsMs(): readonly number[] {
    return this.#stepsMs;
  }

  /** Milliseconds by phase; those that took none are left out. */
  get sums(): ReadonlyMap<Phase, number> {
    return this.#sums;
  }
}

const stepsKept = 20_000;
