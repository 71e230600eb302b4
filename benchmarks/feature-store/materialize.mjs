// Bringing a wide view online: ours into LMDB, SQLite and the durable log, against Feast's SQLite and against LMDB by hand; and rows that are pushed.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { calibrate, machine, median, pairedRatio, startPeer } from "./referee.mjs";
import { DAY_ONE, DAY_THREE, DAY_TWO, generateWide, WIDE_FEATURES } from "./wide.mjs";

const { values: options } = parseArgs({
  options: {
    entities: { type: "string", default: "200000" },
    pairs: { type: "string", default: "5" },
    "slow-pairs": { type: "string", default: "2" },
    pushes: { type: "string", default: "300" },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: "materialize.json" },
  },
});
const entities = Number(options.entities);
const changed = Math.ceil(entities / 100);
const here = new URL("./peers/", import.meta.url).pathname;
const directory = await mkdtemp(join(tmpdir(), "millwright-materialize-"));
const duckdb = await openDuckDb();
const before = { machine: machine(), calibrationMs: calibrate() };
const results = [];
const pushes = [];
let runs = 0;

function startOf(kind) {
  const folder = join(directory, `${kind}-${++runs}`);
  return kind === "feast"
    ? { name: kind, folder, command: options.python, args: [join(here, "wide_feast.py"), folder] }
    : { name: kind, folder, command: process.execPath, args: [join(here, "wide-writer.mjs"), kind, folder] };
}

/** The rows that answers are compared with: the first and the last entities, of which some were changed. */
async function expected(path, ids) {
  const columns = WIDE_FEATURES.join(", ");
  const sql = `SELECT id, ${columns} FROM '${path}' WHERE id IN (${ids.join(", ")}) QUALIFY row_number() OVER (PARTITION BY id ORDER BY event_ts DESC) = 1`;
  const found = new Map();
  for await (const batch of duckdb.query(sql)) {
    for (let row = 0; row < batch.length; row++) {
      found.set(
        Number(batch.columns.id.values[row]),
        WIDE_FEATURES.map((name) => batch.columns[name].values[row]),
      );
    }
  }
  return ids.map((id) => found.get(id));
}

async function check(peer, path) {
  const ids = [0, 1, 99, 100, entities - 100, entities - 1].filter((id) => id >= 0);
  const { answer } = await peer.ask({ op: "values", ids });
  const wanted = await expected(path, ids);
  for (const [index, values] of wanted.entries()) {
    if (values.some((value, at) => value !== Math.fround(answer.values[index][at])))
      throw new Error(`${peer.name}: entity ${ids[index]} differs.`);
  }
}

const shortOf = ({ wallSeconds, cpuSeconds, peakMiB }) => ({ wallSeconds, cpuSeconds, peakMiB });

/** A fresh process and folder: everything, then the changes; only the work is timed. */
async function once(kind, { pushed = false } = {}) {
  const start = startOf(kind);
  const peer = startPeer(start);
  await peer.ask({ op: "prepare", paths });
  const full = shortOf(await peer.ask({ op: "full", ...(kind === "feast" ? { start: DAY_ONE } : {}), end: DAY_TWO }));
  await check(peer, paths.first);
  const { answer } = await peer.ask({ op: "size" });
  if (kind !== "feast") await peer.ask({ op: "changes" });
  const range = kind === "feast" ? { start: DAY_TWO, end: DAY_THREE } : {};
  const incremental = shortOf(await peer.ask({ op: "incremental", ...range }));
  await check(peer, paths.both);
  if (pushed) await push(peer);
  await peer.stop();
  await rm(start.folder, { recursive: true, force: true });
  return { full, incremental, bytes: answer.bytes };
}

/** Calls of one row and of a hundred, each until a read finds it. */
async function push(peer) {
  const calls = peer.name === "feast" ? Math.ceil(Number(options.pushes) / 10) : Number(options.pushes);
  for (const rows of [1, 100]) {
    const { answer, cpuSeconds, wallSeconds } = await peer.ask({ op: "push", calls, rows });
    const sorted = answer.seconds.toSorted((one, other) => one - other);
    const at = (share) => sorted[Math.floor((sorted.length - 1) * share)] * 1000;
    const result = {
      kind: peer.name,
      rows,
      calls,
      rowsPerSecond: (calls * rows) / wallSeconds,
      rowsPerCpuSecond: (calls * rows) / cpuSeconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    };
    pushes.push(result);
    console.log(
      `push, ${peer.name}, ${rows} rows a call: ${Math.round(result.rowsPerSecond)} rows/s, ${Math.round(result.rowsPerCpuSecond)} a second of CPU; visible p50 ${result.p50Ms.toFixed(2)} ms, p99 ${result.p99Ms.toFixed(2)} ms`,
    );
  }
}

/** The puts alone, of entries that are ready in memory. */
async function putsOnly() {
  const start = startOf("by-hand");
  const peer = startPeer(start);
  await peer.ask({ op: "prepare", paths, ready: true });
  const full = shortOf(await peer.ask({ op: "puts" }));
  await check(peer, paths.first);
  await peer.stop();
  await rm(start.folder, { recursive: true, force: true });
  return { full };
}

/** Runs kinds in turns, forwards and backwards. @returns the samples of each. */
async function inTurns(rounds, runners) {
  const samples = runners.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const order = [...runners.keys()];
    if (round % 2 === 1) order.reverse();
    for (const index of order) samples[index].push(await runners[index](round));
  }
  return samples;
}

function compare(what, ours, theirs) {
  if (ours.length === 0) return;
  for (const phase of ["full", "incremental"]) {
    if (theirs[0]?.[phase] === undefined) continue;
    const rows = phase === "full" ? entities : changed;
    const result = { what, phase, rows, samples: { ours, theirs } };
    for (const clock of ["wallSeconds", "cpuSeconds"]) {
      const of = (samples) => samples.map((each) => each[phase][clock]);
      const { ratio, low, high } = pairedRatio(of(theirs), of(ours));
      const rate = (samples) => Math.round(rows / median(of(samples)));
      result[clock] = { ratio, low, high, ours: rate(ours), theirs: rate(theirs) };
      console.log(
        `${what}, ${phase}, ${clock}: ×${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}); entity-rows/s ours ${rate(ours)}, theirs ${rate(theirs)}`,
      );
    }
    results.push(result);
  }
  const mib = (samples) => (samples[0]?.bytes === undefined ? "" : Math.round(samples[0].bytes / 2 ** 20));
  console.log(`${what}, on disk, MiB: ours ${mib(ours)}, theirs ${mib(theirs)}`);
}

let paths;
try {
  paths = await generateWide(duckdb, directory, entities);
  const runner = (kind) => (round) => once(kind, { pushed: round === 0 });
  const [lmdb, byHand, puts] = await inTurns(Number(options.pairs), [runner("lmdb"), runner("by-hand"), putsOnly]);
  compare("LMDB against LMDB by hand", lmdb, byHand);
  compare("LMDB against puts alone", lmdb, puts);
  const kinds = ["lmdb", "sqlite", "log", "feast"];
  const samples = await inTurns(Number(options["slow-pairs"]), kinds.map(runner));
  kinds.slice(0, 3).forEach((kind, index) => compare(`${kind} against Feast on SQLite`, samples[index], samples[3]));
} finally {
  await rm(directory, { recursive: true, force: true });
  await duckdb[Symbol.asyncDispose]();
}
const after = { machine: machine(), calibrationMs: calibrate() };
const { python: _, out, ...asked } = options;
await writeFile(out, `${JSON.stringify({ options: asked, before, after, results, pushes }, undefined, 1)}\n`);
