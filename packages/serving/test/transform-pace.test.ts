import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ManualClock } from "@millwright/contracts";
import { openAppendLog } from "@millwright/storage";
import {
  readTransformLedger,
  startTransform,
  type TransformOptions,
  type TransformResult,
  transformSlis,
  type TransformStatus,
  type TransformTarget,
} from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { folder } from "./transforms-of-files.ts";
import { type WatchedClock, watchedClock } from "./watched-clock.ts";

interface Slow extends TransformTarget {
  readonly startedMs: number[];
  /** Calls that wait for the clock. */
  asleep: number;
}

/** Answers a body with itself after so long by the clock. */
function slow(clock: ManualClock, latencyMs: (call: number) => number): Slow {
  const target: Slow = {
    name: "slow",
    startedMs: [],
    asleep: 0,
    async invoke({ body, signal }) {
      target.startedMs.push(clock.nowMs());
      target.asleep += 1;
      await clock.sleep(latencyMs(target.startedMs.length - 1), { signal });
      target.asleep -= 1;
      return { status: 200, body: body as Uint8Array };
    },
  };
  return target;
}

interface Running {
  readonly clock: WatchedClock;
  readonly target: Slow;
  readonly workers?: number;
  readonly stepMs?: number;
}

/** Lets the clock run while the job waits for it. */
async function ended(
  job: ReturnType<typeof startTransform>,
  { clock, target, workers = 1, stepMs = 100 }: Running,
): Promise<TransformResult> {
  let over = false;
  const result = job.result().finally(() => (over = true));
  result.catch(() => {});
  while (!over) {
    let seen = target.startedMs.length;
    for (let quiet = 0; quiet < 8 && !over && target.asleep < workers; quiet += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (target.startedMs.length > seen) quiet = 0;
      seen = target.startedMs.length;
    }
    while (!over && clock.sleepers === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    if (!over) await clock.advance(stepMs);
  }
  return result;
}

/** A file of so many lines of equal length, one line a chunk. */
async function lines(count: number): Promise<
  Awaited<ReturnType<typeof folder>> & {
    readonly shape: Pick<TransformOptions, "input" | "output" | "batchStrategy" | "chunkRecords">;
  }
> {
  const files = await folder();
  await writeFile(join(files.input, "x.csv"), Array.from({ length: count }, (_, at) => `${1000 + at}\n`).join(""));
  return {
    ...files,
    shape: { input: files.input, output: files.output, batchStrategy: "SingleRecord", chunkRecords: 1 },
  };
}

test("BT-12: on a steady load the time that is left is told within 15 %", async () => {
  await using files = await lines(100);
  // Far coarser than the clock's steps.
  const clock = watchedClock(1_000_000);
  const target = slow(clock, (call) => 4_000 + (call % 3) * 1_000);
  const told: { readonly atMs: number; readonly etaMs: number }[] = [];
  const onProgress = ({ etaMs }: TransformStatus): void =>
    void told.push({ atMs: clock.nowMs(), etaMs: etaMs ?? Number.NaN });
  await ended(startTransform({ target, ...files.shape, clock, onProgress, maxConcurrentTransforms: 2 }), {
    clock,
    target,
    workers: 2,
    stepMs: 500,
  });
  const endMs = clock.nowMs();
  expect(told).toHaveLength(100);
  // From a tenth on, to where what is left is a chunk or two.
  for (const { atMs, etaMs } of told.slice(10, 90))
    expect(Math.abs(etaMs - (endMs - atMs)) / (endMs - atMs)).toBeLessThan(0.15);
});

test("BT-12: no more records a second are begun than the job may", async () => {
  await using files = await lines(24);
  const clock = watchedClock();
  const target = slow(clock, () => 10);
  await ended(startTransform({ target, ...files.shape, clock, maxRecordsPerSecond: 4, maxConcurrentTransforms: 3 }), {
    clock,
    target,
    workers: 1,
    stepMs: 50,
  });
  expect(target.startedMs).toHaveLength(24);
  for (const [at, startedMs] of target.startedMs.entries())
    expect(startedMs - (target.startedMs[0] as number)).toBeGreaterThanOrEqual((at / 4) * 1000 - 50);
  expect(clock.nowMs()).toBeLessThan(10_000);
});

test("BT-12: a job stops before it costs more than it may, and goes on with more", async () => {
  await using files = await lines(40);
  const clock = watchedClock();
  const target = slow(clock, () => 500);
  const cost = { perInvocation: 0.01, perThousandRecords: 1, perHour: 3.6 };
  const options = { target, ...files.shape, clock, cost, maxConcurrentTransforms: 4 };
  const first = await ended(startTransform({ ...options, maxCostUsd: 0.2 }), { clock, target, workers: 4 });
  expect(first).toMatchObject({ state: "stopped", reason: expect.stringContaining("of 0.2") });
  // A call is 1.1 cents and the time beside; all 40 would have been 44 and more.
  expect(first.status.slis.costUsd).toBeLessThanOrEqual(0.2);
  expect(first.status.slis.costUsd).toBeGreaterThan(0.1);
  const again = await ended(startTransform({ ...options, maxCostUsd: 0.2 }), { clock, target, workers: 4 });
  expect(again).toMatchObject({ state: "stopped", status: { invocations: first.status.invocations } });
  const more = await ended(startTransform({ ...options, maxCostUsd: 1 }), { clock, target, workers: 4 });
  expect(more).toMatchObject({ state: "completed", status: { invocations: 40, chunksReused: first.status.chunks } });
});

test("BT-12: outside its hours a job waits, over midnight and in its time zone", async () => {
  for (const [window, startMs, beginsMs] of [
    [{ from: "22:00", to: "06:00" }, Date.UTC(2026, 0, 1, 21, 30), Date.UTC(2026, 0, 1, 22, 0)],
    [{ from: "22:00", to: "06:00" }, Date.UTC(2026, 0, 1, 3, 0), Date.UTC(2026, 0, 1, 3, 0)],
    [
      { from: "01:00", to: "05:00", timeZone: "Europe/Vienna" },
      Date.UTC(2026, 6, 1, 22, 45),
      Date.UTC(2026, 6, 1, 23, 0),
    ],
  ] as const) {
    await using files = await lines(3);
    const clock = watchedClock(startMs);
    const target = slow(clock, () => 1);
    await ended(startTransform({ target, ...files.shape, clock, window }), { clock, target, stepMs: 600_000 });
    expect((target.startedMs[0] as number) - beginsMs).toBeGreaterThanOrEqual(0);
    expect((target.startedMs[0] as number) - beginsMs).toBeLessThan(1_800_000);
  }
  // What the window ends is waited for until it opens again.
  await using files = await lines(4);
  const clock = watchedClock(Date.UTC(2026, 0, 1, 5, 0));
  const target = slow(clock, () => 35 * 60_000);
  const window = { from: "22:00", to: "06:00" };
  await ended(startTransform({ target, ...files.shape, clock, window, timeoutMs: 1e8 }), {
    clock,
    target,
    stepMs: 600_000,
  });
  const hours = target.startedMs.map((ms) => new Date(ms).getUTCHours());
  expect(hours).toEqual([5, 5, 22, 22]);
});

test("BT-12: a notice that the machine goes away stops the job in good order, and another start does the rest", async () => {
  await using files = await lines(30);
  const notice = new AbortController();
  const sent: string[] = [];
  const target: TransformTarget = {
    name: "echo",
    async invoke({ body, requestId }) {
      sent.push(requestId);
      return { status: 200, body: body as Uint8Array };
    },
  };
  const onProgress = ({ chunks }: TransformStatus): void => {
    if (chunks === 12) notice.abort();
  };
  const options = { target, ...files.shape, maxConcurrentTransforms: 2 };
  const stopped = await startTransform({ ...options, interruption: notice.signal, onProgress }).result();
  expect(stopped).toMatchObject({ state: "stopped", reason: "the machine is wanted back" });
  const rest = await startTransform(options).result();
  expect(rest.state).toBe("completed");
  expect(new Set(sent).size).toBe(30);
  expect(sent).toHaveLength(30);
  expect(await readFile(join(files.output, "x.csv.out"), "utf8")).toBe(
    await readFile(join(files.input, "x.csv"), "utf8"),
  );
});

test("BT-12: hours, rates and prices that make no sense are refused", () => {
  const target: TransformTarget = { name: "none", invoke: () => Promise.reject(new TypeError("not asked")) };
  const options = { target, input: "in", output: "out" };
  for (const wrong of [
    { maxRecordsPerSecond: 0 },
    { maxCostUsd: -1 },
    { window: { from: "6", to: "22:00" } },
    { window: { from: "06:00", to: "06:00" } },
    { window: { from: "06:00", to: "24:00" } },
    { window: { from: "06:00", to: "07:00", timeZone: "Nowhere/Land" } },
  ])
    expect(() => startTransform({ ...options, ...wrong })).toThrowError(
      expect.objectContaining({ code: "SERVING_TRANSFORM_INVALID" }),
    );
});

test("BT-16: the figures of a job are what its ledger gives, through restarts too", async () => {
  await using files = await lines(50);
  const clock = watchedClock(5_000);
  const target = slow(clock, (call) => 100 + ((call * 37) % 90) * 10);
  const cost = { perHour: 7.2, perInvocation: 0.001, perThousandRecords: 0.5 };
  const options = { target, ...files.shape, clock, cost, maxConcurrentTransforms: 3 };
  const stopAt = (count: number): Pick<TransformOptions, "onProgress" | "interruption"> => {
    const notice = new AbortController();
    return { interruption: notice.signal, onProgress: ({ chunks }) => chunks >= count && notice.abort() };
  };
  await ended(startTransform({ ...options, ...stopAt(15) }), { clock, target, workers: 3 });
  await clock.advance(3_600_000);
  const second = await ended(startTransform({ ...options, ...stopAt(40) }), { clock, target, workers: 3 });
  expect(second.state).toBe("stopped");
  const { slis } = second.status;
  const kept = [];
  for await (const chunk of readTransformLedger(files.output)) kept.push(chunk);
  expect(kept).toHaveLength(second.status.chunks);
  expect(transformSlis(kept, cost)).toEqual(slis);
  // And by hand, from the bytes on the disk.
  const entries: {
    readonly startMs: number;
    readonly durationMs: number;
    readonly jobStartMs: number;
    readonly records: number;
    readonly invocations: number;
  }[] = [];
  const name = `${createHash("sha256").update("x.csv").digest("hex")}.chunks`;
  await using log = await openAppendLog(join(files.output, ".transform.transform", name));
  for await (const { bytes } of log.read()) {
    const text = Buffer.from(bytes);
    entries.push(JSON.parse(text.subarray(4, 4 + text.readUInt32LE(0)).toString("utf8")));
  }
  entries.shift();
  const starts = [...new Set(entries.map(({ jobStartMs }) => jobStartMs))];
  expect(starts).toHaveLength(2);
  const activeMs = starts
    .map((start) => entries.filter(({ jobStartMs }) => jobStartMs === start))
    .map(
      (of) =>
        Math.max(...of.map(({ startMs, durationMs }) => startMs + durationMs)) -
        Math.min(...of.map(({ startMs }) => startMs)),
    )
    .reduce((sum, each) => sum + each, 0);
  const durations = entries.map(({ durationMs }) => durationMs).toSorted((a, b) => a - b);
  const busyMs = durations.reduce((sum, each) => sum + each, 0);
  const dollars = (7.2 * activeMs) / 3_600_000 + 0.001 * entries.length + (0.5 * entries.length) / 1000;
  expect(slis).toMatchObject({
    records: entries.length,
    activeMs,
    recordsPerSecond: expect.closeTo((entries.length / activeMs) * 1000, 9),
    chunkP95Ms: durations[Math.ceil(durations.length * 0.95) - 1],
    utilization: expect.closeTo(busyMs / (activeMs * 3), 9),
    costPerThousandRecordsUsd: expect.closeTo((dollars / entries.length) * 1000, 9),
  });
  // An hour in which nobody ran it is no time of the job.
  expect(activeMs).toBeLessThan(60_000);
});
