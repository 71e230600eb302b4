import { type Amount, currentJobState, type JobHistory, type JobHistoryEntry } from "@millwright/contracts";
import { jobTimes } from "../supervision/job-times.ts";
import { checkAmount, checkNumber, costOfTime, scaled, sumOf } from "./amounts.ts";
import { attemptsOf } from "./job-histories.ts";

/** A job, its price, and what it got done. */
export interface CostRecord {
  readonly history: readonly JobHistoryEntry[];
  /** Of its machine, or of all of them where it has several: `{ usd: 1.2 }`. */
  readonly perHour: Amount;
  /** Of time on what may be taken away, of the full price. Default: 1. */
  readonly priceRatio?: number | undefined;
  /** Time that its machine or process was kept for the next one, at the full price. Default: 0. */
  readonly idleMs?: number | undefined;
  /** How much it got done, by unit: `{ epochs: 10 }`, `{ predictions: 120_000 }`, `{ documents: 30 }`. Default: nothing that is counted. */
  readonly done?: Readonly<Record<string, number>> | undefined;
  /** Whose it is; of several, by their shares: `{ acme: 3, umbra: 1 }`. Default: nobody's. */
  readonly tenants?: string | Readonly<Record<string, number>> | undefined;
}

/** What jobs cost; JSON-safe. */
export interface JobCosts {
  /** Of everything: all attempts, whatever came of them, and idle time. */
  readonly total: Amount;
  /** Of attempts whose work was lost, and of all attempts of jobs that failed. */
  readonly lost: Amount;
  readonly idle: Amount;
  /** Hours of training in all attempts. */
  readonly trainingHours: number;
  /** Those whose work was not lost. */
  readonly usefulHours: number;
  /** The total for each useful hour: what a training hour costs with failures, retries and spot. Empty where there is none. */
  readonly perTrainingHour: Amount;
  /** Of each unit of `done`: the total of the jobs that count it, for one and for a thousand. */
  readonly perUnit: Readonly<Record<string, Amount>>;
  readonly perThousandUnits: Readonly<Record<string, Amount>>;
  /** Of each tenant's jobs and shares of jobs. */
  readonly perTenant: Readonly<Record<string, Amount>>;
  /** The total that is nobody's. */
  readonly withoutTenant: Amount;
}

interface CostOfOne {
  readonly total: Amount;
  readonly lost: Amount;
  readonly idle: Amount;
  readonly trainingMs: number;
  readonly usefulMs: number;
}

const failing: ReadonlySet<string> = new Set(["failed", "max-runtime-exceeded", "max-wait-time-exceeded"]);

function costOfOne({ history, perHour, priceRatio = 1, idleMs = 0 }: CostRecord): CostOfOne {
  const { trainingMs, billableMs } = jobTimes(history, { priceRatio });
  const isLost = history.length > 0 && failing.has(currentJobState(history as JobHistory));
  const lostMs = attemptsOf(history).reduce((sum, each) => sum + (isLost || each.lost ? each.trainingMs : 0), 0);
  const idle = costOfTime(idleMs, perHour);
  return {
    total: sumOf([costOfTime(billableMs, perHour), idle]),
    lost: costOfTime(lostMs * priceRatio, perHour),
    idle,
    trainingMs,
    usefulMs: trainingMs - lostMs,
  };
}

function check({ perHour, idleMs = 0, done = {}, tenants = {} }: CostRecord): void {
  checkAmount("perHour", perHour);
  checkNumber("idleMs", idleMs);
  checkAmount("done", done);
  if (typeof tenants !== "string") checkAmount("tenants", tenants);
}

/**
 * What jobs cost: in all, by the training hour, by what they got done, by tenant. Pure. Throws a `RangeError` for prices, times, counts and shares that are
 * negative or no numbers.
 */
export function costsOf(records: readonly CostRecord[]): JobCosts {
  const costed = records.map((record) => {
    check(record);
    return { record, cost: costOfOne(record) };
  });
  const total = sumOf(costed.map(({ cost }) => cost.total));
  const usefulHours = costed.reduce((sum, { cost }) => sum + cost.usefulMs, 0) / 3_600_000;
  const perUnit = perUnitOf(costed);
  return {
    total,
    lost: sumOf(costed.map(({ cost }) => cost.lost)),
    idle: sumOf(costed.map(({ cost }) => cost.idle)),
    trainingHours: costed.reduce((sum, { cost }) => sum + cost.trainingMs, 0) / 3_600_000,
    usefulHours,
    perTrainingHour: usefulHours === 0 ? {} : scaled(total, 1 / usefulHours),
    perUnit,
    perThousandUnits: Object.fromEntries(Object.entries(perUnit).map(([unit, each]) => [unit, scaled(each, 1_000)])),
    ...perTenantOf(costed),
  };
}

type Costed = readonly { readonly record: CostRecord; readonly cost: CostOfOne }[];

function perUnitOf(costed: Costed): Record<string, Amount> {
  const units = new Set(costed.flatMap(({ record }) => Object.keys(record.done ?? {})));
  const found: Record<string, Amount> = {};
  for (const unit of units) {
    const counting = costed.filter(({ record }) => record.done?.[unit] !== undefined);
    const count = counting.reduce((sum, { record }) => sum + (record.done?.[unit] ?? 0), 0);
    if (count > 0) found[unit] = scaled(sumOf(counting.map(({ cost }) => cost.total)), 1 / count);
  }
  return found;
}

function perTenantOf(costed: Costed): Pick<JobCosts, "perTenant" | "withoutTenant"> {
  const parts = new Map<string, Amount[]>();
  const nobodys: Amount[] = [];
  for (const { record, cost } of costed) {
    const { tenants = {} } = record;
    const shares = typeof tenants === "string" ? { [tenants]: 1 } : tenants;
    const all = Object.values(shares).reduce((sum, share) => sum + share, 0);
    if (all === 0) nobodys.push(cost.total);
    else
      for (const [tenant, share] of Object.entries(shares))
        parts.set(tenant, [...(parts.get(tenant) ?? []), scaled(cost.total, share / all)]);
  }
  return {
    perTenant: Object.fromEntries([...parts].map(([tenant, amounts]) => [tenant, sumOf(amounts)])),
    withoutTenant: sumOf(nobodys),
  };
}
