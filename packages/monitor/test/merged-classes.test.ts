import { type CapturedPrediction, createManualClock, createRandom, digestOf, type Random } from "@millwright/contracts";
import { openMonitor } from "@millwright/monitor";
import { scoreClasses } from "@millwright/monitor/quality";
import { expect, test } from "vitest";
import { readQuality } from "../src/quality/quality.ts";
import { addOutcome, emptyQuality, mergeQuality, type QualitySums } from "../src/quality/quality-sums.ts";
import { rowOutcome } from "../src/quality/row-outcome.ts";

const scoring = { kind: "classes", threshold: 0.5 } as const;

interface Row {
  readonly truth: string;
  readonly answer: string;
  readonly inTop: boolean;
}

/** Sums of rows of an endpoint that names some of all classes, in an order of its own; some rows were known wrongly at first. */
function partOf(names: readonly string[], count: number, top: number, random: Random) {
  const sums = emptyQuality();
  const rows = Array.from({ length: count }, (): Row => {
    const scores = names.map(() => random.next());
    const count = (truth: number, sign: 1 | -1) => {
      const outcome = rowOutcome(scores, 0, truth, { classes: names, top })!;
      addOutcome(sums, { ...outcome, lagMs: 1, segments: [] }, scoring, sign);
      return outcome.classes!;
    };
    if (random.next() < 0.3) {
      const wrong = random.integer(names.length);
      count(wrong, 1);
      count(wrong, -1);
    }
    const { truth, answer, inTop } = count(random.integer(names.length), 1);
    return { truth: names[truth]!, answer: names[answer]!, inTop };
  });
  return { sums, rows };
}

const shuffled = (names: readonly string[], random: Random): readonly string[] =>
  names
    .map((name) => [random.next(), name] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, name]) => name);

/** In a random order, by a random tree. */
function mergeAtRandom(parts: readonly QualitySums[], random: Random): QualitySums {
  const left = [...parts];
  while (left.length > 1) {
    const [a] = left.splice(random.integer(left.length), 1);
    const at = random.integer(left.length);
    left[at] = random.next() < 0.5 ? mergeQuality(a!, left[at]!) : mergeQuality(left[at]!, a!);
  }
  return left[0]!;
}

test("however quality of many classes is merged, shares stay shares, and what the classes fit into is as unmerged", () => {
  const random = createRandom(71);
  let [beyond, within] = [0, 0];
  for (let run = 0; run < 30; run += 1) {
    const all = Array.from({ length: 5 + random.integer(245) }, (_, at) => `class ${at}`);
    const top = 1 + random.integer(6);
    const parts = Array.from({ length: 2 + random.integer(6) }, () => {
      const names = shuffled(all, random).slice(0, 2 + random.integer(Math.min(99, all.length - 1)));
      return partOf(names, random.integer(60) + 1, top, random);
    });
    const rows = parts.flatMap((part) => part.rows);
    const merged = mergeAtRandom(
      parts.map(({ sums }) => sums),
      random,
    );
    const { classes, accuracy, labels } = readQuality(merged);
    const { metrics, invalid } = classes!;
    expect(labels).toBe(rows.length);
    expect(metrics.topAccuracy.value).toBe(rows.filter(({ inTop }) => inTop).length / rows.length);
    expect(metrics.accuracy.value).toBe(rows.filter(({ truth, answer }) => truth === answer).length / rows.length);
    expect(accuracy).toEqual(metrics.accuracy);
    for (const [name, { value, low, high }] of Object.entries(metrics))
      for (const each of [value, ...(name.startsWith("top") || name === "accuracy" ? [low, high] : [])])
        if (name !== "logLoss" && !Number.isNaN(each)) expect(each, name).toBeLessThanOrEqual(1);
    const kept = new Set(classes!.classes.map(({ name }) => name));
    const inside = rows.filter(({ truth, answer }) => kept.has(truth) && kept.has(answer));
    expect(classes!.rows + invalid).toBe(rows.length);
    // Rows of a class that one merge left out before another had room for it are missing too.
    expect(classes!.rows).toBeLessThanOrEqual(inside.length);
    if (invalid > 0) {
      beyond += 1;
      continue;
    }
    within += 1;
    const wanted = scoreClasses(
      rows.map(({ truth }) => truth),
      rows.map(({ answer }) => answer),
      { classes: [...kept], resamples: 0 },
    );
    expect(classes!.confusion).toEqual(wanted.confusion);
    for (const metric of ["accuracy", "recallMacro", "f1Weighted", "mcc", "kappa"] as const)
      expect(metrics[metric].value, metric).toBe(wanted.metrics[metric].value);
  }
  expect(beyond).toBeGreaterThan(5);
  expect(within).toBeGreaterThan(5);
});

test("processes that name 180 classes between them tell of the accuracy of all, and how many rows their confusion leaves out", async () => {
  const clock = createManualClock(Date.UTC(2026, 0, 1));
  await using together = openMonitor({ clock });
  for (const process of ["a", "b", "c"]) {
    const classes = Array.from({ length: 60 }, (_, at) => `${process}${at}`);
    await using monitor = openMonitor({ clock, quality: { many: { output: "class", kind: "classes", classes } } });
    for (const [at, value] of classes.entries()) {
      const prediction: CapturedPrediction = {
        requestId: value,
        endpoint: "many",
        variant: "main",
        model: { name: "many", digest: digestOf("many") },
        timeMs: clock.nowMs(),
        latencyMs: 5,
        outputs: {
          class: { dtype: "float64", shape: [1, 60], data: Float64Array.from(classes, (_, each) => +(each === at)) },
        },
      };
      monitor.capture(prediction);
      monitor.label({ requestId: value, value, timeMs: clock.nowMs() });
    }
    together.merge(process, JSON.parse(JSON.stringify(monitor.state())));
  }
  const { labels, accuracy, classes } = together.read("many", "main").quality;
  expect(labels).toBe(180);
  expect(accuracy).toMatchObject({ value: 1, high: 1 });
  expect(classes!.metrics.topAccuracy).toMatchObject({ value: 1, high: 1 });
  expect(classes).toMatchObject({ rows: 100, invalid: 80 });
});
