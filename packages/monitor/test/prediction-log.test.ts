import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CapturedTensors,
  createManualClock,
  createRandom,
  digestOf,
  type JsonObject,
} from "@millwright/contracts";
import { quantileOf } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { openMonitor } from "@millwright/monitor";
import { openArrowCapture, openArrowPredictions } from "@millwright/monitor/drivers/arrow";
import { openPredictionLog, type PredictionLog, type PredictionQuery } from "@millwright/monitor/drivers/parquet";
import { afterEach, beforeEach, expect, test } from "vitest";

const start = Date.UTC(2026, 0, 1);
const [hourMs, dayMs] = [3_600_000, 86_400_000];

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-log-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Requests of two variants and models over three days; some of several rows, some failed. */
function traffic(count: number): readonly CapturedTensors[] {
  const random = createRandom(39);
  return Array.from({ length: count }, (_, index): CapturedTensors => {
    const rows = index % 7 === 0 ? 3 : 1;
    const variant = index % 5 === 0 ? "candidate" : "main";
    const numbers = (): Float32Array => Float32Array.from({ length: rows }, () => random.normal());
    const asked = {
      requestId: `r${index}`,
      endpoint: "late",
      variant,
      model: { name: "late", version: variant === "main" ? 1 : 2, digest: digestOf(variant) },
      inputs: {
        km: { dtype: "float32", shape: [rows], data: numbers() },
        carrier: { dtype: "int32", shape: [rows], data: Int32Array.from({ length: rows }, () => random.integer(3)) },
      },
      timeMs: start + Math.floor((index / count) * 3 * dayMs),
      latencyMs: Math.exp(random.normal()),
    } as const;
    if (index % 50 === 49) return { ...asked, errorCode: "SERVING_MODEL_FAILED" };
    return { ...asked, outputs: { late: { dtype: "float32", shape: [rows], data: numbers() } } };
  });
}

async function capture(requests: readonly CapturedTensors[]): Promise<void> {
  const clock = createManualClock(start + 3 * dayMs - hourMs);
  await using writer = await openArrowCapture({ directory, segmentBytes: 20_000, clock });
  await using monitor = openMonitor({ capture: writer, clock: createManualClock(start + 3 * dayMs) });
  for (const [index, request] of requests.entries()) {
    monitor.captureTensors(request);
    if (index % 200 === 199) await monitor.flush();
  }
}

const numberOf = (row: JsonObject): number => Number((row["requestId"] as string).slice(1));
const byId = (a: JsonObject, b: JsonObject): number => numberOf(a) - numberOf(b);

async function rowsOf(log: PredictionLog, query?: PredictionQuery): Promise<readonly JsonObject[]> {
  const rows: JsonObject[] = [];
  for await (const row of log.rows(query)) rows.push(row);
  return rows.toSorted(byId);
}

test("captured requests are found by endpoint, variant, version, time and segment, before they are Parquet and after", async () => {
  const requests = traffic(1500);
  await capture(requests);
  await using duckdb = await openDuckDb({ threads: 1 });
  const log = openPredictionLog({ directory, duckdb });
  const queries: readonly PredictionQuery[] = [
    {},
    { endpoint: "nobody" },
    { variant: "candidate" },
    { modelVersion: 2, fromMs: start + dayMs },
    { modelDigest: digestOf("main"), fromMs: start + hourMs, toMs: start + 2 * hourMs },
    { where: { carrier: 1 }, variant: "main" },
    { where: { nothing: 1 } },
  ];
  const before = [];
  for (const query of queries) before.push(await rowsOf(log, query));
  expect(before.map((rows) => rows.length > 0)).toEqual([true, false, true, true, true, true, false]);
  expect(before[0]).toHaveLength(1500);
  expect(before[2]).toHaveLength(300);
  const { moved, files } = await log.compact({ settleMs: 0, graceMs: 0, fileBytes: 60_000 });
  expect(moved).toBe(1500);
  expect(files.length).toBeGreaterThan(2);
  for (const [at, query] of queries.entries()) expect(await rowsOf(log, query)).toEqual(before[at]);
  // What is compacted is deleted by the next compaction, and not read twice until then.
  expect((await readdir(directory)).some((name) => name.endsWith(".arrows"))).toBe(true);
  await log.compact({ settleMs: 0, graceMs: 0 });
  expect((await readdir(directory)).filter((name) => name !== "log")).toEqual([]);
  expect(await rowsOf(log)).toEqual(before[0]);
});

test("MO-39: rolled up to hours and days, requests are counted as exactly as raw ones, and quantiles differ by no more than the sketch; moves lose nothing", async () => {
  await capture(traffic(1500));
  await using duckdb = await openDuckDb({ threads: 1 });
  const clock = createManualClock(start + 3 * dayMs);
  const log = openPredictionLog({ directory, duckdb, clock });
  const queries = [{}, { variant: "main" }, { variant: "candidate", modelVersion: 2 }, { toMs: start + dayMs }];
  const readAll = async () => {
    const found = [];
    for (const query of queries) found.push(await log.read(query));
    return found;
  };
  const raw = await readAll();
  const rows = await rowsOf(log);
  const latencies = rows.filter((row) => row["errorCode"] === undefined).map((row) => Number(row["latencyMs"]));
  expect(raw[0]!.requests).toBe(1500);
  expect(raw[0]!.errors).toBe(30);
  expect(raw[0]!.latency.count).toBe(latencies.length);
  const check = async () => {
    for (const [at, found] of (await readAll()).entries()) {
      const wanted = raw[at]!;
      expect([found.requests, found.errors, found.features.rows, found.outputs.rows]).toEqual([
        wanted.requests,
        wanted.errors,
        wanted.features.rows,
        wanted.outputs.rows,
      ]);
      expect(found.latency.count).toBe(wanted.latency.count);
      for (const share of [0.01, 0.5, 0.99]) {
        const [a, b] = [quantileOf(found.latency, share), quantileOf(wanted.latency, share)];
        expect(Math.abs(a / b - 1)).toBeLessThan(2 ** -10);
      }
      for (const [name, column] of Object.entries(wanted.features.columns)) {
        expect(found.features.columns[name]).toMatchObject({ count: column.count, missing: column.missing });
        expect(found.features.columns[name]!.moments!.mean).toBeCloseTo(column.moments!.mean, 9);
      }
    }
  };
  await log.compact({ settleMs: 0, graceMs: 0, fileBytes: 30_000 });
  await check();
  const hourly = await log.rollUp({ hourlyAfterMs: dayMs, dailyAfterMs: 30 * dayMs, graceMs: 0 });
  expect(new Set(hourly.files.map(({ kind }) => kind))).toEqual(new Set(["hours", "tables", "lines"]));
  await check();
  expect(hourly.moved + (await rowsOf(log)).length).toBe(1500);
  await clock.advance(40 * dayMs);
  await log.rollUp({ graceMs: 0 });
  const daily = await log.rollUp({ graceMs: 0 });
  expect(daily.files.every(({ kind }) => kind === "days")).toBe(true);
  expect(daily.files.reduce((sum, { requests }) => sum + requests, 0)).toBe(1500);
  await check();
  const { forgotten, files } = await log.rollUp({ forgetAfterMs: 20 * dayMs, graceMs: 0 });
  expect([forgotten, files]).toEqual([1500, []]);
  expect((await log.read()).requests).toBe(0);
});

test("a move that another has overtaken changes nothing and says so", async () => {
  await capture(traffic(300));
  await using duckdb = await openDuckDb({ threads: 1 });
  const log = openPredictionLog({ directory, duckdb });
  const both = await Promise.allSettled([log.compact({ settleMs: 0 }), log.compact({ settleMs: 0 })]);
  const failed = both.filter((each) => each.status === "rejected").map(({ reason }) => reason as unknown);
  for (const reason of failed) expect(reason).toMatchObject({ code: "MONITOR_LOG_CONFLICT", retryable: true });
  expect(both.some(({ status }) => status === "fulfilled")).toBe(true);
  expect(await rowsOf(log)).toHaveLength(300);
});

test("segments that a writer may still append to are left alone", async () => {
  await capture(traffic(300));
  await using duckdb = await openDuckDb({ threads: 1 });
  const clock = createManualClock(start + 3 * dayMs - hourMs + 300_000);
  const log = openPredictionLog({ directory, duckdb, clock });
  expect((await log.compact()).moved).toBe(0);
  expect(await rowsOf(log)).toHaveLength(300);
});

test("captured requests of an Arrow capture are found by id, failed ones too, and those that come later", async () => {
  await capture(traffic(300));
  const reader = openArrowPredictions({ directory });
  expect(await reader.find("r7")).toMatchObject({
    requestId: "r7",
    endpoint: "late",
    variant: "main",
    model: { version: 1 },
  });
  expect(await reader.find("r49")).toMatchObject({ requestId: "r49", errorCode: "SERVING_MODEL_FAILED" });
  expect(await reader.find("r300")).toBeUndefined();
  await capture(traffic(301).slice(300));
  expect(await reader.find("r300")).toMatchObject({ requestId: "r300" });
});

/** Captures, compacts and rolls up without end; says which requests are on disk, and when something is moved. */
const worker = (folder: string, from: number, rolls: boolean): string => `
import { openDuckDb } from ${JSON.stringify(import.meta.resolve("@millwright/duckdb"))};
import { openMonitor } from ${JSON.stringify(import.meta.resolve("../dist/index.js"))};
import { openArrowCapture } from ${JSON.stringify(import.meta.resolve("../dist/drivers/arrow.js"))};
import { openPredictionLog } from ${JSON.stringify(import.meta.resolve("../dist/drivers/parquet.js"))};
const directory = ${JSON.stringify(folder)};
const duckdb = await openDuckDb({ threads: 1 });
const log = openPredictionLog({ directory, duckdb });
const model = { name: "late", version: 3, digest: "sha256:" + "0".repeat(64) };
for (let index = ${from}; ; ) {
  process.stdout.write("begins\\n");
  const capture = await openArrowCapture({ directory, segmentBytes: 3000 });
  const monitor = openMonitor({ capture });
  for (let end = index + 40; index < end; index += 1) {
    const tensors = { x: { dtype: "float32", shape: [1], data: Float32Array.of(index) } };
    const asked = { requestId: "r" + index, endpoint: "late", variant: "main", model, timeMs: Date.now() - 1000, latencyMs: 1, inputs: tensors };
    monitor.captureTensors(index % 10 === 9 ? { ...asked, errorCode: "SERVING_MODEL_FAILED" } : { ...asked, outputs: tensors });
  }
  await monitor.flush();
  await monitor[Symbol.asyncDispose]();
  await capture[Symbol.asyncDispose]();
  process.stdout.write((index - ${from}) + "\\n");
  await log.compact({ settleMs: 0, graceMs: 0 });
  if (${rolls}) await log.rollUp({ hourlyAfterMs: 0, graceMs: 0 });
}
`;

test("a process that is killed while it captures, compacts and rolls up loses no request that was on disk, and doubles none", async () => {
  const random = createRandom(9);
  let counted = 0;
  for (let round = 0; round < 8; round += 1) {
    const rolls = round > 3;
    const source = worker(directory, round * 100_000, rolls);
    const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let told = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
    // With all that it has said.
    const exit = once(child, "close");
    const captured = (): number => Math.max(0, ...told.split("\n").map(Number).filter(Number.isFinite));
    const wanted = 40 * (1 + random.integer(3));
    await expect.poll(captured, { timeout: 100_000, interval: 2 }).toBeGreaterThanOrEqual(wanted);
    await new Promise((resolve) => setTimeout(resolve, random.integer(60)));
    child.kill("SIGKILL");
    await exit;
    // Of what was not told to be on disk, any part may be.
    const most = told.trim().endsWith("begins") ? 40 : 0;
    await using duckdb = await openDuckDb({ threads: 1 });
    const log = openPredictionLog({ directory, duckdb });
    const ids = (await rowsOf(log)).map((row) => row["requestId"]);
    expect(new Set(ids).size).toBe(ids.length);
    const { requests } = await log.read();
    expect(requests - counted).toBeGreaterThanOrEqual(captured());
    expect(requests - counted).toBeLessThanOrEqual(captured() + most);
    if (!rolls) expect(ids.length).toBe(requests);
    counted = requests;
  }
}, 600_000);
