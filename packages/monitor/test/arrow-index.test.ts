import { appendFile, mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock, createRandom, digestOf, type JsonObject } from "@millwright/contracts";
import { openArrowCapture, openArrowPredictions, readArrowCapture } from "@millwright/monitor/drivers/arrow";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openMonitor } from "../src/index.ts";

const start = Date.UTC(2026, 0, 1);
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-arrow-index-"));
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

const model = { name: "late", digest: digestOf("model") };

/** Captures requests of one to three rows, a flush every so often; every tenth fails, and is kept as a line. */
async function capture(ids: readonly string[], seed: number): Promise<void> {
  const random = createRandom(seed);
  const clock = createManualClock(start);
  await using writer = await openArrowCapture({ directory, segmentBytes: 6000, clock });
  await using monitor = openMonitor({ clock, capture: writer });
  for (const [at, requestId] of ids.entries()) {
    const rows = 1 + random.integer(3);
    const tensor = (width: number) =>
      ({
        dtype: "float32",
        shape: [rows, width],
        data: Float32Array.from({ length: rows * width }, () => random.next()),
      }) as const;
    const asked = {
      requestId,
      endpoint: "late",
      variant: "main",
      model,
      timeMs: start + at,
      latencyMs: 1,
      inputs: { x: tensor(2) },
    };
    monitor.captureTensors(
      at % 10 === 9 ? { ...asked, errorCode: "SERVING_MODEL_FAILED" } : { ...asked, outputs: { p: tensor(1) } },
    );
    if (random.next() < 0.1) await monitor.flush();
  }
  await monitor.flush();
}

const rowOf = (rows: ReadonlyMap<unknown, JsonObject>, id: string): readonly JsonObject[] => {
  const row = rows.get(id);
  return row === undefined ? [] : [row];
};

async function all(rows: AsyncIterable<JsonObject>): Promise<readonly JsonObject[]> {
  const found: JsonObject[] = [];
  for await (const row of rows) found.push(row);
  return found.toSorted((a, b) => (String(a["requestId"]) < String(b["requestId"]) ? -1 : 1));
}

const idsOf = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from }, (_, at) => `request ${from + at}`);
const segments = async (): Promise<readonly string[]> =>
  (await readdir(directory)).filter((name) => name.endsWith(".arrows")).toSorted();

test("whatever is asked for, in whatever lots, as a log grows, is torn and loses segments, is found as it was captured, remembered or not", async () => {
  const readers = [1, 40, 10_000_000].map((maxIndexed) => openArrowPredictions({ directory, maxIndexed }));
  const random = createRandom(5);
  for (let round = 0; round < 5; round += 1) {
    await capture(idsOf(60 * round, 60 * (round + 1)), round);
    if (round === 2) await rm(join(directory, (await segments())[0]!));
    if (round === 3)
      await appendFile(
        join(directory, (await segments()).at(-1)!),
        new Uint8Array([255, 255, 255, 255, 16, 1, 0, 0, 5]),
      );
    const captured = new Map((await all(readArrowCapture(directory))).map((row) => [row["requestId"], row] as const));
    expect(captured.size).toBeGreaterThan(round < 2 ? 60 * round : 100);
    for (const reader of readers)
      for (const size of [1, 7, 400]) {
        const ids = Array.from({ length: size }, () => `request ${random.integer(330)}`);
        const wanted = [...new Set(ids)].toSorted().flatMap((id) => rowOf(captured, id));
        expect(await all(reader.findAll([...new Set(ids)]))).toEqual(wanted);
        const few = await all(reader.findAll([...new Set(ids)], { features: ["x_1"] }));
        expect(few.map(({ outputs }) => outputs)).toEqual(wanted.map(({ outputs }) => outputs));
        for (const [at, { features }] of few.entries())
          if (wanted[at]!["errorCode"] === undefined)
            expect(features).toEqual({ x_1: (wanted[at]!["features"] as JsonObject)["x_1"] });
      }
  }
  const [last] = (await segments()).slice(-2);
  await truncate(join(directory, last!), 1500);
  const left = new Map((await all(readArrowCapture(directory))).map((row) => [row["requestId"], row] as const));
  for (const reader of readers) {
    const found = await all(reader.findAll(idsOf(0, 330)));
    expect(found).toEqual(
      [...left.values()].toSorted((a, b) => (String(a["requestId"]) < String(b["requestId"]) ? -1 : 1)),
    );
  }
});

test("of requests of one id those of the latest segment are found", async () => {
  await capture(["a", "twice"], 1);
  await capture(["twice", "b"], 2);
  const captured = (await all(readArrowCapture(directory))).filter(({ requestId }) => requestId === "twice");
  expect(captured).toHaveLength(2);
  const reader = openArrowPredictions({ directory });
  const [found, ...more] = await all(reader.findAll(["twice", "a", "nobody"]));
  expect(more.map(({ requestId }) => requestId)).toEqual(["twice"]);
  expect(found!["requestId"]).toBe("a");
  expect(captured.map((row) => JSON.stringify(row)).indexOf(JSON.stringify(more[0]))).toBe(1);
});

test("a bound that is none is refused, a folder that is not there is told of", async () => {
  for (const maxIndexed of [0, 1.5, Number.NaN])
    expect(() => openArrowPredictions({ directory, maxIndexed })).toThrow(RangeError);
  const nowhere = openArrowPredictions({ directory: join(directory, "nowhere") });
  await expect(nowhere.find("a")).rejects.toMatchObject({ code: "MONITOR_CAPTURE_UNREADABLE" });
});
