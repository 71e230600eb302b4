import type { CapturedLabel, CapturedPrediction } from "@millwright/contracts";
import { concatBatches, profileOf } from "@millwright/data";
import type { RuleSetup } from "../src/backtest.ts";
import {
  type AlertRule,
  type DriftPolicy,
  driftAlert,
  errorRateAlert,
  latencyAlert,
  qualityAlert,
  recommended,
} from "../src/index.ts";
import { createTraffic, type Traffic } from "./traffic.ts";

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;
export const start = Date.UTC(2026, 0, 5);

export const reference = (() => {
  const traffic = createTraffic(99);
  return profileOf(concatBatches(Array.from({ length: 2000 }, () => traffic.next(0).prediction.features!)));
})();

/** What 360 rows of chance alone would show one time in a hundred counts as drift, and one time in ten thousand. */
export const careless: DriftPolicy = { ...recommended(), minimumSamples: 300 };
export const careful: DriftPolicy = { ...careless, alpha: 0.0001 };

/** Rules as somebody would enable them; made anew each time. */
export const setup = (policy: DriftPolicy = careful): RuleSetup => ({
  rules: [
    errorRateAlert({ endpoint: "late", windowMs: 30 * minuteMs }),
    latencyAlert({ endpoint: "late", thresholdMs: 100, windowMs: hourMs, alerting: { forMs: 20 * minuteMs } }),
    driftAlert({ endpoint: "late", baseline: reference, policy, windowMs: 6 * hourMs }),
    qualityAlert({
      endpoint: "late",
      against: 0.7,
      windowMs: 3 * hourMs,
      minimumLabels: 50,
      alerting: { coolDownMs: dayMs },
    }),
  ],
  quality: { late: { kind: "binary", output: "probability" } },
});

export const only = (name: string, policy?: DriftPolicy): RuleSetup => ({
  rules: setup(policy).rules!.filter((rule) => rule.name === name),
});

export interface Told {
  readonly answers: readonly CapturedPrediction[];
  readonly labels: readonly CapturedLabel[];
}

/** So many requests an hour; labels come half an hour later. */
export function history(
  hours: number,
  anHour: number,
  trafficAt: (hour: number) => Traffic = () => ({}),
  seed = 5,
): Told {
  const traffic = createTraffic(seed);
  const all = Array.from({ length: hours * anHour }, (_, at) => {
    const timeMs = start + (at * hourMs) / anHour + 7;
    const { prediction, label: value } = traffic.next(timeMs, trafficAt(at / anHour));
    return { prediction, label: { requestId: prediction.requestId, value, timeMs: timeMs + 30 * minuteMs } };
  });
  return { answers: all.map(({ prediction }) => prediction), labels: all.map(({ label }) => label) };
}

export const incidents = (hour: number): Traffic => ({
  errorShare: (hour >= 3 && hour < 4) || (hour >= 5 && hour < 5.5) ? 0.4 : 0,
  latencyMs: () => (hour >= 7 && hour < 9 ? 500 : 5),
  shift: hour >= 10 && hour < 13 ? 1.5 : 0,
  answer: (truth) => (hour >= 15 && hour < 18 ? 1 - truth : truth),
});

export const always = (name = "always"): AlertRule => ({
  name,
  // Fires in every other hour.
  evaluate: ({ nowMs }) => [
    {
      subject: "endpoint/late",
      severity: "ticket",
      state: Math.floor((nowMs - 1) / hourMs) % 2 === 0 ? "firing" : "ok",
      summary: "on and off",
      value: nowMs,
    },
  ],
});
