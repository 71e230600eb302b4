import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CapturedPrediction,
  createManualClock,
  createRandom,
  digestOf,
  type JsonObject,
} from "@millwright/contracts";
import { openArrowCapture, openArrowPredictions } from "@millwright/monitor/drivers/arrow";
import { expect, test } from "vitest";
import { type Monitor, type MonitorOptions, openMonitor, type QualityOptions } from "../src/index.ts";

const start = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const names = ["on time", "late", "cancelled", 7] as const;
type Name = (typeof names)[number] | "diverted";

const scoredBy = (classes: readonly Name[], more: Partial<QualityOptions> = {}) =>
  ({ flight: { output: "class", kind: "classes", classes, top: 2, ...more } }) as const;

interface Given {
  readonly at: number;
  readonly probabilities: ReadonlyMap<Name, number>;
  readonly truth: Name;
}

const random = createRandom(81);
const given = Array.from({ length: 240 }, (_, at): Given => {
  const raw = names.map((name) => [name, random.next()] as const);
  const all = raw.reduce((sum, [, each]) => sum + each, 0);
  return {
    at,
    probabilities: new Map(raw.map(([name, each]) => [name, each / all])),
    truth: names[random.integer(4)]!,
  };
});

/** The answer of a model that gives its classes in an order. */
function answerOf({ at, probabilities }: Given, classes: readonly Name[], model = "flight"): CapturedPrediction {
  const data = Float64Array.from(classes, (name) => probabilities.get(name) ?? 0);
  return {
    requestId: `r${at}`,
    endpoint: "flight",
    variant: "main",
    model: { name: model, digest: digestOf(model) },
    timeMs: start + at,
    latencyMs: 5,
    outputs: { class: { dtype: "float64", shape: [1, classes.length], data } },
  };
}

const labelOf = ({ at, truth }: Given, corrected = false) => ({
  requestId: `r${at}`,
  value: corrected ? names[(names.indexOf(truth as never) + 1) % 4]! : truth,
  timeMs: start + hourMs + (corrected ? 1 : 0),
});

const stateOf = (monitor: Monitor): unknown => JSON.parse(JSON.stringify(monitor.state()));

/** The confusion by names, and what counts only some of it. */
function read(monitor: Monitor) {
  const { classes, labels, logLoss, brier, coverage } = monitor.read("flight", "main").quality;
  const cells = (classes?.confusion ?? []).flatMap((line, truth) =>
    line.map(
      (count, answer) => [`${classes!.classes[truth]!.name} as ${classes!.classes[answer]!.name}`, count] as const,
    ),
  );
  const { topAccuracy, accuracy } = classes?.metrics ?? {};
  const rounded = [logLoss.mean, brier.mean].map((each) => Number(each.toPrecision(9)));
  return {
    confusion: Object.fromEntries(cells.filter(([, count]) => count !== 0)),
    labels,
    coverage,
    topAccuracy,
    accuracy,
    rounded,
  };
}

test("answers that wait are read by the names of their classes, however models order them before and after restarts, and corrections take the right class back", async () => {
  const clock = createManualClock(start + hourMs);
  await using whole = openMonitor({ clock, quality: scoredBy(names) });
  const orders: readonly (readonly Name[])[] = [
    names,
    [7, "cancelled", "late", "on time"],
    ["late", "diverted", 7, "on time", "cancelled"],
    ["cancelled", "on time", 7, "late"],
  ];
  let state: unknown;
  let monitor = openMonitor({ clock, quality: scoredBy(orders[0]!) });
  for (const [round, order] of orders.entries()) {
    if (round > 0) {
      await monitor[Symbol.asyncDispose]();
      monitor = openMonitor({ clock, quality: scoredBy(order), state });
    }
    // Right after the restart, before the new order has answered: late labels of all that came before, corrections of labels that earlier processes counted.
    for (const each of given.slice(0, 60 * round)) {
      if (each.at % 4 === round) for (const to of [monitor, whole]) to.label(labelOf(each));
      if (each.at % 8 === round - 1) for (const to of [monitor, whole]) to.label(labelOf(each, true));
    }
    if (round > 0) expect(read(monitor)).toEqual(read(whole));
    for (const each of given.slice(60 * round, 60 * (round + 1))) {
      monitor.capture(answerOf(each, order));
      whole.capture(answerOf(each, names));
      if (each.at % 4 === 0) for (const to of [monitor, whole]) to.label(labelOf(each));
    }
    state = stateOf(monitor);
  }
  for (const each of given) for (const to of [monitor, whole]) to.label(labelOf(each, each.at % 3 === 0));
  expect(read(monitor)).toEqual(read(whole));
  expect(read(monitor)).toMatchObject({ labels: 240, coverage: 1 });
  expect(monitor.counts().labels.invalid).toBe(0);
  await monitor[Symbol.asyncDispose]();
});

test("a label of a class that the answer did not know, or that is no longer named, counts as what it is", async () => {
  const clock = createManualClock(start + hourMs);
  await using before = openMonitor({ clock, quality: scoredBy(names) });
  for (const each of given.slice(0, 3)) before.capture(answerOf(each, names));
  const fewer = ["diverted", "late", 7] as const;
  await using after = openMonitor({ clock, quality: scoredBy(fewer, { top: 9 }), state: stateOf(before) });
  for (const [at, value] of ["diverted", "on time", "lost"].entries())
    after.label({ requestId: `r${at}`, value, timeMs: start + hourMs });
  const answered = given.slice(0, 2).map(({ probabilities }) => [...probabilities].toSorted((a, b) => b[1] - a[1]));
  const { confusion, topAccuracy, rounded } = read(after);
  expect(after.counts().labels).toMatchObject({ joined: 2, invalid: 1 });
  expect(confusion).toEqual({ [`diverted as ${answered[0]![0]![0]}`]: 1, [`on time as ${answered[1]![0]![0]}`]: 1 });
  // The answer named no such class: never among its most probable ones, however many these are; and no surer loss than a probability of 0.
  const isInTop = answered[1]!.slice(0, 2).some(([name]) => name === "on time");
  expect(topAccuracy!.value).toBe(isInTop ? 0.5 : 0);
  const loss = -Math.log(Number.EPSILON) - Math.log(given[1]!.probabilities.get("on time")!);
  expect(rounded[0]).toBeCloseTo(loss / 2, 7);
});

test("answers that a log finds again are read in the order that their model had, and in the order of now where it is the model of now", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millwright-class-names-"));
  try {
    const clock = createManualClock(start + hourMs);
    const capture = await openArrowCapture({ directory, clock });
    const bounds: MonitorOptions = { clock, maxWaitingForLabels: 5, maxHeldLabels: 1000, holdLabelsMs: 1000 };
    const answers = () => openArrowPredictions({ directory });
    await using whole = openMonitor({ clock, quality: scoredBy(names) });
    const before = openMonitor({ ...bounds, capture, quality: scoredBy(names) });
    for (const each of given.slice(0, 100)) for (const to of [before, whole]) to.capture(answerOf(each, names));
    await before.flush();
    const state = stateOf(before);
    const turned = names.toReversed();
    await using after = openMonitor({ ...bounds, capture, answers: answers(), quality: scoredBy(turned), state });
    await before[Symbol.asyncDispose]();
    await clock.advance(10);
    const later = given.slice(100, 200).map((each) => [each, start + hourMs + 10 + each.at] as const);
    await clock.advance(300);
    for (const [each, timeMs] of later) {
      after.capture({ ...answerOf(each, turned), timeMs });
      whole.capture({ ...answerOf(each, names), timeMs });
    }
    await after.flush();
    await clock.advance(hourMs);
    for (const each of given.slice(0, 200))
      for (const to of [after, whole]) to.label({ ...labelOf(each), timeMs: start + 2 * hourMs });
    after.read("flight", "main");
    await clock.advance(2000);
    await after.evaluate();
    await after.flush();
    expect(after.counts().labels).toMatchObject({ joined: 200, held: 0, unmatched: 0 });
    expect({ ...read(after), rounded: [] }).toEqual({ ...read(whole), rounded: [] });
    await capture[Symbol.asyncDispose]();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("what was counted with other options is taken back as it was counted", async () => {
  const clock = createManualClock(start + hourMs);
  await using before = openMonitor({
    clock,
    quality: { ...scoredBy(names, { top: 4 }), late: { output: "p", kind: "binary" } },
  });
  const binary = {
    requestId: "b",
    endpoint: "late",
    variant: "main",
    outputs: { p: { dtype: "float64", shape: [1], data: Float64Array.of(0.6) } },
  } as const;
  before.capture({ ...answerOf(given[0]!, names), ...binary });
  before.label({ requestId: "b", value: 1, timeMs: start + hourMs });
  for (const each of given.slice(0, 40)) {
    before.capture(answerOf(each, names));
    before.label(labelOf(each));
  }
  const quality = { ...scoredBy(names, { top: 1 }), late: { output: "p", kind: "binary", threshold: 0.9 } } as const;
  await using after = openMonitor({ clock, quality, state: stateOf(before) });
  for (const each of given.slice(0, 40)) after.label(labelOf(each, true));
  after.label({ requestId: "b", value: 0, timeMs: start + hourMs + 1 });
  await after.flush();
  expect(after.counts().labels.corrected).toBe(41);
  // All four classes are among the four most probable, before and after the correction.
  expect(read(after).topAccuracy).toMatchObject({ value: 1 });
  expect(after.read("late", "main").quality).toMatchObject({ precision: { value: 0 }, accuracy: { value: 0 } });
});

test("states of formats 2 and 3 are read as they were kept; of format 2 the order of classes is that of what was counted", async () => {
  for (const format of [2, 3]) {
    const { state, requests, held, flight } = JSON.parse(
      await readFile(new URL(`golden/monitor-state-${format}.json`, import.meta.url), "utf8"),
    ) as {
      readonly state: JsonObject;
      readonly requests: number;
      readonly held: number;
      readonly flight: { readonly confusion: number[][]; readonly topAccuracy: number };
    };
    expect(state["formatVersion"]).toBe(format);
    const clock = createManualClock(start + hourMs);
    const quality = {
      late: { output: "probability", kind: "binary", segments: ["carrier"] },
      flight: { output: "class", kind: "classes", classes: ["cancelled", "on time", "late"], top: 2 },
    } as const;
    await using monitor = openMonitor({ clock, quality, state });
    expect(monitor.counts().labels.held).toBe(held);
    expect(monitor.read("late", "main").requests).toBe(requests);
    const counted = monitor.read("flight", "main").quality.classes!;
    expect([counted.confusion, counted.metrics.topAccuracy.value]).toEqual([flight.confusion, flight.topAccuracy]);
    // Answers on time, late, cancelled by turns. The first twelve are labelled; every fourth of these wrongly, as one class later.
    for (let at = 0; at < 30; at += 1)
      monitor.label({
        requestId: `flight ${at}`,
        value: ["on time", "late", "cancelled"][at % 3]!,
        timeMs: start + 6000,
      });
    const right = monitor.read("flight", "main").quality.classes!;
    expect(monitor.counts().labels).toMatchObject({ joined: 18, corrected: 12, invalid: 0 });
    expect(right.confusion).toEqual([
      [10, 0, 0],
      [0, 10, 0],
      [0, 0, 10],
    ]);
    expect(right.classes.map(({ name }) => name)).toEqual(["on time", "late", "cancelled"]);
    for (const broken of [
      { readings: [] },
      { readings: [{ kind: "classes" }] },
      { models: [["a", "b", 0, 99]] },
      { classes: [["flight", [null]]] },
    ]) {
      const waiting = { ...(state["waiting"] as JsonObject), ...broken };
      if (format === 3)
        expect(() => openMonitor({ clock, quality, state: { ...state, waiting } })).toThrow(
          expect.objectContaining({ code: "MONITOR_STATE_INVALID" }),
        );
    }
  }
});
