import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { MillwrightEvent } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  type Dashboard,
  debugDashboard,
  executiveDashboard,
  grafanaDashboard,
  htmlDashboard,
  metricsOf,
  onCallDashboard,
  type PanelData,
  promqlOf,
  readDashboard,
  terminalDashboard,
} from "../src/dashboards.ts";
import { panelsOf, queriesOf } from "../src/dashboards/dashboard.ts";
import { dashboardSetting, endMs, startMs, stepMs } from "./dashboard-setting.ts";

const boards: readonly Dashboard[] = [executiveDashboard(), onCallDashboard(), debugDashboard()];
const setting = dashboardSetting();
const range = { fromMs: startMs + 40 * stepMs, toMs: endMs, stepMs: 60_000 };

async function read(dashboard: Dashboard): Promise<(title: string) => PanelData["lines"]> {
  const { history } = await setting;
  const { panels } = readDashboard(dashboard, history, range);
  return (title) => panels.find((panel) => panel.title === title)?.lines ?? [];
}

const lastOf = (lines: PanelData["lines"]): Readonly<Record<string, number>> =>
  Object.fromEntries(lines.map(({ name, points }) => [name, points.at(-1)?.[1] ?? Number.NaN]));

async function eventsOf(types: readonly string[]): Promise<readonly MillwrightEvent[]> {
  const events: MillwrightEvent[] = [];
  for await (const { event } of (await setting).events.read({ types })) events.push(event);
  return events;
}

test("DB-1: the executive's panels are what direct queries of the log and of requests give: cost, availability, accuracy, drift", async () => {
  const lines = await read(executiveDashboard());
  const cost = (
    keyOf: (data: MillwrightEvent["data"]) => string,
    events: readonly MillwrightEvent[],
    untilMs = endMs,
  ) => {
    const sums: Record<string, number> = {};
    for (const { time, data } of events)
      if (Date.parse(time) <= untilMs) sums[keyOf(data)] = (sums[keyOf(data)] ?? 0) + Number(data["amount"]);
    return sums;
  };
  const spent = await eventsOf(["budget.committed"]);
  const byModel = (data: MillwrightEvent["data"]) => `${String(data["project"])} ${String(data["model"])}`;
  expect(rounded(lastOf(lines("Cost by model")))).toEqual(rounded(cost(byModel, spent)));
  // The whole curve, and not its end alone.
  for (const { name, points } of lines("Cost by project"))
    for (const [timeMs, value] of points)
      expect(value).toBeCloseTo(cost((data) => String(data["project"]), spent, timeMs)[name] ?? Number.NaN, 9);
  const { asked } = await setting;
  for (const { name, points } of lines("Availability by endpoint")) {
    const own = asked.filter(({ endpoint }) => endpoint === name);
    const failed = own.filter((each) => each.failed).length;
    // Rates leave out what the first scrape of a window had already counted.
    expect(points.at(-1)?.[1]).toBeCloseTo(1 - failed / own.length, 2);
  }
  expect(lines("Availability by endpoint")).toHaveLength(2);
  const alerts = await eventsOf(["alert.firing"]);
  const drift = alerts.find(({ data }) => data["name"] === "drift");
  expect(lastOf(lines("Drifted share of columns"))[drift?.subject ?? ""]).toBe(drift?.data["value"]);
  expect(lastOf(lines("What drifts"))).toMatchObject({ [drift?.subject ?? ""]: 1 });
  const quality = lastOf(lines("What quality rules measure"));
  expect(quality["endpoint/late/variant/main"]).toBeGreaterThan(0.3);
  expect(lastOf(lines("Error budget left"))["answers"]).toBeLessThan(1);
});

const rounded = (values: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Math.round(value * 1e6) / 1e6]));

test("DB-2: on call, the panels are what direct queries give: quantiles, error rate, deployments, the canary", async () => {
  const lines = await read(onCallDashboard());
  const { asked } = await setting;
  const within = asked.filter(({ timeMs }) => timeMs > endMs - 300_000);
  const of = (endpoint: string, variant: string) =>
    within.filter((each) => each.endpoint === endpoint && each.variant === variant);
  expect(lines("Latency")).toHaveLength(8);
  for (const { name, points } of lines("Latency")) {
    const [quantile = "", endpoint = "", variant = ""] = name.split(" ");
    const seconds = of(endpoint, variant)
      .filter(({ failed }) => !failed)
      .map((each) => each.seconds)
      .toSorted((a, b) => a - b);
    const exact = seconds[Math.ceil((Number(quantile.slice(1)) / 100) * seconds.length) - 1] as number;
    const shown = points.at(-1)?.[1] as number;
    // Within the bucket that holds it, or the next where it stands at an edge.
    const edges = [0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
    const at = edges.findIndex((edge) => edge >= exact);
    expect(shown, name).toBeGreaterThanOrEqual(edges[Math.max(0, at - 2)] as number);
    expect(shown, name).toBeLessThanOrEqual(edges[at + 1] ?? 2.5);
  }
  for (const { name, points } of lines("Error rate")) {
    const [endpoint = "", variant = ""] = name.split(" ");
    const own = of(endpoint, variant);
    expect(
      Math.abs((points.at(-1)?.[1] ?? 1) - own.filter(({ failed }) => failed).length / own.length),
      name,
    ).toBeLessThan(0.03);
  }
  const deployments = await eventsOf(["deployment.*"]);
  const last = deployments.findLast(({ subject }) => subject === "late");
  expect(lastOf(lines("Recent deployments"))).toEqual({ late: Date.parse(last?.time ?? "") / 1_000 });
  expect(lastOf(lines("What became of deployments"))).toEqual({ "late started": 1, "late completed": 1 });
  // The canary takes a quarter until its deployment is complete.
  const canary = lines("Canary's share of requests")[0];
  const completedMs = Date.parse(last?.time ?? "");
  for (const [timeMs, value] of canary?.points ?? []) expect(value).toBe(timeMs < completedMs ? 0.25 : 0);
  expect(lastOf(lines("Alerts that fire"))).toMatchObject({ ticket: expect.any(Number) });
  expect(lines("Requests")).toHaveLength(4);
});

test("DB-3: for debugging, there are training runs, both distributions, processes and containers, collections and traces", async () => {
  const dashboard = debugDashboard({ logsUrl: "https://logs.example/", tracesUrl: "https://traces.example/" });
  const { history } = await setting;
  const series = (name: string, labels: Readonly<Record<string, string>>, per: number) => ({
    name,
    labels,
    points: Array.from({ length: 81 }, (_, at) => [startMs + at * stepMs, at * per] as const),
  });
  history.add([
    series("nodejs_gc_duration_seconds_sum", { kind: "major" }, 0.15),
    series("container_cpu_usage_seconds_total", { container: "server" }, 7.5),
    series("DCGM_FI_DEV_GPU_UTIL", { gpu: "0" }, 1),
  ]);
  const distribution = { column: "distance", edges: [0, 1], training: [0.2, 0.5, 0.3], serving: [0.1, 0.2, 0.7] };
  const data = readDashboard(dashboard, history, range, { distributions: [distribution] });
  const lines = (title: string) => data.panels.find((panel) => panel.title === title)?.lines ?? [];
  const runs = await eventsOf(["run.*"]);
  const counted = Object.fromEntries(
    runs.map(({ type, data: told }) => [`${String(told["experiment"])} ${type.slice(4)}`, 1]),
  );
  expect(lastOf(lines("Training runs"))).toEqual(counted);
  // A counter that grows by 0.15 s in 15 s takes a hundredth of the time.
  expect(lastOf(lines("Garbage collection"))["major"]).toBeCloseTo(0.01, 9);
  expect(lastOf(lines("Processor"))["server"]).toBeCloseTo(0.5, 9);
  expect(lastOf(lines("GPU utilisation"))).toEqual({ 0: 80 });
  const html = htmlDashboard(dashboard, data);
  for (const text of ["https://logs.example/", "https://traces.example/", "distance", "in training and serving"])
    expect(html).toContain(text);
  expect(html.match(/<rect x=/g)?.length).toBe(6);
  expect(terminalDashboard(dashboard, data)).toContain("distance in serving");
});

test("DB-4: one description gives Grafana's JSON, a page that asks nobody for anything, and text; all three stay as they are", async () => {
  const { history } = await setting;
  for (const dashboard of boards) {
    const grafana = grafanaDashboard(dashboard);
    await expect(`${JSON.stringify(grafana, undefined, 2)}\n`).toMatchFileSnapshot(
      `golden/grafana-${dashboard.uid}.json`,
    );
    checkGrafana(grafana as unknown as Grafana, dashboard);
    const data = readDashboard(dashboard, history, range, {
      annotations: [{ timeMs: endMs - 450_000, text: 'late: "completed"' }],
    });
    const html = htmlDashboard(dashboard, data);
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|\ssrc=|https?:\/\//);
    for (const { title } of panelsOf(dashboard)) expect(html).toContain(`data-panel="${title.replaceAll("'", "'")}"`);
    expect(htmlDashboard(dashboard, data)).toBe(html);
    const text = terminalDashboard(dashboard, data);
    await expect(text).toMatchFileSnapshot(`golden/terminal-${dashboard.uid}.txt`);
    for (const { title } of panelsOf(dashboard)) expect(text).toContain(title);
    // The same figures in both.
    for (const [, figure] of text.matchAll(/^ {2}\S* *(\d[\d.]* ?\S*) {2}/gm)) expect(html).toContain(figure);
  }
});

interface Grafana {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
    readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly format: string }[];
    readonly fieldConfig?: {
      readonly defaults: { readonly thresholds: { readonly steps: readonly { readonly value: number | null }[] } };
    };
  }[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}

/** What Grafana's classic model asks of a dashboard. */
function checkGrafana({ uid, schemaVersion, panels, annotations, templating }: Grafana, dashboard: Dashboard): void {
  expect(uid).toMatch(/^[\w-]{8,40}$/);
  expect(schemaVersion).toBe(39);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(panels.filter(({ type }) => type !== "row").map(({ title }) => title)).toEqual(
    panelsOf(dashboard).map(({ title }) => title),
  );
  const taken = new Set<string>();
  for (const { type, gridPos, targets = [], fieldConfig } of panels) {
    expect(["row", "timeseries", "stat", "table", "bargauge", "text"]).toContain(type);
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(taken.has(`${x} ${y}`)).toBe(false);
        taken.add(`${x} ${y}`);
      }
    if (type === "row" || type === "text") continue;
    expect(targets.length).toBeGreaterThan(0);
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    expect(fieldConfig?.defaults.thresholds.steps[0]?.value).toBeNull();
    for (const [, variable = ""] of targets.flatMap(({ expr }) => [...expr.matchAll(/"\$(\w+)"/g)]))
      expect(templating.list.map(({ name }) => name)).toContain(variable);
  }
  expect(annotations.list[0]?.expr).toContain("millwright_ledger_last_deployment_seconds");
}

/** The text of every source of every package. */
function sources(): string {
  const packages = fileURLToPath(new URL("../..", import.meta.url));
  const files = readdirSync(packages).flatMap((name) => {
    const root = join(packages, name, "src");
    try {
      return readdirSync(root, { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => join(root, file));
    } catch {
      return [];
    }
  });
  return files
    .filter((file) => !file.includes(join("monitor", "src", "dashboards")) || file.endsWith("ledger-metrics.ts"))
    .map((file) => readFileSync(file, "utf8"))
    .join("\n");
}

test("DB-4: every metric of a panel is exported by a package, or said to be another's", () => {
  const text = sources();
  for (const dashboard of boards) {
    for (const metric of panelsOf(dashboard).flatMap(queriesOf).flatMap(metricsOf)) {
      const base = metric.replace(/_(sum|count|bucket)$/, "");
      const isOurs = new RegExp(`(counter|gauge|histogram)\\(\\s*"(${metric}|${base})"`).test(text);
      const isForeign = dashboard.foreignMetrics.includes(metric) || dashboard.foreignMetrics.includes(base);
      expect(isOurs !== isForeign, `${metric}: ours ${isOurs}, foreign ${isForeign}`).toBe(true);
    }
  }
});

test("queries are written with their labels escaped, and names that Prometheus does not take are refused", () => {
  expect(promqlOf({ kind: "rate", metric: "a_total", by: ["x"], match: { y: 'say "hi"\\' } })).toBe(
    'sum by (x) (rate(a_total{y="say \\"hi\\"\\\\"}[300s]))',
  );
  expect(() => promqlOf({ kind: "rate", metric: "a-b" })).toThrow(
    expect.objectContaining({ code: "MONITOR_DASHBOARD_INVALID" }),
  );
});

test("what names hold cannot break out of the page or steer the terminal", async () => {
  const { history } = await setting;
  const evil = '<img src=x onerror="alert(1)">\u001B[2J';
  history.add([{ name: "millwright_ledger_drifting", labels: { subject: evil }, points: [[endMs, 1]] }]);
  const data = readDashboard(executiveDashboard(), history, range);
  expect(htmlDashboard(executiveDashboard(), data)).not.toContain("<img");
  expect(terminalDashboard(executiveDashboard(), data)).not.toContain("\u001B");
});
