import { createRandom, type Random } from "@millwright/contracts";
import { batchOf, toArray } from "@millwright/data";
import { expect, test } from "vitest";
import { kindOfDriftAlert } from "../src/drift.ts";
import { flipLabels, inject, shift } from "../src/injection.ts";
import { binomialBounds } from "./drift-windows.ts";
import { hourMs, openLive, start, viewOf, watched } from "./live-rows.ts";

const quality = { late: { output: "probability", kind: "binary" } } as const;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Rows with labels as the model says; `by` moves the inputs, `flipped` turns about so many of the labels. */
function asked(random: Random, rows: number, { by = 0, flipped = 0 } = {}) {
  const x = Float64Array.from({ length: rows }, () => random.normal());
  const moved = inject(batchOf({ x, place: Array.from(x, (each) => (each > 0 ? "east" : "west")) }), [shift("x", by)]);
  const scores = (toArray(moved.columns["x"]!) as number[]).map((each) => sigmoid(1.5 * each));
  const drawn = batchOf({ label: scores.map((score) => random.next() < score) });
  const labels = flipped === 0 ? drawn : inject(drawn, [flipLabels("label", flipped)], { seed: random.integer(1e6) });
  return { features: moved, scores, labels: (toArray(labels.columns["label"]!) as boolean[]).map(Number) };
}

test("labels that turn about where answers are alike are drift of the concept; inputs that move are not", async () => {
  const random = createRandom(51);
  const rule = watched(kindOfDriftAlert({ endpoint: "late", output: "probability", windowMs: 2 * hourMs }));
  const all = watched(
    kindOfDriftAlert({
      name: "any-kind",
      endpoint: "late",
      output: "probability",
      windowMs: 2 * hourMs,
      kinds: ["concept", "covariate", "prior"],
    }),
  );
  await using live = openLive([rule, all], { quality });
  const hour = (rows: ReturnType<typeof asked>, labels = true) =>
    live.hour(rows.features, rows.scores, labels ? rows.labels : []);
  await hour(asked(random, 400));
  expect(rule.last[0]).toMatchObject({ state: "unknown", summary: "0 earlier rows of the 200 that are needed." });
  for (let index = 0; index < 5; index += 1) await hour(asked(random, 400));
  expect(rule.last[0]).toMatchObject({ state: "ok", evidence: { samples: expect.any(Number) } });
  expect(await hour(asked(random, 800, { by: 0.8 }))).toEqual(["any-kind"]);
  expect(all.last[0]!.summary).toMatch(/^Drift of the kind covariate\. .*p: features /);
  expect(rule.last[0]!.state).toBe("ok");
  for (let index = 0; index < 3; index += 1) await hour(asked(random, 400));
  expect(await hour(asked(random, 1200, { flipped: 0.6 }))).toContain("kind-of-drift");
  expect(rule.last[0]!.summary).toContain("Drift of the kind concept");
  expect(rule.last[0]!.value).toBeGreaterThan(rule.last[0]!.threshold!);
});

test("without labels drift of the concept is not known, and a reference may take the place of earlier rows", async () => {
  const random = createRandom(52);
  const known = asked(random, 3000);
  const reference = { features: known.features, predictions: known.scores, labels: known.labels };
  const rule = watched(kindOfDriftAlert({ endpoint: "late", output: "probability", reference }));
  await using live = openLive([rule], { quality });
  const unlabelled = asked(random, 600);
  await live.hour(unlabelled.features, unlabelled.scores);
  expect(rule.last[0]).toMatchObject({ state: "unknown" });
  expect(rule.last[0]!.summary).toContain("Too few labels came to tell drift of the concept.");
  const wrong = asked(random, 1500, { flipped: 0.5 });
  const wider = { length: 1500, columns: { ...wrong.features.columns, y: batchOf({ y: wrong.scores }).columns["y"]! } };
  expect(await live.hour(wider, wrong.scores, wrong.labels)).toEqual(["kind-of-drift"]);
  expect(rule.last[0]!.summary).toContain("Left out, since one side has no such column: y.");
});

test("options out of range are refused", () => {
  const options = { endpoint: "late", output: "p" };
  for (const wrong of [{ alpha: 1 }, { bins: 1.5 }, { kinds: [] }, { kinds: ["none" as never] }, { historyMs: 0 }])
    expect(() => kindOfDriftAlert({ ...options, ...wrong })).toThrow(
      expect.objectContaining({ code: "MONITOR_RULE_INVALID" }),
    );
});

test("usual rows are called drift of any kind no more often than alpha says, of the concept far more seldom", () => {
  const random = createRandom(53);
  const [runs, alpha] = [300, 0.05];
  const kinds = ["concept", "covariate", "prior"] as const;
  const firing = { concept: 0, any: 0 };
  for (let run = 0; run < runs; run += 1) {
    const before = asked(random, 500);
    const now = asked(random, 500);
    const reference = { features: before.features, predictions: before.scores, labels: before.labels };
    const rows = { features: now.features, outputs: batchOf({ p: now.scores }), labels: now.labels };
    const fires = (options: object): boolean =>
      kindOfDriftAlert({ endpoint: "late", output: "p", reference, alpha, minimumChange: 0, ...options }).evaluate(
        viewOf(() => rows, start),
      )[0]!.state === "firing";
    if (fires({})) firing.concept += 1;
    if (fires({ kinds })) firing.any += 1;
  }
  expect(firing.any).toBeLessThanOrEqual(binomialBounds(alpha, runs)[1]);
  // Four questions share the risk.
  expect(firing.concept).toBeLessThanOrEqual(binomialBounds(alpha / 4, runs)[1]);
});
