import type { CapturedPrediction } from "@millwright/contracts";
import { sloInvalid } from "../errors.ts";
import { checkPolicy, type SloPolicy } from "./slo-policy.ts";
import { type BurnRateRow, googleProfile } from "./profiles.ts";

/** What is good and what is bad: the indicator of a service level. */
export interface Indicator {
  /** What alerts are about: `endpoint/late`, `endpoint/late/variant/main`. */
  readonly subject: string;
  /** True: good; false: bad; undefined: does not count. */
  readonly classify: (prediction: CapturedPrediction) => boolean | undefined;
  /** Predictions of this endpoint alone are shown to `classify`. Default: all. */
  readonly endpoint?: string | undefined;
  /**
   * How many of several requests are good that were all answered, by one endpoint and variant; `undefined` where they do not count. Says what `classify` says of
   * each. Default: `classify` is asked.
   */
  readonly goodOf?: ((answered: AnsweredRequests) => number | undefined) | undefined;
}

/** Requests that succeeded. */
export interface AnsweredRequests {
  readonly endpoint: string;
  readonly variant: string;
  /** Of each of them. */
  readonly latenciesMs: Float64Array;
}

/** What a service level objective promises, and when its burn rate alerts: all that is not tied to captured predictions. */
export interface Objective extends SloPolicy {
  readonly name: string;
  /** Share of good events promised, in (0, 1): 0.999. */
  readonly objective: number;
  /** Length of the rolling period; of a calendar one, its longest. */
  readonly periodMs: number;
  readonly profile: readonly BurnRateRow[];
  /** Fewest events in the long window for an alert to fire. */
  readonly minimumEvents: number;
}

/** A service level objective over a period. */
export interface Slo extends Objective {
  readonly sli: Indicator;
}

export interface ObjectiveOptions extends SloPolicy {
  readonly name: string;
  readonly objective: number;
  /** Default: 30 days, or the longest period of `calendar`. */
  readonly periodMs?: number | undefined;
  /** Default: `googleProfile()`. */
  readonly profile?: readonly BurnRateRow[] | undefined;
  /** Default: 10. */
  readonly minimumEvents?: number | undefined;
}

export interface SloOptions extends ObjectiveOptions {
  readonly sli: Indicator;
}

const day = 86_400_000;
const longestPeriod = {
  day: day + 3_600_000,
  week: 7 * day + 3_600_000,
  month: 31 * day + 3_600_000,
  quarter: 92 * day + 3_600_000,
  year: 366 * day + 3_600_000,
};

/** An objective by itself, for exports and for counts from elsewhere. Throws `MONITOR_SLO_INVALID`. */
export function defineObjective(options: ObjectiveOptions): Objective {
  const { name, objective, calendar, profile = googleProfile(), minimumEvents = 10 } = options;
  const { periodMs = calendar === undefined ? 30 * day : longestPeriod[calendar.unit] } = options;
  if (typeof name !== "string" || name === "") throw sloInvalid(String(name), "it has no name");
  if (!(objective > 0 && objective < 1))
    throw sloInvalid(name, `the objective must be between 0 and 1, not ${objective}`);
  const { slices, missingData, missingAfterMs, lowTraffic } = options;
  const policy = { calendar, slices, missingData, missingAfterMs, lowTraffic };
  checkPolicy(name, policy);
  if (!(periodMs > 0 && periodMs < Number.POSITIVE_INFINITY))
    throw sloInvalid(name, `the period must be positive, not ${periodMs} ms`);
  if (profile.length === 0) throw sloInvalid(name, "it has no burn-rate row");
  for (const each of profile) checkRow(name, each, periodMs);
  if (!(minimumEvents >= 0)) throw sloInvalid(name, `the fewest events must be at least 0, not ${minimumEvents}`);
  return { name, objective, periodMs, profile, minimumEvents, ...policy };
}

function checkRow(name: string, { shortMs, longMs, burnRate, forMs = 0 }: BurnRateRow, periodMs: number): void {
  if (!(shortMs > 0 && shortMs <= longMs))
    throw sloInvalid(name, `a short window of ${shortMs} ms does not fit in a long one of ${longMs} ms`);
  if (!(longMs <= periodMs))
    throw sloInvalid(
      name,
      `a window of ${longMs} ms of its burn-rate table does not fit in its period of ${periodMs} ms: give it a \`profile\` of rows that fit, such as the first two of googleProfile()`,
    );
  if (!(burnRate > 0)) throw sloInvalid(name, `a burn rate must be positive, not ${burnRate}`);
  if (!(forMs >= 0 && forMs % 60_000 === 0 && forMs <= periodMs))
    throw sloInvalid(name, `a row must hold for whole minutes within the period, not ${forMs} ms`);
}

/** Throws `MONITOR_SLO_INVALID`. */
export const defineSlo = ({ sli, ...options }: SloOptions): Slo => ({ ...defineObjective(options), sli });

/** Good where the request succeeded. */
export function errorIndicator({
  endpoint,
  variant,
}: {
  readonly endpoint: string;
  readonly variant?: string | undefined;
}): Indicator {
  return {
    subject: subjectOf(endpoint, variant),
    endpoint,
    classify: (prediction) =>
      concerns(prediction, endpoint, variant) ? prediction.errorCode === undefined : undefined,
    goodOf: (answered) => (concerns(answered, endpoint, variant) ? answered.latenciesMs.length : undefined),
  };
}

/** Good where the request succeeded within `thresholdMs`. Failed requests are left to `errorIndicator`. Throws a RangeError for a threshold below 0 or none. */
export function latencyIndicator({
  endpoint,
  variant,
  thresholdMs,
}: {
  readonly endpoint: string;
  readonly variant?: string | undefined;
  readonly thresholdMs: number;
}): Indicator {
  if (!(thresholdMs >= 0))
    throw new RangeError(`thresholdMs must be a number of milliseconds of at least 0, not ${thresholdMs}.`);
  return {
    subject: subjectOf(endpoint, variant),
    endpoint,
    classify: (prediction) =>
      concerns(prediction, endpoint, variant) && prediction.errorCode === undefined
        ? prediction.latencyMs <= thresholdMs
        : undefined,
    goodOf: (answered) =>
      concerns(answered, endpoint, variant) ? atMost(answered.latenciesMs, thresholdMs) : undefined,
  };
}

/** `endpoint/late`, `endpoint/late/variant/main`. */
export function subjectOf(endpoint: string, variant?: string): string {
  return variant === undefined ? `endpoint/${endpoint}` : `endpoint/${endpoint}/variant/${variant}`;
}

const concerns = (
  asked: Pick<CapturedPrediction, "endpoint" | "variant">,
  endpoint: string,
  variant: string | undefined,
): boolean => asked.endpoint === endpoint && (variant === undefined || asked.variant === variant);

function atMost(values: Float64Array, threshold: number): number {
  let count = 0;
  for (let at = 0; at < values.length; at += 1) if ((values[at] as number) <= threshold) count += 1;
  return count;
}
