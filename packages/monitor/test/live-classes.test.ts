import {
  type CapturedLabel,
  type CapturedPrediction,
  createManualClock,
  createRandom,
  digestOf,
} from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { type Monitor, openMonitor, qualityAlert, type QualityMetric } from "@millwright/monitor";
import { type ClassesMetric, scoreClasses } from "@millwright/monitor/quality";
import { expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const classes = ["on time", "late", "cancelled", "never"] as const;
const quality = { flight: { output: "class", kind: "classes", classes, top: 2, segments: ["carrier"] } } as const;

interface Row {
  readonly prediction: CapturedPrediction;
  readonly label: CapturedLabel;
  readonly truth: string;
  readonly probabilities: readonly number[];
  readonly carrier: string;
}

/** Probabilities that are right as often as they say, moved towards chance by `blur`. The last class is never true, and seldom answered. */
function rowsOf(count: number, variant: string, blur: number, seed: number): readonly Row[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, index): Row => {
    const raw = [Math.exp(random.normal()), Math.exp(random.normal()), Math.exp(random.normal())];
    const all = raw.reduce((sum, each) => sum + each, 0);
    const right = raw.map((each) => each / all);
    const draw = random.next();
    const truth = classes[draw < right[0]! ? 0 : draw < right[0]! + right[1]! ? 1 : 2]!;
    const other = [1, 2, 0];
    const blurred = right.map((each, at) => (1 - blur) * each + blur * right[other[at] as number]!);
    const probabilities = [...blurred.map((each) => each * 0.99), 0.01];
    const carrier = ["AA", "UA"][index % 2]!;
    const requestId = `${variant} ${index}`;
    return {
      truth,
      probabilities,
      carrier,
      label: { requestId, value: truth, timeMs: start + 5000 },
      prediction: {
        requestId,
        endpoint: "flight",
        variant,
        model: { name: "flight", digest: digestOf(variant) },
        timeMs: start + index,
        latencyMs: 5,
        features: batchOf({ carrier: [carrier] }),
        outputs: { class: { dtype: "float64", shape: [1, 4], data: Float64Array.from(probabilities) } },
      },
    };
  });
}

const offline = (rows: readonly Row[], resamples = 0) =>
  scoreClasses(
    rows.map(({ truth }) => truth),
    rows.map(({ probabilities }) => classes[probabilities.indexOf(Math.max(...probabilities))]!),
    { classes, probabilities: rows.flatMap(({ probabilities }) => probabilities), top: 2, resamples },
  );

function feed(monitor: Monitor, rows: readonly Row[], part: (index: number) => boolean = () => true): void {
  for (const [index, { prediction, label }] of rows.entries()) {
    if (!part(index)) continue;
    monitor.capture(prediction);
    // Known wrongly at first.
    if (index % 4 === 0) monitor.label({ ...label, value: "cancelled", timeMs: label.timeMs - 1000 });
    monitor.label(label);
  }
}

const counted = [
  "accuracy",
  "balancedAccuracy",
  "mcc",
  "kappa",
  "precisionMacro",
  "recallMacro",
  "f1Macro",
  "f1Micro",
  "precisionWeighted",
  "recallWeighted",
  "f1Weighted",
  "topAccuracy",
] as const satisfies readonly ClassesMetric[];

test("live quality of many classes is that of the same answers offline: counts to the bit, losses to rounding, segments too, corrected, merged and after a restart", async () => {
  const clock = createManualClock(start);
  const rows = rowsOf(1500, "main", 0.2, 51);
  await using whole = openMonitor({ clock, quality });
  await using one = openMonitor({ clock, quality });
  await using two = openMonitor({ clock, quality });
  feed(whole, rows);
  feed(one, rows, (index) => index % 3 === 0);
  feed(two, rows, (index) => index % 3 !== 0);
  const states = [one, two].map((each) => JSON.parse(JSON.stringify(each.state())) as unknown);
  await using merged = openMonitor({ clock, quality });
  for (const [index, state] of states.entries()) merged.merge(String(index), state);
  await using resumed = openMonitor({ clock, quality, state: states[0] });
  feed(resumed, rows, (index) => index % 3 !== 0);
  for (const monitor of [whole, merged, resumed]) {
    const found = monitor.read("flight", "main").quality;
    expect(found).toMatchObject({ predictions: 1500, labels: 1500, coverage: 1 });
    const all = offline(rows);
    const inSegments = ["AA", "UA"].map(
      (carrier) =>
        [found.segments["carrier"]![carrier]!, offline(rows.filter((row) => row.carrier === carrier))] as const,
    );
    for (const [live, wanted] of [[found, all] as const, ...inSegments]) {
      expect(live.classes!.confusion).toEqual(wanted.confusion);
      expect(live.classes!.rows).toBe(wanted.rows);
      for (const metric of counted)
        expect(live.classes!.metrics[metric].value, metric).toBe(wanted.metrics[metric].value);
      expect(live.classes!.metrics.accuracy).toEqual(wanted.metrics.accuracy);
      expect(live.accuracy).toEqual(wanted.metrics.accuracy);
      expect(live.classes!.metrics.logLoss.value).toBeCloseTo(wanted.metrics.logLoss.value, 9);
      for (const [at, each] of wanted.classes.entries())
        expect(live.classes!.classes[at]).toEqual({ ...each, auc: Number.NaN });
      expect(live.meanActual).toBeCloseTo(wanted.metrics.accuracy.value, 12);
    }
  }
});

test("labels after a restart count for the class of their name, in whatever order classes are named now", async () => {
  const clock = createManualClock(start + 10_000);
  const rows = rowsOf(2, "main", 0, 11);
  const answer = (at: number, probabilities: readonly number[]): CapturedPrediction => ({
    ...rows[at]!.prediction,
    outputs: { class: { dtype: "float64", shape: [1, 4], data: Float64Array.from(probabilities) } },
  });
  await using before = openMonitor({ clock, quality });
  before.capture(answer(0, [0.7, 0.1, 0.1, 0.1]));
  before.label({ ...rows[0]!.label, value: "late" });
  const state: unknown = JSON.parse(JSON.stringify(before.state()));
  const turned = { flight: { ...quality.flight, classes: classes.toReversed() } };
  await using after = openMonitor({ clock, quality: turned, state });
  after.capture(answer(1, [0.1, 0.1, 0.1, 0.7]));
  after.label({ ...rows[1]!.label, value: "late" });
  const { classes: names, confusion } = after.read("flight", "main").quality.classes!;
  const at = (name: string): number => names.findIndex((each) => each.name === name);
  expect(confusion[at("late")]![at("on time")]).toBe(2);
});

test("intervals of functions of the confusion matrix are as wide as those of the bootstrap over rows", async () => {
  const rows = rowsOf(1500, "main", 0.2, 52);
  await using monitor = openMonitor({ clock: createManualClock(start), quality });
  feed(monitor, rows);
  const live = monitor.read("flight", "main").quality.classes!.metrics;
  const drawn = offline(rows, 1000).metrics;
  for (const metric of [
    "mcc",
    "kappa",
    "balancedAccuracy",
    "precisionMacro",
    "recallWeighted",
    "f1Macro",
    "f1Weighted",
  ] as const) {
    const [a, b] = [live[metric], drawn[metric]];
    expect([metric, a.interval, b.interval]).toEqual([metric, "delta", "bootstrap"]);
    // A bootstrap of 1,000 samples is itself 3 to 5 % off.
    expect(Math.abs((a.high - a.low) / (b.high - b.low) - 1), metric).toBeLessThan(0.15);
    expect(Math.abs(a.low - b.low)).toBeLessThan(0.2 * (b.high - b.low));
  }
});

test("a variant that is worse at many classes is told of by each metric, one that is as good is not", async () => {
  const metrics: readonly QualityMetric[] = [
    "logLoss",
    "brier",
    "accuracy",
    "f1Macro",
    "mcc",
    "kappa",
    "balancedAccuracy",
    "topAccuracy",
    "recallWeighted",
  ];
  const rules = metrics.map((metric) => qualityAlert({ endpoint: "flight", metric, name: metric }));
  await using monitor = openMonitor({ clock: createManualClock(start), quality, rules });
  feed(monitor, rowsOf(2500, "main", 0, 53));
  feed(monitor, rowsOf(2500, "same", 0, 54));
  feed(monitor, rowsOf(2500, "worse", 1, 55));
  const fired = (await monitor.evaluate()).map(({ name, subject }) => `${name} ${subject}`);
  expect(fired.toSorted()).toEqual(metrics.map((name) => `${name} endpoint/flight/variant/worse`).toSorted());
});

test("labels and outputs that are of no class are invalid or unmatched, and classes that cannot be told apart are refused", async () => {
  const clock = createManualClock(start);
  await using monitor = openMonitor({ clock, quality });
  const [row, other] = rowsOf(2, "main", 0, 56);
  monitor.capture(row!.prediction);
  monitor.capture({
    ...other!.prediction,
    outputs: { class: { dtype: "float64", shape: [1, 3], data: new Float64Array(3) } },
  });
  for (const label of [
    { ...row!.label, value: "diverted" },
    { ...row!.label, row: 1 },
    { ...row!.label, row: -1 },
    row!.label,
  ])
    monitor.label(label);
  expect(monitor.read("flight", "main").quality).toMatchObject({ predictions: 1, labels: 1 });
  expect(monitor.counts().labels).toMatchObject({ invalid: 1, unmatched: 2, joined: 1 });
  for (const wrong of [undefined, ["a"], ["a", "a"], Array.from({ length: 101 }, String)])
    expect(() => openMonitor({ quality: { flight: { output: "class", kind: "classes", classes: wrong } } })).toThrow(
      expect.objectContaining({ code: "MONITOR_QUALITY_INVALID" }),
    );
  expect(() =>
    openMonitor({ quality: { flight: { output: "class", kind: "classes", classes: ["a", "b"], top: 0 } } }),
  ).toThrow(expect.objectContaining({ code: "MONITOR_QUALITY_INVALID" }));
});
