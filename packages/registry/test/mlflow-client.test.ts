import { spawn } from "node:child_process";
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "@millwright/contracts";
import { systemClock } from "@millwright/contracts";
import { expect, test } from "vitest";
import { type ClientBench, openClient } from "./mlflow-client-cases.ts";

interface Scripted extends AsyncDisposable {
  readonly url: string;
  /** `POST runs/create` of each call, in order. */
  readonly calls: string[];
}

/** A server that answers each call by what `answer` does with it. */
async function script(answer: (call: string, body: string, response: ServerResponse) => void): Promise<Scripted> {
  const calls: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const call = `${request.method} ${(request.url ?? "").replace("/api/2.0/mlflow/", "").split("?")[0]}`;
      calls.push(call);
      answer(call, body, response);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const run = {
  info: { run_id: "r1", experiment_id: "1", status: "RUNNING", artifact_uri: "s3://bucket/1/r1/artifacts" },
  data: {},
};

/** What a well-behaved server says, as MLflow 3.17 was recorded to. */
function usual(call: string, response: ServerResponse): void {
  const answers: Readonly<Record<string, unknown>> = {
    "GET experiments/get-by-name": { experiment: { experiment_id: "1", lifecycle_stage: "active" } },
    "POST runs/create": { run },
    "GET runs/get": { run },
  };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answers[call] ?? {}));
}

/** Sleeps take no time and are written down; waits for answers are real. */
function noted(waits: number[]): Clock {
  return {
    ...systemClock,
    sleep(durationMs, options) {
      if (durationMs === 30_000 || durationMs === 100_000) return systemClock.sleep(durationMs, options);
      waits.push(durationMs);
      return systemClock.sleep(0, options);
    },
  };
}

test("a call is made again after 429 and 503, as late as Retry-After asks, and refusals are not", async () => {
  let created = 0;
  await using server = await script((call, _, response) => {
    if (call !== "POST runs/create") return usual(call, response);
    created += 1;
    if (created === 1) response.writeHead(429, { "retry-after": "7" }).end();
    else if (created === 2) response.writeHead(503).end("{}");
    else if (created === 3) usual(call, response);
    else response.writeHead(400).end('{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}');
  });
  const waits: number[] = [];
  await using client = await openClient(server.url, { clock: noted(waits), token: "t", flushMs: 100_000 });
  await client.tracker.startRun({ experiment: "late" });
  expect(waits[0]).toBe(7000);
  expect(waits[1]).toBeGreaterThanOrEqual(250);
  expect(waits[1]).toBeLessThanOrEqual(500);
  await expect(client.tracker.startRun({ experiment: "late" })).rejects.toMatchObject({
    code: "REGISTRY_MLFLOW_REFUSED",
    retryable: false,
  });
  expect(created).toBe(4);
});

test("what the server did not take is kept, and goes with the next flush", async () => {
  let isDown = true;
  const seen: number[] = [];
  await using server = await script((call, body, response) => {
    if (call !== "POST runs/log-batch") return usual(call, response);
    if (isDown) return void response.writeHead(500).end("{}");
    seen.push((JSON.parse(body) as { metrics: unknown[] }).metrics.length);
    usual(call, response);
  });
  await using client = await openClient(server.url, { clock: noted([]), retries: 2, flushMs: 100_000 });
  const handle = await client.tracker.startRun({ experiment: "late" });
  handle.logMetrics(Array.from({ length: 1700 }, (_, step) => ({ name: "loss", value: step, step })));
  await expect(handle.flush()).rejects.toMatchObject({ code: "REGISTRY_MLFLOW_UNREACHABLE", retryable: true });
  isDown = false;
  await handle.end("finished");
  expect(seen).toEqual([1000, 700]);
});

async function withRun(use: (client: ClientBench, server: Scripted) => Promise<void>): Promise<void> {
  await using server = await script((call, _, response) => usual(call, response));
  await using client = await openClient(server.url);
  await use(client, server);
}

test("what MLflow cannot keep is refused before anything is sent", () =>
  withRun(async ({ tracker }, { calls }) => {
    const handle = await tracker.startRun({ experiment: "late" });
    const before = calls.length;
    const invalid = expect.objectContaining({ code: "REGISTRY_MLFLOW_VALUE_INVALID" });
    expect(() => handle.logParams({ a: "x".repeat(6001) })).toThrow(invalid);
    expect(() => handle.logParams({ "a/../b": 1 })).toThrow(invalid);
    expect(() => handle.logMetrics([{ name: "größe", value: 1, step: 0 }])).toThrow(invalid);
    expect(() => handle.logMetrics([{ name: "a", value: 1, step: 0, timeMs: -1 }])).toThrow(invalid);
    for (const path of ["../a", "/a", "a\\b", "a//b", ""])
      await expect(handle.logArtifact(path, Uint8Array.of(1))).rejects.toEqual(invalid);
    await expect(tracker.setAlias("late", "latest", 1)).rejects.toEqual(invalid);
    await handle.flush();
    expect(calls).toHaveLength(before);
    await expect(handle.logArtifact("a.txt", Uint8Array.of(1))).rejects.toMatchObject({
      code: "REGISTRY_MLFLOW_ARTIFACTS_ELSEWHERE",
    });
  }));

test("a process that logged to a server which never answers ends all the same", { timeout: 300_000 }, async () => {
  await using server = await script((call, _, response) => {
    if (call !== "POST runs/log-batch") usual(call, response);
  });
  await using client = await openClient(server.url);
  const leaver = fileURLToPath(new URL("fixtures/mlflow-leaver.mjs", import.meta.url));
  const child = spawn(process.execPath, [leaver, server.url, client.folder, "loss", "r1"], { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  expect(code).toBe(0);
  expect(server.calls.filter((call) => call === "POST runs/log-batch").length).toBeGreaterThan(0);
});
