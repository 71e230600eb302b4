import {
  type Alert,
  createManualClock,
  type EventDraft,
  type EventLog,
  type MillwrightEvent,
} from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import {
  type AlertRule,
  defineSlo,
  type DriftReport,
  errorIndicator,
  errorRateAlert,
  type Finding,
  openMonitor,
} from "../src/index.ts";
import { createTraffic } from "./traffic.ts";

const minute = 60_000;
const candidate = "endpoint/late/variant/candidate";
const main = "endpoint/late/variant/main";

/** A rule that finds what it is told to. */
function ruleOf(name: string): { readonly rule: AlertRule; set(subject: string, finding: Partial<Finding>): void } {
  const findings = new Map<string, Finding>();
  return {
    rule: { name, evaluate: () => [...findings.values()] },
    set: (subject, finding) =>
      void findings.set(subject, { subject, state: "ok", severity: "page", summary: "It is so.", ...finding }),
  };
}

const deployment = (what: string, data: EventDraft["data"] = {}): EventDraft => ({
  source: "test",
  type: `deployment.${what}`,
  subject: "late",
  data,
});

async function eventsOf(log: EventLog, types: readonly string[]): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of log.read({ types })) events.push(event);
  return events;
}

test("an alert is caused by what last changed its variant, and is in the log before anybody hears of it", async () => {
  const log = openMemoryEventLog();
  const quality = ruleOf("quality");
  await using monitor = openMonitor({ clock: createManualClock(5), events: log, rules: [quality.rule] });
  const stop = new AbortController();
  const heard: { alert: Alert; logged: number }[] = [];
  const listening = (async () => {
    for await (const alert of monitor.changes("endpoint", { signal: stop.signal }))
      heard.push({ alert, logged: (await eventsOf(log, ["alert.*"])).length });
  })();
  const created = { variants: [{ name: "main", model: "late/1", weight: 1 }] };
  const logged = await log.append([
    deployment("endpoint-created", created),
    deployment("started", { variant: "main" }),
    deployment("baking", { variant: "main" }),
  ]);
  const [creation, , baking] = logged.map(({ event }) => event.id);
  for (const subject of [main, `${candidate}/column/distance`, "endpoint/late", "endpoint/other", "queue"])
    quality.set(subject, { state: "firing" });
  const firing = await monitor.evaluate();
  const alerts = await eventsOf(log, ["alert.firing"]);
  expect(alerts.map(({ subject, causationid }) => [subject, causationid])).toEqual([
    [main, creation],
    [`${candidate}/column/distance`, baking],
    ["endpoint/late", baking],
    ["endpoint/other", undefined],
    ["queue", undefined],
  ]);
  expect(firing.map(({ eventId }) => eventId)).toEqual(alerts.map(({ id }) => id));
  expect((await monitor.alerts(candidate))[0]?.eventId).toBe(alerts[1]?.id);
  await log.append([deployment("completed", { variant: "main" })]);
  quality.set(main, { state: "ok" });
  await monitor.evaluate();
  quality.set(main, { state: "firing" });
  await monitor.evaluate();
  const ofMain = (await eventsOf(log, ["alert.*"])).filter(({ subject }) => subject === main);
  const [completed] = await eventsOf(log, ["deployment.completed"]);
  expect(ofMain.map(({ type, causationid }) => [type, causationid])).toEqual([
    ["alert.firing", creation],
    ["alert.resolved", alerts[0]?.id],
    ["alert.firing", completed?.id],
  ]);
  stop.abort();
  await listening;
  expect(heard.map(({ alert: { state, eventId } }) => [state, eventId])).toEqual([
    ...alerts.filter(({ subject }) => subject !== "queue").map(({ id }) => ["firing", id]),
    ["resolved", alerts[0]?.id],
    ["firing", ofMain[2]?.id],
  ]);
  expect(Math.min(...heard.map(({ logged: count }) => count))).toBeGreaterThanOrEqual(alerts.length);
});

const report: DriftReport = { verdict: "drift", driftedShare: 1, reasons: ["all of it"], columns: [] };

test("drift causes its alert, and ends once, also where its variant serves another model", async () => {
  const log = openMemoryEventLog();
  const drift = ruleOf("drift");
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  await using monitor = openMonitor({ clock, events: log, rules: [drift.rule] });
  const traffic = createTraffic(1);
  monitor.capture(traffic.next(clock.nowMs(), { model: "one" }).prediction);
  drift.set(main, { state: "firing", report });
  await monitor.evaluate();
  drift.set(main, { state: "ok", report });
  await monitor.evaluate();
  drift.set(main, { state: "firing", report });
  await monitor.evaluate();
  drift.set(main, { state: "unknown" });
  monitor.capture(traffic.next(clock.nowMs(), { model: "two" }).prediction);
  await monitor.evaluate();
  const events = await eventsOf(log, ["drift.*", "alert.*"]);
  const at = (index: number | undefined) => (index === undefined ? undefined : events[index]?.id);
  const expected: readonly (readonly [string, number | undefined])[] = [
    ["drift.detected", undefined],
    ["alert.firing", 0],
    ["drift.ended", 0],
    ["alert.resolved", 1],
    ["drift.detected", undefined],
    ["alert.firing", 4],
    ["drift.ended", 4],
    ["alert.resolved", 5],
  ];
  expect(events.map(({ type, causationid }) => [type, causationid])).toEqual(
    expected.map(([type, cause]) => [type, at(cause)]),
  );
  expect(events[6]?.data).toMatchObject({ verdict: "unknown", reasons: [expect.stringContaining("another model")] });
});

test("an objective that burns causes its alerts, its recovery and its exhaustion; a log that was away is told all of it", async () => {
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  const memory = openMemoryEventLog();
  let away = true;
  const log: EventLog = {
    read: memory.read,
    append: (events) => (away ? Promise.reject(new Error("The disk is full.")) : memory.append(events)),
  };
  const slos = [defineSlo({ name: "answers", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) })];
  await using monitor = openMonitor({ clock, events: log, slos, rules: [errorRateAlert({ endpoint: "late" })] });
  const traffic = createTraffic(8);
  const run = async (minutes: number, errorShare: number): Promise<void> => {
    for (let now = 0; now < minutes; now += 1) {
      for (let index = 0; index < 30; index += 1)
        monitor.capture(traffic.next(clock.nowMs() + index, { errorShare }).prediction);
      await clock.advance(minute);
      await monitor.evaluate();
    }
  };
  await run(10, 0);
  await run(10, 0.6);
  expect(await monitor.alerts("endpoint/late")).not.toEqual([]);
  expect(await eventsOf(log, ["slo.*", "alert.*"])).toEqual([]);
  away = false;
  await run(600, 0);
  const events = await eventsOf(log, ["slo.*", "alert.*"]);
  const burning = events.filter(({ type }) => type === "slo.burning");
  expect(burning).toHaveLength(1);
  const ofSlo = events.filter(({ type, data }) => type.startsWith("slo.") && data["name"] === "answers");
  expect(ofSlo.map(({ type }) => type)).toEqual(["slo.burning", "slo.exhausted", "slo.recovered"]);
  expect(ofSlo.slice(1).map(({ causationid }) => causationid)).toEqual([burning[0]?.id, burning[0]?.id]);
  const fired = events.filter(({ type, data }) => type === "alert.firing" && data["name"] === "answers");
  expect(fired.length).toBeGreaterThan(0);
  for (const { causationid } of fired) expect(causationid).toBe(burning[0]?.id);
  const keys = events.map(({ type, subject, data }) => JSON.stringify([type, subject, data["name"], data["severity"]]));
  expect(new Set(keys).size).toBe(keys.length);
});

test("an alert waits a second for a log that does not answer, and is shown without its event then", async () => {
  const clock = createManualClock(5);
  const memory = openMemoryEventLog();
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const log: EventLog = { read: memory.read, append: (events) => answered.then(() => memory.append(events)) };
  const quality = ruleOf("quality");
  await using monitor = openMonitor({ clock, events: log, rules: [quality.rule] });
  quality.set(main, { state: "firing" });
  const evaluated = monitor.evaluate();
  await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(999);
  expect(await monitor.alerts(main)).toEqual([]);
  await clock.advance(1);
  expect(await evaluated).toMatchObject([{ name: "quality", state: "firing" }]);
  expect((await monitor.alerts(main))[0]?.eventId).toBeUndefined();
  answer();
  quality.set(main, { state: "ok" });
  await monitor.evaluate();
  const events = await eventsOf(log, ["alert.*"]);
  expect(events.map(({ type }) => type)).toEqual(["alert.firing", "alert.resolved"]);
  expect(events[1]?.causationid).toBe(events[0]?.id);
});
