import { type Amount, type Budget, type Clock, hasCode } from "@millwright/contracts";
import { inputInvalid } from "./errors.ts";

export interface BudgetOptions {
  readonly budget: Budget;
  /** What an hour of the run costs, by unit. Default: `{ seconds: 3600 }`. */
  readonly perHour?: Amount | undefined;
  /** For how much time is reserved at once, in milliseconds. Default: 60,000. */
  readonly sliceMs?: number | undefined;
}

const secondsPerHour: Amount = { seconds: 3_600 };

/** What so much time costs. Pure. */
export const costOf = (timeMs: number, perHour: Amount = secondsPerHour): Amount =>
  Object.fromEntries(Object.entries(perHour).map(([unit, value]) => [unit, (value * timeMs) / 3_600_000]));

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkBudget({ perHour = secondsPerHour, sliceMs = 60_000 }: BudgetOptions): void {
  if (!(sliceMs >= 1 && sliceMs < 2 ** 31))
    throw inputInvalid("budget.sliceMs", sliceMs, "a number from 1, below 2^31");
  for (const [unit, value] of Object.entries(perHour)) {
    if (!(value >= 0 && Number.isFinite(value)))
      throw inputInvalid(`budget.perHour.${unit}`, value, "a finite number from 0");
  }
}

/** What a run spends while it goes on. */
export interface Spending {
  /** Called once, when the budget has nothing left for the next part; what the run then still takes is counted all the same. */
  onExhausted(listener: (reason: string) => void): void;
  /** Counts what the last part really cost. */
  end(): Promise<void>;
}

/** Reserves the first part. Throws `PORT_BUDGET_EXHAUSTED`. */
export async function openSpending(options: BudgetOptions | undefined, clock: Clock): Promise<Spending | undefined> {
  if (options === undefined) return undefined;
  const { budget, perHour, sliceMs = 60_000 } = options;
  let part = await budget.reserve(costOf(sliceMs, perHour));
  let beganMs = clock.monotonicMs();
  let exhausted: string | undefined;
  let tell: ((reason: string) => void) | undefined;
  let turning: Promise<void> = Promise.resolve();
  const endPart = async (): Promise<void> => {
    const nowMs = clock.monotonicMs();
    await part.commit(costOf(nowMs - beganMs, perHour));
    beganMs = nowMs;
  };
  const turn = async (): Promise<void> => {
    if (exhausted !== undefined) return;
    try {
      const next = await budget.reserve(costOf(sliceMs, perHour));
      await endPart();
      part = next;
    } catch (error) {
      exhausted = hasCode(error, "PORT_BUDGET_EXHAUSTED") ? error.message : `The budget failed: ${String(error)}`;
      tell?.(exhausted);
    }
  };
  const timer = setInterval(() => void (turning = turning.then(turn)), sliceMs);
  timer.unref();
  return {
    onExhausted(listener) {
      tell = listener;
      if (exhausted !== undefined) listener(exhausted);
    },
    async end() {
      clearInterval(timer);
      await turning;
      await endPart();
    },
  };
}
