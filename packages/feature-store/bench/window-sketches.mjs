// What distinct values and quantiles cost by the rows of their window: of rows, of exact tiles, and of tiles with sketches.
// node --expose-gc bench/window-sketches.mjs [rows …]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { batchOf, column } from "@millwright/data";
import {
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  distinct,
  hours,
  openFeatureStore,
  quantile,
  sliding,
} from "../dist/index.js";
import { openMemoryOnlineStore } from "../dist/drivers/memory.js";

const DAY = days(1);
const START = Date.UTC(2026, 0, 1);
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [1_000, 10_000, 100_000, 1_000_000];
const tiles = sliding(DAY, { slideMs: hours(1) });
const variants = {
  "distinct of rows": distinct("user", DAY),
  "distinct in exact tiles": distinct("user", tiles),
  "distinct in sketches": distinct("user", tiles, { approximate: true }),
  "quantile of rows": quantile("ms", 0.99, DAY),
  "quantile in exact tiles": quantile("ms", 0.99, tiles),
  "quantile in sketches": quantile("ms", 0.99, tiles, { approximate: true }),
};

// A generator of its own, so that all variants see the same rows.
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function batchFrom(from, to, rows) {
  const random = randomOf(from + 1);
  const length = to - from;
  const make = (of) => Array.from({ length }, (_, index) => of(from + index));
  return batchOf({
    shop: column(
      "utf8",
      make(() => "one"),
    ),
    at: column(
      "timestamp",
      make((index) => BigInt(START + Math.floor((index * DAY) / rows)) * 1000n),
    ),
    user: column(
      "int64",
      make(() => BigInt(Math.floor(random() * rows))),
    ),
    ms: column(
      "float64",
      make(() => Math.exp(3 * random() + 3 * random())),
    ),
  });
}

const heap = () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};
const cpuMs = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};

async function measure(name, aggregate, rows) {
  const directory = await mkdtemp(join(tmpdir(), "millwright-sketches-"));
  const view = defineFeatureView({
    name: "v",
    entity: defineEntity({ name: "shop", keys: { shop: "utf8" } }),
    eventTime: "at",
    inputs: { user: "int64", ms: "float64" },
    aggregates: { x: aggregate },
  });
  const services = [defineFeatureService({ name: "s", views: [view] })];
  const before = heap();
  const store = await openFeatureStore({
    history: directory,
    services,
    online: openMemoryOnlineStore(),
    latenessMs: 60_000,
  });
  const one = batchOf({ shop: ["one"] });
  const pushed = process.cpuUsage();
  for (let at = 0; at < rows; at += 10_000) await store.push(view, batchFrom(at, Math.min(rows, at + 10_000), rows));
  const pushUs = (cpuMs(pushed) * 1000) / rows;
  // Twice around, so that what is old has been put away.
  const keptBytes = heap() - before;
  const timeMs = START + DAY;
  const reads = rows > 100_000 ? 10 : 40;
  let readMs = 0;
  let answer;
  for (let turn = 0; turn < reads; turn++) {
    // Something has changed since the last read, as in a stream.
    await store.push(view, [{ shop: "one", at: new Date(timeMs - 3_600_001 - turn), user: BigInt(turn), ms: 1 }]);
    const since = process.cpuUsage();
    answer = (await store.read("s", { entities: one, timeMs })).features.columns["v__x"].values[0];
    readMs += cpuMs(since);
  }
  console.log(
    `${name.padEnd(26)} ${String(rows).padStart(9)} rows  kept ${(keptBytes / 2 ** 20).toFixed(1).padStart(7)} MiB  push ${pushUs.toFixed(2).padStart(6)} µs a row  read ${(readMs / reads).toFixed(3).padStart(8)} ms  = ${answer}`,
  );
  await store[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
}

for (const rows of sizes)
  for (const [name, aggregate] of Object.entries(variants)) await measure(name, aggregate, rows);
