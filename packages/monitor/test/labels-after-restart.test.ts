import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CapturedLabel, type CapturedPrediction, createManualClock, createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { defineSlo, errorIndicator, type Monitor, openMonitor } from "../src/index.ts";
import { createTraffic } from "./traffic.ts";

interface Program {
  readonly startMs: number;
  optionsOf(from: number): Parameters<typeof openMonitor>[0];
  predictionOf(at: number): CapturedPrediction;
  classPredictionOf(at: number, from: number): CapturedPrediction;
  labelsOf(at: number, corrected: boolean): readonly CapturedLabel[];
}

const path = fileURLToPath(new URL("label-process.mjs", import.meta.url));
const { startMs, optionsOf, predictionOf, classPredictionOf, labelsOf } = (await import(path)) as Program;
const start = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const quality = { late: { output: "probability", kind: "binary", segments: ["carrier"] } } as const;

const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "number" ? Number(each.toPrecision(9)) : each)),
  );

/** What is told of classes, whatever their order. */
function byName({
  labels,
  coverage,
  logLoss,
  classes,
}: ReturnType<Monitor["read"]>["quality"]): Record<string, unknown> {
  const names = classes!.classes.map(({ name }) => String(name));
  const cells = classes!.confusion.map((line, truth) =>
    line.map((count, answer) => `${names[truth]} ${names[answer]} ${count}`),
  );
  const { accuracy, topAccuracy } = classes!.metrics;
  return { labels, coverage, loss: logLoss.mean.toPrecision(9), cells: cells.flat().toSorted(), accuracy, topAccuracy };
}

/** Runs until so many requests were answered, then kills. @returns the last that was told. */
async function runAndKill(state: string, from: number, requests: number): Promise<number> {
  const child = spawn(process.execPath, [path, state, String(from)], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  let [text, last] = ["", from];
  for await (const chunk of child.stdout) {
    text += String(chunk);
    last = Number(text.split("\n").at(-2) ?? last);
    if (last >= from + requests) child.kill("SIGKILL");
  }
  await closed;
  expect(child.signalCode).toBe("SIGKILL");
  return last;
}

test(
  "a monitor that is killed again and again, whose classes change their order each time, joins late labels of all that its states held, each once, and tells the coverage of these",
  { timeout: 600_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "millwright-labels-"));
    try {
      const file = join(folder, "state.json");
      const random = createRandom(31);
      const kept: (readonly [from: number, until: number])[] = [];
      let next = 0;
      for (let round = 0; round < 6; round += 1) {
        const last = await runAndKill(file, next, 25 + random.integer(150));
        const { done } = JSON.parse(await readFile(file, "utf8")) as { readonly done: number };
        kept.push([next, Math.max(next, done)]);
        // Requests go on where they were; the monitor goes on where its state was.
        next = last + 1;
      }
      const { state } = JSON.parse(await readFile(file, "utf8")) as { readonly state: unknown };
      const nowMs = startMs + (next + 1000) * 1000;
      await using restarted = openMonitor({ ...optionsOf(next), clock: createManualClock(nowMs), state });
      await using oracle = openMonitor({ ...optionsOf(0), clock: createManualClock(nowMs) });
      for (const [from, until] of kept)
        for (let at = from; at < until; at += 1)
          for (const each of [predictionOf(at), classPredictionOf(at, 0)]) oracle.capture(each);
      oracle.read("late", "main");
      for (const corrected of [true, false])
        for (let at = 0; at < next; at += 1)
          for (const label of labelsOf(at, corrected)) for (const each of [restarted, oracle]) each.label(label);
      for (const variant of ["main", "candidate"]) {
        const [found, wanted] = [restarted.read("late", variant), oracle.read("late", variant)];
        expect(found.requests).toBe(wanted.requests);
        expect(found.quality.predictions).toBe(wanted.quality.predictions);
        expect(found.quality.labels).toBe(wanted.quality.labels);
        expect(found.quality.coverage).toBe(wanted.quality.coverage);
        expect([found.quality.accuracy, found.quality.recall, found.quality.lag]).toEqual([
          wanted.quality.accuracy,
          wanted.quality.recall,
          wanted.quality.lag,
        ]);
        expect(rounded(found.quality)).toEqual(rounded(wanted.quality));
        const classes = [restarted, oracle].map((each) => byName(each.read("when", variant).quality));
        expect(classes[0]).toEqual(classes[1]);
        expect(classes[0]!["labels"]).toBeGreaterThan(20);
      }
      expect(kept.some(([from, until], index) => until < (kept[index + 1]?.[0] ?? next) && until > from)).toBe(true);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

const textOf = (monitor: Monitor, from?: { readonly waiting: boolean }): unknown =>
  JSON.parse(JSON.stringify(monitor.state(from)));

test("a restarted monitor goes on with windows, objectives, answers that wait and labels that are held", async () => {
  const slos = [defineSlo({ name: "availability", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) })];
  const clock = createManualClock(start);
  const whole = openMonitor({ clock, quality, slos });
  let restarted = openMonitor({ clock, quality, slos });
  const traffic = createTraffic(5);
  const late: CapturedLabel[] = [];
  for (let index = 0; index < 600; index += 1) {
    await clock.advance(10_000);
    const { prediction, label } = traffic.next(clock.nowMs(), {
      errorShare: 0.03,
      variant: index % 4 === 0 ? "b" : "a",
    });
    const told = { requestId: prediction.requestId, value: label, timeMs: prediction.timeMs + hourMs };
    late.push(told);
    for (const each of [whole, restarted]) {
      each.capture(prediction);
      if (index % 3 === 0) each.label(told);
      if (index % 70 === 0) each.label({ ...told, requestId: `${traffic.next(0).prediction.requestId} early` });
    }
    if (index % 100 === 99) {
      for (const each of [whole, restarted]) await each.evaluate();
      const state = textOf(restarted);
      await restarted[Symbol.asyncDispose]();
      restarted = openMonitor({ clock, quality, slos, state });
    }
  }
  const { held } = restarted.counts().labels;
  expect(held).toBe(whole.counts().labels.held);
  for (const [index, told] of late.entries())
    for (const each of [whole, restarted])
      each.label(index % 5 === 0 ? { ...told, value: 1 - Number(told.value), timeMs: told.timeMs + 1 } : told);
  for (const variant of ["a", "b"]) {
    const [found, wanted] = [restarted.read("late", variant), whole.read("late", variant)];
    expect(found.quality.labels).toBe(wanted.quality.labels);
    expect(rounded(found)).toEqual(rounded(wanted));
  }
  expect(restarted.slo("availability")).toEqual(whole.slo("availability"));
  for (const each of [whole, restarted]) await each[Symbol.asyncDispose]();
});

test("windows of another length go on within their hour, those that fit into none are refused", async () => {
  const clock = createManualClock(start);
  const traffic = createTraffic(8);
  await using before = openMonitor({ clock, quality, windowMs: 60_000 });
  const { prediction, label } = traffic.next(start);
  before.capture(prediction);
  const state = textOf(before);
  await using after = openMonitor({ clock, quality, windowMs: 300_000, state });
  after.label({ requestId: prediction.requestId, value: label, timeMs: start + 5 });
  after.capture(traffic.next(start + 1).prediction);
  expect(after.read("late", "main").requests).toBe(2);
  expect(after.read("late", "main").quality).toMatchObject({ predictions: 2, labels: 1 });
  const longer = JSON.parse(
    JSON.stringify(state).replaceAll('"lengthMs":60000', `"lengthMs":${24 * hourMs}`),
  ) as unknown;
  expect(longer).not.toEqual(state);
  expect(() => openMonitor({ clock, quality, state: longer })).toThrow(
    expect.objectContaining({ code: "MONITOR_STATE_INVALID" }),
  );
});

test("a state without what waits, or of the first format, counts no label of its answers a second time", async () => {
  const clock = createManualClock(start + 10);
  const { prediction, label } = createTraffic(9).next(start);
  const told = { requestId: prediction.requestId, value: label, timeMs: start + 5 };
  await using before = openMonitor({ clock, quality });
  before.capture(prediction);
  before.label(told);
  const state = textOf(before, { waiting: false });
  expect(Object.keys(state as object)).not.toContain("waiting");
  await using after = openMonitor({ clock, quality, state });
  after.label(told);
  expect(after.read("late", "main").quality.labels).toBe(1);
});

test("a label that comes to another replica counts once, where the answer was given, when their states meet", async () => {
  const clock = createManualClock(start);
  const names = ["a", "b", "c"];
  const replicas = names.map(() => openMonitor({ clock, quality }));
  await using single = openMonitor({ clock, quality });
  const traffic = createTraffic(12);
  const random = createRandom(13);
  const exchange = (): void => {
    const states = replicas.map((each) => textOf(each));
    for (const [to, replica] of replicas.entries())
      for (const [from, state] of states.entries()) if (from !== to) replica.merge(names[from]!, state);
  };
  for (let index = 0; index < 400; index += 1) {
    const { prediction, label } = traffic.next(start + index);
    replicas[random.integer(3)]!.capture(prediction);
    single.capture(prediction);
    const told = { requestId: prediction.requestId, value: label, timeMs: start + 1000 };
    const corrected = { ...told, value: 1 - label, timeMs: start + 2000 };
    single.label(told);
    if (index % 3 === 0) single.label(corrected);
    replicas[random.integer(3)]!.label(told);
    // Some senders tell everybody, or tell twice; a correction may come to a third one, and before.
    if (index % 3 === 0) replicas[random.integer(3)]!.label(corrected);
    if (index % 7 === 0) for (const each of replicas) each.label(told);
    if (index % 90 === 89) exchange();
  }
  exchange();
  exchange();
  const wanted = single.read("late", "main").quality;
  for (const each of replicas) {
    const found = each.read("late", "main").quality;
    expect(found.labels).toBe(400);
    expect(rounded(found)).toEqual(rounded(wanted));
  }
  const joined = replicas.map((each) => each.counts().labels);
  expect(joined.reduce((sum, each) => sum + each.joined, 0)).toBe(400);
  for (const each of replicas) await each[Symbol.asyncDispose]();
});

test("what waits in a state is what was redacted, and is bounded", async () => {
  const clock = createManualClock(start);
  const redactor = { redact: (name: string, value: unknown) => (name === "carrier" ? "***" : value) as never };
  await using monitor = openMonitor({ clock, quality, redactor, maxWaitingForLabels: 50 });
  const traffic = createTraffic(14);
  const answers = Array.from({ length: 80 }, (_, index) => traffic.next(start + index));
  for (const { prediction } of answers) monitor.capture(prediction);
  const state = textOf(monitor) as { readonly waiting: { readonly requestIds: readonly string[] } };
  expect(state.waiting.requestIds).toEqual(answers.slice(30).map(({ prediction }) => prediction.requestId));
  expect(JSON.stringify(state)).not.toMatch(/"(AA|UA|B6)"|\\"(AA|UA|B6)\\"/);
  await using smaller = openMonitor({ clock, quality, redactor, maxWaitingForLabels: 20, state });
  for (const { prediction, label } of answers)
    smaller.label({ requestId: prediction.requestId, value: label, timeMs: start + 100 });
  expect(smaller.read("late", "main").quality).toMatchObject({ predictions: 80, labels: 20, coverage: 0.25 });
  for (const waiting of [3, {}, { ...state.waiting, variantOf: "AAAA" }, { ...state.waiting, segmentLists: [] }])
    expect(() => openMonitor({ clock, quality, state: { ...state, waiting } })).toThrow(
      expect.objectContaining({ code: "MONITOR_STATE_INVALID" }),
    );
});

test("a state of format 1 is read as it was kept", async () => {
  const text = await readFile(new URL("golden/monitor-state-1.json", import.meta.url), "utf8");
  const {
    state,
    requests,
    quality: known,
  } = JSON.parse(text) as {
    readonly state: unknown;
    readonly requests: number;
    readonly quality: unknown;
  };
  const clock = createManualClock(start + hourMs);
  const slos = [defineSlo({ name: "availability", objective: 0.99, sli: errorIndicator({ endpoint: "late" }) })];
  await using resumed = openMonitor({ clock, quality, slos, state });
  await using merged = openMonitor({ clock, quality, slos });
  merged.merge("other", state);
  for (const each of [resumed, merged]) {
    expect(each.read("late", "main").requests).toBe(requests);
    expect(rounded(each.read("late", "main").quality)).toMatchObject(known as object);
    expect(each.slo("availability").budgetLeft).toBeLessThan(1);
  }
  expect(resumed.read("late", "main").features.rows).toBe(requests);
});

test("rows that are kept go on with the state, and take labels that come after the restart", async () => {
  const clock = createManualClock(start);
  const options = { clock, quality, rows: { perWindow: 40 } };
  await using before = openMonitor(options);
  const traffic = createTraffic(15);
  const answers = Array.from({ length: 100 }, (_, index) => traffic.next(start + index));
  for (const { prediction } of answers) before.capture(prediction);
  await using after = openMonitor({
    ...options,
    state: JSON.parse(JSON.stringify(before.state({ rowsPerWindow: 40 }))),
  });
  for (const { prediction, label } of answers)
    after.label({ requestId: prediction.requestId, value: label, timeMs: start + 100 });
  const later = traffic.next(start + 200).prediction;
  after.capture(later);
  const rows = after.read("late", "main").rows!;
  expect(rows.length).toBe(40);
  const truths = new Map(answers.map(({ prediction, label }) => [prediction.requestId, label]));
  expect(rows.labels).toEqual(rows.requestIds.map((requestId) => truths.get(requestId)));
});
