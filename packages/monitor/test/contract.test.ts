import { createManualClock } from "@millwright/contracts";
import {
  alertSourceContract,
  labelSinkContract,
  meterContract,
  predictionSinkContract,
} from "@millwright/contracts/testing";
import { expect, test } from "vitest";
import { type AlertRule, createMeter, type Finding, openMonitor } from "../src/index.ts";

const quality = { late: { output: "probability", kind: "binary" } } as const;

for (const { name, run } of predictionSinkContract) {
  test(`prediction sink: ${name}`, async () => {
    await using monitor = openMonitor({ quality });
    await run(monitor);
    await monitor.evaluate();
    expect(monitor.counts().failed).toBe(0);
  });
}

for (const { name, run } of labelSinkContract) {
  test(`label sink: ${name}`, async () => {
    await using monitor = openMonitor({ quality });
    await run(monitor);
    await monitor.evaluate();
    expect(monitor.counts().failed).toBe(0);
  });
}

for (const { name, run } of alertSourceContract) {
  test(`alert source: ${name}`, async () => {
    const findings = new Map<string, Map<string, Finding["state"]>>();
    const ruleOf = (rule: string): AlertRule => ({
      name: rule,
      evaluate: () =>
        Array.from(findings.get(rule) ?? [], ([subject, state]): Finding => ({
          subject,
          state,
          severity: "page",
          summary: "It is so.",
        })),
    });
    await using source = openMonitor({
      clock: createManualClock(5),
      rules: ["too-slow", "own", "below", "beside"].map(ruleOf),
    });
    const set = (state: Finding["state"]) => async (rule: string, subject: string) => {
      findings.set(rule, new Map(findings.get(rule)).set(subject, state));
      await source.evaluate();
    };
    await run({ source, fire: set("firing"), resolve: set("ok") });
  });
}

for (const { name, run } of meterContract) {
  test(`meter: ${name}`, async () => {
    const meter = createMeter();
    const read = async (metric: string, labels: Readonly<Record<string, string>>): Promise<number | undefined> => {
      const found = await meter.registry.getSingleMetric(metric)?.get();
      const values = (found?.values ?? []) as readonly {
        readonly value: number;
        readonly labels: object;
        readonly metricName?: string;
      }[];
      const sorted = (each: object): string =>
        JSON.stringify(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)));
      const same = (each: object): boolean => sorted(each) === sorted(labels);
      return values.find(
        (each) =>
          same(each.labels) &&
          (each.metricName === undefined || each.metricName === metric || each.metricName === `${metric}_count`),
      )?.value;
    };
    await run({ meter, read });
  });
}

test("the meter's text is what Prometheus scrapes", async () => {
  const meter = createMeter();
  meter
    .counter("millwright_requests_total", { help: "Requests.", labelNames: ["route"] })
    .add(3, { route: "/predict" });
  meter.histogram("millwright_request_seconds", { help: "Seconds.", buckets: [0.1, 1] }).observe(0.2);
  const text = await meter.metrics();
  expect(text).toContain('millwright_requests_total{route="/predict"} 3');
  expect(text).toContain('millwright_request_seconds_bucket{le="1"} 1');
  expect(meter.contentType).toContain("text/plain");
});
