import { type Phase, phases } from "../profiler/step-profiler.ts";
import type { CallbackHook } from "../training-callback.ts";

export const hooks: readonly CallbackHook[] = [
  "onFitStart",
  "onEpochStart",
  "onBatchStart",
  "onBatchEnd",
  "onEpochEnd",
  "onCheckpoint",
  "onException",
  "onFitEnd",
];

const cells = {
  beats: 0,
  turns: 1,
  step: 2,
  phase: 3,
  callback: 4,
  hook: 5,
  tensors: 6,
  medianUs: 7,
  waiting: 8,
} as const;
const cellCount = 9;

/** What a watcher sees of a training loop at a moment. */
export interface PulseReading {
  /** Grows with all that the loop does. */
  readonly beats: number;
  /** Grows while the event loop turns. */
  readonly turns: number;
  /** Steps that are over. */
  readonly step: number;
  /** The phase that was over last; undefined before the first. */
  readonly phase: Phase | undefined;
  /** The callback that is in the middle of its hook. */
  readonly callback: { readonly index: number; readonly hook: CallbackHook } | undefined;
  readonly tensors: number;
  /** Whether it waits for somebody else, as for the verdict on a trial. */
  readonly waiting: boolean;
  /** Of the newest steps; 0 where there are too few. */
  readonly medianMs: number;
}

/** A training loop's signs of life, in memory that another thread can read while this one is stuck. */
export class Pulse {
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(4 * cellCount)) {
    this.shared = shared;
    this.#cells = new Int32Array(shared);
  }

  beat(phase: Phase): void {
    Atomics.store(this.#cells, cells.phase, phases.indexOf(phase) + 1);
    Atomics.add(this.#cells, cells.beats, 1);
  }

  turn(): void {
    Atomics.add(this.#cells, cells.turns, 1);
  }

  step(step: number, tensors: number, medianMs: number): void {
    Atomics.store(this.#cells, cells.step, step);
    Atomics.store(this.#cells, cells.tensors, tensors);
    Atomics.store(this.#cells, cells.medianUs, Math.min(2 ** 31 - 1, Math.round(medianMs * 1_000)));
  }

  /** @param index Of the callback; undefined when its hook is over. */
  during(index: number | undefined, hook?: CallbackHook): void {
    Atomics.store(this.#cells, cells.callback, index === undefined ? 0 : index + 1);
    if (hook !== undefined) Atomics.store(this.#cells, cells.hook, hooks.indexOf(hook));
  }

  wait(waiting: boolean): void {
    Atomics.store(this.#cells, cells.waiting, waiting ? 1 : 0);
  }

  read(): PulseReading {
    const cell = (name: keyof typeof cells): number => Atomics.load(this.#cells, cells[name]);
    const callback = cell("callback");
    const hook = hooks[cell("hook")];
    return {
      beats: cell("beats"),
      turns: cell("turns"),
      step: cell("step"),
      phase: phases[cell("phase") - 1],
      callback: callback === 0 || hook === undefined ? undefined : { index: callback - 1, hook },
      tensors: cell("tensors"),
      waiting: cell("waiting") === 1,
      medianMs: cell("medianUs") / 1_000,
    };
  }
}
