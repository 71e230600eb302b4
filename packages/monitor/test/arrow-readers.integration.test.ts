import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { digestOf } from "@millwright/contracts";
import { openDuckDb } from "@millwright/duckdb";
import { openMonitor } from "@millwright/monitor";
import { openArrowCapture, readArrowCapture } from "@millwright/monitor/drivers/arrow";
import { openPredictionLog } from "@millwright/monitor/drivers/parquet";
import { expect, test } from "vitest";

const python = process.env["MILLWRIGHT_PYTHON"] ?? "python3";
const found = spawnSync(python, ["-c", "import pyarrow"]).status === 0;

const startMs = Date.now() - 60_000;

/** Captures without end, and says how many requests are on disk after each flush. */
const writer = (directory: string): string => `
import { openMonitor } from ${JSON.stringify(import.meta.resolve("../dist/index.js"))};
import { openArrowCapture } from ${JSON.stringify(import.meta.resolve("../dist/drivers/arrow.js"))};
const monitor = openMonitor({ capture: await openArrowCapture({ directory: ${JSON.stringify(directory)}, segmentBytes: 200_000 }) });
const model = { name: "late", version: 3, digest: "sha256:" + "0".repeat(64) };
for (let index = 0; ; index += 1) {
  const inputs = {
    features: { dtype: "float32", shape: [1, 2], data: Float32Array.of(index, index / 8) },
    code: { dtype: "int64", shape: [1], data: BigInt64Array.of(BigInt(index) * 2n ** 40n) },
  };
  const outputs = { probability: { dtype: "float64", shape: [1, 1], data: Float64Array.of(index / 1024) } };
  monitor.captureTensors({ requestId: "r" + index, endpoint: "late", variant: "main", model, timeMs: ${startMs} + index, latencyMs: 1, inputs, outputs });
  if (index % 500 !== 499) continue;
  await monitor.flush();
  process.stdout.write(index + 1 + "\\n");
}
`;

/** What pyarrow reads of all segments: whole batches until the stream ends, or is torn. */
const reader = `
import glob, json, sys
import pyarrow as pa
rows = []
for name in sorted(glob.glob(sys.argv[1] + "/*.arrows")):
    with pa.OSFile(name) as file:
        stream = pa.ipc.open_stream(file)
        while True:
            try:
                rows += stream.read_next_batch().to_pylist()
            except (StopIteration, pa.ArrowInvalid, OSError):
                break
print(json.dumps(rows))
`;

test("what a killed process had flushed to an Arrow capture is read by pyarrow, and by us as much as by it", async (context) => {
  const missing = `${python} cannot import pyarrow: pip install pyarrow, and name that Python in MILLWRIGHT_PYTHON`;
  context.skip(!found && process.env["CI"] !== "true", missing);
  const directory = await mkdtemp(join(tmpdir(), "millwright-arrow-"));
  try {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", writer(directory)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let told = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (told += text));
    // With all that it has said.
    const exit = once(child, "close");
    await expect.poll(() => told.split("\n").length, { timeout: 100_000 }).toBeGreaterThan(8);
    child.kill("SIGKILL");
    await exit;
    const flushed = Number(told.trim().split("\n").at(-1));
    const { stdout } = await promisify(execFile)(python, ["-c", reader, directory], { maxBuffer: 2 ** 28 });
    const rows = JSON.parse(stdout) as readonly Readonly<Record<string, number | string>>[];
    const byId = new Map(rows.map((row) => [row["requestId"], row]));
    expect(byId.size).toBe(rows.length);
    for (let index = 0; index < flushed; index += 1)
      expect(byId.get(`r${index}`)).toMatchObject({
        modelVersion: 3,
        timeMs: startMs + index,
        "features.features_0": index,
        "features.features_1": index / 8,
        "features.code": index * 2 ** 40,
        "outputs.probability": index / 1024,
      });
    let ours = 0;
    for await (const row of readArrowCapture(directory)) if (byId.has(row["requestId"] as string)) ours += 1;
    expect(ours).toBe(rows.length);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 300_000);

const parquetReader = `
import glob, json, sys
import pyarrow.parquet as pq
tables = [pq.read_table(name) for name in glob.glob(sys.argv[1] + "/log/*.parquet")]
print(json.dumps([row for table in tables for row in table.to_pylist()]))
`;

test("what is compacted to Parquet is read by pyarrow, in the order of time", async (context) => {
  const missing = `${python} cannot import pyarrow: pip install pyarrow, and name that Python in MILLWRIGHT_PYTHON`;
  context.skip(!found && process.env["CI"] !== "true", missing);
  const directory = await mkdtemp(join(tmpdir(), "millwright-parquet-"));
  try {
    {
      await using capture = await openArrowCapture({ directory });
      await using monitor = openMonitor({ capture });
      const model = { name: "late", version: 3, digest: digestOf("model") };
      for (let index = 0; index < 500; index += 1) {
        const inputs = { x: { dtype: "float32", shape: [1, 2], data: Float32Array.of(index, index / 8) } } as const;
        const outputs = { p: { dtype: "float64", shape: [1], data: Float64Array.of(index / 1024) } } as const;
        const timeMs = startMs + ((index * 7919) % 500);
        monitor.captureTensors({
          requestId: `r${index}`,
          endpoint: "late",
          variant: "main",
          model,
          timeMs,
          latencyMs: 1,
          inputs,
          outputs,
        });
      }
    }
    await using duckdb = await openDuckDb({ threads: 1 });
    expect((await openPredictionLog({ directory, duckdb }).compact({ settleMs: 0 })).moved).toBe(500);
    const { stdout } = await promisify(execFile)(python, ["-c", parquetReader, directory], { maxBuffer: 2 ** 28 });
    const rows = JSON.parse(stdout) as readonly Readonly<Record<string, number | string>>[];
    expect(rows).toHaveLength(500);
    for (const [place, row] of rows.entries()) {
      const index = Number(String(row["requestId"]).slice(1));
      expect(row).toMatchObject({
        timeMs: startMs + place,
        "features.x_0": index,
        "features.x_1": index / 8,
        "outputs.p": index / 1024,
      });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}, 300_000);
