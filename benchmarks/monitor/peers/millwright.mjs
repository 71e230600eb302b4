// Ours: profiles a file, an Arrow stream batch by batch, Parquet within DuckDB, and compares. millwright.mjs <parquet|arrow> <both|stored> <reference> <current> [stored profile]; in the mode write the profile of the reference is stored
import { readFileSync, writeFileSync } from "node:fs";

const [format, mode, reference, current, stored] = process.argv.slice(2);
const [{ createProfiler, parseProfile, profileToJson, quantileOf }, { compare, recommended, sketchDistance }] =
  await Promise.all([
    import("../../../packages/data/dist/index.js"),
    import("../../../packages/monitor/dist/index.js"),
  ]);
const source = format === "arrow" ? await import("./arrow-batches.mjs") : await import("./parquet-profile.mjs");
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
const ready = { cpu: cpu(), rssKiB: process.resourceUsage().maxRSS };

async function profile(path) {
  if (format === "parquet") return await source.profileOfFile(path);
  let profiler;
  for await (const batch of source.batchesOf(path)) {
    profiler ??= createProfiler(Object.entries(batch.columns).map(([name, { type }]) => ({ name, type })));
    profiler.update(batch);
  }
  return profiler.profile();
}

const before = mode === "stored" ? parseProfile(JSON.parse(readFileSync(stored, "utf8"))) : await profile(reference);
if (mode === "write") {
  writeFileSync(stored, JSON.stringify(profileToJson(before)));
} else {
  const now = await profile(current);
  const report = compare(before, now, recommended());
  const done = cpu();
  const columns = Object.fromEntries(
    report.columns.map(({ name, verdict, measures }) => {
      const { count, missing, moments, quantiles, frequent } = now.columns[name];
      const numbers =
        quantiles === undefined
          ? { top: Math.max(...frequent.counts.values()) }
          : {
              mean: moments.mean,
              p50: quantileOf(quantiles, 0.5),
              p95: quantileOf(quantiles, 0.95),
              ks: sketchDistance(before.columns[name].quantiles, quantiles),
            };
      return [name, { count, missing, verdict, ...numbers, pValue: measures.kolmogorovSmirnov?.pValue }];
    }),
  );
  process.stdout.write(JSON.stringify({ ready, work: done - ready.cpu, columns }));
}
