import { type Batch, createRandom, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { sliceAlert } from "../src/slices.ts";
import { binomialBounds } from "./drift-windows.ts";
import { openLive, start, viewOf, watched } from "./live-rows.ts";

const quality = { late: { output: "probability", kind: "binary" } } as const;

interface Asked {
  readonly features: Batch;
  readonly scores: number[];
  readonly labels: number[];
}

/** Calibrated answers, but for rows of `bad`, whose labels turn about. */
function asked(random: Random, rows: number, bad?: string): Asked {
  const carriers = Array.from({ length: rows }, () => ["AA", "B6", "DL", "UA"][random.integer(4)]!);
  const km = Float64Array.from({ length: rows }, () => 500 + 200 * random.normal());
  const scores = Array.from({ length: rows }, () => 0.1 + 0.8 * random.next());
  const labels = scores.map((score, row) => {
    const truth = carriers[row] === bad && km[row]! > 500 ? 1 - score : score;
    return random.next() < truth ? 1 : 0;
  });
  return { features: batchOf({ carrier: carriers, km }), scores, labels };
}

test("a slice on which answers have become wrong is named once its labels came", async () => {
  const random = createRandom(41);
  const rule = watched(sliceAlert({ endpoint: "late", output: "probability" }));
  await using live = openLive([rule], { quality });
  const unlabelled = asked(random, 600);
  await live.hour(unlabelled.features, unlabelled.scores);
  expect(rule.last[0]).toMatchObject({ state: "unknown", summary: "0 labelled rows of the 500 that are needed." });
  const usual = asked(random, 1000);
  expect(await live.hour(usual.features, usual.scores, usual.labels)).toEqual([]);
  expect(rule.last[0]).toMatchObject({ state: "ok", value: 0 });
  for (let hour = 0; hour < 2; hour += 1) {
    const { features, scores, labels } = asked(random, 1500, "DL");
    await live.hour(features, scores, labels);
  }
  const [found] = rule.last;
  expect(found).toMatchObject({ state: "firing", severity: "ticket", subject: "endpoint/late/variant/main" });
  expect(found!.summary).toMatch(/^Of \d+ rows.* with labels: carrier is "DL" and km > \d+/);
  expect(found!.value).toBeGreaterThan(found!.threshold!);
  expect(found!.evidence!.samples).toBeGreaterThan(1000);
});

test("losses of one's own, labels that are texts, and options out of range", () => {
  const random = createRandom(42);
  const { features, scores, labels } = asked(random, 3000, "DL");
  const view = viewOf(
    () => ({ features, outputs: batchOf({ p: scores }), labels: labels.map((label) => (label === 1 ? "late" : "no")) }),
    start,
  );
  const loss = (answer: number, truth: number): number => (answer >= 0.5 === (truth === 1) ? 0 : 1);
  const options = { endpoint: "late", output: "p", positive: "late", loss };
  expect(sliceAlert(options).evaluate(view)[0]!.summary).toContain('carrier is "DL"');
  // A slice that is not so much worse does not matter.
  expect(sliceAlert({ ...options, minimumRatio: 10 }).evaluate(view)[0]!.state).toBe("ok");
  const none = sliceAlert({ ...options, loss: () => Number.NaN }).evaluate(view)[0]!;
  expect(none).toMatchObject({ state: "unknown" });
  for (const wrong of [{ alpha: 1 }, { minimumRatio: 0 }, { minimumLabels: 5 }, { windowMs: 0 }])
    expect(() => sliceAlert({ ...options, ...wrong })).toThrow(
      expect.objectContaining({ code: "MONITOR_RULE_INVALID" }),
    );
  expect(() => sliceAlert({ ...options, maxConditions: 4 })).toThrow(RangeError);
});

test("where no slice is worse, one is named no more often than alpha says", () => {
  const random = createRandom(43);
  const [runs, alpha] = [200, 0.05];
  let firing = 0;
  for (let run = 0; run < runs; run += 1) {
    const { features, scores, labels } = asked(random, 600);
    const view = viewOf(() => ({ features, outputs: batchOf({ p: scores }), labels }), start);
    const rule = sliceAlert({ endpoint: "late", output: "p", alpha, minimumRatio: 1, beamWidth: 5, maxConditions: 2 });
    if (rule.evaluate(view)[0]!.state === "firing") firing += 1;
  }
  expect(firing).toBeLessThanOrEqual(binomialBounds(alpha, runs)[1]);
});
