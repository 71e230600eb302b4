import { rankOf } from "@millwright/data";
import type { Finding } from "./alert-book.ts";
import {
  type AlertRule,
  checkRule,
  evidenceOf,
  type RuleOptions,
  shown,
  shownPercent,
  variantsOf,
} from "./alert-rule.ts";
import { wilsonInterval } from "../statistics/count-tests.ts";
import { subjectOf } from "../slo/slo.ts";

const minuteMs = 60_000;

export interface ErrorRateOptions extends RuleOptions {
  /** Largest share of requests that may fail, in (0, 1]. Default: 0.05. */
  readonly threshold?: number | undefined;
  /** Default: 20. */
  readonly minimumRequests?: number | undefined;
}

/**
 * Fires when a variant's share of failed requests is surely over the threshold: when the lower end of its 95 % Wilson interval is. Resolves when the share
 * itself is not. Default window: 5 minutes.
 */
export function errorRateAlert(options: ErrorRateOptions): AlertRule {
  const {
    name = "error-rate",
    endpoint,
    windowMs = 5 * minuteMs,
    threshold = 0.05,
    minimumRequests = 20,
    severity = "page",
  } = options;
  checkRule(name, { threshold: { value: threshold, above: 0, to: 1 }, windowMs: { value: windowMs, above: 0 } });
  return {
    name,
    evaluate: (view) =>
      variantsOf(view, options).map((variant) => {
        const { requests, errors } = view.read(endpoint, variant, windowMs);
        return {
          ...judgeShare(errors, requests, threshold, minimumRequests),
          subject: subjectOf(endpoint, variant),
          severity,
          evidence: evidenceOf(view, windowMs, requests),
          summary: `${errors} of ${requests} requests failed in ${shown(windowMs / minuteMs)} min, ${shownPercent(errors / Math.max(1, requests))}; allowed ${shownPercent(threshold)}.`,
        };
      }),
  };
}

export interface LatencyOptions extends RuleOptions {
  /** A request slower than this is slow. */
  readonly thresholdMs: number;
  /** Largest share of requests that may be slow, in (0, 1]. Default: 0.01, so that `thresholdMs` is about the 99th percentile allowed. */
  readonly slowShare?: number | undefined;
  /** Default: 20. */
  readonly minimumRequests?: number | undefined;
}

/** Fires when a variant's share of slow requests is surely over the limit, as `errorRateAlert` does. Default window: 5 minutes. */
export function latencyAlert(options: LatencyOptions): AlertRule {
  const {
    name = "latency",
    endpoint,
    windowMs = 5 * minuteMs,
    thresholdMs,
    slowShare = 0.01,
    minimumRequests = 20,
    severity = "page",
  } = options;
  checkRule(name, {
    thresholdMs: { value: thresholdMs, above: 0 },
    slowShare: { value: slowShare, above: 0, to: 1 },
    windowMs: { value: windowMs, above: 0 },
  });
  return {
    name,
    evaluate: (view) =>
      variantsOf(view, options).map((variant) => {
        const { latency } = view.read(endpoint, variant, windowMs);
        const slow = latency.count === 0 ? 0 : Math.round((1 - rankOf(latency, thresholdMs)) * latency.count);
        return {
          ...judgeShare(slow, latency.count, slowShare, minimumRequests),
          subject: subjectOf(endpoint, variant),
          severity,
          evidence: evidenceOf(view, windowMs, latency.count),
          summary: `${slow} of ${latency.count} requests took more than ${shown(thresholdMs)} ms in ${shown(windowMs / minuteMs)} min; allowed ${shownPercent(slowShare)}.`,
        };
      }),
  };
}

function judgeShare(
  bad: number,
  total: number,
  threshold: number,
  minimum: number,
): Pick<Finding, "state" | "value" | "threshold"> {
  if (total === 0) return { state: "unknown", threshold };
  const share = bad / total;
  const surely = wilsonInterval(bad, total)[0] > threshold;
  return {
    state: total < minimum ? "unknown" : surely ? "firing" : share <= threshold ? "ok" : "unknown",
    value: share,
    threshold,
  };
}
