// Prints the tables of ../results/feature-store.md from the raw samples: node benchmarks/feature-store/report.mjs <retrieval or writes>.json …
import { readFileSync } from "node:fs";

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

for (const path of process.argv.slice(2)) {
  const raw = JSON.parse(readFileSync(path, "utf8"));
  const { before, after } = raw;
  console.log(
    `\n${path}: ${before.machine.cpu}, Node ${before.machine.node}, load ${before.machine.load[0]} before, ${after.machine.load[0]} after; calibration ${before.calibrationMs.toFixed(0)} and ${after.calibrationMs.toFixed(0)} ms\n`,
  );
  const tables = raw.results === undefined ? [retrieval(raw), checks(raw)] : [writes(raw)];
  for (const lines of tables) console.log(`${lines.join("\n")}\n`);
}
