import {
  type CapturedPrediction,
  type CapturedTensors,
  type JsonObject,
  createManualClock,
  createRandom,
  digestOf,
} from "@millwright/contracts";
import { toArray } from "@millwright/data";
import {
  type CapturedTable,
  type CaptureWriter,
  defineSlo,
  errorIndicator,
  type Indicator,
  latencyIndicator,
  openMonitor,
} from "@millwright/monitor";
import { openArrowCapture, readArrowCapture } from "@millwright/monitor/drivers/arrow";
import { expect, test } from "vitest";
import { asColumns, start, useFolder } from "./captured-requests.ts";

const random = createRandom(17);
const folder = useFolder("blocks");

const model = (version: number): CapturedPrediction["model"] => ({
  name: "late",
  version,
  digest: digestOf(String(version)),
});

const request = (requestId: string, timeMs: number, more: Partial<CapturedTensors> = {}): CapturedTensors => ({
  requestId,
  endpoint: "late",
  variant: "main",
  model: model(1),
  timeMs,
  latencyMs: random.next() * 10,
  inputs: { x: { dtype: "float32", shape: [1, 3], data: Float32Array.from({ length: 3 }, () => random.normal()) } },
  outputs: { y: { dtype: "float32", shape: [1, 1], data: Float32Array.of(random.next()) } },
  ...more,
});

/** Keeps the rows of requests, and of tables as they were when they were handed over. */
function keeper(): CaptureWriter & { readonly rows: JsonObject[]; readonly tables: CapturedTable[] } {
  const [rows, tables]: [JsonObject[], CapturedTable[]] = [[], []];
  return {
    rows,
    tables,
    write: async (each) => void rows.push(...each),
    // Later than the next requests, as a slow disk.
    writeTable: async (table) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      tables.push({ ...table });
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Ids that are hard to keep as bytes: beyond ASCII, beyond one unit, a byte order mark, halves of pairs that would make a whole one together, none, very long. */
const hardIds = ["é", "日本-1", "😀😀", "\uFEFFr1", "a\uD83D", "\uDE00b", "", "\u0000", "x".repeat(5000), "plain"];

test("request ids are captured as they came, whatever they are made of, and counted apart as one by one", async () => {
  const ids = Array.from({ length: 300 }, (_, at) =>
    at % 7 === 0 ? (hardIds[(at / 7) % hardIds.length] as string) : `id-${at}`,
  );
  const clock = createManualClock(start + 60_000);
  const capture = keeper();
  await using blocks = openMonitor({ clock, capture });
  await using single = openMonitor({ clock });
  for (const [at, id] of ids.entries()) {
    const asked = request(id, start + at);
    blocks.captureTensors(asked);
    single.capture(asColumns(asked));
  }
  await blocks.flush();
  expect(capture.rows).toHaveLength(0);
  expect(capture.tables.flatMap(({ requestIds }) => requestIds)).toEqual(ids);
  const bytes = capture.tables.flatMap(({ requestIdColumn }) => toArray(requestIdColumn!));
  expect(bytes).toEqual(ids.map((id) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.from(id))));
  const sketches = [blocks, single].map((monitor) => {
    const [variant] = monitor.state()["variants"] as JsonObject[];
    return (variant!["windows"] as JsonObject[]).map((window) => window["sketches"]);
  });
  expect(sketches[0]).toEqual(sketches[1]);
  expect(blocks.read("late", "main").distinctRequests).toBe(single.read("late", "main").distinctRequests);
});

/** Two variants over many seconds, of one row and of several, forwards and back in time; a model that is registered anew under another number. */
function mixed(count: number): readonly CapturedTensors[] {
  return Array.from({ length: count }, (_, at) => {
    const rows = at % 11 === 0 ? 4 : 1;
    const numbers = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal());
    return request(`id-${at}`, start + Math.floor(at / 400) * 1500 + (at % 13 === 0 ? 400 - at / 100 : 500), {
      variant: at % 5 === 0 ? "candidate" : "main",
      model: { ...model(1), version: at < count / 2 ? 1 : 2 },
      inputs: { x: { dtype: "float32", shape: [rows, 3], data: numbers(rows * 3) } },
      outputs: { y: { dtype: "float32", shape: [rows, 1], data: numbers(rows) } },
    });
  });
}

const byId = (rows: readonly JsonObject[]): readonly JsonObject[] =>
  rows.toSorted((a, b) => Number(String(a["requestId"]).slice(3)) - Number(String(b["requestId"]).slice(3)));

test("blocks whose memory is used again change nothing that was handed on: what is captured is what it is one by one", async () => {
  const clock = createManualClock(start + 60_000);
  const slow = {
    rows: [] as JsonObject[],
    async write(rows: readonly JsonObject[]) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      this.rows.push(...rows);
    },
    [Symbol.asyncDispose]: async () => {},
  };
  const kept = keeper();
  await using arrow = await openArrowCapture({ directory: folder(), clock });
  await using blocks = openMonitor({ clock, capture: slow });
  await using columnar = openMonitor({ clock, capture: arrow });
  await using single = openMonitor({ clock, capture: kept });
  for (const [at, asked] of mixed(6000).entries()) {
    blocks.captureTensors(asked);
    columnar.captureTensors(asked);
    single.capture(asColumns(asked));
    // Counts what waits, and writes behind it while the next come.
    if (at % 250 === 249) for (const monitor of [blocks, columnar]) monitor.read("late", "main");
  }
  await Promise.all([blocks, columnar, single].map((monitor) => monitor.flush()));
  const wanted = byId(kept.rows);
  expect(wanted).toHaveLength(6000);
  expect(new Set(wanted.map((row) => (row["model"] as JsonObject)["version"]))).toEqual(new Set([1, 2]));
  expect(byId(slow.rows)).toEqual(wanted);
  const read: JsonObject[] = [];
  for await (const row of readArrowCapture(folder())) read.push(row);
  expect(byId(read)).toEqual(wanted);
});

test("objectives count blocks as they count requests, whether or not an indicator takes several at once, and a prediction that it keeps stays as it was", async () => {
  const seen: CapturedPrediction[] = [];
  const own: Indicator = {
    subject: "endpoint/late",
    classify(prediction) {
      seen.push(prediction);
      return prediction.variant === "candidate" ? undefined : (prediction.outputs?.["y"]?.data[0] as number) > 0;
    },
  };
  const slis: Readonly<Record<string, Indicator>> = {
    all: errorIndicator({ endpoint: "late" }),
    others: errorIndicator({ endpoint: "other" }),
    fast: latencyIndicator({ endpoint: "late", thresholdMs: 4 }),
    "fast-main": latencyIndicator({ endpoint: "late", variant: "main", thresholdMs: 6 }),
    own,
  };
  const objectives = (own: boolean) =>
    Object.entries(slis).flatMap(([name, sli]) =>
      name === "own" && !own ? [] : [defineSlo({ name, objective: 0.9, sli, missingData: "bad" })],
    );
  const clock = createManualClock(start + 60_000);
  const requests = mixed(3000);
  await using single = openMonitor({ clock, slos: objectives(true) });
  for (const asked of requests) single.capture(asColumns(asked));
  const wanted = single.state()["objectives"];
  const outputsOf = ({ requestId, outputs }: CapturedPrediction) => [
    requestId,
    [...(outputs!["y"]!.data as Float32Array)],
  ];
  const wantedSeen = seen.splice(0).map(outputsOf);
  for (const withOwn of [true, false]) {
    await using blocks = openMonitor({ clock, slos: objectives(withOwn) });
    for (const [at, asked] of requests.entries()) {
      blocks.captureTensors(asked);
      if (at % 100 === 99) blocks.read("late", "main");
    }
    expect(blocks.state()["objectives"]).toEqual(withOwn ? wanted : (wanted as JsonObject[]).slice(0, -1));
    for (const { name } of objectives(withOwn)) expect(blocks.slo(name)).toEqual(single.slo(name));
    if (!withOwn) continue;
    const sorted = (rows: readonly unknown[][]) => rows.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    expect(sorted(seen.map(outputsOf))).toEqual(sorted(wantedSeen));
  }
});
