// Writing: ours into the history against DuckDB's own COPY into the same layout, and loading the online state against Feast's SQLite.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openDuckDb } from "../../packages/duckdb/dist/index.js";
import { generate, VIEWS } from "./generate.mjs";
import { calibrate, machine, median, pairedRatio, startPeer } from "./referee.mjs";

const { values: options } = parseArgs({
  options: {
    entities: { type: "string", default: "20000" },
    h: { type: "string", default: "50" },
    pairs: { type: "string", default: "5" },
    "slow-pairs": { type: "string", default: "2" },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: "writes.json" },
  },
});
const here = new URL("./peers/", import.meta.url).pathname;
const directory = await mkdtemp(join(tmpdir(), "millwright-writes-"));
const duckdb = await openDuckDb();
const before = { machine: machine(), calibrationMs: calibrate() };
const results = [];

const node = (...args) => ({ name: args[0], command: process.execPath, args: [join(here, "writer.mjs"), ...args] });

/** Each time in a fresh process and folder; only the work is timed. */
async function once(start, request) {
  const peer = startPeer(start);
  await peer.ask({ op: "prepare", views: files.views });
  const measured = await peer.ask(request);
  if (request.op === "materialize") await checkEntities(peer);
  await peer.stop();
  return measured;
}

/** Whoever has not loaded every entity has done less. */
async function checkEntities(peer) {
  const { answer } = await peer.ask({ op: "count", view: VIEWS[0].name });
  if (answer.entities !== Number(options.entities)) throw new Error(`${peer.name} loaded ${answer.entities} entities.`);
}

async function inTurns(what, pairs, ours, theirs) {
  const samples = { ours: [], theirs: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? ["ours", "theirs"] : ["theirs", "ours"];
    for (const side of order) samples[side].push(await (side === "ours" ? ours : theirs)(pair));
  }
  const of = (side, clock) => samples[side].map((each) => each[clock]);
  const result = { what, samples };
  for (const clock of ["wallSeconds", "cpuSeconds"]) {
    const { ratio, low, high } = pairedRatio(of("theirs", clock), of("ours", clock));
    result[clock] = { ratio, low, high, ours: median(of("ours", clock)), theirs: median(of("theirs", clock)) };
    console.log(
      `${what}, ${clock}: ×${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}); ours ${result[clock].ours.toFixed(2)}, theirs ${result[clock].theirs.toFixed(2)}`,
    );
  }
  results.push(result);
}

let files;
try {
  files = await generate(
    duckdb,
    directory,
    { labels: 1000, entities: Number(options.entities), h: Number(options.h) },
    0,
  );
  const [view] = VIEWS;
  const end = Date.UTC(2024, 6, 1);
  const folder = (name, pair) => join(directory, `${name}-${pair}`);
  await inTurns(
    "ingest against COPY",
    Number(options.pairs),
    (pair) => once(node("millwright", folder("ours", pair)), { op: "ingest" }),
    (pair) => once(node("copy", folder("copy", pair)), { op: "ingest" }),
  );
  await inTurns(
    "materialize against Feast on SQLite",
    Number(options["slow-pairs"]),
    // The history of the first round is there already.
    (pair) => once(node("millwright", folder("ours", 0), folder("online", pair)), { op: "materialize", end }),
    (pair) =>
      once(
        { name: "feast", command: options.python, args: [join(here, "feast_store.py"), folder("feast", pair)] },
        { op: "materialize", view: view.name, end },
      ),
  );
} finally {
  await rm(directory, { recursive: true, force: true });
  await duckdb[Symbol.asyncDispose]();
}
const after = { machine: machine(), calibrationMs: calibrate() };
const { python: _, out, ...asked } = options;
await writeFile(out, `${JSON.stringify({ options: asked, before, after, results }, undefined, 1)}\n`);
