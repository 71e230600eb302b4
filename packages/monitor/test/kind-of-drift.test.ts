import { createRandom, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { type DriftKind, kindOfDrift, type OutcomeWindow } from "../src/drift.ts";

type Case = "none" | "covariate" | "prior" | "concept";
const rows = 1500;
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
/** Two bells a class: P(y = 1 | x) is logistic in the sum of both columns. */
const scoreOf = (a: number, b: number): number => logistic(1.6 * a + 1.2 * b);

/** The model is right before the drift; what changes is said by the case. */
function world(random: Random, which: Case): OutcomeWindow {
  const [a, b, noise] = [0, 1, 2].map(() => new Float64Array(rows)) as [Float64Array, Float64Array, Float64Array];
  const [predictions, labels] = [new Float64Array(rows), new Float64Array(rows)];
  for (let row = 0; row < rows; row += 1) {
    const y = random.next() < (which === "prior" ? 0.68 : 0.5) ? 1 : 0;
    // Given y, both columns are normal about ±0.8 and ±0.6 with variance 1: the posterior is exactly `scoreOf` at equal priors.
    a[row] = random.normal() + (y === 1 ? 0.8 : -0.8) + (which === "covariate" ? 0.6 : 0);
    b[row] = random.normal() + (y === 1 ? 0.6 : -0.6);
    noise[row] = random.normal();
    const score = scoreOf(a[row] as number, b[row] as number);
    predictions[row] = score;
    // Moved features need labels by P(y | x); another concept lets the second column speak the other way.
    if (which === "covariate") labels[row] = random.next() < score ? 1 : 0;
    else if (which === "concept") labels[row] = random.next() < scoreOf(a[row] as number, -(b[row] as number)) ? 1 : 0;
    else labels[row] = y;
  }
  return { features: batchOf({ a, b, noise }), predictions, labels };
}

const named: Readonly<Record<Case, number>> = { none: 0, covariate: 0, prior: 0, concept: 0 };

test("MO-13: drift of features, of labels and of the concept, and none, are told apart for at least 95 of 100 seeds each", () => {
  const right: Record<string, number> = { ...named };
  for (const which of Object.keys(named) as Case[]) {
    for (let seed = 0; seed < 100; seed += 1) {
      const random = createRandom(seed).fork(which);
      const { kind } = kindOfDrift(world(random, "none"), world(random, which));
      if (kind === (which satisfies DriftKind)) right[which] = (right[which] ?? 0) + 1;
    }
  }
  for (const [which, count] of Object.entries(right))
    expect({ which, enough: count >= 95, count }).toMatchObject({ enough: true });
});

test("drift of predictions is told beside, and without labels nobody knows which kind it is", () => {
  const random = createRandom(3);
  const [reference, prior] = [world(random, "none"), world(random, "prior")];
  expect(kindOfDrift(reference, prior)).toMatchObject({ kind: "prior", predictionDrift: true });
  const { labels: _, ...unlabelled } = prior;
  expect(kindOfDrift(reference, unlabelled)).toMatchObject({ kind: "unlabelled", predictionDrift: true });
  const late = {
    ...prior,
    labels: Float64Array.from(prior.labels ?? [], (label, row) => (row < 100 ? label : Number.NaN)),
  };
  expect(kindOfDrift(reference, late).kind).toBe("unlabelled");
  expect(kindOfDrift(reference, { features: batchOf({ a: [1], b: [1], noise: [1] }), predictions: [0.5] }).kind).toBe(
    "not-enough-data",
  );
});

test("labels that are numbers and columns of texts do as well", () => {
  const random = createRandom(5);
  const window = (turn: number): OutcomeWindow => {
    const x = Float64Array.from({ length: 1000 }, () => random.normal());
    const place = Array.from({ length: 1000 }, () => (random.next() < 0.3 ? "north" : "south"));
    return {
      features: batchOf({ x, place }),
      predictions: x,
      labels: x.map((value) => turn * value + random.normal()),
    };
  };
  expect(kindOfDrift(window(1), window(1)).kind).toBe("none");
  expect(kindOfDrift(window(1), window(0.2))).toMatchObject({ kind: "concept", predictionDrift: false });
});

test("sides that do not fit are refused by code", () => {
  const reference = world(createRandom(1), "none");
  const code = "MONITOR_ROWS_INVALID";
  expect(() => kindOfDrift(reference, { ...reference, predictions: [1] })).toThrow(expect.objectContaining({ code }));
  expect(() => kindOfDrift(reference, { ...reference, features: batchOf({ a: new Float64Array(rows) }) })).toThrow(
    /no column "b"/,
  );
  expect(() => kindOfDrift(reference, reference, { alpha: 0 })).toThrow(/alpha/);
});
