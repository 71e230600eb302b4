import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startServer } from "../dist/own-server.js";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

async function run(given: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const { KSERVE_URL: _, KSERVE_MODEL: __, ...env } = process.env;
  return (await promisify(execFile)(process.execPath, [main, ...given], { env: { ...env, ...variables } })).stdout;
}

function check(stdout: string): void {
  expect(stdout).toContain("server: millwright 1; extensions: binary_tensor_data");
  expect(stdout).toContain("live: true; ready: true; iris ready: true\n");
  expect(stdout).toContain("iris (millwright_linear): sepalLength FP64 [-1]; ");
  expect(stdout).toContain("-> prediction FP64 [-1, 3]\n");
  for (const protocol of ["v2 JSON", "v2 binary", "v1", "typed"]) {
    const line = new RegExp(`^${protocol}: (\\d+) of 30 flowers are named right; the first is setosa$`, "m");
    expect(Number(line.exec(stdout)?.[1]), protocol).toBeGreaterThanOrEqual(28);
  }
  expect(stdout).toContain("typed: iris 1 answered in 1 try\n");
  expect(stdout).toContain("a model that is not there: 404\n");
}

test("the client starts a server of its own, asks it in both protocols, and ends", { timeout: 600_000 }, async () => {
  check(await run([]));
});

test("the client asks the server that it is told of, by argument or environment", { timeout: 600_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-kserve-client-"));
  const server = await startServer(folder);
  try {
    check(await run([server.url]));
    check(await run([], { KSERVE_URL: server.url, KSERVE_MODEL: "iris" }));
    // The client in the sources is the one of the model that is served.
    const generate = fileURLToPath(new URL("../../../packages/serving/dist/clients/main.js", import.meta.url));
    const client = fileURLToPath(new URL("../src/iris-client.ts", import.meta.url));
    await promisify(execFile)(process.execPath, [
      generate,
      "--url",
      server.url,
      "--model",
      "iris",
      "--out",
      client,
      "--check",
    ]);
    await expect(run([server.url, "roses"])).rejects.toThrow("/v2/models/roses answered 404");
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
