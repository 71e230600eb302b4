import { createManualClock, createRandom, digestOf } from "@millwright/contracts";
import { batchOf, type Profile, profileOf, profileToJson } from "@millwright/data";
import { expect, test } from "vitest";
import { endpointDownAlert } from "../src/alerts.ts";
import { baselineOf } from "../src/baseline.ts";
import { dataQualityAlert, watchdogAlert } from "../src/data-quality.ts";
import {
  type AlertRule,
  compare,
  defineSlo,
  driftAlert,
  type DriftBaseline,
  type DriftPolicy,
  errorIndicator,
  errorRateAlert,
  googleProfile,
  latencyAlert,
  latencyIndicator,
  type MonitorOptions,
  openMonitor,
  predictionShiftAlert,
  qualityAlert,
  recommended,
  type SloOptions,
} from "../src/index.ts";

const clock = createManualClock(Date.UTC(2026, 0, 1));
const refused = (options: MonitorOptions): unknown => {
  try {
    return openMonitor({ clock, ...options }).counts();
  } catch (error) {
    return error;
  }
};

test.each([
  ["windowMs", [Number.NaN, -1, 0, Number.POSITIVE_INFINITY, 7 * 60_000, 2 * 3_600_000]],
  ["retainMs", [Number.NaN, -1, 0, 59_999, Number.POSITIVE_INFINITY]],
  ["holdMs", [Number.NaN, -1]],
  ["holdLabelsMs", [Number.NaN, -1]],
  ["evaluateEveryMs", [Number.NaN, -1, 0, Number.POSITIVE_INFINITY]],
  ["maxQueue", [Number.NaN, -1, 0, 1.5]],
  ["maxWaitingForLabels", [Number.NaN, -1]],
  ["maxRememberedLabels", [Number.NaN, -1]],
  ["maxLookedUpLabels", [Number.NaN, -1]],
  ["maxHeldLabels", [Number.NaN, -1]],
  ["sampleShare", [Number.NaN, -0.1, 1.5, 100]],
] as const)("a monitor with a senseless %s is not opened, and says which number it was", (name, values) => {
  for (const value of values) {
    const error = refused({ [name]: value });
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toContain(`${name} must be`);
    expect((error as Error).message).toContain(`not ${value}`);
  }
});

test("what is at the edge of a range is taken", () => {
  const edges: readonly MonitorOptions[] = [
    { windowMs: 3_600_000, retainMs: 3_600_000 },
    { windowMs: 1 },
    { holdMs: 0, holdLabelsMs: 0, maxHeldLabels: 0, maxWaitingForLabels: 0, maxRememberedLabels: 0 },
    { maxQueue: 1, sampleShare: 0, maxLookedUpLabels: 0 },
    { sampleShare: 1, holdMs: Number.POSITIVE_INFINITY },
  ];
  for (const options of edges) expect(refused(options)).not.toBeInstanceOf(Error);
});

test("answers that could never be scored are told when the monitor is opened", () => {
  const scored = (options: unknown) => refused({ quality: { late: options } as MonitorOptions["quality"] });
  const invalid = { code: "MONITOR_QUALITY_INVALID" };
  expect(scored({ kind: "binary" })).toMatchObject(invalid);
  expect(scored({ output: "", kind: "binary" })).toMatchObject(invalid);
  expect(scored({ output: "p", kind: "binray" })).toMatchObject(invalid);
  expect(scored({ output: "p", kind: "binary", threshold: Number.NaN })).toMatchObject(invalid);
  expect(scored({ output: "p", kind: "binary", threshold: 50 })).toMatchObject(invalid);
  expect(scored({ output: "p", kind: "binary", threshold: 1 })).not.toBeInstanceOf(Error);
});

test("a deployment's comparison that would fail an hour after it is refused at once", () => {
  const invalid = { code: "MONITOR_RULE_INVALID" };
  expect(refused({ deployments: { spanMs: -1 } })).toMatchObject(invalid);
  expect(refused({ deployments: { confidence: 95 } })).toMatchObject(invalid);
  expect(refused({ deployments: { minimumSamples: 0 } })).toMatchObject(invalid);
});

test("a policy names a rule, an objective, or the objective's absence", () => {
  const rules = [errorRateAlert({ endpoint: "late" })];
  const slos = [defineSlo({ name: "up", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) })];
  const withPolicy = (name: string) => refused({ rules, slos, alerting: { policies: { [name]: { forMs: 60_000 } } } });
  expect(withPolicy("eror-rate")).toMatchObject({ code: "MONITOR_RULE_INVALID" });
  for (const name of ["error-rate", "up", "up-absent"]) expect(withPolicy(name)).not.toBeInstanceOf(Error);
});

test("labels that come after days are joined with answers of every length of window that is taken", async () => {
  const model = { name: "late", digest: digestOf("v1") };
  for (const windowMs of [60_000, 20 * 60_000, 3_600_000]) {
    const now = createManualClock(Date.UTC(2026, 0, 1));
    await using monitor = openMonitor({ clock: now, windowMs, quality: { late: { output: "p", kind: "binary" } } });
    const outputs = { p: { dtype: "float64", shape: [1], data: Float64Array.of(0.5) } } as const;
    for (let at = 0; at < 24; at += 1) {
      const asked = {
        requestId: `r${at}`,
        endpoint: "late",
        variant: "main",
        model,
        timeMs: now.nowMs(),
        latencyMs: 1,
      };
      monitor.capture({ ...asked, outputs });
      await now.advance(3_600_000);
    }
    await now.advance(3 * 86_400_000);
    await monitor.evaluate();
    for (let at = 0; at < 24; at += 1) monitor.label({ requestId: `r${at}`, value: 1, timeMs: now.nowMs() });
    expect(monitor.read("late", "main").quality.labels).toBe(24);
  }
});

const km = (rows: number, shift = 0): Profile => {
  const random = createRandom(3);
  return profileOf(batchOf({ km: Float64Array.from({ length: rows }, () => random.normal() + shift) }));
};

test("a policy by which nothing could drift is refused, and no verdict is given", () => {
  const senseless: readonly Partial<DriftPolicy>[] = [
    { alpha: Number.NaN },
    { alpha: 1 },
    { alpha: 5 },
    { minimumSamples: Number.NaN },
    { minimumSamples: 0 },
    { minimumDistance: Number.NaN },
    { minimumDivergence: -1 },
    { minimumMissingChange: 2 },
    { driftedShare: Number.NaN },
    { stabilityLimit: Number.NaN },
    { correction: "holm" as "none" },
  ];
  for (const change of senseless) {
    const policy = { ...recommended(), ...change };
    const invalid = expect.objectContaining({ code: "MONITOR_PARAMETER_INVALID" }) as Error;
    expect(() => compare(km(1000), km(1000, 5), policy)).toThrow(invalid);
    expect(() => driftAlert({ endpoint: "late", baseline: km(1000), policy })).toThrow(invalid);
  }
  expect(compare(km(1000), km(1000, 5), { ...recommended(), stabilityLimit: 0.2 }).verdict).toBe("drift");
});

test("a rule whose baseline is no profile, or one without rows, is refused when it is made", () => {
  const invalid = expect.objectContaining({ code: "MONITOR_BASELINE_INVALID" }) as Error;
  const drift = (baseline: DriftBaseline) => driftAlert({ endpoint: "late", baseline });
  // The types take it, for a manifest's profile is any JSON.
  const whole = { ...baselineOf(km(1000)) };
  expect(() => drift(whole)).toThrow(invalid);
  expect(() => drift(whole)).toThrow("`profile`");
  expect(() => drift({})).toThrow(expect.objectContaining({ code: "DATA_VERSION_UNSUPPORTED" }));
  expect(() => drift(km(0))).toThrow(invalid);
  expect(() => predictionShiftAlert({ endpoint: "late", against: km(0) })).toThrow(invalid);
  expect(drift(whole.profile).name).toBe("drift");
  expect(drift(profileToJson(km(10))).name).toBe("drift");
});

test("rules with numbers that are none, or that no metric reaches, are refused", () => {
  const endpoint = "late";
  const made: readonly (() => AlertRule)[] = [
    () => errorRateAlert({ endpoint, minimumRequests: Number.NaN }),
    () => endpointDownAlert({ endpoint, minimumRequests: -1 }),
    () => latencyAlert({ endpoint, thresholdMs: 5, minimumRequests: Number.NaN }),
    () => predictionShiftAlert({ endpoint, minimumSamples: Number.NaN }),
    () => qualityAlert({ endpoint, against: Number.NaN }),
    () => qualityAlert({ endpoint, against: -1 }),
    () => qualityAlert({ endpoint, metric: "accuracy", against: 95 }),
    () => qualityAlert({ endpoint, metric: "mcc", against: -1.5 }),
  ];
  for (const make of made) expect(make).toThrow(expect.objectContaining({ code: "MONITOR_RULE_INVALID" }));
  expect(qualityAlert({ endpoint, metric: "mcc", against: -0.5 }).name).toBe("quality");
  expect(qualityAlert({ endpoint, against: 3 }).name).toBe("quality");
});

test("every rule of an endpoint hands on when its findings become alerts", () => {
  const alerting = { forMs: 600_000 };
  const rules = [
    dataQualityAlert({ endpoint: "late", baseline: baselineOf(km(1000)), alerting }),
    watchdogAlert({ endpoint: "late", alerting }),
    driftAlert({ endpoint: "late", baseline: km(1000), alerting }),
    errorRateAlert({ endpoint: "late", alerting }),
    endpointDownAlert({ endpoint: "late", alerting }),
    latencyAlert({ endpoint: "late", thresholdMs: 5, alerting }),
    predictionShiftAlert({ endpoint: "late", alerting }),
    qualityAlert({ endpoint: "late", alerting }),
  ];
  for (const rule of rules) expect(rule.alerting, rule.name).toBe(alerting);
});

test("an objective that is wrong says what is, and how a short period is given", () => {
  const sli = errorIndicator({ endpoint: "late" });
  const define = (options: Partial<SloOptions>) => () => defineSlo({ name: "up", objective: 0.99, sli, ...options });
  expect(define({ calendar: { unit: "fortnight" as "week" } })).toThrow("a calendar period is a day");
  expect(define({ calendar: { unit: "day", timeZone: "Mars/Olympus" } })).toThrow("Mars/Olympus");
  expect(define({ calendar: { unit: "day" } })).toThrow("`profile`");
  const profile = googleProfile().filter(({ longMs }) => longMs <= 86_400_000);
  expect(define({ calendar: { unit: "day" }, profile })().periodMs).toBe(90_000_000);
  expect(define({ periodMs: Number.POSITIVE_INFINITY })).toThrow("period");
  for (const thresholdMs of [Number.NaN, -1])
    expect(() => latencyIndicator({ endpoint: "late", thresholdMs })).toThrow(RangeError);
});

test("a monitor that is asked about no time, or told of more good events than there were, says so", async () => {
  const sli = errorIndicator({ endpoint: "late" });
  await using monitor = openMonitor({ clock, slos: [defineSlo({ name: "up", objective: 0.9, sli })] });
  for (const [good, total] of [
    [-1, 5],
    [5, 1],
    [Number.NaN, 5],
    [1, Number.NaN],
  ] as const)
    expect(() => monitor.count("up", good, total)).toThrow(RangeError);
  expect(monitor.slo("up").total).toBe(0);
  monitor.count("up", 0, 0);
  monitor.count("up", 4.5, 5);
  expect(monitor.slo("up")).toMatchObject({ good: 4.5, total: 5 });
  for (const windowMs of [Number.NaN, 0, -1])
    expect(() => monitor.read("late", "main", { windowMs })).toThrow(RangeError);
  expect(() => monitor.read("late", "main", { nowMs: Number.NaN })).toThrow(RangeError);
  await expect(monitor.evaluate(Number.NaN)).rejects.toThrow(RangeError);
});
