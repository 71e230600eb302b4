// LMDB against SQLite as the file behind keyed online stores, through the drivers: loading, single reads and writes, reopening, and eight
// processes that read while one writes. Run it after `npx tsc -b`: node benchmarks/feature-store/keyed-stores.mjs [entities...]
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openLmdbOnlineStore } from "../../packages/feature-store/dist/drivers/lmdb.js";
import { openSqliteOnlineStore } from "../../packages/feature-store/dist/drivers/sqlite.js";
import { seededRandom } from "./pairs.mjs";

const require = createRequire(new URL("../../packages/feature-store/package.json", import.meta.url));
const { open } = require("lmdb");
const { DatabaseSync } = require("@photostructure/sqlite");

/** What an entity with one row of 50 float features takes. */
const BLOB_BYTES = 296;
const SECONDS = 5;
const keyOf = (index) => `user_${index}`;
const blobOf = (seed) => new Uint8Array(BLOB_BYTES).fill(seed & 255);

function openKind(kind, directory, flush = "system") {
  const file =
    kind === "lmdb"
      ? open({ path: join(directory, "online.lmdb"), overlappingSync: false })
      : new DatabaseSync(join(directory, "online.db"));
  const store = kind === "lmdb" ? openLmdbOnlineStore(file, { flush }) : openSqliteOnlineStore(file, { flush });
  return { store, close: async () => void (await store[Symbol.asyncDispose](), await file.close()) };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
/** Median and 99th percentile of a call, in µs. */
async function timed(count, call) {
  const times = [];
  for (let index = 0; index < count; index++) {
    const started = performance.now();
    await call(index);
    times.push((performance.now() - started) * 1000);
  }
  times.sort((one, other) => one - other);
  return `${quantile(times, 0.5).toFixed(1)} / ${quantile(times, 0.99).toFixed(1)}`;
}

const diskMib = (directory) =>
  Math.round(readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0) / 2 ** 20);

async function measure(kind, entities) {
  const directory = mkdtempSync(join(tmpdir(), "millwright-benchmark-"));
  const random = seededRandom(5);
  const some = () => keyOf(Math.floor(random() * entities));
  const hundreds = Array.from({ length: 300 }, () => Array.from({ length: 100 }, some));
  const result = {};
  try {
    let opened = openKind(kind, directory);
    let started = performance.now();
    for (let from = 0; from < entities; from += 5000) {
      const keys = Array.from({ length: Math.min(5000, entities - from) }, (_, index) => keyOf(from + index));
      await opened.store.update("user", keys, (index) => blobOf(index));
    }
    result["load, entities/s"] = Math.round(entities / ((performance.now() - started) / 1000));
    await opened.close();
    result["disk, MiB"] = diskMib(directory);
    started = performance.now();
    opened = openKind(kind, directory);
    opened.store.readNow("user", keyOf(0));
    result["reopen, ms"] = (performance.now() - started).toFixed(1);
    await timed(20_000, () => opened.store.readNow("user", some()));
    result["read 1, µs p50 / p99"] = await timed(20_000, () => opened.store.readNow("user", some()));
    result["read 100, µs p50 / p99"] = await timed(300, (index) => opened.store.read("user", hundreds[index]));
    result["update 1, system, µs"] = await timed(500, (index) =>
      opened.store.update("user", [some()], () => blobOf(index)),
    );
    result["update 100, system, µs"] = await timed(300, (index) =>
      opened.store.update("user", hundreds[index], blobOf),
    );
    await opened.close();
    opened = openKind(kind, directory, "disk");
    result["update 1, disk, µs"] = await timed(300, (index) =>
      opened.store.update("user", [some()], () => blobOf(index)),
    );
    await opened.close();
    Object.assign(result, await together(kind, directory, entities));
    return result;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Eight processes that read single entities, and one that changes a hundred at a time. */
async function together(kind, directory, entities) {
  const start = (role) => fork(fileURLToPath(import.meta.url), ["child", kind, directory, String(entities), role]);
  const children = [start("write"), ...Array.from({ length: 8 }, () => start("read"))];
  const answers = await Promise.all(children.map(async (child) => (await once(child, "message"))[0]));
  const [written, ...read] = answers;
  return {
    "8 readers, reads/s together": Math.round(read.reduce((sum, { rate }) => sum + rate, 0)),
    "8 readers, µs p50 / p99": read[0].times,
    "beside them 1 writer, entities/s": Math.round(written.rate * 100),
  };
}

async function child(kind, directory, entities, role) {
  const { store, close } = openKind(kind, directory);
  const random = seededRandom(process.pid);
  const some = () => keyOf(Math.floor(random() * entities));
  let calls = 0;
  const times = [];
  const started = performance.now();
  while (performance.now() - started < SECONDS * 1000) {
    if (role === "write") await store.update("user", Array.from({ length: 100 }, some), blobOf);
    else {
      const before = performance.now();
      if (store.readNow("user", some())?.length !== BLOB_BYTES) throw new Error("torn or missing");
      if (times.length < 200_000) times.push((performance.now() - before) * 1000);
      if (calls % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    calls++;
  }
  times.sort((one, other) => one - other);
  const shown = times.length === 0 ? "" : `${quantile(times, 0.5).toFixed(1)} / ${quantile(times, 0.99).toFixed(1)}`;
  process.send({ rate: calls / ((performance.now() - started) / 1000), times: shown });
  await close();
}

if (process.argv[2] === "child") {
  const [kind, directory, entities, role] = process.argv.slice(3);
  await child(kind, directory, Number(entities), role);
} else {
  const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [100_000, 1_000_000];
  for (const entities of sizes) {
    console.log(
      `\n${entities} entities of ${BLOB_BYTES} bytes, Node ${process.version}, load ${loadavg()[0].toFixed(1)}`,
    );
    const columns = {};
    for (const kind of ["lmdb", "sqlite"]) columns[kind] = await measure(kind, entities);
    for (const name of Object.keys(columns.lmdb))
      console.log(`| ${name} | ${columns.lmdb[name]} | ${columns.sqlite[name]} |`);
  }
}
