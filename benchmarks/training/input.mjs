// From a Parquet file to shuffled batches that a step can take: the trainer's two ways (all rows as a matrix; a stream of buffers), against row objects of DuckDB's own
// client, against copying as many bytes, and against torch's DataLoader with two workers over rows that lie in memory already. All must give the same numbers.
//   node benchmarks/training/input.mjs [rows] [width] [batch] [rounds]      PYTHON names a Python with torch, if there is one.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileTransforms } from "../../packages/data/dist/index.js";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { EvenShare } from "../../packages/trainer/dist/input/even-share.js";
import { StreamedRows } from "../../packages/trainer/dist/input/streamed-rows.js";
import { trainingRows } from "../../packages/trainer/dist/input/training-rows.js";
import { createWindowLoader } from "../../packages/trainer/dist/input/window-loader.js";
import { loadMatrix } from "../../packages/trainer/dist/load-matrix.js";

const [rows = 1_000_000, width = 20, batch = 256, rounds = 5] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "millwright-input-"));
const path = join(folder, "rows.parquet");
const duckdb = await openDuckDb({ threads: 1 });
const names = Array.from({ length: width }, (_, at) => `c${at}`);
const columns = names.map((name, at) => `(hash(i * ${width} + ${at}) % 1000003)::FLOAT / 1000003 AS ${name}`);
await duckdb.writeParquet(
  `SELECT ${columns.join(", ")}, (hash(i) % 2)::FLOAT AS label FROM range(${rows}) AS r(i)`,
  path,
);
const dataset = await duckdb.scan(path);
const identity = {
  kind: "numeric",
  input: "number",
  fill: 0,
  missingIndicator: false,
  log: false,
  offset: 0,
  divisor: 1,
};
const transforms = compileTransforms({ formatVersion: 1, steps: names.map((column) => ({ ...identity, column })) });
const label = "label";
const task = "regression";
const bytes = 4 * rows * (width + 1);

/** Rows and the sum of all numbers of what went to steps. */
class Check {
  rows = 0;
  sum = 0;
  summed = 0;
  #seen = 0;
  take({ features, labels }) {
    this.rows += labels.length;
    // Every 16th batch: all batches of all ways are made, few are summed up.
    this.#seen += 1;
    if (this.#seen % 16 !== 0) return;
    this.summed += features.length;
    for (let at = 0; at < features.length; at += 1) this.sum += features[at];
  }
}

async function walk(source, check) {
  for (let start = 0; start < source.rows; start += batch) {
    const given = source.batch(0, start, Math.min(source.rows, start + batch));
    check.take("labels" in given ? given : await given);
  }
}

const ways = {
  async matrix(check) {
    const matrix = await loadMatrix(dataset, transforms, { role: "training", label, task });
    await walk(trainingRows(matrix, 1), check);
  },
  async stream(check) {
    const readable = { dataset, transforms, trainBatch: undefined, label, task, share: new EvenShare(rows) };
    const order = { bufferRows: 262_144, blockRows: 32_768 };
    const stream = new StreamedRows({
      rows,
      width,
      seed: 1,
      epochs: 1,
      order,
      prefetch: true,
      loader: createWindowLoader(readable),
    });
    await walk(stream, check);
    await stream[Symbol.asyncDispose]();
  },
  /** What DuckDB's client offers first. On a tenth of the rows. */
  async "row objects"(check) {
    const { DuckDBInstance } = createRequire(new URL("../../packages/duckdb/package.json", import.meta.url))(
      "@duckdb/node-api",
    );
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    const result = await connection.stream(`SELECT * FROM '${path}' LIMIT ${Math.floor(rows / 10)}`);
    let features = new Float32Array(batch * width);
    let labels = new Float32Array(batch);
    let at = 0;
    for await (const found of result.yieldRowObjectJs()) {
      for (const row of found) {
        for (let column = 0; column < width; column += 1) features[at * width + column] = row[names[column]];
        labels[at] = row[label];
        at += 1;
        if (at < batch) continue;
        check.take({ features, labels });
        features = new Float32Array(batch * width);
        labels = new Float32Array(batch);
        at = 0;
      }
    }
    if (at > 0) check.take({ features: features.subarray(0, at * width), labels: labels.subarray(0, at) });
    connection.closeSync();
    instance.closeSync();
  },
  /** As many bytes from one place in memory to new ones. */
  async memcpy(check) {
    const from = new Uint8Array(source);
    const to = new Uint8Array(bytes);
    to.set(from);
    check.rows = to.length === bytes ? rows : 0;
  },
};
const source = new ArrayBuffer(bytes);
new Uint8Array(source).fill(1);
const share = { "row objects": Math.floor(rows / 10) / rows };

const spentOf = async (way) => {
  globalThis.gc?.();
  const check = new Check();
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  await ways[way](check);
  const { user, system } = process.cpuUsage(cpu);
  const part = share[way] ?? 1;
  if (check.rows !== Math.round(rows * part)) throw new Error(`${way} gave ${check.rows} rows.`);
  const mean = check.sum / check.summed;
  if (way !== "memcpy" && Math.abs(mean - 0.5) > 0.02) throw new Error(`The numbers of ${way} are others: ${mean}.`);
  return { cpuMs: (user + system) / 1e3 / part, wallMs: (performance.now() - began) / part };
};

function torchOf() {
  const python = process.env.PYTHON;
  if (python === undefined) return undefined;
  const values = new Float32Array(rows * (width + 1)).map((_, at) => (at % 1_009) / 1_009);
  writeFileSync(join(folder, "rows.f32"), values);
  const script = new URL("./peers/input_torch.py", import.meta.url).pathname;
  return () => {
    const part = Math.min(rows, 200_000);
    const { stdout, stderr, status } = spawnSync(
      python,
      [script, JSON.stringify({ folder, rows: part, width, batch })],
      { encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    const told = JSON.parse(stdout);
    return {
      cpuMs: (told.cpuSeconds * 1e3 * rows) / part,
      wallMs: (told.wallSeconds * 1e3 * rows) / part,
      version: told.torch,
    };
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const torch = torchOf();
const seen = {};
for (let round = 0; round < rounds; round += 1) {
  const order = round % 2 === 0 ? Object.keys(ways) : Object.keys(ways).toReversed();
  for (const way of order) (seen[way] ??= []).push(await spentOf(way));
  if (torch !== undefined && round < 3) (seen["torch DataLoader"] ??= []).push(torch());
}
const ratioOf = (way, other) => {
  const count = Math.min(seen[way].length, seen[other].length);
  return median(seen[other].slice(0, count).map(({ cpuMs }, at) => cpuMs / seen[way][at].cpuMs));
};
console.log(
  `${rows} rows of ${width} float32 and a label, batches of ${batch}; Node ${process.versions.node}; ${execFileSync("uname", ["-m"], { encoding: "utf8" }).trim()}`,
);
console.log("| way | CPU ms | MB/s of CPU | rows/s of CPU | wall ms |\n|---|---|---|---|---|");
for (const [way, all] of Object.entries(seen)) {
  const cpuMs = median(all.map((one) => one.cpuMs));
  console.log(
    `| ${way} | ${cpuMs.toFixed(0)} | ${(bytes / 1e3 / cpuMs).toFixed(0)} | ${((rows / cpuMs) * 1e3).toExponential(2)} | ${median(all.map((one) => one.wallMs)).toFixed(0)} |`,
  );
}
for (const way of ["matrix", "stream"]) {
  const against = ["row objects", "memcpy", "torch DataLoader"].filter((other) => seen[other] !== undefined);
  console.log(
    `${way}: ${against.map((other) => `${ratioOf(way, other).toFixed(2)}x the speed of ${other}`).join(", ")}`,
  );
}
await duckdb[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });
