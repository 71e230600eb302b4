import { type Clock, type Gauge, type Labels, type Meter, silentMeter } from "@millwright/contracts";
import type { EventCounts } from "../slo/event-counts.ts";
import { type BurnRateReading, readObjective } from "../slo/slo-status.ts";
import type { Slo } from "../slo/slo.ts";
import { severities, toldRow } from "./told-row.ts";

/** What the gauges say of objectives: how much of the budget is left, and how fast it burns. */
export interface ObjectiveGauges {
  /** True where the gauges are set when they are read; where not, every objective has to be set at each evaluation. */
  readonly areAsked: boolean;
  /** An evaluation at this time: from here on there is something to tell. */
  evaluated(nowMs: number): void;
  set(index: number, nowMs: number): void;
  /** Sets all as they stand, a last time: what is read later is of now. */
  close(): void;
}

export interface ObjectiveGaugesOptions {
  readonly slos: readonly Slo[];
  readonly countsOf: (index: number) => EventCounts;
  readonly meter: Meter;
  /** What a rule or objective measured last. */
  readonly measured: Gauge;
  readonly clock: Clock;
}

/** The name of the alert that says that nothing is seen of an objective. */
export const absenceOf = (slo: string): string => `${slo}-absent`;

/** Fewer are kept of a gauge by none. */
const usualSeries = 1000;

/** Series of `measured` that are of objectives. */
export const measuredSeries = (slos: readonly Slo[]): number =>
  slos.length + slos.filter(({ missingData }) => missingData === "alarm").length;

/**
 * Where the meter asks for values when it takes them, nothing is set before: all objectives are read then, as they stand at that time, once for both gauges. Evaluations may be of other times than the
 * clock's (those of a replay): then so are the values, by as much.
 */
export function createObjectiveGauges(options: ObjectiveGaugesOptions): ObjectiveGauges {
  const { slos, meter, measured, clock } = options;
  const budget = meter.gauge("millwright_monitor_budget_left", {
    help: "Share of the error budget left.",
    labelNames: ["slo"],
    maxSeries: Math.max(usualSeries, slos.length),
  });
  const set = setterOf(options, budget);
  /** How far the time of evaluations is from the clock's; undefined before the first. */
  let aheadMs: number | undefined;
  let toldMs: number | undefined;
  const tell = (): void => {
    if (aheadMs === undefined) return;
    const nowMs = clock.nowMs() + aheadMs;
    // Whoever takes one gauge takes the other in the same turn.
    if (nowMs === toldMs) return;
    toldMs = nowMs;
    queueMicrotask(() => (toldMs = undefined));
    for (let index = 0; index < slos.length; index += 1) set(index, nowMs);
  };
  const ends = [budget, measured].map((gauge) => (slos.length === 0 ? undefined : gauge.onRead?.(tell)));
  const areAsked = ends.every((end) => end !== undefined);
  return {
    areAsked,
    evaluated: (nowMs) => void (aheadMs = nowMs - clock.nowMs()),
    set,
    close() {
      for (const end of ends) end?.();
      toldMs = undefined;
      if (areAsked && meter !== silentMeter) tell();
    },
  };
}

function setterOf(
  { slos, countsOf, measured }: ObjectiveGaugesOptions,
  budget: Gauge,
): (index: number, nowMs: number) => void {
  const labelsOf = (rule: string, { sli }: Slo): Labels => Object.freeze({ rule, subject: sli.subject });
  const labels = slos.map((slo) => ({
    budget: Object.freeze({ slo: slo.name }),
    measured: labelsOf(slo.name, slo),
    absent: slo.missingData === "alarm" ? labelsOf(absenceOf(slo.name), slo) : undefined,
  }));
  return (index, nowMs) => {
    const its = labels[index] as (typeof labels)[number];
    const { budgetLeft, rows, state } = readObjective(slos[index] as Slo, countsOf(index), nowMs);
    budget.set(budgetLeft, its.budget);
    const rate = toldRate(rows);
    if (rate !== undefined) measured.set(rate, its.measured);
    if (its.absent !== undefined) measured.set(state === "absent" ? 0 : 1, its.absent);
  };
}

/** Of the severity that is named last among those that say something. */
function toldRate(rows: readonly BurnRateReading[]): number | undefined {
  let told: number | undefined;
  for (const severity of severities) {
    const rate = toldRow(rows, severity)?.longBurnRate;
    if (rate !== undefined && !Number.isNaN(rate)) told = rate;
  }
  return told;
}
