import { createRandom, type Random } from "@millwright/contracts";
import { batchOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { estimatedQualityAlert, fitCbpe, fitDirectLoss, fitMulticlassCbpe } from "../src/estimation.ts";
import { inject, scale, shift } from "../src/injection.ts";
import { openLive, start, viewOf, watched } from "./live-rows.ts";

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** A model that answers with the true probability of a label, which is surer the farther `x` is from 0. */
function scored(random: Random, rows: number) {
  const x = Float64Array.from({ length: rows }, () => random.normal());
  const scores = x.map((each) => sigmoid(2 * each));
  return { features: batchOf({ x }), scores, labels: scores.map((score) => (random.next() < score ? 1 : 0)) };
}

const answersOf = (features: { readonly columns: object }): number[] =>
  (toArray((features as ReturnType<typeof batchOf>).columns["x"]!) as number[]).map((x) => sigmoid(2 * x));

test("a classifier that is unsurer than it was fires before a label comes, a usual one does not", async () => {
  const random = createRandom(31);
  const estimator = fitCbpe(scored(random, 4000));
  const rule = watched(
    estimatedQualityAlert({ endpoint: "late", estimator, output: "probability", windowMs: 7_200_000 }),
  );
  await using live = openLive([rule]);
  const few = scored(random, 100);
  await live.hour(few.features, [...few.scores]);
  expect(rule.last[0]).toMatchObject({ state: "unknown", summary: "100 answers of the 200 that are needed." });
  for (let hour = 0; hour < 4; hour += 1) {
    const { features, scores } = scored(random, 400);
    expect(await live.hour(features, [...scores])).toEqual([]);
    expect(rule.last[0]!.state).toBe("ok");
  }
  const weak = inject(scored(random, 600).features, [scale("x", 0.3)]);
  await live.hour(weak, answersOf(weak));
  expect(await live.hour(weak, answersOf(weak))).toEqual(["estimated-quality"]);
  const [found] = rule.last;
  expect(found).toMatchObject({ state: "firing", severity: "ticket" });
  expect(found!.value).toBeLessThan(found!.threshold!);
  expect(found!.summary).toMatch(/^The auc is estimated at 0\.\d+ .* without labels; .*Concept drift would not show\./);
});

test("what it cannot see it says: labels that turn about leave the estimate as it was", async () => {
  const random = createRandom(32);
  const estimator = fitCbpe(scored(random, 4000));
  const options = { endpoint: "late", estimator, output: "probability" } as const;
  const rule = watched(estimatedQualityAlert(options));
  const quality = { late: { output: "probability", kind: "binary" } } as const;
  await using live = openLive([rule], { quality });
  const { features, scores, labels } = scored(random, 600);
  const turned = Array.from(labels, (label) => 1 - label);
  expect(await live.hour(features, [...scores], turned)).toEqual([]);
  expect(rule.last[0]!.state).toBe("ok");
  expect(live.monitor.read("late", "main").quality.auc.value).toBeLessThan(0.5);
  expect(rule.last[0]!.summary).toContain("Concept drift would not show.");
});

test("a regression that is asked where it is bad fires, by the losses that its inputs foretell", async () => {
  const random = createRandom(33);
  const asked = (rows: number) => {
    const x = Float64Array.from({ length: rows }, () => random.normal());
    return {
      rows: batchOf({ x }),
      predictions: x,
      targets: x.map((each) => each + Math.exp(each / 2) * random.normal()),
    };
  };
  const estimator = fitDirectLoss(asked(4000), { metrics: ["mae", "rmse"] });
  const rules = (["mae", "rmse"] as const).map((metric) =>
    watched(estimatedQualityAlert({ name: metric, endpoint: "late", estimator, output: "probability", metric })),
  );
  await using live = openLive(rules);
  const usual = asked(600).rows;
  expect(await live.hour(usual, toArray(usual.columns["x"]!) as number[])).toEqual([]);
  expect(rules.map(({ last }) => last[0]!.state)).toEqual(["ok", "ok"]);
  const far = inject(asked(2000).rows, [shift("x", 1.5)]);
  expect(await live.hour(far, toArray(far.columns["x"]!) as number[])).toEqual(["mae", "rmse"]);
  expect(rules[0]!.last[0]!.value).toBeGreaterThan(rules[0]!.last[0]!.threshold!);
});

test("of several classes each has a column of scores", () => {
  const random = createRandom(34);
  const draw = (rows: number, sure: number) => {
    const labels: string[] = [];
    const columns = ["a", "b", "c"].map(() => new Float64Array(rows));
    for (let row = 0; row < rows; row += 1) {
      const odds = columns.map(() => Math.exp(sure * random.normal()));
      const sum = odds.reduce((total, each) => total + each, 0);
      odds.forEach((each, at) => (columns[at]![row] = each / sum));
      const drawn = random.next();
      labels.push(drawn < odds[0]! / sum ? "a" : drawn < (odds[0]! + odds[1]!) / sum ? "b" : "c");
    }
    return { scores: { a: columns[0]!, b: columns[1]!, c: columns[2]! }, labels };
  };
  const estimator = fitMulticlassCbpe(draw(3000, 2));
  const rule = estimatedQualityAlert({ endpoint: "late", estimator, output: "p", metric: "accuracy" });
  const judged = (sure: number) => {
    const { a, b, c } = draw(500, sure).scores;
    const outputs = batchOf({ "p[0]": a, "p[1]": b, "p[2]": c });
    return estimatedQualityAlert({ endpoint: "late", estimator, output: "p", metric: "accuracy" }).evaluate(
      viewOf(() => ({ outputs }), start),
    )[0]!.state;
  };
  expect(judged(2)).toBe("ok");
  expect(judged(0.8)).toBe("firing");
  expect(rule.evaluate(viewOf(() => ({ outputs: batchOf({ p: [1] }) }), start))[0]).toMatchObject({ state: "unknown" });
});

test("a limit of one's own, answers that are none, and options that do not fit", () => {
  const random = createRandom(35);
  const estimator = fitCbpe(scored(random, 2000));
  const state = (against: number, rows = 400): string => {
    const outputs = batchOf({ probability: scored(random, rows).scores });
    const options = { endpoint: "late", estimator, output: "probability", against } as const;
    return estimatedQualityAlert(options).evaluate(viewOf(() => ({ outputs }), start))[0]!.state;
  };
  // The area is about 0.87.
  expect([state(0.6), state(0.86, 300), state(0.99)]).toEqual(["ok", expect.stringMatching(/ok|unknown/), "firing"]);
  expect(state(0.89, 200)).toBe("unknown");
  const told = (outputs: Parameters<typeof batchOf>[0]) =>
    estimatedQualityAlert({ endpoint: "late", estimator, output: "probability" }).evaluate(
      viewOf(() => ({ outputs: batchOf(outputs) }), start),
    )[0]!;
  expect(told({ probability: Float64Array.from({ length: 300 }, () => 7) })).toMatchObject({ state: "unknown" });
  expect(told({ other: [1] }).summary).toContain('no output "probability", but other');
  const options = { endpoint: "late", estimator, output: "probability" } as const;
  const caller = fitDirectLoss(
    { rows: batchOf({ x: [1, 2, 3, 4] }), predictions: [1, 2, 3, 4], targets: [1, 2, 3, 5] },
    { lossModel: "caller", chunkRows: 2 },
  );
  for (const wrong of [{ metric: "mae" }, { against: Number.NaN }, { minimumRows: 0 }, { estimator: caller }] as const)
    expect(() => estimatedQualityAlert({ ...options, ...wrong })).toThrow(
      expect.objectContaining({ code: "MONITOR_RULE_INVALID" }),
    );
});

test("usual rows do not fire, whether they are as many as the reference's parts or far fewer", () => {
  const random = createRandom(36);
  let firing = 0;
  const [references, windows] = [15, 30];
  for (let reference = 0; reference < references; reference += 1) {
    const estimator = fitCbpe(scored(random, 2000), { random });
    for (let window = 0; window < windows; window += 1) {
      const outputs = batchOf({ probability: scored(random, window % 2 === 0 ? 200 : 50).scores });
      const options = { endpoint: "late", estimator, output: "probability", minimumRows: 50 } as const;
      if (estimatedQualityAlert(options).evaluate(viewOf(() => ({ outputs }), start))[0]!.state === "firing")
        firing += 1;
    }
  }
  // Three deviations, and on one side alone: 1 in 741 if both were normal and known.
  expect(firing).toBeLessThanOrEqual(3);
});
