import {
  createManualClock,
  createRandom,
  type Gauge,
  type Labels,
  type Meter,
  silentMeter,
} from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  type AlertRule,
  createMeter,
  defineSlo,
  type Monitor,
  openMonitor,
  type PrometheusMeter,
} from "../src/index.ts";

const minute = 60_000;
const hour = 60 * minute;
const start = Date.UTC(2026, 0, 1);

const sloOf = (name: string, options: { readonly missingData?: "alarm" } = {}) =>
  defineSlo({ name, objective: 0.99, sli: { subject: `endpoint/${name}`, classify: () => true }, ...options });

/** What a scrape tells, by metric and label. */
async function scraped(meter: PrometheusMeter, metric: string, label: string): Promise<ReadonlyMap<string, number>> {
  const found = (await meter.registry.getMetricsAsJSON()).find(({ name }) => name === metric);
  const values = (found?.values ?? []) as readonly { readonly value: number; readonly labels: Labels }[];
  return new Map(values.map(({ value, labels }) => [String(labels[label]), value]));
}
const budgets = (meter: PrometheusMeter) => scraped(meter, "millwright_monitor_budget_left", "slo");
const rates = (meter: PrometheusMeter) => scraped(meter, "millwright_monitor_finding", "rule");

/** What the monitor says of an objective now: its budget, and its burn rate of tickets. */
function saidOf(monitor: Monitor, name: string, nowMs?: number): readonly [budget: number, rate: number | undefined] {
  const { budgetLeft, rows } = monitor.slo(name, nowMs);
  return [budgetLeft, rows.find(({ severity }) => severity === "ticket")?.longBurnRate];
}

test("a scrape tells of every objective what is so at that moment, whether it rests or burns, evaluated or not, and of more than a thousand", async () => {
  const clock = createManualClock(start);
  const meter = createMeter();
  const names = Array.from({ length: 1_500 }, (_, at) => `slo-${at}`);
  await using monitor = openMonitor({ clock, meter, slos: names.map((name) => sloOf(name)) });
  const random = createRandom(3);
  const pass = async (minutes: number): Promise<void> => {
    for (let at = 0; at < minutes; at += 1) {
      await clock.advance(minute);
      for (const [index, name] of names.entries())
        monitor.count(name, 100 - (index % 50 === 0 ? 40 : random.integer(2)), 100);
    }
  };
  await pass(30);
  expect(await budgets(meter)).toEqual(new Map());
  await monitor.evaluate();
  for (const minutes of [0, 1, 7, 40]) {
    await pass(minutes);
    const [left, burning] = [await budgets(meter), await rates(meter)];
    const said = names.map((name) => [name, ...saidOf(monitor, name)] as const);
    // Texts of thousands are compared a hundred times as fast.
    expect(JSON.stringify([...left])).toBe(JSON.stringify(said.map(([name, budget]) => [name, budget])));
    expect(JSON.stringify([...burning])).toBe(JSON.stringify(said.map(([name, , rate]) => [name, rate])));
    expect(new Set(left.values()).size).toBeGreaterThan(5);
  }
});

test("what is read after a monitor has ended is of its end, and that of a replay of the replay's time", async () => {
  const clock = createManualClock(start + 1000 * hour);
  const [ended, replayed] = [createMeter(), createMeter()];
  {
    await using monitor = openMonitor({ clock, meter: ended, slos: [sloOf("late")] });
    await monitor.evaluate();
    monitor.count("late", 995, 1000);
  }
  expect((await budgets(ended)).get("late")).toBeCloseTo(0.5, 12);
  await using monitor = openMonitor({ clock, meter: replayed, slos: [sloOf("late")] });
  for (let at = 0; at < 60; at += 1) monitor.count("late", 998, 1000, start + at * minute);
  await monitor.evaluate(start + 30 * minute);
  expect((await rates(replayed)).get("late")).toBeCloseTo(0.2, 12);
  await clock.advance(100 * 24 * hour);
  expect((await budgets(replayed)).get("late")).toBe(1);
  await monitor.evaluate(start + 59 * minute);
  expect((await budgets(replayed)).get("late")).toBeCloseTo(0.8, 12);
});

test("monitors on one meter tell their own objectives, and an absent one is told as such", async () => {
  const clock = createManualClock(start);
  const meter = createMeter();
  await using first = openMonitor({ clock, meter, slos: [sloOf("one", { missingData: "alarm" })] });
  const second = openMonitor({ clock, meter, slos: [sloOf("two")] });
  first.count("one", 1, 1);
  second.count("two", 9_990, 10_000);
  for (const monitor of [first, second]) await monitor.evaluate();
  expect(await rates(meter)).toEqual(
    new Map([
      ["one", 0],
      ["one-absent", 1],
      ["two", expect.closeTo(0.1, 12)],
    ]),
  );
  await second[Symbol.asyncDispose]();
  await clock.advance(3 * hour);
  expect(await rates(meter)).toEqual(
    new Map([
      ["one", 0],
      ["one-absent", 0],
      ["two", expect.closeTo(0.1, 12)],
    ]),
  );
});

test("rules of endless subjects leave objectives their series", async () => {
  const clock = createManualClock(start);
  const meter = createMeter();
  const subjects = Array.from({ length: 1_200 }, (_, at) => `endpoint/late/slice/${at}`);
  const rule: AlertRule = {
    name: "endless",
    evaluate: () => subjects.map((subject) => ({ subject, state: "ok", severity: "ticket", value: 7, summary: "" })),
  };
  const names = Array.from({ length: 1_100 }, (_, at) => `slo-${at}`);
  await using monitor = openMonitor({ clock, meter, rules: [rule], slos: names.map((name) => sloOf(name)) });
  for (const name of names) monitor.count(name, 1, 1);
  await monitor.evaluate();
  const told = await rates(meter);
  expect(names.every((name) => told.get(name) === 0)).toBe(true);
  const ofSubjects = await scraped(meter, "millwright_monitor_finding", "subject");
  expect(subjects.filter((subject) => ofSubjects.has(subject))).toHaveLength(1_000);
  expect(told.get("overflow")).toBe(7);
});

test("nothing is set at an evaluation where the meter asks, and all is where it does not", async () => {
  const clock = createManualClock(start);
  for (const asks of [true, false]) {
    const set: string[] = [];
    const asked: (() => void)[] = [];
    const gauge = (name: string): Gauge => ({
      set: (_value, labels) => void set.push(`${name} ${labels?.["slo"] ?? labels?.["rule"]}`),
      ...(asks ? { onRead: (tell: () => void) => (asked.push(tell), () => {}) } : {}),
    });
    const meter: Meter = {
      ...silentMeter,
      gauge: (name) => (name.startsWith("millwright_monitor_") ? gauge(name) : silentMeter.gauge(name, { help: name })),
    };
    const monitor = openMonitor({ clock, meter, slos: [sloOf("one"), sloOf("two")] });
    for (const name of ["one", "two"]) monitor.count(name, 1, 1);
    const all = ["one", "two"].flatMap((slo) => [
      `millwright_monitor_budget_left ${slo}`,
      `millwright_monitor_finding ${slo}`,
    ]);
    for (let round = 0; round < 3; round += 1) {
      set.length = 0;
      await monitor.evaluate();
      expect(set.filter((each) => all.includes(each))).toEqual(asks ? [] : all);
      for (const tell of asked) tell();
      expect(set.filter((each) => all.includes(each))).toEqual(all);
      await clock.advance(minute);
    }
    await monitor[Symbol.asyncDispose]();
  }
});
