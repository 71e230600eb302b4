import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type LaunchedContainer, checkContainer, serveContainer } from "@millwright/serving/container";
import { denseRuntime, expected, packFolder } from "./models.ts";

const program = fileURLToPath(new URL("../dist/container/main.js", import.meta.url));
const row = [0.5, -1, 2, 0.25];
const example = { contentType: "application/json", body: JSON.stringify({ instances: [row] }) };

/** The program as a container starts it: one argument, the rest in its environment. */
async function launched(folder: string): Promise<LaunchedContainer & { readonly child: ChildProcess }> {
  const child = spawn(process.execPath, [program, "serve"], {
    env: { ...process.env, SM_MODEL_DIR: folder, SAGEMAKER_BIND_TO_PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { port } = new URL(/http:\S+/.exec(line.toString())?.[0] ?? "");
  return {
    child,
    url: `http://127.0.0.1:${port}`,
    async terminate() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    },
  };
}

test("SV-1: the program that is started with `serve` keeps SageMaker's container contract, from its start to SIGTERM", async () => {
  await using folder = await packFolder(1);
  const report = await checkContainer({ launch: () => launched(join(folder.root, "late", "1")), example });
  expect(report.cases.filter(({ passed }) => !passed)).toEqual([]);
  expect(report.passed).toBe(true);
  expect(report.cases).toHaveLength(8);
  // The package may also lie one folder deeper, as an archive unpacks it.
  const deeper = await launched(join(folder.root, "late"));
  try {
    await expect.poll(async () => (await fetch(`${deeper.url}/ping`)).status, { timeout: 100_000 }).toBe(200);
    const csv = await fetch(`${deeper.url}/invocations`, {
      method: "POST",
      headers: { "content-type": "text/csv" },
      body: row.join(","),
    });
    expect(Number(await csv.text())).toBeCloseTo(expected(1, row), 6);
  } finally {
    await deeper.terminate();
  }
});

test("a model that is not there ends the program with the code of the error, and a busy port is told", async () => {
  const child = spawn(process.execPath, [program, "serve", "--model", "/nowhere", "--port", "0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let told = "";
  child.stderr.on("data", (chunk: Buffer) => (told += chunk.toString()));
  // With all that it has said.
  expect(await once(child, "close")).toEqual([1, null]);
  expect(told).toMatch(/^✗ PORT_MODEL_\w+: /);
  await using folder = await packFolder(1);
  const options = { runtimes: [denseRuntime()], modelDirectory: join(folder.root, "late", "1"), host: "127.0.0.1" };
  await using first = await serveContainer({ ...options, port: 0 });
  await first.ready;
  const busy = serveContainer({ ...options, port: Number(new URL(first.address).port) });
  await expect(busy).rejects.toMatchObject({ code: "SERVING_PORT_BUSY" });
});

test("while the model is loaded /ping is 503 and / alive, and not ready any more once it stops", async () => {
  await using folder = await packFolder(1);
  let go: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  const slow = denseRuntime();
  const container = await serveContainer({
    runtimes: [{ ...slow, load: async (...given) => (await held, slow.load(...given)) }],
    modelDirectory: join(folder.root, "late", "1"),
    host: "127.0.0.1",
    port: 0,
  });
  const ping = async (): Promise<number> => (await fetch(`${container.address}/ping`)).status;
  expect(await ping()).toBe(503);
  // Alive it is, as clients of KServe's first protocol ask.
  expect(await (await fetch(`${container.address}/`)).json()).toEqual({ status: "alive" });
  expect((await fetch(`${container.address}/invocations`, { method: "POST", body: example.body })).status).toBe(503);
  go();
  await container.ready;
  expect(await ping()).toBe(200);
  await container.stop();
  await expect(ping()).rejects.toThrow("fetch failed");
});

async function failing(listener: RequestListener): Promise<readonly string[]> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    const report = await checkContainer({ url: `http://127.0.0.1:${port}`, example }, { startMs: 200 });
    expect(report.passed).toBe(false);
    return report.cases.filter(({ passed }) => !passed).map(({ name }) => name);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("SV-1: servers that break the contract are told what they break", async () => {
  const answer: RequestListener = (request, response) => {
    request.resume();
    request.on("end", () =>
      response.writeHead(200, { "content-type": "text/plain" }).end(request.url === "/ping" ? "pong" : "1"),
    );
  };
  expect(await failing(answer)).toEqual([
    "GET /ping is 200 with an empty body within 2 s",
    "a body that cannot be read is 4xx, and the container stays healthy",
  ]);
  const strict: RequestListener = (request, response) => {
    const known = !("x-something-new" in request.headers);
    request.resume();
    request.on("end", () => response.writeHead(request.url === "/ping" ? 200 : known ? 500 : 400).end());
  };
  expect(await failing(strict)).toEqual([
    "POST /invocations is 200 within 60 s, with a content type and at most 6 MiB",
    "headers that it does not know are ignored",
    "a body that cannot be read is 4xx, and the container stays healthy",
    "requests at once are all answered, and /ping meanwhile",
  ]);
  expect((await failing((_request, response) => void response.writeHead(503).end()))[0]).toBe(
    "it becomes healthy within 4 minutes",
  );
});
