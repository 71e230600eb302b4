import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AlertSource } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openModelServer } from "@millwright/serving";
import { createAlertmanagerSource, createPrometheusSource } from "@millwright/serving/rollout";
import { createCounts } from "./counts.ts";
import { denseRuntime, packFolder } from "./models.ts";

const prometheus = process.env["MILLWRIGHT_PROMETHEUS"] ?? "prometheus";
const alertmanager = process.env["MILLWRIGHT_ALERTMANAGER"] ?? "prometheus-alertmanager";
const found = [prometheus, alertmanager].every((program) => spawnSync(program, ["--version"]).status === 0);

async function freePort(): Promise<number> {
  const listener = createTcpServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  return port;
}

interface Monitoring extends AsyncDisposable {
  readonly prometheus: string;
  readonly alertmanager: string;
}

/** A Prometheus that reads the metrics of a port and tells its Alertmanager where a candidate fails. */
async function startMonitoring(metricsPort: number): Promise<Monitoring> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-prometheus-"));
  const [port, managerPort] = [await freePort(), await freePort()];
  const rules = {
    groups: [
      {
        name: "serving",
        rules: [
          {
            alert: "CandidateErrors",
            expr: 'millwright_serving_errors_total{variant="candidate"} > 5',
            labels: { severity: "page" },
            annotations: { summary: "the candidate fails" },
          },
        ],
      },
    ],
  };
  const config = {
    global: { scrape_interval: "500ms", evaluation_interval: "500ms" },
    rule_files: ["rules.yml"],
    scrape_configs: [{ job_name: "serving", static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] }],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${managerPort}`] }] }] },
  };
  const manager = { route: { receiver: "none", group_wait: "0s" }, receivers: [{ name: "none" }] };
  // JSON is YAML.
  for (const [name, content] of Object.entries({
    "rules.yml": rules,
    "prometheus.yml": config,
    "manager.yml": manager,
  }))
    await writeFile(join(folder, name), JSON.stringify(content));
  const start = (program: string, given: readonly string[]): ChildProcess =>
    spawn(program, given, { cwd: folder, stdio: "ignore" });
  const children = [
    start(alertmanager, [
      "--config.file=manager.yml",
      `--web.listen-address=127.0.0.1:${managerPort}`,
      "--cluster.listen-address=",
      "--storage.path=manager",
    ]),
    start(prometheus, [
      "--config.file=prometheus.yml",
      `--web.listen-address=127.0.0.1:${port}`,
      "--storage.tsdb.path=data",
    ]),
  ];
  const urls = { prometheus: `http://127.0.0.1:${port}`, alertmanager: `http://127.0.0.1:${managerPort}` };
  const stop = async (): Promise<void> => {
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }),
    );
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const url of Object.values(urls))
      await expect
        .poll(async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.status, { timeout: 100_000 })
        .toBe(200);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...urls, [Symbol.asyncDispose]: stop };
}

const sources: Readonly<Record<string, (monitoring: Monitoring) => AlertSource>> = {
  Prometheus: ({ prometheus: url }) => createPrometheusSource({ url, pollMs: 250 }),
  Alertmanager: ({ alertmanager: url }) => createAlertmanagerSource({ url, pollMs: 250 }),
};

test.for(Object.entries(sources))(
  "an alert that a real %s fires on the metrics of a canary takes it back, with its words",
  { timeout: 600_000 },
  async ([, sourceOf], { skip }) => {
    if (process.env["CI"] !== "true")
      skip(
        !found,
        `there is no ${prometheus} or no ${alertmanager}: apt-get install prometheus prometheus-alertmanager, or name the programs in MILLWRIGHT_PROMETHEUS and MILLWRIGHT_ALERTMANAGER`,
      );
    const { meter, of } = createCounts();
    const labels = { endpoint: "late", variant: "candidate" };
    const sum = (): number => of("millwright_serving_errors_total", labels).reduce((total, each) => total + each, 0);
    const exporter = createServer((_request, response) => {
      const text = `# TYPE millwright_serving_errors_total counter\nmillwright_serving_errors_total{endpoint="late",variant="candidate"} ${sum()}\n`;
      response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(text);
    }).listen(0, "127.0.0.1");
    await once(exporter, "listening");
    try {
      await using monitoring = await startMonitoring((exporter.address() as AddressInfo).port);
      await using folder = await packFolder(2);
      await using server = await openModelServer({
        source: folder.source,
        runtimes: [denseRuntime()],
        endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
        meter,
        alerts: sourceOf(monitoring),
      });
      const traffic = { type: "canary", share: 0.5, bakeMs: 60_000 } as const;
      await server.deploy("late", { model: "late/2", traffic, rollbackOn: ["CandidateErrors"] });
      const ask = (at: number, row: readonly unknown[]): Promise<unknown> =>
        server.predict("late", { instances: [row], stickyKey: `user ${at}` }).catch(() => undefined);
      // Nothing fires while all is well.
      for (let at = 0; at < 20; at += 1) await ask(at, [1, 2, 3, 4]);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect((await server.status("late"))?.state).toBe("baking");
      for (let at = 0; at < 60; at += 1) await ask(at, [1]);
      expect(sum()).toBeGreaterThan(5);
      await expect
        .poll(async () => (await server.status("late"))?.state, { timeout: 100_000, interval: 100 })
        .toBe("rolled-back");
      const { reason, evidence } = (await server.status("late")) ?? {};
      expect(reason).toBe('the alert "CandidateErrors" fired: the candidate fails');
      expect(evidence).toMatchObject({ alert: "CandidateErrors", subject: "endpoint/late/variant/candidate" });
    } finally {
      exporter.closeAllConnections();
      exporter.close();
    }
  },
);
