import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { parseAlertmanagerWebhook, type WebhookNotification } from "../src/alertmanager.ts";
import { freePort } from "./free-port.ts";

export const alertmanagerProgram = process.env["MILLWRIGHT_ALERTMANAGER"] ?? "prometheus-alertmanager";
export const hasAlertmanager = spawnSync(alertmanagerProgram, ["--version"]).status === 0;

export interface AlertmanagerServer extends AsyncDisposable {
  readonly url: string;
  /** What came in over its webhook, read by us. */
  readonly notifications: readonly WebhookNotification[];
  /** Ends it, and starts it again on the same port with the same data. */
  stop(): Promise<void>;
  start(): Promise<void>;
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
}

/** A real Alertmanager that groups by model version and tells a webhook of ours. */
export async function startAlertmanager(): Promise<AlertmanagerServer> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-alertmanager-"));
  const notifications: WebhookNotification[] = [];
  const receiver = await listen(notifications);
  const port = await freePort();
  const config = {
    route: {
      receiver: "ours",
      group_by: ["endpoint", "model", "version"],
      // Longer than a busy machine takes to tell what fires together.
      group_wait: "2s",
      group_interval: "500ms",
      repeat_interval: "1h",
    },
    receivers: [
      {
        name: "ours",
        webhook_configs: [
          { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, send_resolved: true },
        ],
      },
    ],
  };
  // JSON is YAML.
  await writeFile(join(folder, "manager.yml"), JSON.stringify(config));
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    // It writes down what it has told before it ends.
    child.kill("SIGTERM");
    await ended;
  };
  const start = async (): Promise<void> => {
    const flags = [
      "--config.file=manager.yml",
      `--web.listen-address=127.0.0.1:${port}`,
      "--cluster.listen-address=",
      "--storage.path=data",
    ];
    child = spawn(alertmanagerProgram, flags, { cwd: folder, stdio: "ignore" });
    await expect
      .poll(async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.status, { timeout: 100_000 })
      .toBe(200);
  };
  const ask = async (path: string, init: RequestInit): Promise<unknown> =>
    (await fetch(`${url}/api/v2/${path}`, init)).json();
  await start();
  return {
    url,
    notifications,
    stop,
    start,
    get: (path) => ask(path, {}),
    post: (path, body) =>
      ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    async [Symbol.asyncDispose]() {
      await stop();
      receiver.closeAllConnections();
      receiver.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function listen(notifications: WebhookNotification[]): Promise<Server> {
  const receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      notifications.push(parseAlertmanagerWebhook(JSON.parse(body)));
      response.writeHead(200).end();
    });
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  return receiver;
}
