import { appendFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type CapturedTensors,
  type JsonObject,
  createManualClock,
  createRandom,
  digestOf,
  redactFields,
} from "@millwright/contracts";
import { defineSlo, latencyIndicator, openMonitor } from "@millwright/monitor";
import { openArrowCapture, readArrowCapture } from "@millwright/monitor/drivers/arrow";
import { openNdjsonCapture, readNdjsonCapture } from "@millwright/monitor/drivers/ndjson";
import { expect, test } from "vitest";
import { asColumns, start, useFolder } from "./captured-requests.ts";

const quality = { late: { output: "probability", kind: "binary" } } as const;

const directory = useFolder("captured");

/** Requests of one row or several, of two variants, over many seconds; now and then one of another kind. */
function traffic(count: number): readonly CapturedTensors[] {
  const random = createRandom(11);
  return Array.from({ length: count }, (_, index): CapturedTensors => {
    const rows = index % 7 === 0 ? 3 : 1;
    const numbers = (width: number): Float32Array => Float32Array.from({ length: rows * width }, () => random.normal());
    const variant = index % 5 === 0 ? "candidate" : "main";
    const asked = {
      requestId: `r${index}`,
      endpoint: "late",
      variant,
      model: { name: "late", version: 2, digest: digestOf(variant) },
    };
    const inputs = {
      features: { dtype: "float32", shape: [rows, 4], data: numbers(4) },
      code: {
        dtype: "int64",
        shape: [rows],
        data: BigInt64Array.from({ length: rows }, () => BigInt(index) * 2n ** 40n),
      },
    } as const;
    const told = { ...asked, inputs, timeMs: start + index * 7, latencyMs: random.next() * 10 };
    if (index % 50 === 49) return { ...told, errorCode: "SERVING_MODEL_FAILED" };
    const outputs = {
      probability: {
        dtype: "float32",
        shape: [rows, 1],
        data: Float32Array.from({ length: rows }, () => random.next()),
      },
      scores: {
        dtype: "float64",
        shape: [rows, 2],
        data: Float64Array.from(numbers(2), (each) => (index % 33 === 0 ? -0 : each)),
      },
    } as const;
    return index % 90 === 89 ? { ...told, outputs, degraded: "SERVING_OVERLOADED" } : { ...told, outputs };
  });
}

const collected = async (rows: AsyncIterable<JsonObject>): Promise<JsonObject[]> => {
  const all: JsonObject[] = [];
  for await (const row of rows) all.push(row);
  return all.toSorted((a, b) => Number(String(a["requestId"]).slice(1)) - Number(String(b["requestId"]).slice(1)));
};

test("tensors are counted, profiled, labelled and measured by objectives as the same columns are, one by one or gathered", async () => {
  const slo = defineSlo({ name: "fast", objective: 0.9, sli: latencyIndicator({ endpoint: "late", thresholdMs: 5 }) });
  const open = () => openMonitor({ clock: createManualClock(start + 60_000), quality, slos: [slo] });
  await using gathered = open();
  await using single = open();
  await using columns = open();
  for (const [index, request] of traffic(1000).entries()) {
    gathered.captureTensors(request);
    single.captureTensors(request);
    if (index % 10 === 0) await single.flush();
    columns.capture(asColumns(request));
    if (index % 9 === 0) {
      const label = { requestId: request.requestId, row: 0, value: index % 18 === 0, timeMs: start + 30_000 };
      for (const monitor of [gathered, single, columns]) monitor.label(label);
    }
  }
  for (const variant of ["main", "candidate"]) {
    const wanted = columns.read("late", variant);
    for (const monitor of [gathered, single]) {
      const found = monitor.read("late", variant);
      expect(found.requests).toBe(wanted.requests);
      expect(found.errors).toBe(wanted.errors);
      // Sketches are functions of what they hold alone; moments are sums, whose rounding depends on the order.
      expect(found.latency).toEqual(wanted.latency);
      for (const part of ["features", "outputs"] as const) {
        expect(Object.keys(found[part].columns).toSorted()).toEqual(Object.keys(wanted[part].columns).toSorted());
        expect(found[part].rows).toBe(wanted[part].rows);
        for (const [name, column] of Object.entries(wanted[part].columns)) {
          const { moments, ...rest } = found[part].columns[name]!;
          const { moments: wantedMoments, ...wantedRest } = column;
          expect(rest).toEqual(wantedRest);
          expect([moments?.count, moments?.min, moments?.max]).toEqual([
            wantedMoments?.count,
            wantedMoments?.min,
            wantedMoments?.max,
          ]);
          expect(moments!.mean / wantedMoments!.mean).toBeCloseTo(1, 9);
          expect(moments!.m2 / wantedMoments!.m2).toBeCloseTo(1, 9);
        }
      }
      expect(found.quality.labels).toBe(wanted.quality.labels);
      expect(found.quality.logLoss.mean).toBeCloseTo(wanted.quality.logLoss.mean, 9);
    }
  }
  for (const monitor of [gathered, single]) {
    expect(monitor.slo("fast")).toEqual(columns.slo("fast"));
    expect(monitor.counts()).toEqual(columns.counts());
  }
});

test("what Arrow keeps of requests reads as what JSON lines keep, over several segments and a torn end, on less than half the room", async () => {
  const [arrow, ndjson] = [join(directory(), "arrow"), join(directory(), "ndjson")];
  const requests = traffic(1000);
  const clock = createManualClock(start + 60_000);
  {
    await using one = await openArrowCapture({ directory: arrow, segmentBytes: 40_000, clock });
    await using other = await openNdjsonCapture({ directory: ndjson, clock });
    await using tensors = openMonitor({ clock, capture: one });
    await using columns = openMonitor({ clock, capture: other });
    for (const [index, request] of requests.entries()) {
      tensors.captureTensors(request);
      columns.capture(asColumns(request));
      if (index % 100 === 99) await tensors.flush();
    }
    await Promise.all([tensors.flush(), columns.flush()]);
    expect([tensors.counts().rowsWritten, columns.counts().rowsWritten]).toEqual([1000, 1000]);
  }
  const names = (await readdir(arrow)).filter((name) => name.endsWith(".arrows")).toSorted();
  expect(names.length).toBeGreaterThan(3);
  const wanted = await collected(readNdjsonCapture(ndjson));
  expect(await collected(readArrowCapture(arrow))).toEqual(wanted);
  const sizeOf = async (folder: string): Promise<number> => {
    const found = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
    return found.reduce((sum, { size }) => sum + size, 0);
  };
  expect(await sizeOf(arrow)).toBeLessThan((await sizeOf(ndjson)) / 2);
  await appendFile(join(arrow, names[0]!), Uint8Array.of(255, 255, 255, 255, 136, 2, 0, 0, 16));
  expect(await collected(readArrowCapture(arrow))).toEqual(wanted);
});

test("a table as JSON lines is what its requests are one by one", async () => {
  const rows: JsonObject[] = [];
  const clock = createManualClock(start + 60_000);
  const kept = {
    write: async (each: readonly JsonObject[]) => void rows.push(...each),
    [Symbol.asyncDispose]: async () => {},
  };
  {
    await using capture = await openNdjsonCapture({ directory: directory(), clock });
    await using tables = openMonitor({ clock, capture });
    await using single = openMonitor({ clock, capture: kept });
    for (const request of traffic(300)) {
      tables.captureTensors(request);
      single.captureTensors(request);
    }
  }
  const wanted = await collected(
    (async function* () {
      yield* rows;
    })(),
  );
  expect(wanted).toHaveLength(300);
  expect(await collected(readNdjsonCapture(directory()))).toEqual(JSON.parse(JSON.stringify(wanted)));
});

test("tensors are counted behind the request's back within moments, dropped beyond the queue, thinned by the sample, masked by the redactor", async () => {
  const requests = traffic(1000).filter(({ errorCode, degraded }) => errorCode === undefined && degraded === undefined);
  const clock = createManualClock(start + 60_000);
  await using waiting = openMonitor({ clock });
  for (const request of requests) waiting.captureTensors(request);
  expect(waiting.counts().captured).toBe(0);
  await expect.poll(() => waiting.counts().captured, { timeout: 5000 }).toBe(requests.length);
  await using small = openMonitor({ clock, maxQueue: 100 });
  for (const request of requests) small.captureTensors(request);
  await small.flush();
  expect(small.counts()).toMatchObject({ captured: 100, dropped: requests.length - 100 });
  await using sampled = openMonitor({ clock, sampleShare: 0.25 });
  for (const request of requests) sampled.captureTensors(request);
  const { requests: seen, features } = sampled.read("late", "main");
  expect(seen).toBe(requests.filter(({ variant }) => variant === "main").length);
  expect(features.rows / seen).toBeGreaterThan(0.15);
  expect(features.rows / seen).toBeLessThan(0.5);
  await using capture = await openArrowCapture({ directory: directory(), clock });
  await using masked = openMonitor({ clock, capture, redactor: redactFields(["features_1", "probability"]) });
  for (const request of requests) masked.captureTensors(request);
  await masked.flush();
  const [first] = await collected(readArrowCapture(directory()));
  expect(first).toMatchObject({
    features: { features_1: ["[redacted]", "[redacted]", "[redacted]"] },
    outputs: { probability: ["[redacted]", "[redacted]", "[redacted]"] },
  });
  expect(Object.keys(masked.read("late", "main").features.columns)).toEqual([
    "features_0",
    "features_2",
    "features_3",
    "code",
  ]);
});
