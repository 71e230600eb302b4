import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  createEventCounts,
  createSloCounts,
  defineObjective,
  googleProfile,
  readBudget,
  readObjective,
} from "../src/slo.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const start = Date.UTC(2026, 0, 1);

interface Counted {
  readonly timeMs: number;
  readonly good: number;
  readonly total: number;
}

/** What the documentation promises, by a walk over all events. */
function byHand(
  events: readonly Counted[],
  windowMs: number,
  nowMs: number,
  bucketMs: number,
  fineMs: number,
  periodMs: number,
) {
  const bucketOf = (timeMs: number): number => Math.floor(timeMs / bucketMs);
  const newest = Math.max(...events.map(({ timeMs }) => bucketOf(timeMs)));
  const last = bucketOf(nowMs);
  let first = Math.max(
    last - Math.max(1, Math.round(windowMs / bucketMs)) + 1,
    newest - Math.ceil(periodMs / bucketMs),
  );
  if (first < newest - Math.ceil(fineMs / bucketMs)) first = Math.floor(first / 30) * 30;
  const within = events.filter(({ timeMs }) => bucketOf(timeMs) >= first && bucketOf(timeMs) <= last);
  return {
    good: within.reduce((sum, { good }) => sum + good, 0),
    total: within.reduce((sum, { total }) => sum + total, 0),
  };
}

test("windows are those of a walk over all events, in whatever order they came", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = createRandom(seed);
    const [bucketMs, periodMs] = [10_000, 2 * day];
    const fineMs = seed % 2 === 0 ? 6 * hour : 3 * day;
    const counts = createEventCounts({ periodMs, bucketMs, fineMs });
    const events: Counted[] = [];
    let now = start + random.integer(day);
    for (let round = 0; round < 120; round += 1) {
      now += random.next() < 0.05 ? random.integer(5 * hour) : random.integer(3 * minute);
      // Late by seconds as a rule, and sometimes by hours; never older than what is kept.
      const late = random.next() < 0.2 ? random.integer(Math.min(fineMs, periodMs) / 4) : random.integer(15_000);
      const total = 1 + random.integer(5);
      const event = { timeMs: Math.max(start, now - late), good: random.integer(total + 1), total };
      counts.add(event.timeMs, event.good, event.total);
      events.push(event);
      if (round % 3 !== 0) continue;
      const windowMs = [5 * minute, hour, 6 * hour, day, periodMs][random.integer(5)]!;
      const newest = Math.max(...events.map(({ timeMs }) => timeMs));
      const nowMs = Math.max(now, newest);
      const expected = byHand(events, windowMs, nowMs, bucketMs, Math.min(fineMs, periodMs), periodMs);
      expect(counts.totals(windowMs, nowMs), `seed ${seed}, round ${round}`).toEqual(expected);
    }
  }
});

test("events from the future count once it is that time, and a clock that jumps ahead and back loses nothing", () => {
  const counts = createEventCounts({ periodMs: 30 * day });
  for (let at = 0; at < 60; at += 1) counts.add(start + at * minute, 9, 10);
  const now = start + 59 * minute;
  counts.add(now + 400 * day, 0, 7);
  expect(counts.totals(hour, now)).toEqual({ good: 540, total: 600 });
  // The clock of the whole process is wrong for a while.
  expect(counts.totals(hour, now + 400 * day)).toEqual({ good: 0, total: 7 });
  counts.add(now + 400 * day, 0, 3);
  expect(counts.totals(hour, now + 400 * day)).toEqual({ good: 0, total: 10 });
  // And right again.
  counts.add(now + minute, 10, 10);
  expect(counts.totals(hour, now + minute)).toEqual({ good: 541, total: 600 });
  expect(counts.totals(30 * day, now + minute)).toEqual({ good: 550, total: 610 });
});

test("a silence longer than the period leaves nothing behind", () => {
  const counts = createEventCounts({ periodMs: day });
  for (let at = 0; at < 300; at += 1) counts.add(start + at * minute, 0, 1);
  counts.add(start + 3 * day, 1, 1);
  expect(counts.totals(day, start + 3 * day)).toEqual({ good: 1, total: 1 });
  expect(counts.totals(day, start + 9 * day)).toEqual({ good: 0, total: 0 });
});

test("10,000 labels that turn out otherwise leave counts exact", () => {
  const counts = createEventCounts({ periodMs: 30 * day, fineMs: 4 * day });
  for (let at = 0; at < 4000; at += 1) counts.add(start + at * minute, 10, 10);
  const random = createRandom(3);
  for (let at = 0; at < 10_000; at += 1) counts.add(start + random.integer(4000) * minute, -1, 0);
  const now = start + 3999 * minute;
  expect(counts.totals(4 * day, now)).toEqual({ good: 30_000, total: 40_000 });
});

test("state goes on where it was taken, as JSON, and refuses what is none", () => {
  const slo = defineObjective({ name: "late", objective: 0.99, slices: { lengthMs: minute, target: 0.9 } });
  const random = createRandom(5);
  const whole = createSloCounts(slo);
  let restarted = createSloCounts(slo);
  let now = start;
  for (let round = 0; round < 400; round += 1) {
    now += random.integer(30 * minute);
    const total = random.integer(20);
    const good = total - random.integer(Math.min(total, 3) + 1);
    const late = random.integer(1000);
    for (const counts of [whole, restarted]) counts.add(now - late, good, total);
    if (round % 40 === 0)
      restarted = createSloCounts(slo, {
        state: JSON.parse(JSON.stringify(restarted.state())) as ReturnType<typeof restarted.state>,
      });
    expect(readObjective(slo, restarted, now)).toEqual(readObjective(slo, whole, now));
    expect(readBudget(slo, restarted, now)).toEqual(readBudget(slo, whole, now));
  }
  const state = whole.state();
  const wrong: readonly unknown[] = [
    { ...state, formatVersion: 2 },
    { ...state, bucketMs: 5 },
    { ...state, fine: [[1, 2]] },
    { ...state, coarse: undefined },
    { ...state, lastMs: Number.NaN },
  ];
  for (const each of wrong)
    expect(() => createSloCounts(slo, { state: each as typeof state })).toThrow(
      expect.objectContaining({ code: "MONITOR_SLO_STATE_INVALID" }),
    );
});

test("alerts are those of the rule by hand, over many seeds of traffic and errors", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = createRandom(seed);
    const slo = defineObjective({
      name: "late",
      objective: 0.99,
      profile: googleProfile(),
      minimumEvents: random.integer(20),
      periodMs: 7 * day,
    });
    const counts = createSloCounts(slo, { bucketMs: minute });
    const events: Counted[] = [];
    let ratio = 0;
    for (let at = 0; at < 600; at += 1) {
      if (random.next() < 0.02) ratio = random.next() < 0.5 ? 0 : random.next() ** 3;
      const total = random.next() < 0.1 ? 0 : random.integer(12);
      const bad = Array.from({ length: total }, () => random.next()).filter((draw) => draw < ratio).length;
      const timeMs = start + at * minute;
      if (total > 0) {
        counts.add(timeMs, total - bad, total);
        events.push({ timeMs, good: total - bad, total });
      }
      if (at % 5 !== 0) continue;
      const within = (windowMs: number) =>
        events.filter((event) => event.timeMs > timeMs - windowMs && event.timeMs <= timeMs);
      const sums = (windowMs: number) =>
        within(windowMs).reduce(
          (sum, event) => ({ bad: sum.bad + event.total - event.good, total: sum.total + event.total }),
          { bad: 0, total: 0 },
        );
      const expected = slo.profile.map(({ longMs, shortMs, burnRate }) => {
        const [long, short] = [sums(longMs), sums(shortMs)];
        // In whole numbers: bad / total >= burn rate * 0.01.
        const over = ({ bad, total: all }: { readonly bad: number; readonly total: number }): boolean =>
          bad * 1000 >= Math.round(burnRate * 10) * all && all > 0;
        return over(long) && over(short) && long.total >= slo.minimumEvents;
      });
      expect(
        readObjective(slo, counts, timeMs).rows.map(({ state }) => state === "firing"),
        `seed ${seed}, minute ${at}`,
      ).toEqual(expected);
    }
  }
});
