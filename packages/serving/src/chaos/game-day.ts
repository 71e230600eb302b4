import { type CallOptions, type Clock, type Logger, abortable, silentLogger, systemClock } from "@millwright/contracts";
import type { Chaos } from "./create-chaos.ts";

/** What assertions and steps are given. */
export interface GameDayContext extends CallOptions {
  /** How often each fault was injected within the step, or within the whole day for the day's own assertions. */
  readonly injected: Readonly<Record<string, number>>;
  /** Aborts when the step's time is over or the day is aborted. */
  readonly signal: AbortSignal;
}

/** One line of a runbook. */
export interface GameDayAssertion {
  readonly name: string;
  /** Whether it holds; a text says why it does not; what it throws does too. */
  readonly check: (context: GameDayContext) => boolean | string | Promise<boolean | string>;
  /** While the faults are armed, or after they are disarmed: whether all is well again. Default: `"during"`. */
  readonly when?: "during" | "after" | undefined;
}

export interface GameDayStep {
  readonly name: string;
  /** The faults that are armed in it, and no others. Each must be injected at least once, else the step has failed. */
  readonly faults: readonly string[];
  /** The traffic. Default: none. */
  readonly run?: ((context: GameDayContext) => Promise<void> | void) | undefined;
  readonly assertions?: readonly GameDayAssertion[] | undefined;
  /** How long it may take, milliseconds. Default: 60,000. */
  readonly timeoutMs?: number | undefined;
}

export interface GameDayOptions extends CallOptions {
  readonly chaos: Pick<Chaos, "arm" | "armed" | "faults" | "injected">;
  readonly steps: readonly GameDayStep[];
  /** What must hold at the end, when nothing is armed. */
  readonly assertions?: readonly GameDayAssertion[] | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
}

export interface AssertionOutcome {
  readonly name: string;
  readonly passed: boolean;
  readonly problem?: string | undefined;
}

export interface StepOutcome {
  readonly name: string;
  readonly passed: boolean;
  readonly injected: Readonly<Record<string, number>>;
  readonly durationMs: number;
  readonly assertions: readonly AssertionOutcome[];
  /** Where the step itself failed. */
  readonly problem?: string | undefined;
}

export interface GameDayReport {
  /** Whether every step and assertion passed, and every fault was injected. */
  readonly passed: boolean;
  /** UTC, milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly steps: readonly StepOutcome[];
  readonly assertions: readonly AssertionOutcome[];
  /** Faults that no step injected. */
  readonly notInjected: readonly string[];
}

/**
 * Runs the steps in turn: arms the faults of each, lets its traffic run, checks what the runbook says, disarms them, checks again. A step that fails does not
 * end the day. Afterwards the faults are armed that were before. Rejects with the signal's reason on abort, and with a `TypeError` for a fault of no such name.
 */
export async function runGameDay(options: GameDayOptions): Promise<GameDayReport> {
  const { chaos, steps, assertions = [], clock = systemClock, logger = silentLogger, signal } = options;
  signal?.throwIfAborted();
  checkSteps(options);
  const armedBefore = chaos.armed();
  const before = chaos.injected();
  const startMs = clock.nowMs();
  const since = clock.monotonicMs();
  const outcomes: StepOutcome[] = [];
  try {
    for (const step of steps) {
      const outcome = await runStep(options, step, clock);
      signal?.throwIfAborted();
      outcomes.push(outcome);
      logger[outcome.passed ? "info" : "error"]({ ...outcome }, "a step of the game day is over");
    }
    const injected = difference(before, chaos.injected());
    const context = { injected, signal: signal ?? new AbortController().signal };
    const checked = await checkAll(assertions, context);
    const notInjected = chaos.faults().filter((name) => (injected[name] ?? 0) === 0);
    const passed = notInjected.length === 0 && [...outcomes, ...checked].every((each) => each.passed);
    return {
      passed,
      startMs,
      durationMs: clock.monotonicMs() - since,
      steps: outcomes,
      assertions: checked,
      notInjected,
    };
  } finally {
    chaos.arm(armedBefore);
  }
}

function checkSteps({ chaos, steps }: GameDayOptions): void {
  if (!Array.isArray(steps) || steps.length === 0) throw new TypeError("A game day needs at least one step.");
  const known = new Set(chaos.faults());
  for (const { name, faults, timeoutMs = 1 } of steps as readonly GameDayStep[]) {
    const unknown = faults.find((fault) => !known.has(fault));
    if (unknown !== undefined) throw new TypeError(`The step "${name}" arms "${unknown}", which is no fault.`);
    if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs of "${name}" must be above 0, not ${timeoutMs}.`);
  }
}

async function runStep({ chaos, signal }: GameDayOptions, step: GameDayStep, clock: Clock): Promise<StepOutcome> {
  const { name, faults, run, assertions = [], timeoutMs = 60_000 } = step;
  const before = chaos.injected();
  const since = clock.monotonicMs();
  const ended = new AbortController();
  const within = AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])]);
  const late = new RangeError(`it took more than ${timeoutMs} ms`);
  void clock.sleep(timeoutMs, { signal: ended.signal }).then(() => ended.abort(late), () => {}); // prettier-ignore
  const context = {
    get injected() {
      return difference(before, chaos.injected());
    },
    signal: within,
  };
  const checked: AssertionOutcome[] = [];
  let problem: string | undefined;
  try {
    chaos.arm(faults);
    await abortable(Promise.resolve(run?.(context)), within);
    checked.push(...(await checkAll(assertions.filter(({ when }) => when !== "after"), context))); // prettier-ignore
    chaos.arm([]);
    checked.push(...(await checkAll(assertions.filter(({ when }) => when === "after"), context))); // prettier-ignore
  } catch (error) {
    problem = textOf(error);
  } finally {
    chaos.arm([]);
    ended.abort();
  }
  const { injected } = context;
  const idle = faults.filter((fault) => (injected[fault] ?? 0) === 0);
  if (idle.length > 0) problem ??= `${idle.join(", ")} was not injected`;
  const passed = problem === undefined && checked.every((each) => each.passed);
  return { name, passed, injected, durationMs: clock.monotonicMs() - since, assertions: checked, problem };
}

async function checkAll(
  assertions: readonly GameDayAssertion[],
  context: GameDayContext,
): Promise<readonly AssertionOutcome[]> {
  const outcomes: AssertionOutcome[] = [];
  for (const { name, check } of assertions) {
    try {
      const held = await abortable(Promise.resolve(check(context)), context.signal);
      if (held === true) outcomes.push({ name, passed: true });
      else outcomes.push({ name, passed: false, problem: typeof held === "string" ? held : "it does not hold" });
    } catch (error) {
      outcomes.push({ name, passed: false, problem: textOf(error) });
    }
  }
  return outcomes;
}

const difference = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
