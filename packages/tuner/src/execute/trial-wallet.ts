import {
  type Amount,
  type Budget,
  type Clock,
  type Reservation,
  budgetExhausted,
  hasCode,
} from "@millwright/contracts";
import type { StudyEngine } from "../study-engine.ts";
import type { Trial } from "../trial.ts";
import { checkAmount } from "./amounts.ts";
import type { StudyBudget, TrialCost } from "./study-budget.ts";
import { type Wallet, openWallet } from "./wallet.ts";

/** A budget, and no amount. */
export const isBudget = (budget: Budget | Amount | undefined): budget is Budget =>
  typeof (budget as Budget | undefined)?.reserve === "function";

interface BudgetOptions {
  readonly budget?: Budget | Amount | undefined;
  readonly trialCost?: TrialCost | undefined;
  readonly costPerSecond?: Amount | undefined;
}

/** Throws TypeError, RangeError. */
export function checkBudgetOptions({ budget, trialCost, costPerSecond }: BudgetOptions): void {
  if (budget !== undefined && !isBudget(budget)) checkAmount("The budget", budget);
  if (trialCost !== undefined && typeof trialCost !== "function") checkAmount("trialCost", trialCost);
  if (costPerSecond !== undefined) checkAmount("costPerSecond", costPerSecond);
}

/** The budget that the study itself keeps to. */
export function studyBudgetOf({ budget, trialCost }: BudgetOptions): StudyBudget | undefined {
  if (budget === undefined || isBudget(budget)) return undefined;
  return { limits: { ...budget }, trialCost };
}

/** The budget that the caller gave, and what is reserved of it. */
export function outsideBudgetOf({ budget, trialCost }: BudgetOptions): {
  readonly budget: Budget | undefined;
  readonly trialCost: TrialCost | undefined;
} {
  return isBudget(budget) ? { budget, trialCost } : { budget: undefined, trialCost: undefined };
}

export function costPerSecondOf({ budget, costPerSecond }: BudgetOptions): Amount | undefined {
  const isTimed = budget !== undefined && !isBudget(budget) && budget["seconds"] !== undefined;
  return isTimed ? { seconds: 1, ...costPerSecond } : costPerSecond;
}

/** Sets aside what the trial is expected to cost; gives it back to the study where that cannot be had. */
export async function reserveFor(
  engine: StudyEngine,
  trial: Trial,
  trialCost: Extract<TrialCost, (...all: never[]) => unknown>,
  budget: Budget,
): Promise<Reservation | undefined> {
  try {
    return await budget.reserve(trialCost(trial.params, await engine.trials()));
  } catch (error) {
    await engine.reclaim(trial.number, "the budget is used up");
    if (hasCode(error, "PORT_BUDGET_EXHAUSTED")) return undefined;
    throw error;
  }
}

interface TrialWalletOptions {
  readonly engine: StudyEngine;
  readonly trial: Trial;
  readonly settings: {
    readonly budget?: Budget | undefined;
    readonly costPerSecond?: Amount | undefined;
    readonly clock: Clock;
  };
  readonly reservation: Reservation | undefined;
  /** Aborted with `PORT_BUDGET_EXHAUSTED` when the trial has to stop. */
  readonly stop: AbortController;
}

export function openTrialWallet({ engine, trial, settings, reservation, stop }: TrialWalletOptions): Wallet {
  const { budget, costPerSecond, clock } = settings;
  return openWallet({
    spend: (spend) => engine.spend(trial.number, spend, trial.attempts),
    reserved: trial.reserved,
    outside: budget === undefined || reservation === undefined ? undefined : { budget, reservation },
    costPerSecond,
    clock,
    onExhausted: (unit, asked, left) => stop.abort(budgetExhausted(unit, asked, left)),
  });
}
