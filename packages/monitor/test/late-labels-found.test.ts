import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CapturedLabel,
  type CapturedPrediction,
  type CapturedTensors,
  createManualClock,
  createRandom,
  digestOf,
} from "@millwright/contracts";
import { batchOf } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { type AnswerSource, type Monitor, openMonitor } from "@millwright/monitor";
import { openArrowCapture, openArrowPredictions } from "@millwright/monitor/drivers/arrow";
import { openNdjsonCapture, openNdjsonPredictions } from "@millwright/monitor/drivers/ndjson";
import { openPredictionLog } from "@millwright/monitor/drivers/parquet";
import { afterEach, beforeEach, expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const hourMs = 3_600_000;
const quality = { late: { output: "late", kind: "binary", segments: ["carrier"] } } as const;

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-found-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const rounded = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) => (typeof each === "number" ? Number(each.toPrecision(9)) : each)),
  );

/** A request of one row or three, as columns or as tensors. */
interface Request {
  readonly tensors: boolean;
  readonly rows: number;
  readonly prediction: CapturedPrediction;
  readonly labels: readonly CapturedLabel[];
}

function requestsOf(count: number, name = "r", model = "model"): readonly Request[] {
  const random = createRandom(41);
  return Array.from({ length: count }, (_, index): Request => {
    const rows = index % 4 === 0 ? 3 : 1;
    const scores = Float64Array.from({ length: rows }, () => random.next());
    const requestId = `${name}${index}`;
    const timeMs = start + index * 1000;
    const carriers = Array.from({ length: rows }, () => random.integer(3));
    return {
      tensors: index % 3 !== 0,
      rows,
      prediction: {
        requestId,
        endpoint: "late",
        variant: index % 5 === 0 ? "candidate" : "main",
        model: { name: "late", version: 1, digest: digestOf(model) },
        timeMs,
        latencyMs: 5,
        features: batchOf({ km: Float64Array.from(scores), carrier: Float64Array.from(carriers) }),
        outputs: { late: { dtype: "float64", shape: [rows], data: scores } },
        ...(index % 50 === 49 ? { errorCode: "SERVING_MODEL_FAILED" } : {}),
      },
      labels: Array.from(scores, (score, row) => ({
        requestId,
        row,
        value: random.next() < score,
        timeMs: timeMs + 24 * hourMs,
      })),
    };
  });
}

function capture(monitor: Monitor, { prediction, tensors, rows }: Request): void {
  const { features, ...asked } = prediction;
  if (!tensors) return monitor.capture(prediction);
  const numbers = (name: string) =>
    ({ dtype: "float64", shape: [rows], data: (features!.columns[name] as { values: Float64Array }).values }) as const;
  const asTensors: CapturedTensors = { ...asked, inputs: { km: numbers("km"), carrier: numbers("carrier") } };
  monitor.captureTensors(asTensors);
}

/** Labels in no order: some twice, some corrected, the corrections before or after. */
function shuffled(requests: readonly Request[]): readonly CapturedLabel[] {
  const random = createRandom(42);
  const all = requests.flatMap(({ labels }, index) =>
    labels.flatMap((label) => [
      label,
      ...(index % 6 === 0 ? [label] : []),
      ...(index % 7 === 0 ? [{ ...label, value: label.value !== true, timeMs: label.timeMs + 1000 }] : []),
    ]),
  );
  return all
    .map((label) => ({ label, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ label }) => label);
}

/** Tells labels as a job does that gives way to the monitor. */
async function tell(
  monitor: Monitor,
  labels: readonly CapturedLabel[],
  clock: ReturnType<typeof createManualClock>,
): Promise<void> {
  for (const [index, label] of labels.entries()) {
    monitor.label(label);
    if (index % 500 === 499) await monitor.flush();
  }
  await monitor.flush();
  await clock.advance(61_000);
  await monitor.evaluate();
  await monitor.flush();
}

for (const kind of ["arrow", "ndjson", "parquet"] as const)
  test(`labels of answers that are remembered no more are joined from a log of ${kind}, each once, as if all were remembered`, async () => {
    const clock = createManualClock(start);
    const requests = requestsOf(1200);
    await using duckdb = await openDuckDb({ threads: 1 });
    const writer =
      kind === "ndjson"
        ? await openNdjsonCapture({ directory, clock, segmentBytes: 50_000 })
        : await openArrowCapture({ directory, clock, segmentBytes: 50_000 });
    const log = openPredictionLog({ directory, duckdb, clock });
    const answers: AnswerSource =
      kind === "ndjson"
        ? openNdjsonPredictions({ directory })
        : kind === "arrow"
          ? openArrowPredictions({ directory })
          : log;
    await using monitor = openMonitor({
      clock,
      quality,
      capture: writer,
      answers,
      maxWaitingForLabels: 40,
      maxHeldLabels: 100,
    });
    await using oracle = openMonitor({ clock, quality });
    for (const [index, request] of requests.entries()) {
      await clock.advance(1000);
      for (const each of [monitor, oracle]) capture(each, request);
      if (index % 100 === 99) await monitor.flush();
    }
    await clock.advance(24 * hourMs);
    if (kind === "parquet") {
      expect((await log.compact()).moved).toBeGreaterThan(1000);
      for (const request of requestsOf(50, "later ")) for (const each of [monitor, oracle]) capture(each, request);
      await monitor.flush();
    }
    const labels = shuffled([...requests, ...(kind === "parquet" ? requestsOf(50, "later ") : [])]);
    for (const label of labels) oracle.label(label);
    await tell(monitor, [...labels, { requestId: "nobody", value: true, timeMs: start }], clock);
    await oracle.flush();
    for (const variant of ["main", "candidate"]) {
      const [found, wanted] = [monitor.read("late", variant).quality, oracle.read("late", variant).quality];
      expect(found.labels).toBe(wanted.labels);
      expect(found).toMatchObject({ recovered: 0, coverage: 1 });
      expect(rounded(found)).toEqual(rounded(wanted));
    }
    const { joined, corrected, duplicated, superseded, unmatched, held } = monitor.counts().labels;
    const failed = labels.filter(({ requestId }) =>
      requests.some(({ prediction }) => prediction.requestId === requestId && prediction.errorCode !== undefined),
    );
    expect([unmatched, held]).toEqual([
      failed.length + 1 + (kind === "parquet" ? labels.filter(({ requestId }) => requestId === "later 49").length : 0),
      0,
    ]);
    expect(joined).toBe(oracle.counts().labels.joined);
    expect(joined + corrected + duplicated + superseded + unmatched).toBe(labels.length + 1);
    await writer[Symbol.asyncDispose]();
  });

test("after a crash, labels of answers whose windows were lost are recovered, and coverage is that of the answers that were counted", async () => {
  const clock = createManualClock(start);
  const requests = requestsOf(600);
  const writer = await openArrowCapture({ directory, clock });
  const lost = openMonitor({ clock, quality, capture: writer });
  let state: unknown;
  for (const [index, request] of requests.slice(0, 400).entries()) {
    await clock.advance(1000);
    capture(lost, request);
    // It is told while the process runs on for another 150 requests.
    if (index === 249) state = JSON.parse(JSON.stringify(lost.state()));
  }
  await clock.advance(1000);
  await lost.flush();
  const answers = openArrowPredictions({ directory });
  for (const restarted of [
    openMonitor({ clock, quality, capture: writer, answers, state }),
    openMonitor({ clock, quality, capture: writer, answers }),
  ]) {
    const isResumed = restarted.counts().captured === 0 && restarted.read("late", "main").requests > 0;
    for (const request of requests.slice(400)) capture(restarted, request);
    await restarted.flush();
    const labels = shuffled(requests.slice(0, 500));
    await tell(restarted, labels, createManualClock(0));
    await clock.advance(61_000);
    await restarted.evaluate();
    await restarted.flush();
    const answered = (from: number, to: number): number =>
      requests
        .slice(from, to)
        .reduce((sum, { rows, prediction }) => sum + (prediction.errorCode === undefined ? rows : 0), 0);
    const found = ["main", "candidate"].map((variant) => restarted.read("late", variant).quality);
    const sum = (of: (each: (typeof found)[number]) => number): number =>
      found.reduce((all, each) => all + of(each), 0);
    expect(sum(({ labels: each }) => each)).toBe(answered(0, 500));
    expect(sum(({ recovered }) => recovered)).toBe(isResumed ? answered(250, 400) : answered(0, 400));
    const counted = isResumed ? answered(0, 250) + answered(400, 600) : answered(400, 600);
    expect(sum(({ predictions }) => predictions)).toBe(counted);
    for (const { coverage, labels: each, recovered, predictions } of found)
      expect(coverage).toBe((each - recovered) / predictions);
    expect(restarted.counts().labels.forgotten).toBe(0);
    // What was seen of the labels is the truth of all of them, the corrected ones too.
    const positives = requests
      .slice(0, 500)
      .flatMap(({ labels: own, prediction }, index) =>
        prediction.errorCode === undefined
          ? own.map(({ value }) => (index % 7 === 0 ? value !== true : value === true))
          : [],
      );
    expect(sum(({ meanActual, labels: each }) => meanActual * each)).toBeCloseTo(positives.filter(Boolean).length, 6);
  }
  await lost[Symbol.asyncDispose]();
  await writer[Symbol.asyncDispose]();
});

test("answers of a model that the variant no longer serves, or older than what is kept, are found and forgotten", async () => {
  const clock = createManualClock(start);
  const writer = await openArrowCapture({ directory, clock });
  await using before = openMonitor({ clock, quality, capture: writer });
  const old = requestsOf(20);
  for (const request of old) capture(before, request);
  await before.flush();
  await using after = openMonitor({ clock, quality, answers: openArrowPredictions({ directory }), retainMs: hourMs });
  for (const request of requestsOf(20, "new ", "other model")) capture(after, request);
  await tell(
    after,
    old.flatMap(({ labels }) => labels),
    clock,
  );
  expect(after.counts().labels).toMatchObject({ joined: 0, forgotten: 20 + 10 });
  await clock.advance(2 * hourMs);
  await using later = openMonitor({ clock, quality, answers: openArrowPredictions({ directory }), retainMs: hourMs });
  await tell(
    later,
    old.flatMap(({ labels }) => labels),
    clock,
  );
  expect(later.counts().labels).toMatchObject({ joined: 0, forgotten: 30, unmatched: 0 });
  expect(later.read("late", "main").quality.labels).toBe(0);
  await writer[Symbol.asyncDispose]();
});

test("a log that cannot be read is asked again, labels wait as long, outlive the process and are bounded", async () => {
  const clock = createManualClock(start);
  const writer = await openArrowCapture({ directory, clock });
  const requests = requestsOf(30);
  const log = openArrowPredictions({ directory });
  let asked = 0;
  let refuses = true;
  const answers: AnswerSource = {
    findAll(requestIds, options) {
      asked += 1;
      if (refuses) throw new TypeError("no disk today");
      return log.findAll(requestIds, options);
    },
  };
  const options = { clock, quality, answers, maxWaitingForLabels: 1, maxHeldLabels: 1, maxLookedUpLabels: 20 };
  await using monitor = openMonitor({ ...options, capture: writer });
  for (const request of requests) capture(monitor, request);
  await monitor.flush();
  const labels = requests.slice(0, 25).map(({ labels: [label] }) => label!);
  for (const label of labels) monitor.label(label);
  await monitor.flush();
  expect(monitor.counts().labels).toMatchObject({ joined: 0, unmatched: 4, held: 21 });
  const before = asked;
  for (let turn = 0; turn < 50; turn += 1) monitor.read("late", "main");
  expect(asked - before).toBeLessThan(3);
  const state = JSON.parse(JSON.stringify(monitor.state()));
  refuses = false;
  await using restarted = openMonitor({ ...options, maxHeldLabels: 100, state });
  expect(restarted.counts().labels.held).toBe(21);
  for (const each of [monitor, restarted]) {
    await clock.advance(70_000);
    await each.evaluate();
    await each.flush();
    expect(each.counts().labels).toMatchObject({ joined: 20, held: 0 });
  }
  const aborted = AbortSignal.abort(new RangeError("enough"));
  for (const source of [log, openNdjsonPredictions({ directory })])
    await expect(source.findAll(["r1"], { signal: aborted })[Symbol.asyncIterator]().next()).rejects.toThrow("enough");
  await writer[Symbol.asyncDispose]();
});
