import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { createQualityBudget } from "../src/slo.ts";

const day = 86_400_000;
const start = Date.UTC(2026, 0, 1);

test("MO-48: labels seven days late turn a provisional budget final, and spend nothing twice", () => {
  const random = createRandom(11);
  const budget = createQualityBudget({ name: "late-accuracy", objective: 0.9 });
  const answers = Array.from({ length: 20_000 }, (_, at) => {
    const confidence = 0.7 + 0.3 * random.next();
    return { id: `r${at}`, timeMs: start + at * 20_000, confidence, right: random.next() < confidence };
  });
  for (const { id, timeMs, confidence } of answers) budget.predicted(id, timeMs, confidence);
  const wrong = answers.filter(({ right }) => !right).length;
  const asked = start + 20_000 * 20_000;
  const before = budget.status(asked);
  expect(before).toMatchObject({
    state: "provisional",
    total: 20_000,
    labelled: 0,
    wrong: 0,
    allowed: expect.closeTo(2000, 6) as number,
  });
  expect(before.spent.low).toBeLessThan(wrong);
  expect(before.spent.high).toBeGreaterThan(wrong);
  // The bounds are those of a sum of independent answers.
  const deviation = Math.sqrt(answers.reduce((sum, { confidence }) => sum + confidence * (1 - confidence), 0));
  expect(before.spent.high - before.spent.low).toBeCloseTo(2 * 1.96 * deviation, 6);
  // Labels come seven days late, in any order, some twice, some corrected.
  let previous = before.spent.high - before.spent.low;
  for (const [at, { id, right }] of answers.toSorted((a, b) => (a.id < b.id ? -1 : 1)).entries()) {
    if (at % 10 === 0) expect(budget.labelled(id, !right)).toBe(true);
    expect(budget.labelled(id, right)).toBe(true);
    if (at % 7 === 0) expect(budget.labelled(id, right)).toBe(true);
    if (at % 4000 !== 3999) continue;
    const status = budget.status(asked + 7 * day);
    expect(status.total).toBe(20_000);
    expect(status.labelled).toBe(at + 1);
    expect(status.spent.high - status.spent.low).toBeLessThan(previous);
    previous = status.spent.high - status.spent.low;
  }
  const after = budget.status(asked + 7 * day);
  expect(after).toMatchObject({
    state: "final",
    labelled: 20_000,
    wrong,
    spent: { estimate: wrong, low: wrong, high: wrong },
  });
  expect(after.exhausted).toBe(wrong >= 2000 ? "yes" : "no");
  expect(budget.labelled("never-asked", true)).toBe(false);
  // What leaves the period takes what it spent along.
  expect(budget.status(start + 60 * day)).toMatchObject({ state: "no-data", total: 0, wrong: 0 });
});

test("MO-48: the bounds hold the true number of wrong answers as often as they say, before any label", () => {
  let [held, tried] = [0, 0];
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = createRandom(seed);
    const budget = createQualityBudget({ name: "late", objective: 0.9 });
    let wrong = 0;
    for (let at = 0; at < 300; at += 1) {
      const confidence = random.next();
      budget.predicted(`r${at}`, start + at, confidence);
      if (random.next() >= confidence) wrong += 1;
    }
    const { low, high } = budget.status(start + 300).spent;
    tried += 1;
    if (wrong >= low && wrong <= high) held += 1;
  }
  // Of 400 at 95 %: fewer than 363 or more than 394 have a probability below 0.1 %.
  expect(tried).toBe(400);
  expect(held).toBeGreaterThanOrEqual(363);
  expect(held).toBeLessThanOrEqual(394);
});

test("MO-48: whether a budget is exhausted is unknown while the bounds say both, and a doubt of the confidences widens them", () => {
  const options = { name: "late", objective: 0.9 };
  const [plain, doubting] = [createQualityBudget(options), createQualityBudget({ ...options, miscalibration: 0.05 })];
  for (let at = 0; at < 1000; at += 1)
    for (const each of [plain, doubting]) each.predicted(`r${at}`, start + at, at < 990 ? 0.92 : 0.5);
  expect(plain.status(start + 1000)).toMatchObject({
    exhausted: "unknown",
    spent: { estimate: expect.closeTo(84.2, 6) as number },
  });
  const [a, b] = [plain, doubting].map((each) => each.status(start + 1000).spent) as [
    ReturnType<typeof plain.status>["spent"],
    ReturnType<typeof plain.status>["spent"],
  ];
  expect(b.high - a.high).toBeCloseTo(50, 6);
});
