// Training sets: ours against DuckDB by hand, Polars, pandas and Feast. See ../results/feature-store.md for how to run it and what came out.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { openFeatureStore } from "../../packages/feature-store/dist/index.js";
import { serviceOf } from "./definitions.mjs";
import { generate, VIEWS } from "./generate.mjs";
import { countDifferent, expectedAnswers } from "./oracle.mjs";
import { calibrate, machine, median, pairedRatio, startPeer } from "./referee.mjs";

const { values: options } = parseArgs({
  options: {
    grid: { type: "string", default: "10000,10000,10" },
    pairs: { type: "string", default: "5" },
    "slow-pairs": { type: "string", default: "2" },
    peers: { type: "string", default: "duckdb-exact,duckdb-days,polars,pandas,feast" },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: "retrieval.json" },
    phases: { type: "string", default: "bare,first,repeat" },
  },
});
const here = new URL("./peers/", import.meta.url).pathname;
const slow = new Set(["feast"]);
const OURS = ["millwright-bare", "millwright-auto", "millwright-segments"];
/** Phases of a fresh process, by what ours finds beside what was ingested. */
const FIRST = [
  ["bare", "first, no segment file", "millwright-bare"],
  ["first", "first", "millwright-auto"],
];

function startOf(name, directory, history) {
  const python = (file, ...args) => ({ name, command: options.python, args: [join(here, file), ...args] });
  const node = (file, ...args) => ({ name, command: process.execPath, args: [join(here, file), ...args] });
  switch (name) {
    case "duckdb-exact":
      return node("duckdb.mjs", "exact");
    case "duckdb-plain":
      return node("duckdb.mjs", "plain");
    case "duckdb-days":
      return node("duckdb.mjs", "days", history);
    case "polars":
      return python("polars_asof.py");
    case "pandas":
      return python("pandas_asof.py");
    case "feast":
      return python("feast_store.py", join(directory, "feast"));
    default:
      return node("millwright.mjs", history, name.slice("millwright-".length));
  }
}

/** Writes the views to our history, each in one batch. */
async function fillHistory(duckdb, history, views) {
  const service = serviceOf();
  const store = await openFeatureStore({ history, services: [service], duckdb });
  for (const [index, { name }] of VIEWS.entries()) await store.ingest(name, await duckdb.scan(views[index]));
  // What leaves the segment files, and what that takes: the rows were never read before.
  const started = { wall: performance.now(), cpu: process.cpuUsage() };
  await store.compact();
  const { user, system } = process.cpuUsage(started.cpu);
  const prepared = { wallSeconds: (performance.now() - started.wall) / 1000, cpuSeconds: (user + system) / 1e6 };
  await store[Symbol.asyncDispose]();
  return prepared;
}

/** Does one thing in two programs in turns. @returns samples of both, in pairs. */
async function inTurns(pairs, [ours, theirs]) {
  const samples = { ours: [], theirs: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const order =
      pair % 2 === 0
        ? [
            ["ours", ours],
            ["theirs", theirs],
          ]
        : [
            ["theirs", theirs],
            ["ours", ours],
          ];
    for (const [side, measure] of order) {
      const { wallSeconds, cpuSeconds, peakMiB } = await measure(pair);
      samples[side].push({ wallSeconds, cpuSeconds, peakMiB });
    }
  }
  return samples;
}

function summary(phase, peer, { ours, theirs }) {
  const of = (samples, what) => samples.map((each) => each[what]);
  const ratio = (what) => pairedRatio(of(theirs, what), of(ours, what));
  const medians = (samples) => ({
    wallSeconds: median(of(samples, "wallSeconds")),
    cpuSeconds: median(of(samples, "cpuSeconds")),
    peakMiB: Math.max(...of(samples, "peakMiB")),
  });
  return {
    phase,
    peer,
    wall: ratio("wallSeconds"),
    cpu: ratio("cpuSeconds"),
    ours: medians(ours),
    theirs: medians(theirs),
    samples: { ours, theirs },
  };
}

const shown = ({ ratio, low, high }) => `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;

/** Asks every program once, for a hundredth of the labels. @returns how many of its rows differ from the oracle's. */
async function checkAnswers(duckdb, { files, directory, start }, names) {
  const checks = {};
  const expected = await expectedAnswers(duckdb, files);
  for (const name of names) {
    const peer = await start(name);
    const out = join(directory, `check-${name}.parquet`);
    await peer.ask({ op: "file", labels: files.labels[0], out });
    await peer.stop();
    checks[name] = { rows: expected.length, different: await countDifferent(duckdb, out, expected) };
    console.log(`  check ${name}: ${checks[name].different} of ${expected.length} rows differ`);
    if (OURS.includes(name) && checks[name].different > 0) throw new Error(`${name} is wrong: nothing is measured.`);
  }
  return checks;
}

async function measureSize(duckdb, size) {
  const pairs = Number(options.pairs);
  const directory = await mkdtemp(join(tmpdir(), "millwright-retrieval-"));
  const results = { size, checks: {}, phases: [] };
  try {
    const files = await generate(duckdb, directory, size, pairs + 2);
    const history = join(directory, "history");
    results.prepared = await fillHistory(duckdb, history, files.views);
    console.log(
      `  segment files: ${results.prepared.wallSeconds.toFixed(2)} s, ${results.prepared.cpuSeconds.toFixed(2)} cpu s`,
    );
    const start = async (name) => {
      const peer = startPeer(startOf(name, directory, history));
      await peer.ask({ op: "prepare", views: files.views });
      return peer;
    };
    const rivals = options.peers.split(",");
    results.checks = await checkAnswers(duckdb, { files, directory, start }, [...OURS, ...rivals]);
    /** The first call of a fresh process: what it reads of files is in the system's cache for both. */
    const first = (name) => async (pair) => {
      const peer = await start(name);
      const measured = await peer.ask({ op: "run", labels: files.labels[pair + 1] });
      await peer.stop();
      return measured;
    };
    for (const name of rivals) {
      const count = slow.has(name) ? Number(options["slow-pairs"]) : pairs;
      for (const [phase, title, ours] of FIRST) {
        if (!options.phases.split(",").includes(phase)) continue;
        const samples = await inTurns(count, [first(ours), first(name)]);
        results.phases.push(report(summary(title, name, samples)));
      }
      if (!options.phases.includes("repeat")) continue;
      const [ours, theirs] = [await start("millwright-auto"), await start(name)];
      for (const peer of [ours, theirs]) {
        await peer.ask({ op: "warm", views: files.views });
        await peer.ask({ op: "run", labels: files.labels.at(-1) });
      }
      const repeated = (peer, op) => (pair) =>
        peer.ask({ op, labels: files.labels[pair + 1], out: join(directory, `${peer.name}-${pair}.parquet`) });
      const samples = await inTurns(count, [repeated(ours, "run"), repeated(theirs, "run")]);
      results.phases.push(report(summary("repeat", name, samples)));
      if (name === "duckdb-exact") {
        const written = await inTurns(count, [repeated(ours, "file"), repeated(theirs, "file")]);
        results.phases.push(report(summary("repeat, to a file", name, written)));
      }
      await ours.stop();
      await theirs.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return results;
}

function report(phase) {
  const { peer, ours, theirs, wall, cpu } = phase;
  console.log(
    `  ${phase.phase}, ${peer}: wall ×${shown(wall)}, cpu ×${shown(cpu)}; ours ${ours.wallSeconds.toFixed(2)} s, ${ours.cpuSeconds.toFixed(2)} cpu s, ${ours.peakMiB.toFixed(0)} MiB; theirs ${theirs.wallSeconds.toFixed(2)} s, ${theirs.cpuSeconds.toFixed(2)} cpu s, ${theirs.peakMiB.toFixed(0)} MiB`,
  );
  return phase;
}

const duckdb = await openDuckDb();
const before = { machine: machine(), calibrationMs: calibrate() };
const sizes = [];
for (const text of options.grid.split(";")) {
  const [labels, entities, h] = text.split(",").map(Number);
  console.log(`${labels} labels, ${entities} entities, ${h} rows each, load ${machine().load[0]}`);
  sizes.push(await measureSize(duckdb, { labels, entities, h }));
  const after = { machine: machine(), calibrationMs: calibrate() };
  await writeFile(options.out, `${JSON.stringify({ options, before, after, sizes }, undefined, 1)}\n`);
}
await duckdb[Symbol.asyncDispose]();
