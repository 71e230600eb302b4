import { rankOf } from "@millwright/data";
import type { Finding } from "./alert-record.ts";
import { alertSeverities } from "./severities.ts";
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
    severity = alertSeverities["error-rate"],
  } = options;
  checkRule(name, {
    threshold: { value: threshold, above: 0, to: 1 },
    windowMs: { value: windowMs, above: 0 },
    minimumRequests: { value: minimumRequests, above: -1e-12 },
  });
  return {
    name,
    alerting: options.alerting,
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

export interface EndpointDownOptions extends Omit<RuleOptions, "variant"> {
  /** Share of the endpoint's requests, over all variants, that must surely fail, in (0, 1]. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** Default: 10. */
  readonly minimumRequests?: number | undefined;
}

/**
 * Fires when an endpoint as a whole fails: as `errorRateAlert` does, over all variants. Default window: 2 minutes. An endpoint that nobody asks is `unknown`,
 * neither up nor down.
 */
export function endpointDownAlert(options: EndpointDownOptions): AlertRule {
  const { name = "endpoint-down", endpoint, windowMs = 2 * minuteMs, threshold = 0.5, minimumRequests = 10 } = options;
  const { severity = alertSeverities["endpoint-down"], alerting } = options;
  checkRule(name, {
    threshold: { value: threshold, above: 0, to: 1 },
    windowMs: { value: windowMs, above: 0 },
    minimumRequests: { value: minimumRequests, above: -1e-12 },
  });
  return {
    name,
    alerting,
    evaluate(view) {
      const readings = view.variants(endpoint).map((variant) => view.read(endpoint, variant, windowMs));
      if (readings.length === 0) return [];
      const requests = readings.reduce((sum, each) => sum + each.requests, 0);
      const errors = readings.reduce((sum, each) => sum + each.errors, 0);
      const finding: Finding = {
        ...judgeShare(errors, requests, threshold, minimumRequests),
        subject: subjectOf(endpoint),
        severity,
        evidence: evidenceOf(view, windowMs, requests),
        summary: `${errors} of ${requests} requests to the endpoint failed in ${shown(windowMs / minuteMs)} min; over ${shownPercent(threshold)} it is down.`,
      };
      return [finding];
    },
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
    severity = alertSeverities.latency,
  } = options;
  checkRule(name, {
    thresholdMs: { value: thresholdMs, above: 0 },
    slowShare: { value: slowShare, above: 0, to: 1 },
    windowMs: { value: windowMs, above: 0 },
    minimumRequests: { value: minimumRequests, above: -1e-12 },
  });
  return {
    name,
    alerting: options.alerting,
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
