// Profiles a synthetic dataset of 3,000,000 rows and 200 columns in full and within a budget of time, and tells whether the full pass lies within the
// bounds of the sample. Rows, columns and the budget in milliseconds may be given: node packages/data/bench/profile-within.bench.mjs 3000000 200 20000
import { createRandom } from "@millwright/contracts";
import { bucketsOf, createDataset, createProfiler, numericColumn, profileWithin, rankOf } from "@millwright/data";

const [rows = 3_000_000, columns = 200, timeMs = 20_000] = process.argv.slice(2).map(Number);
const blockRows = 8192;
const random = createRandom(1);
// A few blocks that are shifted anew for each batch: reading must not cost what profiling costs.
const blocks = Array.from({ length: 16 }, () => Float64Array.from({ length: blockRows }, () => random.normal()));
const schema = Array.from({ length: columns }, (_, at) => ({ name: `x${at}`, type: "float64" }));

const dataset = createDataset({
  schema,
  rows,
  *walk({ columns: names }) {
    for (let start = 0; start < rows; start += blockRows) {
      const length = Math.min(blockRows, rows - start);
      // A trend from the first row to the last, so that a sample of the beginning would be wrong.
      const shift = start / rows;
      const shifted = blocks.map((block) => block.subarray(0, length).map((value) => value + shift));
      const column = (at) => numericColumn("float64", shifted[at % shifted.length]);
      yield { length, columns: Object.fromEntries(names.map((name, at) => [name, column(at)])) };
    }
  },
});

const sampled = await profileWithin(dataset, { budget: { timeMs } });
const { rank } = sampled.bounds["x0"];
console.log(
  `${rows} × ${columns} within ${timeMs} ms: ${sampled.elapsedMs.toFixed(0)} ms, ${sampled.sampledRows} rows, bound ${rank.toFixed(4)}`,
);

const started = performance.now();
const profiler = createProfiler(schema);
for await (const batch of dataset.batches()) profiler.update(batch);
const full = profiler.profile();
console.log(`full pass: ${(performance.now() - started).toFixed(0)} ms`);

let worst = 0;
for (const { name } of schema) {
  const [a, b] = [sampled.profile.columns[name].quantiles, full.columns[name].quantiles];
  for (const { high } of bucketsOf(b).filter((_, at) => at % 32 === 0))
    worst = Math.max(worst, Math.abs(rankOf(a, high) - rankOf(b, high)));
}
console.log(`largest difference of a rank: ${worst.toFixed(4)}, ${worst <= rank ? "within" : "BEYOND"} the bound`);
if (worst > rank || sampled.elapsedMs > timeMs || !sampled.reachedEnd) process.exitCode = 1;
