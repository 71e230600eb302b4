import { createRandom } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { downsample } from "../src/tracking/downsample.ts";
import { encodeChunk, type MetricColumns } from "../src/tracking/metric-chunk.ts";
import { openWorkshop } from "./workshop.ts";

const columnsOf = (values: readonly number[], steps = values.map((_, step) => step)): MetricColumns => ({
  steps: Float64Array.from(steps),
  timesMs: Float64Array.from(steps, (step) => step * 10),
  values: Float64Array.from(values),
});

const scanOf = (values: readonly number[], pieceLength: number) => ({
  total: values.length,
  visit: async (piece: (columns: MetricColumns) => void) => {
    for (let start = 0; start < values.length; start += pieceLength) {
      const some = values.slice(start, start + pieceLength);
      piece(
        columnsOf(
          some,
          some.map((_, index) => start + index),
        ),
      );
    }
  },
});

/** The thesis's algorithm over arrays, with buckets for all points but the first and the last. */
function reference(values: readonly number[], buckets: number): readonly number[] {
  const total = values.length;
  const bounds = Array.from({ length: buckets }, () => [] as number[]);
  for (let position = 1; position < total - 1; position += 1)
    bounds[Math.min(Math.floor((position - 1) / ((total - 2) / buckets)), buckets - 1)]?.push(position);
  const chosen = [0];
  for (const [index, bucket] of bounds.entries()) {
    const after = bounds[index + 1] ?? [total - 1];
    const mean = (of: (position: number) => number) => after.reduce((sum, each) => sum + of(each), 0) / after.length;
    const [x, y] = [mean((each) => each), mean((each) => values[each] as number)];
    const a = chosen.at(-1) as number;
    const area = (b: number): number =>
      Math.abs((a - x) * ((values[b] as number) - (values[a] as number)) - (a - b) * (y - (values[a] as number))) / 2;
    chosen.push(bucket.reduce((best, each) => (area(each) > area(best) + 1e-12 ? each : best)));
  }
  return [...chosen, total - 1];
}

describe("downsampling", () => {
  const random = createRandom(2);
  const walk = (length: number): number[] => {
    let level = 0;
    return Array.from({ length }, () => (level += random.normal()));
  };

  test("it chooses the points of the thesis's algorithm, and the extremes, in pieces of any length", async () => {
    for (const [length, most] of [
      [100, 20],
      [997, 50],
      [5000, 333],
    ] as const) {
      const values = walk(length);
      const expected = new Set(reference(values, most - 4));
      expected.add(values.indexOf(Math.min(...values))).add(values.indexOf(Math.max(...values)));
      const { points } = await downsample(scanOf(values, 37), most);
      expect(points.map(({ step }) => step)).toEqual([...expected].toSorted((a, b) => a - b));
      expect(points.every(({ step, value, timeMs }) => value === values[step] && timeMs === step * 10)).toBe(true);
    }
  });

  test("what is not finite is told as gaps, and extremes and ends are those of what is", async () => {
    const values = [Number.NaN, 1, Infinity, -Infinity, 5, -3, ...walk(500).map(() => 0), 2, Number.NaN, Number.NaN];
    const curve = await downsample(scanOf(values, 10), 20);
    expect(curve).toMatchObject({
      total: 509,
      nans: 3,
      positiveInfinities: 1,
      negativeInfinities: 1,
      gapCount: 3,
      gaps: [
        { fromStep: 0, toStep: 0, points: 1 },
        { fromStep: 2, toStep: 3, points: 2 },
        { fromStep: 507, toStep: 508, points: 2 },
      ],
      min: { step: 5, value: -3 },
      max: { step: 4, value: 5 },
    });
    expect(curve.points.length).toBeLessThanOrEqual(20);
    expect(curve.points.at(0)?.step).toBe(1);
    expect(curve.points.at(-1)?.step).toBe(506);
    expect(await downsample(scanOf([Number.NaN], 1), 20)).toMatchObject({ points: [], nans: 1, gapCount: 1 });
    expect(await downsample(scanOf([], 1), 20)).toMatchObject({ points: [], total: 0, min: undefined });
    // The greatest doubles, and as few points as there can be.
    const great = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? 1.7e308 : -1.7e308));
    expect((await downsample(scanOf(great, 100), 100)).points.length).toBeGreaterThan(90);
    expect((await downsample(scanOf(walk(100), 7), 4)).points.length).toBeLessThanOrEqual(4);
  });
});

test("a curve is cut by steps, put in order whatever order it was logged in, and whole where it is short", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  for (const start of [50, 0, 100]) {
    run.logMetrics(
      Array.from({ length: 50 }, (_, index) => ({ name: "loss", step: start + index, value: start + index })),
    );
    await run.flush();
  }
  const steps = async (options: Parameters<typeof registry.history>[2]) =>
    (await registry.history(run.id, "loss", options)).points.map(({ step, value }) => (expect(value).toBe(step), step));
  const all = Array.from({ length: 150 }, (_, step) => step);
  expect(await steps({})).toEqual(all);
  expect(await steps({ fromStep: 40, toStep: 60 })).toEqual(all.slice(40, 61));
  expect(await steps({ fromStep: 149.5 })).toEqual([]);
  // Steps that go back within what is written already: all of them are put in order.
  run.logMetrics([{ name: "loss", step: 75, value: 75 }]);
  await run.flush();
  expect(await steps({ fromStep: 74, toStep: 76 })).toEqual([74, 75, 75, 76]);
  await run.end("finished");
  const other = await registry.startRun({ experiment: "late" });
  const curves = await registry.curves([run.id, other.id], "loss", { points: 10 });
  expect(curves.map(({ runId, total, points }) => [runId, total, points.length <= 10])).toEqual([
    [run.id, 151, true],
    [other.id, 0, true],
  ]);
  await expect(registry.history("nobody", "loss")).rejects.toMatchObject({ code: "REGISTRY_RUN_UNKNOWN" });
  for (const points of [3, 100_001, 2.5, Number.NaN])
    await expect(registry.history(run.id, "loss", { points })).rejects.toThrow(RangeError);
});

test("MR-10: ten million points come back as at most two thousand, with both ends and both extremes, in little memory", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  run.logMetrics([{ name: "loss", step: 0, value: 0 }]);
  await run.end("finished");
  const series = await database.read.selectFrom("registry_series").select("id").executeTakeFirstOrThrow();
  await database.writeBatch([{ sql: "delete from registry_chunks", parameters: [] }]);
  const pieces = 160;
  const length = 62_500;
  const valueAt = (step: number): number => {
    if (step === 3_333_333) return -1e6;
    if (step === 7_654_321) return 1e6;
    return step % 1_000_003 === 5 ? Number.NaN : Math.sin(step / 1e5) + (step % 7) / 100;
  };
  for (let piece = 0; piece < pieces; piece += 1) {
    const steps = Float64Array.from({ length }, (_, index) => piece * length + index);
    const data = encodeChunk({ steps, timesMs: steps, values: steps.map(valueAt) });
    await database.writeBatch([
      {
        sql: "insert into registry_chunks (series, points, min_step, max_step, data) values (?, ?, ?, ?, ?)",
        parameters: [series["id"], length, piece * length, (piece + 1) * length - 1, data],
      },
    ]);
  }
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const watching = setInterval(() => (peak = Math.max(peak, process.memoryUsage().arrayBuffers)), 5);
  const curve = await registry.history(run.id, "loss");
  clearInterval(watching);
  expect(curve.total).toBe(10_000_000);
  expect(curve.points.length).toBeLessThanOrEqual(2000);
  expect(curve.points.length).toBeGreaterThan(1900);
  expect(curve.points[0]).toEqual({ step: 0, value: valueAt(0), timeMs: 0 });
  expect(curve.points.at(-1)?.step).toBe(9_999_999);
  const found = new Map(curve.points.map(({ step, value }) => [step, value]));
  expect([found.get(3_333_333), found.get(7_654_321)]).toEqual([-1e6, 1e6]);
  expect(curve).toMatchObject({ nans: 10, gapCount: 10, min: { value: -1e6 }, max: { value: 1e6 } });
  // 240 MB of points were read; a tenth of a second of garbage may be about.
  expect(peak - before).toBeLessThan(200e6);
});
