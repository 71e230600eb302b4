import {
  type Clock,
  createManualClock,
  createRandom,
  type Meter,
  type Random,
  silentLogger,
  silentMeter,
} from "@millwright/contracts";
import { openMemoryEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { createAlerting } from "../src/alerts/alert-control.ts";
import type { RuleFindings } from "../src/alerts/alert-record.ts";
import { createEvaluator } from "../src/alerts/evaluator.ts";
import { createEventOutbox } from "../src/alerts/monitor-events.ts";
import { absenceOf } from "../src/alerts/objective-gauges.ts";
import { createWindowBook } from "../src/capture/window-book.ts";
import { createMeter, defineSlo, googleProfile, type Slo, slothProfile } from "../src/index.ts";
import { createObjectiveScreen, type ObjectiveScreen } from "../src/slo/objective-screen.ts";
import { sustainedProfile } from "../src/slo.ts";
import { eventsOf } from "./alert-setting.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const everything = ["alert.*", "slo.*"];
const startMs = Date.UTC(2026, 0, 30, 20);

const quick = googleProfile().map((row) => ({
  ...row,
  longMs: row.longMs / 12,
  shortMs: Math.max(minute, row.shortMs / 12),
}));

/** Objectives of all kinds: some that may rest, and some that may not. */
function slosOf(random: Random): Slo[] {
  const one = <Item>(...items: Item[]): Item => items[random.integer(items.length)] as Item;
  return Array.from({ length: 24 }, (_, at) => {
    const profile = one(
      googleProfile(),
      slothProfile(),
      quick,
      quick,
      sustainedProfile({ forMs: one(0, 10, 60) * minute }),
    );
    const longest = Math.max(...profile.map(({ longMs, forMs = 0 }) => Math.max(longMs, forMs)));
    const isCalendar = random.next() < 0.25 && longest < day;
    return defineSlo({
      name: `slo-${at}`,
      objective: one(0.9, 0.95, 0.99, 0.999),
      profile,
      minimumEvents: one(0, 1, 10, 40),
      missingData: random.next() < 0.1 ? one("good", "bad") : one(undefined, "ignore", "alarm"),
      missingAfterMs: one(undefined, undefined, 2 * minute, 30 * minute),
      periodMs: isCalendar ? undefined : longest + one(0, 5 * minute, 50 * minute, 2 * hour, 20 * day, 20 * day),
      calendar: isCalendar ? { unit: one("day", "week", "month"), timeZone: one("UTC", "Europe/Berlin") } : undefined,
      slices: random.next() < 0.06 ? { lengthMs: minute, target: 0.9 } : undefined,
      lowTraffic: one(
        undefined,
        undefined,
        undefined,
        undefined,
        { growUntilEvents: 50 },
        { wilsonZ: 1.96 },
        { growUntilEvents: 30, growToMs: 2 * hour, wilsonZ: 1 },
      ),
      sli: {
        subject: `endpoint/e${at % 9}${at % 2 === 0 ? "" : "/variant/main"}`,
        classify: ({ errorCode }) => errorCode === undefined,
      },
    });
  });
}

/** A monitor's evaluation with what goes in and what comes out. */
function sideOf(slos: readonly Slo[], screenOf: typeof createObjectiveScreen, clock: Clock, meter: Meter) {
  const log = openMemoryEventLog({ clock });
  let silences = 0;
  const outbox = createEventOutbox(log, silentLogger);
  const policies = {
    "slo-1": { forMs: 3 * minute },
    "slo-2": { keepFiringMs: 5 * minute, coolDownMs: hour },
    [absenceOf("slo-3")]: { forMs: minute },
  };
  const alerting = createAlerting({
    options: { policies, correlateBy: ["alertname", "severity", "endpoint"] },
    rules: slos.flatMap(({ name }) => [{ name }, { name: absenceOf(name) }]),
    holdMs: hour,
    outbox,
    events: log,
    meter: silentMeter,
    logger: silentLogger,
    clock,
    ids: { next: () => `silence-${(silences += 1)}` },
  });
  let found: readonly RuleFindings[] = [];
  const apply: typeof alerting.apply = (all, nowMs, burnOf) => {
    found = all;
    return alerting.apply(all, nowMs, burnOf);
  };
  const book = createWindowBook({ windowMs: minute, fineMs: 2 * hour, retainMs: day });
  const evaluator = createEvaluator({
    book,
    alerting: { ...alerting, apply },
    outbox,
    slos,
    rules: [],
    logger: silentLogger,
    meter,
    clock,
    screenOf,
  });
  return { log, alerting, evaluator, found: () => found };
}

/** Reads every objective at every evaluation, as the rule is written. */
const readsAll: typeof createObjectiveScreen = () => ({
  take() {},
  wake() {},
  isQuiet: () => false,
  rest: () => false,
});

/** What a minute of traffic, of silence, of corrections or of a wrong clock counts. */
function traffic(
  random: Random,
  nowMs: number,
  errors: number,
  mood: number,
  halves: boolean,
): readonly (readonly [timeMs: number, good: number, total: number])[] {
  const chance = random.next();
  if (mood === 0 || chance < 0.3) return [];
  const total = mood === 1 ? 1 + random.integer(2) : 1 + random.integer(60);
  const bad = Array.from({ length: total }, () => random.next()).filter((draw) => draw < errors).length;
  const lateMs =
    chance < 0.34 ? random.integer(3 * hour) : chance < 0.37 ? -random.integer(3 * minute) : random.integer(8_000);
  const usual = [nowMs - lateMs, total - bad, total] as const;
  if (chance > 0.9998) return [usual, [nowMs + random.integer(3 * day), total - bad, total]];
  if (chance > 0.99) return [usual, [nowMs - random.integer(hour), -(total - bad), -total]];
  // Fractions of events are kept otherwise than whole ones.
  if (chance > 0.98) return [[nowMs, halves ? (total - bad) / 2 : total - bad, halves ? total / 2 : total]];
  return [usual];
}

/** Ids of events as places in their log, so that two logs can be compared. */
async function placesOf(log: ReturnType<typeof openMemoryEventLog>): Promise<ReadonlyMap<string, number>> {
  return new Map((await eventsOf(log, everything)).map(({ id }, at) => [id, at]));
}

const placed = (value: unknown, places: ReadonlyMap<string, number>): unknown =>
  JSON.parse(JSON.stringify(value), (_key, part: unknown) =>
    typeof part === "string" ? (places.get(part) ?? part) : part,
  );

test("objectives that rest are those that nothing is to be said of: findings, alerts and events are those of reading all at every evaluation", async () => {
  let [looks, rests, findings] = [0, 0, 0];
  const types = new Map<string, number>();
  for (let seed = 1; seed <= 4; seed += 1) {
    const random = createRandom(seed);
    const manual = createManualClock(startMs);
    let backMs = 0;
    const clock: Clock = { ...manual, nowMs: () => manual.nowMs() - backMs };
    const slos = slosOf(random);
    const counted: typeof createObjectiveScreen = (...given) => {
      const screen: ObjectiveScreen = createObjectiveScreen(...given);
      const isQuiet: ObjectiveScreen["isQuiet"] = (index, nowMs) => {
        looks += 1;
        const quiet = screen.isQuiet(index, nowMs);
        if (quiet) rests += 1;
        return quiet;
      };
      const rest: ObjectiveScreen["rest"] = (index, nowMs) => {
        const begins = screen.rest(index, nowMs);
        // From the first moment on.
        if (begins) expect(screen.isQuiet(index, nowMs)).toBe(true);
        return begins;
      };
      return { ...screen, isQuiet, rest };
    };
    const meter = createMeter();
    const [rule, screened] = [sideOf(slos, readsAll, clock, silentMeter), sideOf(slos, counted, clock, meter)];
    const both = [rule, screened] as const;
    const errors = slos.map(() => 0);
    const moods = slos.map(() => 2);
    let everyMs = 10_000;
    for (let round = 0; round < 600; round += 1) {
      if (random.next() < 0.02) everyMs = [10_000, 20_000, minute][random.integer(3)] as number;
      const jump = random.next();
      if (jump < 0.003) backMs += random.integer(2 * hour);
      else
        await manual.advance(
          jump < 0.006 ? random.integer(4 * hour) : jump < 0.0065 ? random.integer(40 * day) : everyMs,
        );
      const nowMs = clock.nowMs();
      for (const [at, { name, objective }] of slos.entries()) {
        // Most burn slower than allowed, some not at all, and now and then one burns.
        if (random.next() < 0.01)
          errors[at] =
            random.next() < 0.85 ? (1 - objective) * 0.5 * random.integer(2) * random.next() : random.next() ** 3;
        if (random.next() < 0.01) moods[at] = random.integer(4);
        for (const [timeMs, good, total] of traffic(
          random,
          nowMs,
          errors[at] as number,
          moods[at] as number,
          seed % 2 === 0,
        ))
          for (const { evaluator } of both) evaluator.count(name, good, total, timeMs);
      }
      if (random.next() < 0.004) {
        const told = slos.map(({ name }) => ({
          name,
          events: [[nowMs - random.integer(day), random.integer(50), 50 + random.integer(20)]] as const,
        }));
        const objectives = told.slice(random.integer(2) === 0 ? 0 : 12);
        const source = `other-${random.integer(2)}`;
        for (const { evaluator } of both) evaluator.put(source, objectives);
      }
      if (random.next() < 0.003) for (const { evaluator } of both) evaluator.startOver("e1", "main");
      if (random.next() < 0.005) {
        const match = { endpoint: `e${random.integer(9)}` };
        for (const { alerting } of both) await alerting.control.silence({ match, owner: "ops", untilMs: nowMs + hour });
      }
      const atMs = random.next() < 0.01 ? nowMs + (random.integer(3) - 1) * random.integer(hour) : nowMs;
      const open = rule.alerting.openRules();
      for (const { evaluator } of both) await evaluator.evaluate(atMs);
      const told = new Map(screened.found().map((each) => [each.rule, each]));
      const where = `seed ${seed}, round ${round}`;
      for (const each of rule.found()) {
        findings += 1;
        const found = told.get(each.rule);
        told.delete(each.rule);
        // Comparing texts first is a hundred times as fast.
        if (found !== undefined && JSON.stringify(found) !== JSON.stringify(each)) expect(found, where).toEqual(each);
        const isLeftOut =
          found === undefined && (open.has(each.rule) || each.findings?.some(({ state }) => state === "firing"));
        if (isLeftOut === true)
          expect.fail(`${where}: ${each.rule} is left out, though ${JSON.stringify(each.findings)}`);
      }
      if (told.size > 0) expect.fail(`${where}: ${[...told.keys()].join()} is found where nothing is`);
      if (round % 100 !== 0) continue;
      // Gauges are of all, and of the moment that they are read.
      const left = await meter.registry.getSingleMetric("millwright_monitor_budget_left")?.get();
      const readMs = clock.nowMs() + (atMs - nowMs);
      expect(left?.values.map(({ value, labels }) => [labels["slo"], value])).toEqual(
        slos.map(({ name }) => [name, rule.evaluator.slo(name, readMs).budgetLeft]),
      );
      const [ours, theirs] = [await placesOf(screened.log), await placesOf(rule.log)];
      expect(placed(screened.alerting.control.states(), ours), where).toEqual(
        placed(rule.alerting.control.states(), theirs),
      );
    }
    const [ours, theirs] = [await placesOf(screened.log), await placesOf(rule.log)];
    const events = await eventsOf(rule.log, everything);
    expect(placed(await eventsOf(screened.log, everything), ours), `seed ${seed}`).toEqual(placed(events, theirs));
    for (const { type } of events) types.set(type, (types.get(type) ?? 0) + 1);
  }
  expect(rests / looks).toBeGreaterThan(0.25);
  for (const type of ["slo.burning", "slo.recovered", "slo.exhausted", "alert.firing", "alert.resolved"])
    expect(types.get(type), type).toBeGreaterThan(30);
});
