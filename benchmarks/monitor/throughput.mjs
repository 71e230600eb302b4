// One drift report of a table against another, ours and others': processor time and peak memory of a process of its own on one core, from the file to the verdicts.
//   EVIDENTLY_PYTHON=… NANNYML_PYTHON=… WHYLOGS_PYTHON=… SCIPY_PYTHON=… node benchmarks/monitor/throughput.mjs <result.json> [sizes] [rounds] [limit in seconds]
// MONITOR_CONTENDERS="millwright, arrow;whylogs" runs some of them alone, MONITOR_TABLES keeps the tables in a folder, MONITOR_CORE names the core.
// sizes: 10000x10,… Default: 10 k, 100 k and 1 M rows × 10, 50 and 200 columns. A peer that would pass the limit (default: 1800 s), by what the next smaller size took, is left out there.
// Before a figure counts, the answers are held against each other: counts and nulls exactly, means to 1e-9, quantiles and distances to what each promises.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isCategory, makeTables, nameOf } from "./tables.mjs";

const [result, sizeList, roundCount = "3", limit = "1800"] = process.argv.slice(2);
if (result === undefined) throw new Error("Name the file for the results.");
const sizes = (sizeList ?? [10_000, 100_000, 1_000_000].flatMap((n) => [10, 50, 200].map((m) => `${n}x${m}`)).join(","))
  .split(",")
  .map((size) => size.split("x").map(Number));
const rounds = Number(roundCount);
const limitSeconds = Number(limit);
const folder = process.env.MONITOR_TABLES ?? join(tmpdir(), "millwright-monitor-tables");
mkdirSync(folder, { recursive: true });
const peers = join(dirname(fileURLToPath(import.meta.url)), "peers");
const core = process.env.MONITOR_CORE ?? "1";
const oneThread = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", ARROW_NUM_THREADS: "1", POLARS_MAX_THREADS: "1" };

const python = (peer) => {
  const path = process.env[`${peer.toUpperCase()}_PYTHON`];
  return path === undefined
    ? []
    : [
        {
          name: peer,
          command: (mode, paths) => [
            path,
            join(peers, "drift.py"),
            peer,
            mode,
            paths.reference.parquet,
            paths.current.parquet,
          ],
        },
      ];
};
const ours = (format) => ({
  name: `millwright, ${format}`,
  stored: true,
  command: (mode, paths) => [
    process.execPath,
    "--max-semi-space-size=1",
    join(peers, "millwright.mjs"),
    format,
    mode,
    paths.reference[format],
    paths.current[format],
    paths.stored,
  ],
});
const chosen = process.env.MONITOR_CONTENDERS?.split(";");
const contenders = [
  ours("arrow"),
  ours("parquet"),
  {
    name: "duckdb",
    stored: true,
    command: (mode, paths) => [
      process.execPath,
      join(peers, "duckdb.mjs"),
      mode,
      paths.reference.parquet,
      paths.current.parquet,
    ],
  },
  ...python("whylogs").map((each) => ({ ...each, stored: true })),
  ...python("scipy"),
  ...python("nannyml"),
  ...python("evidently"),
].filter(({ name }) => chosen === undefined || chosen.includes(name));

/** Runs one report; the kernel tells what it took. */
function run({ command }, mode, paths) {
  const [program, ...options] = command(mode, paths);
  const { status, stdout, stderr } = spawnSync(
    "/usr/bin/time",
    ["-f", "TIME %U %S %M %e", "taskset", "-c", core, program, ...options],
    {
      encoding: "utf8",
      maxBuffer: 2 ** 28,
      env: { ...process.env, ...oneThread },
      timeout: limitSeconds * 2000,
    },
  );
  const [, user, system, peakKiB, wall] = /TIME ([\d.]+) ([\d.]+) (\d+) ([\d.]+)/.exec(stderr) ?? [];
  if (status !== 0) throw new Error(`${program} ${options.join(" ")} ended with ${status}: ${stderr.slice(-2000)}`);
  // Libraries may print before the answer.
  const answer = stdout === "" ? undefined : JSON.parse(stdout.trim().split("\n").at(-1).replaceAll("NaN", "null"));
  return { cpu: Number(user) + Number(system), wall: Number(wall), peakMiB: Number(peakKiB) / 1024, answer };
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const differ = (a, b) => Math.abs(a - b) / Math.max(1e-12, Math.abs(b));

/** @returns what the answers differ in at most. Throws where one is wrong. */
function check(answers, columns) {
  const exact = answers.get("scipy");
  const worst = {};
  const hold = (who, what, difference, allowed) => {
    worst[`${who}: ${what}`] = Math.max(worst[`${who}: ${what}`] ?? 0, difference);
    if (!(difference <= allowed))
      throw new Error(`${who} gives another ${what}: off by ${difference}, allowed ${allowed}.`);
  };
  for (const [who, answer] of answers) {
    if (answer === exact || exact === undefined) continue;
    for (let at = 0; at < columns; at += 1) {
      const [mine, right] = [answer[nameOf(at)], exact[nameOf(at)]];
      if (mine === undefined) throw new Error(`${who} says nothing of ${nameOf(at)}.`);
      if (mine.count !== undefined) hold(who, "count", Math.abs(mine.count - right.count), 0);
      if (mine.missing !== undefined) hold(who, "count of nulls", Math.abs(mine.missing - right.missing), 0);
      if (isCategory(at)) {
        if (mine.top !== undefined) hold(who, "count of the most frequent", Math.abs(mine.top - right.top), 0);
        continue;
      }
      if (mine.mean !== undefined)
        hold(who, "mean", Math.abs(mine.mean - right.mean), 1e-9 * Math.max(1, Math.abs(right.mean)));
      // Sketches of ranks are off by ranks, ours by values.
      for (const q of ["p50", "p95"])
        if (mine[q] !== undefined)
          hold(
            who,
            `quantile ${q}`,
            Math.min(differ(mine[q], right[q]), Math.abs(mine[q] - right[q])),
            who.startsWith("millwright") ? 0.02 : 0.15,
          );
      if (typeof mine.ks === "number") hold(who, "distance", Math.abs(mine.ks - right.ks), 0.002);
      else if (mine.ks !== undefined) {
        hold(who, "lower bound of the distance", Math.max(0, mine.ks.lower - right.ks), 1e-12);
        hold(who, "upper bound of the distance", Math.max(0, right.ks - mine.ks.upper), 1e-12);
        hold(who, "width of the bounds", mine.ks.upper - mine.ks.lower, 0.02);
      }
    }
  }
  return worst;
}

const versions = {};
const cells = [];
const lastCpu = new Map();
const save = () =>
  writeFileSync(
    result,
    JSON.stringify(
      {
        machine: {
          cpu: cpus()[0]?.model,
          cores: cpus().length,
          kernel: release(),
          node: process.version,
          load: loadavg(),
        },
        versions,
        rounds,
        cells,
      },
      undefined,
      1,
    ),
  );
for (const [rows, columns] of sizes) {
  const paths = {
    ...(await makeTables(folder, rows, columns)),
    stored: join(folder, `stored-${rows}x${columns}.json`),
  };
  run(ours("arrow"), "write", paths);
  const values = rows * columns;
  const runs = new Map();
  const answers = new Map();
  const fits = ({ name }) => {
    const last = lastCpu.get(name);
    return last === undefined || last.cpu * (values / last.values) <= limitSeconds;
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of contenders) {
      // What takes long is measured once: a hundredth more or less says nothing there.
      if (!fits(contender) || (round > 0 && (lastCpu.get(contender.name)?.cpu ?? 0) > 60)) continue;
      for (const mode of contender.stored === true ? ["both", "stored"] : ["both"]) {
        const measured = run(contender, mode, paths);
        const key = `${contender.name}, ${mode}`;
        runs.set(key, [...(runs.get(key) ?? []), measured]);
        if (measured.answer.version !== undefined) versions[contender.name] = measured.answer.version;
        if (mode === "both") {
          answers.set(contender.name, measured.answer.columns);
          lastCpu.set(contender.name, { cpu: measured.cpu, values });
        }
        console.log(`${rows} × ${columns} ${key}: ${measured.cpu.toFixed(2)} s, ${measured.peakMiB.toFixed(0)} MiB`);
      }
    }
  }
  const worst = check(answers, columns);
  for (const [key, measured] of runs) {
    const [cpu, work] = [median(measured.map((each) => each.cpu)), median(measured.map((each) => each.answer.work))];
    cells.push({
      rows,
      columns,
      contender: key,
      rounds: measured.length,
      cpuSeconds: cpu,
      workSeconds: work,
      leastCpuSeconds: Math.min(...measured.map((each) => each.cpu)),
      peakMiB: median(measured.map((each) => each.peakMiB)),
      startMiB: median(measured.map((each) => each.answer.ready.rssKiB / 1024)),
    });
  }
  cells.push({ rows, columns, differences: worst });
  save();
}
versions.git = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
save();

const cellOf = (rows, columns, contender) =>
  cells.find((each) => each.rows === rows && each.columns === columns && each.contender === contender);
const shown = (value, digits = 2) => (value === undefined ? "–" : value.toFixed(digits));
console.log(
  "\n| rows × columns | contender | CPU s | of which the report | M values/s | peak MiB | MiB above its start |\n|---|---|---|---|---|---|---|",
);
for (const { rows, columns, contender, cpuSeconds, workSeconds, peakMiB, startMiB } of cells.filter(
  (each) => each.contender !== undefined,
)) {
  const sides = contender.endsWith("both") ? 2 : 1;
  console.log(
    `| ${rows} × ${columns} | ${contender} | ${shown(cpuSeconds)} | ${shown(workSeconds)} | ${shown((sides * rows * columns) / workSeconds / 1e6, 1)} | ${shown(peakMiB, 0)} | ${shown(peakMiB - startMiB, 0)} |`,
  );
}
console.log(
  "\n| rows × columns | Evidently ÷ ours | Evidently ÷ ours, reference stored | whylogs ÷ ours | Evidently's memory ÷ ours |\n|---|---|---|---|---|",
);
for (const [rows, columns] of sizes) {
  const [mine, stored, evidently, whylogs] = [
    "millwright, arrow, both",
    "millwright, arrow, stored",
    "evidently, both",
    "whylogs, both",
  ].map((name) => cellOf(rows, columns, name));
  const over = (a, b, of) => (a === undefined || b === undefined ? "–" : shown(of(a) / of(b), 1));
  const work = ({ workSeconds }) => workSeconds;
  console.log(
    `| ${rows} × ${columns} | ${over(evidently, mine, work)} | ${over(evidently, stored, work)} | ${over(whylogs, mine, work)} | ${over(evidently, mine, ({ peakMiB }) => peakMiB)} |`,
  );
}
