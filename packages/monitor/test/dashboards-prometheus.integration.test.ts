import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  debugDashboard,
  evaluateQuery,
  executiveDashboard,
  expressionsOf,
  metricsOf,
  type MetricSeries,
  onCallDashboard,
  type PanelQuery,
  promqlOf,
} from "../src/dashboards.ts";
import { panelsOf, queriesOf } from "../src/dashboards/dashboard.ts";
import { freePort } from "./free-port.ts";
import { dashboardSetting, endMs, startMs, stepMs } from "./dashboard-setting.ts";

const prometheus = process.env["MILLWRIGHT_PROMETHEUS"] ?? "prometheus";
const promtool = process.env["MILLWRIGHT_PROMTOOL"] ?? "promtool";
const found = [prometheus, promtool].every((program) => spawnSync(program, ["--version"]).status === 0);
const reason = `there is no ${prometheus} or no ${promtool}: apt-get install prometheus, or name the programs in MILLWRIGHT_PROMETHEUS and MILLWRIGHT_PROMTOOL`;
const boards = [executiveDashboard(), onCallDashboard(), debugDashboard()];

async function within<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-dashboards-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

test("DB-4: promtool takes every expression of every panel as a rule", async ({ skip }) => {
  if (process.env["CI"] !== "true") skip(!found, reason);
  await within(async (folder) => {
    const expressions = boards.flatMap(expressionsOf);
    const rules = expressions.map((expr, at) => ({ record: `panel:${at}`, expr }));
    // JSON is YAML.
    await writeFile(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "panels", rules }] }));
    const told = execFileSync(promtool, ["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(told).toContain(`${expressions.length} rules found`);
    expect(expressions.length).toBeGreaterThan(30);
  });
});

/** The series as text with times, from which promtool makes a database. */
function openMetrics(series: readonly MetricSeries[]): string {
  const names = [...new Set(series.map(({ name }) => name))];
  const blocks = names.map((name) => {
    const lines = series
      .filter((each) => each.name === name)
      .flatMap(({ labels, points }) => {
        const text = Object.entries(labels)
          .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
          .join(",");
        return points.map(([timeMs, value]) => `${name}{${text}} ${value} ${timeMs / 1_000}`);
      });
    return `# TYPE ${name} unknown\n${lines.join("\n")}\n`;
  });
  return `${blocks.join("")}# EOF\n`;
}

interface Matrix {
  readonly status: string;
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly values: readonly (readonly [number, string])[];
    }[];
  };
}

const keyOf = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));

test(
  "DB-1: DB-2: DB-3: what is computed here is what a real Prometheus answers to the panels' expressions, point by point",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (process.env["CI"] !== "true") skip(!found, reason);
    const { history } = await dashboardSetting();
    const queries: readonly PanelQuery[] = [
      ...boards.flatMap(panelsOf).flatMap(queriesOf),
      { kind: "increase", metric: "millwright_serving_requests_total", by: ["endpoint"], windowMs: 120_000 },
      { kind: "value", metric: "millwright_serving_in_flight", aggregate: "min" },
      { kind: "quantile", metric: "millwright_serving_latency_seconds", quantile: 0.5, windowMs: 90_000 },
    ];
    const names = new Set(queries.flatMap(metricsOf).flatMap((name) => [name, `${name}_bucket`]));
    // A counter that starts over, and scrapes that fail.
    history.add([
      {
        name: "process_cpu_seconds_total",
        labels: {},
        points: Array.from(
          { length: 81 },
          (_, at) => [startMs + at * stepMs + (at % 3) * 700, (at * 1.5) % 40] as const,
        ).filter((_, at) => at % 11 !== 5),
      },
    ]);
    await within(async (folder) => {
      const series = [...names].flatMap((name) => history.select(name)).filter(({ points }) => points.length > 0);
      await writeFile(join(folder, "series.txt"), openMetrics(series));
      execFileSync(promtool, ["tsdb", "create-blocks-from", "openmetrics", "series.txt", "data"], {
        cwd: folder,
        stdio: "ignore",
      });
      await writeFile(join(folder, "prometheus.yml"), "{}");
      const port = await freePort();
      const flags = [
        "--config.file=prometheus.yml",
        `--web.listen-address=127.0.0.1:${port}`,
        "--storage.tsdb.path=data",
        "--storage.tsdb.retention.time=100y",
      ];
      const child = spawn(prometheus, flags, { cwd: folder, stdio: "ignore" });
      try {
        const url = `http://127.0.0.1:${port}`;
        await expect
          .poll(async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.status, { timeout: 100_000 })
          .toBe(200);
        let compared = 0;
        for (const query of queries) compared += await compare(query, url);
        expect(compared).toBeGreaterThan(2_000);
        for (const expr of boards.flatMap(expressionsOf)) {
          const reply = await fetch(
            `${url}/api/v1/query?${new URLSearchParams({ query: expr, time: String(endMs / 1_000) })}`,
          );
          expect(reply.status, expr).toBe(200);
        }
      } finally {
        await stop(child);
      }
    });

    async function compare(query: PanelQuery, url: string): Promise<number> {
      const range = { fromMs: startMs, toMs: endMs + 360_000, stepMs: 20_000 };
      const asked = new URLSearchParams({
        query: promqlOf(query).replaceAll(/"\$\w+"/g, '".*"'),
        start: String(range.fromMs / 1_000),
        end: String(range.toMs / 1_000),
        step: String(range.stepMs / 1_000),
      });
      const { status, data } = (await (await fetch(`${url}/api/v1/query_range?${asked}`)).json()) as Matrix;
      expect(status).toBe("success");
      const theirs = new Map(data.result.map(({ metric, values }) => [keyOf(metric), values]));
      const ours = evaluateQuery(query, history, range);
      expect(ours.map(({ labels }) => keyOf(labels)).toSorted()).toEqual([...theirs.keys()].toSorted());
      let points = 0;
      for (const line of ours) {
        const values = theirs.get(keyOf(line.labels)) ?? [];
        expect(line.points.map(([timeMs]) => timeMs)).toEqual(values.map(([seconds]) => seconds * 1_000));
        for (const [at, [, value]] of line.points.entries()) {
          const wanted = Number(values[at]?.[1]);
          const isSame = Number.isNaN(wanted)
            ? Number.isNaN(value)
            : Math.abs(value - wanted) <= 1e-9 * Math.max(1e-3, Math.abs(wanted));
          expect(isSame, `${promqlOf(query)} ${keyOf(line.labels)}: ${value}, not ${wanted}`).toBe(true);
          points += 1;
        }
      }
      return points;
    }
  },
);

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
