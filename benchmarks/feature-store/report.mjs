// Prints the tables of ../results/feature-store.md and feature-store-online.md from the raw samples:
// node benchmarks/feature-store/report.mjs <retrieval, writes or http>.json …
import { readFileSync } from "node:fs";
import { median, pairedRatio } from "./referee.mjs";

const times = ({ ratio, low, high }) => `${ratio.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`;
const seconds = (value) => (value < 0.1 ? value.toFixed(3) : value.toFixed(2));
const sizeText = ({ labels, entities, h }) => `${labels / 1000}k, ${entities / 1000}k, ${h}`;

function retrieval({ sizes }) {
  const lines = [
    "| labels, entities, rows each | phase | against | pairs | wall, theirs : ours | CPU, theirs : ours | ours: wall s, CPU s, MiB | theirs: wall s, CPU s, MiB |",
    "|---|---|---|---|---|---|---|---|",
  ];
  for (const { size, phases } of sizes) {
    for (const { phase, peer, wall, cpu, ours, theirs, samples } of phases) {
      const side = (of) => `${seconds(of.wallSeconds)}, ${seconds(of.cpuSeconds)}, ${of.peakMiB.toFixed(0)}`;
      lines.push(
        `| ${sizeText(size)} | ${phase} | ${peer} | ${samples.ours.length} | ${times(wall)} | ${times(cpu)} | ${side(ours)} | ${side(theirs)} |`,
      );
    }
  }
  return lines;
}

function checks({ sizes }) {
  const names = [...new Set(sizes.flatMap((size) => Object.keys(size.checks)))];
  const lines = [
    `| rows that differ from the oracle's | ${names.join(" | ")} |`,
    `|---${"|---".repeat(names.length)}|`,
  ];
  for (const { size, checks: found } of sizes) {
    const cells = names.map((name) =>
      found[name] === undefined ? "–" : `${found[name].different} of ${found[name].rows}`,
    );
    lines.push(`| ${sizeText(size)} | ${cells.join(" | ")} |`);
  }
  return lines;
}

function writes({ results }) {
  const lines = [
    "| what | pairs | wall, theirs : ours | CPU, theirs : ours | ours: wall s, CPU s | theirs: wall s, CPU s |",
    "|---|---|---|---|---|---|",
  ];
  for (const { what, wallSeconds, cpuSeconds, samples } of results) {
    lines.push(
      `| ${what} | ${samples.ours.length} | ${times(wallSeconds)} | ${times(cpuSeconds)} | ${seconds(wallSeconds.ours)}, ${seconds(cpuSeconds.ours)} | ${seconds(wallSeconds.theirs)}, ${seconds(cpuSeconds.theirs)} |`,
    );
  }
  return lines;
}

const cellText = ({ size, width, keys }) => `${size} × ${width}${keys === "zipf" ? ", Zipf" : ""}`;

/** A table with a row a cell and a column a contender. */
function byContender(measured, title, textOf) {
  const names = measured[0].rows.map(({ name }) => name);
  return [
    `| ${title} | ${names.join(" | ")} |`,
    `|---${"|---".repeat(names.length)}|`,
    ...measured.map((cell) => `| ${cellText(cell)} | ${cell.rows.map((row) => textOf(row, cell)).join(" | ")} |`),
  ];
}

/** How many times what Feast needs we need, against the best that Feast has in the cell. */
function againstBest(measured) {
  const lines = [
    "| entities × features | ours | Feast's best | CPU, theirs : ours | p50, theirs : ours | p99, theirs : ours |",
    "|---|---|---|---|---|---|",
  ];
  for (const cell of measured) {
    const feast = cell.rows.filter(({ name }) => name.startsWith("Feast,"));
    const cheapest = feast.toSorted((one, other) => median(one.cpuMicros) - median(other.cpuMicros))[0];
    const least = (part) => Math.min(...feast.map((each) => each[part]));
    for (const row of cell.rows) {
      if (feast.includes(row) || row.name.startsWith("a bare")) continue;
      const cpu = times(pairedRatio(cheapest.cpuMicros, row.cpuMicros));
      const p50 = (least("p50") / row.p50).toFixed(1);
      const p99 = (least("p99") / row.p99).toFixed(1);
      lines.push(`| ${cellText(cell)} | ${row.name} | ${cheapest.name} | ${cpu} | ${p50} | ${p99} |`);
    }
  }
  return lines;
}

const http = ({ measured, embedded }) => [
  byContender(measured, "CPU a request, µs", ({ cpuMicros }) => median(cpuMicros).toFixed(0)),
  byContender(measured, "requests a second, as many as it can", ({ requestsPerSecond: each }) => each.toFixed(0)),
  byContender(
    measured.map((cell) => ({ ...cell, rows: [{ name: "rate, requests", rate: true }, ...cell.rows] })),
    "p50 / p99 at one rate, ms",
    ({ p50, p99, rate }, cell) =>
      rate ? `${cell.rate.toFixed(0)}/s, ${cell.rows[1].latencies}` : `${p50.toFixed(2)} / ${p99.toFixed(1)}`,
  ),
  againstBest(measured),
  [
    "| entities × features, in the process | ours, CPU µs | Feast's SDK on SQLite, CPU µs | theirs : ours |",
    "|---|---|---|---|",
    ...embedded.map(
      ({ how, size, width, ours, theirs, cpu }) =>
        `| ${size} × ${width}, ${how} | ${ours.toFixed(1)} | ${theirs.toFixed(0)} | ${times(cpu)} |`,
    ),
  ],
];

for (const path of process.argv.slice(2)) {
  const raw = JSON.parse(readFileSync(path, "utf8"));
  const { before, after } = raw;
  console.log(
    `\n${path}: ${before.machine.cpu}, Node ${before.machine.node}, load ${before.machine.load[0]} before, ${after.machine.load[0]} after; calibration ${before.calibrationMs.toFixed(0)} and ${after.calibrationMs.toFixed(0)} ms\n`,
  );
  const tables =
    raw.measured !== undefined ? http(raw) : raw.results === undefined ? [retrieval(raw), checks(raw)] : [writes(raw)];
  for (const lines of tables) console.log(`${lines.join("\n")}\n`);
}
