import { isDeepStrictEqual } from "node:util";
import type { JsonObject, JsonValue } from "@millwright/contracts";
import { callbackFailed, moduleInvalid } from "./errors.ts";
import type { CallbackFailure, CallbackHook, CallbackRun, TrainingCallback } from "./training-callback.ts";

/** What all callbacks share of a run; each has its own state besides. */
export type CallbackControl = Omit<CallbackRun, "state">;

const callbackHooks: readonly CallbackHook[] = [
  "onFitStart",
  "onEpochStart",
  "onBatchStart",
  "onBatchEnd",
  "onEpochEnd",
  "onCheckpoint",
  "onException",
  "onFitEnd",
];

/** Throws `TRAINER_MODULE_INVALID`. */
export function checkCallbacks(module: string, callbacks: readonly TrainingCallback[]): void {
  if (!Array.isArray(callbacks)) throw moduleInvalid(module, "its callbacks are no array");
  const names = new Set<string>();
  for (const callback of callbacks as readonly Partial<TrainingCallback>[]) {
    const { name, failures = "fail" } = callback;
    if (typeof name !== "string" || name === "") throw moduleInvalid(module, "a callback has no name");
    if (names.has(name)) throw moduleInvalid(module, `two callbacks are named "${name}"`);
    names.add(name);
    if (failures !== "fail" && failures !== "report")
      throw moduleInvalid(module, `the failures of the callback "${name}" are neither "fail" nor "report"`);
    const odd = callbackHooks.find((hook) => callback[hook] !== undefined && typeof callback[hook] !== "function");
    if (odd !== undefined) throw moduleInvalid(module, `${odd} of the callback "${name}" is no function`);
  }
}

interface Bound {
  readonly callback: TrainingCallback;
  readonly run: CallbackRun;
}

/** Calls a run's callbacks, in their order, and keeps their states. */
export class CallbackRunner {
  readonly #bound: readonly Bound[];
  readonly #control: CallbackControl;
  readonly #during: ((index?: number, hook?: CallbackHook) => void) | undefined;
  readonly #hooks: ReadonlySet<string>;
  #failures: CallbackFailure[] = [];

  /** @param during Told which callback is in which hook, and that none is any more. */
  constructor(
    callbacks: readonly TrainingCallback[],
    control: CallbackControl,
    during?: (index?: number, hook?: CallbackHook) => void,
  ) {
    this.#during = during;
    this.#control = control;
    this.#bound = callbacks.map((callback) => ({ callback, run: runOf(control, callback) }));
    this.#hooks = new Set(
      callbackHooks.filter((hook) => callbacks.some((callback) => typeof callback[hook] === "function")),
    );
  }

  /** Those that were reported. */
  get failures(): readonly CallbackFailure[] {
    return this.#failures;
  }

  /** Whether anybody listens: a step without listeners costs nothing. */
  has(hook: CallbackHook): boolean {
    return this.#hooks.has(hook);
  }

  /** Throws `TRAINER_CALLBACK_FAILED`. */
  async call(hook: CallbackHook, argument?: unknown): Promise<void> {
    if (!this.#hooks.has(hook)) return;
    for (const [index, { callback, run }] of this.#bound.entries()) {
      this.#during?.(index, hook);
      try {
        const called = (callback[hook] as ((run: CallbackRun, argument: unknown) => unknown) | undefined)?.call(
          callback,
          run,
          argument,
        );
        if (called instanceof Promise) await called;
      } catch (error) {
        if (callback.failures !== "report") throw callbackFailed(callback.name, hook, error);
        this.#report(callback.name, hook, error);
      } finally {
        this.#during?.();
      }
    }
  }

  #report(callback: string, hook: string, error: unknown): void {
    const at = this.#failures.findIndex((failure) => failure.callback === callback && failure.hook === hook);
    const known = this.#failures[at];
    const message = error instanceof Error ? error.message : String(error);
    if (known === undefined) this.#failures.push({ callback, hook, message, step: this.#control.step, count: 1 });
    else this.#failures[at] = { ...known, count: known.count + 1 };
  }

  /** For a checkpoint. Throws `TRAINER_CALLBACK_FAILED` where a state would not come back from JSON as it is. */
  save(): { readonly states: JsonObject; readonly failures: readonly CallbackFailure[] } {
    const states: Record<string, JsonValue> = {};
    for (const { callback, run } of this.#bound) states[callback.name] = stateAsJson(callback.name, run.state);
    return { states, failures: this.#failures };
  }

  restore(states: JsonObject, failures: readonly CallbackFailure[]): void {
    this.#failures = [...failures];
    for (const { callback, run } of this.#bound) {
      const state = states[callback.name];
      if (state !== undefined) run.state = structuredClone(state) as JsonObject;
    }
  }
}

function runOf(control: CallbackControl, { state = {} }: TrainingCallback): CallbackRun {
  const run = { state: structuredClone(state) as JsonObject };
  return Object.defineProperties(run, Object.getOwnPropertyDescriptors(control)) as CallbackRun;
}

function stateAsJson(name: string, state: unknown): JsonValue {
  let copy: unknown;
  try {
    copy = JSON.parse(JSON.stringify(state));
  } catch (error) {
    throw callbackFailed(name, "state", error);
  }
  if (!isDeepStrictEqual(copy, state))
    throw callbackFailed(name, "state", new TypeError("what it holds does not come back from JSON as it is"));
  return copy as JsonValue;
}
