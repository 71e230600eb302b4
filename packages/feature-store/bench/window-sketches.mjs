// What distinct values and quantiles cost by the rows of their window: of rows, of exact tiles, and of tiles with sketches.
// node --expose-gc bench/window-sketches.mjs [rows …]
import { days, defineEntity, defineFeatureView, distinct, hours, quantile, sliding } from "../dist/index.js";
import { createOnlineView } from "../dist/online/online-view.js";

const DAY = days(1);
const START = Date.UTC(2026, 0, 1) * 1000;
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

function rowsFrom(from, to, rows) {
  const random = randomOf(from + 1);
  return Array.from({ length: to - from }, (_, index) => ({
    key: "one",
    timeUs: START + Math.floor(((from + index) * DAY) / rows) * 1000,
    createdUs: null,
    inputs: [Math.floor(random() * rows), Math.round(Math.exp(3 * random() + 3 * random()) * 1e6)],
    values: [],
  }));
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

function measure(name, aggregate, rows) {
  const view = defineFeatureView({
    name: "v",
    entity: defineEntity({ name: "shop", keys: { shop: "utf8" } }),
    eventTime: "at",
    inputs: { user: "int64", ms: "float64" },
    aggregates: { x: aggregate },
  });
  const before = heap();
  const online = createOnlineView(view, { latenessMs: 60_000 });
  const results = online.aggregates.createResults();
  const pushed = process.cpuUsage();
  for (let at = 0; at < rows; at += 10_000) online.add(rowsFrom(at, Math.min(rows, at + 10_000), rows));
  const pushUs = (cpuMs(pushed) * 1000) / rows;
  const keptBytes = heap() - before;
  const timeUs = START + DAY * 1000;
  const reads = rows > 100_000 ? 10 : 40;
  const values = [];
  for (let turn = 0; turn < reads; turn++) {
    // Something has changed since the last read, as in a stream.
    online.add([
      { key: "one", timeUs: timeUs - 3_600_000_001 - turn, createdUs: null, inputs: [turn, 1e6], values: [] },
    ]);
    const since = process.cpuUsage();
    online.read("one", timeUs, results);
    values.push(cpuMs(since));
  }
  const [text] = [...online.records()]
    .map((record) => ("tileUs" in record ? JSON.stringify(record).length : 0))
    .sort((a, b) => b - a);
  const readMs = values.sort((a, b) => a - b)[reads >> 1];
  console.log(
    `${name.padEnd(26)} ${String(rows).padStart(9)} rows  kept ${(keptBytes / 2 ** 20).toFixed(2).padStart(7)} MiB  largest tile on disk ${String(text).padStart(8)} B  add ${pushUs.toFixed(2).padStart(6)} µs a row  read ${readMs.toFixed(3).padStart(8)} ms  = ${results.numbers[0]}`,
  );
}

for (const rows of sizes) for (const [name, aggregate] of Object.entries(variants)) measure(name, aggregate, rows);
