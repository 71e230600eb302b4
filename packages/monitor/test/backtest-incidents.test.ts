import { createManualClock, createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createIncidentWatch, type KnownIncident } from "../src/backtest/known-incidents.ts";
import { backtestRules, type RuleSetup } from "../src/backtest.ts";
import { calibratedDrift, createDriftMemory } from "../src/drift.ts";
import { type AlertRule, driftAlert, openMonitor } from "../src/index.ts";
import { binomialBounds } from "./drift-windows.ts";
import { history, hourMs, incidents as troubles, minuteMs, setup, start } from "./rule-history.ts";

const everyMs = 10 * minuteMs;
const at = (hour: number): number => start + hour * hourMs;

/** Fires at evaluations in these hours, the end not included. */
const firingIn = (name: string, spans: readonly (readonly [number, number])[]): AlertRule => ({
  name,
  evaluate: ({ nowMs }) => [
    {
      subject: "endpoint/late",
      severity: "ticket",
      state: spans.some(([from, to]) => nowMs >= at(from) && nowMs < at(to)) ? "firing" : "ok",
      summary: "as it was told",
    },
  ],
});

test("each rule is told when it saw which incident, what of it ended too early or too late, and what it said outside of them", async () => {
  const rules = (): RuleSetup => ({
    rules: [
      // Half an hour late, over for half an hour in between, and on for 20 minutes afterwards; then a false alarm of two.
      firingIn("late", [
        [5.5, 6],
        [6.5, 8 + 1 / 3],
        [12, 12.5],
        [13, 13.2],
      ]),
      // Before the first began; then after the end of the second, within its grace, and for longer than that.
      firingIn("odd", [
        [4.5, 5.5],
        [16.25, 18],
      ]),
      firingIn("never", []),
      firingIn("endless", [[20.5, 99]]),
    ],
  });
  const incidents = {
    first: { fromMs: at(5), toMs: at(8) },
    second: { fromMs: at(15), toMs: at(16) },
    third: { fromMs: at(20) },
  };
  const told = history(23, 12);
  const options = { everyMs, warmUpMs: 2 * hourMs, incidents, graceMs: 30 * minuteMs };
  const report = await backtestRules(rules, told, options);
  const { known } = report;
  const [first, second, third] = ["first", "second", "third"].map((name) => known!.incidents[name]!.rules);
  expect(known!.incidents["third"]).not.toHaveProperty("toMs");
  expect(first!["late"]).toMatchObject({ alerts: 2, delayMs: 0.5 * hourMs, endedEarly: 1, endedLate: 0 });
  expect(first!["late"]!.overAfterMs).toBe(20 * minuteMs);
  // Sixteen evaluations from 5:30 to 8:00, of them three from 6:00 to 6:20 without an alarm.
  expect(first!["late"]!.quietShare).toBeCloseTo(3 / 16, 12);
  expect(first!["odd"]).toEqual({
    alerts: 0,
    firingBefore: true,
    endedEarly: 0,
    endedLate: 0,
    shareByChance: expect.any(Number),
  });
  expect(second!["odd"]).toMatchObject({
    alerts: 1,
    delayMs: 80 * minuteMs,
    endedEarly: 0,
    endedLate: 1,
    overAfterMs: 2 * hourMs,
  });
  expect(second!["odd"]).not.toHaveProperty("quietShare");
  expect(second!["late"]).toMatchObject({ alerts: 0, firingBefore: false });
  expect(third!["endless"]).toMatchObject({ alerts: 1, delayMs: 30 * minuteMs, endedEarly: 0, endedLate: 0 });
  expect(third!["endless"]).not.toHaveProperty("overAfterMs");
  // 21 hours are judged; 3.5 and 1.5 of them are of the first two and their grace, and the last three.
  expect(known!.outsideMs).toBe(13 * hourMs);
  const { late, odd, never } = known!.falseAlarms;
  expect(late).toMatchObject({ alerts: 2, perDay: (2 * 24) / 13 });
  // Chi-square quantiles of 4 and 6 degrees of freedom, halved: 0.2422 and 7.2247.
  expect(late!.perDayInterval.map((each) => (each * 13) / 24)).toEqual([
    expect.closeTo(0.242209, 5),
    expect.closeTo(7.224688, 5),
  ]);
  expect(odd!.alerts).toBe(1);
  expect(never!.perDayInterval[1]).toBeCloseTo((-Math.log(0.025) * 24) / 13, 9);
  expect(first!["never"]).toEqual({ alerts: 0, firingBefore: false, endedEarly: 0, endedLate: 0, shareByChance: 0 });
  expect(second!["late"]!.shareByChance).toBeCloseTo(1 - Math.exp((-2 / 13) * 1.5), 12);
  // As many as are listed or not: what is met is counted of all.
  expect((await backtestRules(rules, told, { ...options, mostAlerts: 0 })).known).toEqual(known);
  expect((await backtestRules(rules, told, { ...options, incidents: undefined })).known).toBeUndefined();
});

test(
  "real rules meet the incidents that were made for them, and raise no alarm outside",
  { timeout: 120_000 },
  async () => {
    const incidents = {
      errors: { fromMs: at(3), toMs: at(4) },
      "errors again": { fromMs: at(5), toMs: at(5.5) },
      slow: { fromMs: at(7), toMs: at(9) },
      moved: { fromMs: at(10), toMs: at(13) },
      wrong: { fromMs: at(15), toMs: at(18) },
    };
    const report = await backtestRules(setup, history(26, 60, troubles), { everyMs, incidents });
    const seenBy = Object.entries(report.known!.incidents).map(([name, { rules }]) => [
      name,
      Object.keys(rules).filter((rule) => rules[rule]!.alerts > 0),
    ]);
    expect(Object.fromEntries(seenBy)).toMatchObject({
      errors: ["error-rate"],
      "errors again": ["error-rate"],
      slow: ["latency"],
      moved: ["drift"],
      wrong: ["quality"],
    });
    expect(Object.values(report.known!.falseAlarms).map(({ alerts }) => alerts)).toEqual([0, 0, 0, 0]);
    expect(report.known!.incidents["moved"]!.rules["drift"]!.overAfterMs).toBeGreaterThan(hourMs);
    // It looks back six hours, and goes on for longer than the hour that is granted.
    expect(report.known!.incidents["moved"]!.rules["drift"]!.endedLate).toBe(1);
    expect(report.known!.incidents["slow"]!.rules["latency"]!.delayMs).toBeLessThan(hourMs);
  },
);

test("rules that fire by chance alone see incidents as often as it is told, and the interval holds the true rate as often", () => {
  const random = createRandom(71);
  const [evaluations, runs, chance] = [1000, 600, 0.004];
  const incidents: Record<string, KnownIncident> = { it: { fromMs: 600 * everyMs, toMs: 650 * everyMs } };
  let [seen, expected, covered] = [0, 0, 0];
  for (let run = 0; run < runs; run += 1) {
    const watch = createIncidentWatch(incidents, { everyMs, graceMs: 10 * everyMs, confidence: 0.9 });
    for (let step = 1; step <= evaluations; step += 1) {
      const fires = random.next() < chance;
      if (fires) watch.begin("rule", `${step}`, step * everyMs);
      watch.look(new Set(fires ? ["rule"] : []), step * everyMs, true);
      if (fires) watch.end(`${step}`, (step + 1) * everyMs);
    }
    const { falseAlarms, incidents: met } = watch.report(["rule"], { fromMs: 0, toMs: evaluations * everyMs });
    if (met["it"]!.rules["rule"]!.alerts > 0) seen += 1;
    // The chance over the whole of what counts as its own, by the rate that was seen outside.
    expected += -Math.expm1((-falseAlarms["rule"]!.alerts / 940) * 60);
    const [low, high] = falseAlarms["rule"]!.perDayInterval.map((each) => (each * everyMs) / (24 * hourMs));
    if (low! <= chance && chance <= high!) covered += 1;
  }
  const [low, high] = binomialBounds(expected / runs, runs);
  expect(seen).toBeGreaterThan(low);
  expect(seen).toBeLessThan(high);
  // Exact intervals of counts hold at least as often as they say.
  expect(covered / runs).toBeGreaterThan(0.9 - 0.03);
});

/** Hours that drift from the 52nd on for good. */
const drifted = () => ({ answers: history(64, 100, (hour) => ({ shift: hour >= 52 ? 1.5 : 0 })).answers });

function accepting(atMs: number | undefined): RuleSetup & { readonly memory: ReturnType<typeof createDriftMemory> } {
  const memory = createDriftMemory();
  const monitor = calibratedDrift({ persistence: { windows: 2, of: 3 }, minimumSamples: 80, alpha: 0.001 });
  return {
    memory,
    rules: [driftAlert({ endpoint: "late", monitor, memory })],
    interventions: atMs === undefined ? [] : [{ atMs, act: () => memory.accept("main", at(52)) }],
  };
}

test(
  "a drift that is accepted at a moment of the replay ends its alarm as it does live, and what comes later is judged by it",
  { timeout: 240_000 },
  async () => {
    const told = drifted();
    const acceptMs = at(57) + 5 * minuteMs;
    const options = {
      everyMs: hourMs,
      warmUpMs: 48 * hourMs,
      incidents: { moved: { fromMs: at(52), toMs: acceptMs } },
    };
    const left = await backtestRules(() => accepting(undefined), told, options);
    const accepted = await backtestRules(() => accepting(acceptMs), told, options);
    expect(left.alerts.at(-1)).not.toHaveProperty("toMs");
    const [alert] = accepted.alerts;
    expect(accepted.alerts).toHaveLength(1);
    expect(alert).toMatchObject({ rule: "drift", fromMs: left.alerts[0]!.fromMs });
    expect(alert!.toMs).toBeLessThanOrEqual(at(59));
    expect(accepted.known!.incidents["moved"]!.rules["drift"]).toMatchObject({ alerts: 1, endedEarly: 0 });
    expect(left.known!.incidents["moved"]!.rules["drift"]).toMatchObject({ endedLate: 1 });
    // The same by hand.
    const clock = createManualClock(start);
    const live = accepting(undefined);
    await using monitor = openMonitor({ clock, rules: live.rules });
    const spans: { fromMs: number; toMs?: number }[] = [];
    let next = 0;
    for (let nowMs = start + options.everyMs; nowMs <= left.toMs; nowMs += options.everyMs) {
      for (; told.answers[next] !== undefined && told.answers[next]!.timeMs < nowMs; next += 1)
        monitor.capture(told.answers[next]!);
      await clock.advance(nowMs - clock.nowMs());
      if (nowMs - options.everyMs < acceptMs && acceptMs <= nowMs) live.memory.accept("main", at(52));
      const [firing] = await monitor.evaluate();
      const open = spans.at(-1)?.toMs === undefined ? spans.at(-1) : undefined;
      if (firing === undefined && open !== undefined) open.toMs = nowMs;
      if (firing !== undefined && open === undefined) spans.push({ fromMs: nowMs });
    }
    expect(spans.filter(({ fromMs }) => fromMs > at(48))).toEqual([{ fromMs: alert!.fromMs, toMs: alert!.toMs }]);
  },
);

test("people may silence at a moment of the replay: nobody is told meanwhile", async () => {
  const acted: number[] = [];
  const rules = (): RuleSetup => ({
    rules: [
      firingIn("loud", [
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    ],
    interventions: [
      { atMs: at(4.1), act: () => acted.push(4.1) },
      {
        atMs: at(2.5),
        act: async (alerting, { signal }) => {
          acted.push(2.5);
          await alerting.silence({ match: { alertname: "loud" }, owner: "kim", untilMs: at(4.5) }, { signal });
        },
      },
    ],
  });
  const report = await backtestRules(rules, history(7, 12), { everyMs });
  expect(acted).toEqual([2.5, 4.1]);
  expect(report.alerts.map(({ fromMs, told }) => [(fromMs - start) / hourMs, told])).toEqual([
    [1, true],
    [5, true],
  ]);
});

test("incidents and interventions that cannot be are refused with what would mend them", async () => {
  const told = history(4, 12);
  const run = (options: object, interventions?: RuleSetup["interventions"]) =>
    backtestRules(() => ({ rules: [firingIn("rule", [])], interventions }), told, { everyMs, ...options });
  const invalid = (message: RegExp) =>
    expect.objectContaining({ code: "MONITOR_BACKTEST_INVALID", message: expect.stringMatching(message) });
  const it = (fromMs: number, toMs?: number) => ({ incidents: { it: { fromMs, toMs } } });
  await expect(run(it(Number.NaN))).rejects.toThrow(invalid(/"it" must be a time/));
  await expect(run(it(at(2), at(2)))).rejects.toThrow(invalid(/must end after it begins/));
  await expect(run(it(at(9)))).rejects.toThrow(invalid(/"it" begins at/));
  await expect(run({ ...it(at(1)), warmUpMs: 2 * hourMs })).rejects.toThrow(invalid(/not in the span/));
  await expect(run(it(at(0)))).rejects.toThrow(invalid(/leave nothing/));
  await expect(run({ ...it(at(1)), graceMs: -1 })).rejects.toThrow(invalid(/graceMs/));
  await expect(run({}, [{ atMs: at(9), act: () => {} }])).rejects.toThrow(invalid(/after the last evaluation/));
  await expect(run({}, [{ atMs: Number.NaN, act: () => {} }])).rejects.toThrow(invalid(/needs a time/));
  const reason = new RangeError("no");
  const fails = (): never => {
    throw reason;
  };
  await expect(run({}, [{ atMs: at(2), act: fails }])).rejects.toBe(reason);
  const stop = new AbortController();
  const hung = run({ signal: stop.signal }, [{ atMs: at(2), act: () => (stop.abort(reason), new Promise(() => {})) }]);
  await expect(hung).rejects.toBe(reason);
});
