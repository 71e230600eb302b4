import { type BurnRateRow, googleProfile, sustainedLatencyProfile } from "./profiles.ts";
import type { Sli } from "./sli.ts";
import { defineObjective, type Objective, type ObjectiveOptions } from "./slo.ts";

/** What a template promises, where it is not as it comes. */
export interface MetricTargets {
  /** M1: P99 of answers, milliseconds. Default: 100. */
  readonly latencyMs?: number | undefined;
  /** M2: share of requests that succeed. Default: 0.999. */
  readonly success?: number | undefined;
  /** M3: share of right answers. Default: 0.9. */
  readonly accuracy?: number | undefined;
  /** M4: share of training jobs that end well; those that people stopped do not count. Default: 0.95. */
  readonly trainingSuccess?: number | undefined;
  /** M5: duration of training that 95 of 100 jobs keep, milliseconds: the 95th percentile of the job's history. Default: 4 hours. */
  readonly trainingMs?: number | undefined;
  /** M6: most that an hour of training costs, in the currency of what was observed. Default: 5. */
  readonly costPerHour?: number | undefined;
  /** M7: share of windows of columns without drift. Default: 0.95. */
  readonly stability?: number | undefined;
  /** M8: from approval to service, milliseconds. Default: 30 minutes. */
  readonly registryMs?: number | undefined;
  /** M9: share of the traffic that could be served. Default: 0.999. */
  readonly availability?: number | undefined;
  /** M10: oldest features served, milliseconds. Default: 1 hour. */
  readonly featureAgeMs?: number | undefined;
}

export type MetricId = "M1" | "M2" | "M3" | "M4" | "M5" | "M6" | "M7" | "M8" | "M9" | "M10";

export interface MetricTemplate {
  readonly id: MetricId;
  readonly title: string;
  readonly sli: Sli;
  /** The objective that goes with it: `late-latency`, of a service `late`. */
  objectiveOf(service: string, options?: Partial<ObjectiveOptions>): Objective;
}

const hour = 3_600_000;
const ticketsOnly = (): readonly BurnRateRow[] =>
  googleProfile().map((row): BurnRateRow => ({ ...row, severity: "ticket" }));

/**
 * Ten metrics of a platform for machine learning, as indicators with objectives: answers (latency, errors, accuracy), training (success, duration, cost), drift, the
 * way from approval into service, availability, freshness of features. Pages for an endpoint that is down or failing, a P99 over its objective for ten minutes and a training
 * pipeline that fails; tickets for cost, drift and the rest.
 */
export function metricTemplates(targets: MetricTargets = {}): readonly MetricTemplate[] {
  const { latencyMs = 100, success = 0.999, accuracy = 0.9, trainingSuccess = 0.95, trainingMs = 4 * hour } = targets;
  const {
    costPerHour = 5,
    stability = 0.95,
    registryMs = hour / 2,
    availability = 0.999,
    featureAgeMs = hour,
  } = targets;
  const rare = { minimumEvents: 1 };
  return [
    template("M1", "latency", "latency", { type: "latency", thresholdMs: latencyMs }, 0.99, {
      profile: sustainedLatencyProfile(),
    }),
    template("M2", "errors", "error rate", { type: "ratio" }, success, {}),
    template("M3", "accuracy", "accuracy", { type: "quality" }, accuracy, { profile: ticketsOnly() }),
    template("M4", "training-success", "training success", { type: "ratio" }, trainingSuccess, rare),
    template("M5", "training-duration", "training duration", { type: "latency", thresholdMs: trainingMs }, 0.95, {
      ...rare,
      profile: ticketsOnly(),
    }),
    template(
      "M6",
      "training-cost",
      "cost of an hour of training",
      { type: "cost", maximumPerUnit: costPerHour },
      0.95,
      { ...rare, profile: ticketsOnly() },
    ),
    template("M7", "drift", "windows without drift", { type: "ratio" }, stability, { ...rare, profile: ticketsOnly() }),
    template(
      "M8",
      "registry-latency",
      "from approval into service",
      { type: "latency", thresholdMs: registryMs },
      0.95,
      { ...rare, profile: ticketsOnly() },
    ),
    template("M9", "availability", "availability", { type: "ratio" }, availability, { missingData: "alarm" }),
    template("M10", "freshness", "freshness of features", { type: "freshness", maximumAgeMs: featureAgeMs }, 0.99, {
      profile: ticketsOnly(),
    }),
  ];
}

function template(
  id: MetricId,
  suffix: string,
  title: string,
  sli: Sli,
  objective: number,
  given: Partial<ObjectiveOptions>,
): MetricTemplate {
  return {
    id,
    title,
    sli,
    objectiveOf: (service, options = {}) =>
      defineObjective({ name: `${service}-${suffix}`, objective, ...given, ...options }),
  };
}
