import { createManualClock, digestOf, type Meter, silentMeter } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  calendarSpan,
  createSloCounts,
  defineObjective,
  defineSlo,
  errorIndicator,
  readBudget,
  readObjective,
  sustainedLatencyProfile,
  sustainedProfile,
} from "../src/slo.ts";
import { openMonitor } from "../src/index.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 1);

test("MO-41: a budget over a stream of 30 days is exact to the event, rolling, of the calendar and by slices", () => {
  const rolling = defineObjective({ name: "late", objective: 0.999 });
  const calendar = defineObjective({
    name: "late",
    objective: 0.999,
    calendar: { unit: "month", timeZone: "Europe/Berlin" },
  });
  const sliced = defineObjective({ name: "late", objective: 0.99, slices: { lengthMs: 5 * minute, target: 0.95 } });
  const all = [rolling, calendar, sliced].map((slo) => ({ slo, counts: createSloCounts(slo) }));
  // From January 1st, 00:00 in Berlin: 100 events a minute, on each day d one bad event in each of its first d minutes, and one outage of seven minutes.
  const first = start - hour;
  let [bad, badSlices] = [0, 0];
  for (let at = 0; at < 30 * 1440; at += 1) {
    const [dayAt, minuteAt] = [Math.floor(at / 1440), at % 1440];
    const outage = dayAt === 12 && minuteAt >= 600 && minuteAt < 607;
    const lost = outage ? 100 : minuteAt < dayAt ? 1 : 0;
    bad += lost;
    if (outage && (minuteAt === 600 || minuteAt === 605)) badSlices += 1;
    for (const { counts } of all) counts.add(first + at * minute, 100 - lost, 100);
  }
  const now = first + 30 * day - 1;
  expect(bad).toBe((29 * 30) / 2 + 7 * 100);
  const [byEvents, byMonth, bySlices] = all.map(({ slo, counts }) => readBudget(slo, counts, now)) as [
    ReturnType<typeof readBudget>,
    ReturnType<typeof readBudget>,
    ReturnType<typeof readBudget>,
  ];
  expect(byEvents).toMatchObject({ spent: 1135, total: 4_320_000, good: 4_318_865 });
  expect(byEvents.left).toBeCloseTo(1 - 1135 / 4320, 12);
  expect(byMonth).toMatchObject({ startMs: first, endMs: first + 31 * day, spent: 1135, total: 4_320_000 });
  // Seven minutes of an outage touch two slices of five: one wholly, and of the other 40 %.
  expect(badSlices).toBe(2);
  expect(bySlices).toMatchObject({ spent: 2, total: 8640 });
  expect(bySlices.left).toBeCloseTo(1 - 2 / 86.4, 12);
  // A day later the first day has left the rolling period, and took its budget with it.
  const counts = all[0]!.counts;
  for (let at = 0; at < 1440; at += 1) counts.add(first + (30 * 1440 + at) * minute, 100, 100);
  expect(readBudget(rolling, counts, now + day)).toMatchObject({ spent: 1135, total: 4_320_000 });
  expect(readBudget(rolling, counts, now + 2 * day).spent).toBe(1134);
  // On February 1st the month begins anew.
  const february = all[1]!.counts;
  february.add(first + 31 * day + minute, 90, 100);
  expect(readBudget(calendar, february, first + 31 * day + minute)).toMatchObject({
    startMs: first + 31 * day,
    spent: 10,
    total: 100,
  });
});

test("MO-41: the forecast says when the budget is spent, and never where it is not", () => {
  const slo = defineObjective({ name: "late", objective: 0.99, calendar: { unit: "month" } });
  const counts = createSloCounts(slo);
  for (let at = 0; at < 10 * 1440; at += 1) counts.add(start + at * minute, at >= 10 * 1440 - 60 ? 95 : 100, 100);
  const now = start + 10 * day - 1;
  const { allowed, spent, exhaustedAtMs } = readBudget(slo, counts, now);
  expect([allowed, spent]).toEqual([expect.closeTo(14_400, 6), 300]);
  // 5 bad and 1 allowed a minute from here on.
  const minutes = (14_400 - 300) / 4;
  expect(exhaustedAtMs).toBeCloseTo(now + minutes * minute, -1);
  for (let at = Math.floor(minutes) - 2; at <= Math.floor(minutes) + 2; at += 1) {
    const later = createSloCounts(slo, { state: counts.state() });
    for (let each = 0; each <= at; each += 1) later.add(start + (10 * 1440 + each) * minute, 95, 100);
    expect(readBudget(slo, later, start + (10 * 1440 + at) * minute).left <= 1e-12).toBe((at + 1) * 4 >= 14_100);
  }
  const fine = createSloCounts(slo);
  for (let at = 0; at < 600; at += 1) fine.add(start + at * minute, 199, 200);
  expect(readBudget(slo, fine, start + 600 * minute).exhaustedAtMs).toBeUndefined();
});

test("MO-41: periods of the calendar begin and end with the days of their zone, also where clocks change", () => {
  const at = (text: string): number => Date.parse(text);
  const berlin = { timeZone: "Europe/Berlin" };
  const spans = [
    [{ unit: "day", ...berlin }, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"],
    [{ unit: "month", ...berlin }, "2026-03-31T22:30:00Z", "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z"],
    [
      { unit: "week", timeZone: "Asia/Kathmandu" },
      "2026-07-31T00:00:00Z",
      "2026-07-26T18:15:00Z",
      "2026-08-02T18:15:00Z",
    ],
    [{ unit: "quarter" }, "2026-12-31T23:59:59Z", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    [
      { unit: "year", timeZone: "America/New_York" },
      "2026-01-01T04:59:59Z",
      "2025-01-01T05:00:00Z",
      "2026-01-01T05:00:00Z",
    ],
    // Clocks of Cairo jump over midnight: April 24th begins at 01:00.
    [{ unit: "day", timeZone: "Africa/Cairo" }, "2026-04-24T12:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
  ] as const;
  for (const [period, now, startMs, endMs] of spans)
    expect(calendarSpan(period, at(now)), now).toEqual({ startMs: at(startMs), endMs: at(endMs) });
});

const withErrors = (
  events: readonly (readonly [minutesAgo: number, bad: number, total: number])[],
  options: object = {},
) => {
  const slo = defineObjective({ name: "late", objective: 0.999, ...options });
  const counts = createSloCounts(slo);
  for (const [ago, bad, total] of events.toSorted((a, b) => b[0] - a[0]))
    counts.add(start + 5 * day - ago * minute, total - bad, total);
  return readObjective(slo, counts, start + 5 * day);
};
const pages = (status: ReturnType<typeof withErrors>): boolean =>
  status.rows.some(({ severity, state }) => severity === "page" && state === "firing");

test("MO-44: one error in one request at night pages nobody, and twenty of twenty do", () => {
  const night = [[1, 1, 1]] as const;
  const twenty = Array.from({ length: 20 }, (_, at) => [at / 8, 1, 1] as const);
  for (const options of [
    {},
    { lowTraffic: { wilsonZ: 1.96 } },
    { lowTraffic: { growUntilEvents: 500 } },
    { missingData: "good" },
  ]) {
    expect(pages(withErrors(night, options)), JSON.stringify(options)).toBe(false);
    const grown = "lowTraffic" in options && "growUntilEvents" in (options.lowTraffic ?? {});
    // A window that grows needs no fewest events: what came before weighs in.
    expect(pages(withErrors(grown ? [...twenty, [300, 0, 400]] : twenty, options)), JSON.stringify(options)).toBe(true);
  }
});

test("MO-44: each protection by itself: growing windows, Wilson's interval, slices that passed, synthetic probes", () => {
  const none = { minimumEvents: 0 };
  const before = Array.from({ length: 30 }, (_, at) => [70 + at * 10, 0, 10] as const);
  // One bad request of one in the last hour, 300 good ones in the five before.
  expect(pages(withErrors([...before, [1, 1, 1]], none))).toBe(true);
  expect(pages(withErrors([...before, [1, 1, 1]], { ...none, lowTraffic: { growUntilEvents: 100 } }))).toBe(false);
  expect(
    pages(withErrors([...before, [1, 1, 1]], { ...none, lowTraffic: { growUntilEvents: 100, growToMs: hour } })),
  ).toBe(true);
  // Two of 100 are over 1.44 %, and not surely so; twenty of 1000 are.
  expect(pages(withErrors([[1, 2, 100]], none))).toBe(true);
  expect(pages(withErrors([[1, 2, 100]], { ...none, lowTraffic: { wilsonZ: 1.96 } }))).toBe(false);
  expect(pages(withErrors([[1, 80, 4000]], { ...none, lowTraffic: { wilsonZ: 1.96 } }))).toBe(true);
  // One bad slice among those that had traffic is all there was; of the sixty that passed it is one.
  const sliced = { ...none, objective: 0.99, slices: { lengthMs: minute, target: 0.5 } };
  const oneBad = [
    [200, 0, 1],
    [1, 1, 1],
  ] as const;
  expect(pages(withErrors(oneBad, sliced))).toBe(true);
  expect(pages(withErrors(oneBad, { ...sliced, missingData: "good" }))).toBe(false);
  const outage = [[200, 0, 1], ...Array.from({ length: 12 }, (_, at) => [at, 1, 1] as const)] as const;
  expect(pages(withErrors(outage, { ...sliced, missingData: "good" }))).toBe(true);
});

test("MO-44: probes are events: an outage that no customer meets pages", async () => {
  const clock = createManualClock(start);
  const sli = errorIndicator({ endpoint: "late" });
  await using monitor = openMonitor({ clock, slos: [defineSlo({ name: "available", objective: 0.999, sli })] });
  const severities: string[] = [];
  for (let at = 0; at < 90; at += 1) {
    await clock.advance(minute);
    monitor.count("available", at < 60 ? 1 : 0, 1);
    const alerts = await monitor.evaluate();
    if (alerts.length > 0)
      severities.push(
        `${at}: ${alerts
          .map(({ severity }) => severity)
          .toSorted()
          .join(" ")}`,
      );
  }
  // One of 60 in the last hour is over 1.44 %, as is one of the last five: the first probe that fails says so.
  expect(severities[0]).toBe("60: page ticket");
});

test("MO-45: an objective that nothing is seen of is absent, and its budget frozen", async () => {
  const slo = defineObjective({ name: "late", objective: 0.99, missingData: "alarm" });
  const never = createSloCounts(slo);
  expect(readObjective(slo, never, start)).toMatchObject({ state: "absent", total: 0 });
  const counts = createSloCounts(slo);
  for (let at = 0; at < 1440; at += 1) counts.add(start + at * minute, at < 60 ? 90 : 100, 100);
  const seen = start + 1439 * minute;
  expect(readBudget(slo, counts, seen).spent).toBe(600);
  const frozen = readBudget(slo, counts, seen + 60 * day);
  expect(frozen).toMatchObject({ frozen: true, spent: 600, total: 144_000, left: readBudget(slo, counts, seen).left });
  // Without the alarm the same silence heals everything.
  const ignored = { ...slo, missingData: "ignore" } as const;
  expect(readBudget(ignored, counts, seen + 60 * day)).toMatchObject({ frozen: false, total: 0, left: 1 });
  expect(readObjective(slo, counts, seen + 6 * minute).state).toBe("absent");
  expect(readObjective(slo, counts, seen + 3 * minute).state).not.toBe("absent");

  // An indicator that matches nothing, in the monitor: never 100 %, but an alert.
  const clock = createManualClock(start);
  const sli = errorIndicator({ endpoint: "no-such-endpoint" });
  await using monitor = openMonitor({
    clock,
    slos: [defineSlo({ name: "available", objective: 0.999, sli, missingData: "alarm" })],
  });
  const alerts = await monitor.evaluate();
  expect(alerts.map(({ name, severity, summary }) => [name, severity, summary])).toEqual([
    ["available-absent", "page", "Nothing is seen of available: that is not 100 %."],
  ]);
  monitor.count("available", 10, 10);
  expect(await monitor.evaluate()).toEqual([]);
});

test("MO-45: silence is good, bad or nothing, as the objective says", () => {
  const hourAgo = Array.from({ length: 60 }, (_, at) => [60 + at, 0, 10] as const);
  const states = (["ignore", "good", "bad", "alarm"] as const).map((missingData) => {
    const { state, rows } = withErrors(hourAgo, { missingData });
    return [missingData, state, rows.map((row) => row.state).join(" "), rows[0]!.longBurnRate];
  });
  expect(states).toEqual([
    ["ignore", "no-data", "unknown unknown ok", Number.NaN],
    ["good", "ok", "ok ok ok", 0],
    ["bad", "burning", "firing firing firing", expect.closeTo(1000, 6)],
    ["alarm", "absent", "unknown unknown ok", Number.NaN],
  ]);
});

/** The minutes, counted from the first with errors as 1, in which a row fires. */
function firingMinutes(badMinutes: number, options: Parameters<typeof defineObjective>[0]): readonly number[] {
  const slo = defineObjective(options);
  const counts = createSloCounts(slo, { bucketMs: minute });
  const minutes: number[] = [];
  for (let at = -120; at < 180; at += 1) {
    counts.add(start + at * minute, at >= 0 && at < badMinutes ? 900 : 1000, 1000);
    if (readObjective(slo, counts, start + at * minute).rows[0]!.state === "firing") minutes.push(at + 1);
  }
  return minutes;
}

test("MO-46: a burn rate over 2 for an hour fires in the 61st minute, and not on a spike of 50", () => {
  const simple = { name: "late", objective: 0.99, profile: sustainedProfile() };
  expect(firingMinutes(50, simple)).toEqual([]);
  expect(firingMinutes(120, simple)[0]).toBe(61);
  // The last five minutes go on burning for four after the errors end.
  expect(firingMinutes(120, simple).at(-1)).toBe(124);
});

test("MO-46: a P99 over its objective for ten minutes pages, and for nine does not", () => {
  const latency = { name: "late", objective: 0.99, profile: sustainedLatencyProfile({ windowMs: minute }) };
  expect(firingMinutes(10, latency)).toEqual([]);
  expect(firingMinutes(30, latency)[0]).toBe(11);
});

test("an indicator that names an endpoint is asked about its predictions alone, and gauges are of objectives that rest too", async () => {
  const clock = createManualClock(start);
  const asked: string[] = [];
  const classify = ({ endpoint }: { readonly endpoint: string }) => {
    asked.push(endpoint);
    return true;
  };
  const set: (readonly [number, string | undefined])[] = [];
  const meter: Meter = {
    ...silentMeter,
    gauge: (name) => ({
      set: (value, labels) => void (name.endsWith("_left") && set.push([value, labels?.["slo"]])),
    }),
  };
  const slos = [
    defineSlo({ name: "one", objective: 0.9, sli: { subject: "endpoint/late", endpoint: "late", classify } }),
    defineSlo({ name: "all", objective: 0.9, sli: { subject: "endpoint", classify } }),
    defineSlo({ name: "errors", objective: 0.9, sli: errorIndicator({ endpoint: "late" }) }),
  ];
  await using monitor = openMonitor({ clock, slos, meter });
  for (const endpoint of ["late", "other", "late"])
    monitor.capture({
      requestId: `r${asked.length}`,
      endpoint,
      variant: "main",
      model: { name: endpoint, digest: digestOf("v1") },
      timeMs: clock.nowMs(),
      latencyMs: 1,
    });
  await monitor.flush();
  expect(asked.toSorted()).toEqual(["late", "late", "late", "late", "other"]);
  for (let round = 0; round < 3; round += 1) {
    await monitor.evaluate();
    await clock.advance(minute);
  }
  expect(set).toEqual(
    Array.from({ length: 3 }, () => [
      [1, "one"],
      [1, "all"],
      [1, "errors"],
    ]).flat(),
  );
  expect([monitor.slo("one").total, monitor.slo("all").total, monitor.slo("errors").total]).toEqual([2, 3, 2]);
});
