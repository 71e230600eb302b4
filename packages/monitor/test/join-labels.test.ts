import { type CapturedLabel, createRandom, type JsonObject } from "@millwright/contracts";
import {
  formatGroundTruth,
  joinLabels,
  type LabelledAnswers,
  labelCoverage,
  labelWeights,
  parseGroundTruth,
  pickRows,
  scoreBinary,
  scoreLabelled,
  scoreSegments,
} from "@millwright/monitor/quality";
import { expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const joinOptions = { output: "probability", kind: "binary", segments: ["carrier"] } as const;

interface Simulated {
  readonly captured: readonly JsonObject[];
  readonly truths: readonly number[];
  readonly scores: readonly number[];
  readonly carriers: readonly string[];
}

/** One row a request; the model is wrong for carrier B. */
function simulate(count: number, seed: number): Simulated {
  const random = createRandom(seed);
  const rows = Array.from({ length: count }, (_, index) => {
    const carrier = random.next() < 0.5 ? "A" : "B";
    const score = random.next();
    const truth = random.next() < (carrier === "A" ? score : 0.5 * score) ? 1 : 0;
    return { requestId: `r${index}`, timeMs: start + index * 1000, carrier, score, truth };
  });
  return {
    captured: rows.map(({ requestId, timeMs, carrier, score }) => ({
      formatVersion: 1,
      requestId,
      endpoint: "late",
      variant: "main",
      timeMs,
      features: { carrier: [carrier] },
      outputs: { probability: [score] },
    })),
    truths: rows.map(({ truth }) => truth),
    scores: rows.map(({ score }) => score),
    carriers: rows.map(({ carrier }) => carrier),
  };
}

function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  const random = createRandom(seed);
  return items
    .map((item) => ({ item, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

test("captured rows join labels of 30 days in any order, corrected, doubled, partial and unknown, as SageMaker writes them too", async () => {
  const { captured, truths, scores } = simulate(2000, 5);
  const random = createRandom(6);
  const labels: CapturedLabel[] = [];
  const wanted = new Map<number, number>();
  for (const [index, truth] of truths.entries()) {
    if (index % 4 === 0) continue;
    const requestId = `r${index}`;
    const timeMs = start + index * 1000 + random.next() * 30 * dayMs;
    labels.push({ requestId, value: truth, timeMs });
    if (index % 5 === 0) labels.push({ requestId, value: truth, timeMs });
    if (index % 7 === 0) labels.push({ requestId, value: 1 - truth, timeMs: timeMs + 1 });
    wanted.set(index, index % 7 === 0 ? 1 - truth : truth);
  }
  labels.push({ requestId: "nobody", value: 1, timeMs: start }, { requestId: "r1", row: 3, value: 1, timeMs: start });
  const truthOnTime = labels.map((label) => ({
    line: formatGroundTruth([{ ...label, row: 0 }]),
    timeMs: label.timeMs,
  }));
  expect(truthOnTime.flatMap(({ line, timeMs }) => parseGroundTruth(line, timeMs))).toEqual(
    labels.map(({ requestId, value, timeMs }) => ({ requestId, value, timeMs })),
  );
  for (const seed of [1, 2]) {
    // The second half stands twice: captured again after a retry.
    const joined = await joinLabels([...captured, ...captured.slice(1000)], shuffled(labels, seed), joinOptions);
    expect(joined.requestIds).toHaveLength(2000);
    expect(joined.counts).toMatchObject({ joined: 1500, unmatched: 2, invalid: 0 });
    for (const [row, id] of joined.requestIds.entries())
      expect(joined.truths[row]).toBe(wanted.get(Number(id.slice(1))) ?? Number.NaN);
    expect(labelCoverage(joined).coverage.value).toBe(0.75);
    const rows = [...wanted.keys()];
    const oracle = scoreBinary(
      rows.map((row) => wanted.get(row)!),
      rows.map((row) => scores[row]!),
      { resamples: 0 },
    );
    expect(scoreLabelled(joined, { resamples: 0 }).measured).toEqual(oracle);
  }
});

const labelsOf = ({ truths }: Simulated, chosen: (row: number) => boolean): CapturedLabel[] =>
  truths.flatMap((value, row) =>
    chosen(row) ? [{ requestId: `r${row}`, value, timeMs: start + row * 1000 + dayMs }] : [],
  );

const metricsOf = ["accuracy", "precision", "f1", "brier", "logLoss", "positiveShare"] as const;

test("MO-17: labels of a fifth of the answers, chosen by score and segment, are told of with coverage and lag, and weighting them brings every metric nearer to the truth", async () => {
  const sums = new Map<string, { plain: number; corrected: number }>();
  for (const seed of [1, 2, 3, 4]) {
    const world = simulate(6000, seed);
    const random = createRandom(100 + seed);
    // Who was answered with a high score is looked at, and hardly anybody of carrier B.
    const joined = await joinLabels(
      world.captured,
      labelsOf(world, (row) => random.next() < (world.carriers[row] === "A" ? 0.1 + 0.5 * world.scores[row]! : 0.05)),
      joinOptions,
    );
    const { coverage, measured, corrected, unreached } = scoreLabelled(joined, { resamples: 0 });
    expect(coverage.coverage.value).toBeGreaterThan(0.18);
    expect(coverage.coverage.value).toBeLessThan(0.22);
    expect(coverage.lag).toEqual({ median: dayMs, p90: dayMs, p99: dayMs, largest: dayMs });
    expect(coverage.selective).toBe(true);
    expect(coverage.warnings.map((warning) => /by (score|carrier) /.exec(warning)?.[1])).toEqual(["score", "carrier"]);
    expect(unreached).toBe(0);
    const truth = scoreBinary(world.truths, world.scores, { resamples: 0 });
    for (const name of metricsOf) {
      const sum = sums.get(name) ?? { plain: 0, corrected: 0 };
      sums.set(name, sum);
      sum.plain += Math.abs((measured as typeof truth).metrics[name].value - truth.metrics[name].value);
      sum.corrected += Math.abs((corrected as typeof truth).metrics[name].value - truth.metrics[name].value);
    }
  }
  for (const [name, { plain, corrected }] of sums) expect(corrected, name).toBeLessThan(plain / 2);
});

test("labels that come by chance raise no warning, and weighting them changes little", async () => {
  for (const seed of [7, 8, 9]) {
    const world = simulate(6000, seed);
    const random = createRandom(seed);
    const joined = await joinLabels(
      world.captured,
      labelsOf(world, () => random.next() < 0.2),
      joinOptions,
    );
    const { coverage, measured, corrected } = scoreLabelled(joined, { resamples: 0 });
    expect(coverage).toMatchObject({ selective: false, warnings: [] });
    expect(measured.metrics).toHaveProperty("brier");
    const brier = (each: typeof measured): number => (each.kind === "binary" ? each.metrics.brier.value : Number.NaN);
    expect(Math.abs(brier(measured) - brier(corrected))).toBeLessThan(0.005);
  }
});

test("weights of the labelled add up to the answers that are reached, whatever the groups", async () => {
  const world = simulate(500, 3);
  const joined = await joinLabels(
    world.captured,
    labelsOf(world, (row) => row % 10 === 0),
    joinOptions,
  );
  const { weights, unreached } = labelWeights(joined);
  expect(unreached).toBe(0);
  expect(weights.reduce((sum, each) => sum + each, 0)).toBeCloseTo(500, 9);
  const nobody = await joinLabels(world.captured, [], joinOptions);
  expect(labelWeights(nobody).unreached).toBe(1);
  expect(labelCoverage(nobody)).toMatchObject({ coverage: { value: 0 }, selective: false });
  expect(labelCoverage(nobody).warnings).toEqual(["Only 0 of 500 answers are labelled."]);
});

test("MO-18: segments are scored for themselves, the largest first", async () => {
  const world = simulate(1000, 12);
  const joined = await joinLabels(
    world.captured,
    labelsOf(world, () => true),
    joinOptions,
  );
  const segments = scoreSegments(joined.segments, (rows) =>
    scoreBinary(pickRows(joined.truths, rows), pickRows(joined.scores, rows), { resamples: 0 }),
  );
  expect(segments.map(({ segment }) => segment)).toEqual(["carrier", "carrier"]);
  expect(segments[0]!.rows).toBeGreaterThanOrEqual(segments[1]!.rows);
  for (const { value, rows, report } of segments) {
    const of = world.carriers.flatMap((carrier, row) => (carrier === value ? [row] : []));
    const wanted = scoreBinary(
      of.map((row) => world.truths[row]!),
      of.map((row) => world.scores[row]!),
      { resamples: 0 },
    );
    expect(rows).toBe(of.length);
    expect(report).toEqual(wanted);
  }
});

test("several rows a request, classes and regression join by row; the labels of one line of ground truth are the rows'", async () => {
  const captured = [
    {
      requestId: "a",
      timeMs: start,
      endpoint: "x",
      variant: "main",
      features: {},
      outputs: { "p[0]": [0.7, 0.1], "p[1]": [0.2, 0.3], "p[2]": [0.1, 0.6], y: [1, 2] },
    },
    {
      requestId: "b",
      timeMs: start,
      endpoint: "x",
      variant: "main",
      errorCode: "SERVING_MODEL_FAILED",
      features: {},
      outputs: {},
    },
  ];
  const classes = ["cat", "dog", "eel"];
  const line = {
    groundTruthData: { data: "cat,ignored\ndog\n", encoding: "CSV" },
    eventMetadata: { eventId: "a" },
    eventVersion: "0",
  };
  const labels = parseGroundTruth(JSON.stringify(line), start + 5);
  const joined: LabelledAnswers = await joinLabels(captured, labels, { output: "p", kind: "classes", classes });
  expect([Array.from(joined.scores), Array.from(joined.truths), Array.from(joined.lagsMs)]).toEqual([
    [0, 2],
    [0, 1],
    [5, 5],
  ]);
  const { measured } = scoreLabelled(joined, { resamples: 0 });
  expect(measured).toMatchObject({ kind: "classes", rows: 2, metrics: { accuracy: { value: 0.5 } } });
  const numbers = parseGroundTruth(
    JSON.stringify({ ...line, groundTruthData: { data: "MS41CjM=", encoding: "BASE64" } }),
    start,
  );
  const values = await joinLabels(captured, numbers, { output: "y", kind: "regression" });
  expect(Array.from(values.truths)).toEqual([1.5, 3]);
  expect(scoreLabelled(values, { resamples: 0 }).measured).toMatchObject({
    metrics: { meanAbsoluteError: { value: 0.75 } },
  });
  for (const wrong of ["{", "[]", '{"groundTruthData":{"data":"1","encoding":"XML"},"eventMetadata":{"eventId":"a"}}'])
    expect(() => parseGroundTruth(wrong, 0)).toThrow("Labels cannot be read");
});
