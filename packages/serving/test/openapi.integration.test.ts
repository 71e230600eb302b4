import { execFile, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { promisify } from "node:util";
import fastify from "fastify";
import { type TestContext, expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";
import { openProtocolServer } from "./protocol-server.ts";

const python = process.env["MILLWRIGHT_SCHEMATHESIS_PYTHON"] ?? "python3";
const running = "import sys; from schemathesis.cli import schemathesis; sys.argv[0] = 'schemathesis'; schemathesis()";
const found = spawnSync(python, ["-c", "from schemathesis.cli import schemathesis"]).status === 0;
const checks =
  "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";

test("the document of OpenAPI names every route, with the schemas of each endpoint's model", async () => {
  await using folder = await packFolder(2);
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: {
      late: { variants: { main: { model: "late/1", weight: 1 } } },
      "early birds": { variants: { main: { model: "late/2", weight: 1 } } },
    },
    authenticate: () => ({ principal: "ann" }),
  });
  const answer = await server.handle(new Request("http://host/openapi.json"));
  const document = (await answer.json()) as {
    readonly paths: Readonly<
      Record<string, Readonly<Record<string, { readonly requestBody?: unknown; readonly security?: unknown }>>>
    >;
  };
  expect(document).toMatchObject({
    openapi: "3.1.0",
    servers: [{ url: "./" }],
    security: [{ bearer: [] }, { key: [] }],
  });
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining([
      "/endpoints/late/predict",
      "/endpoints/early%20birds/predict",
      "/invocations",
      "/openapi.json",
      "/ping",
      "/v2/models/late/versions/{version}/infer",
    ]),
  );
  expect(document.paths["/ping"]?.["get"]?.security).toEqual([]);
  expect(JSON.stringify(document.paths["/invocations"]?.["post"]?.requestBody)).toContain(
    '{"type":"array","items":{"type":["number","null"]},"minItems":4,"maxItems":4}',
  );
  // In Fastify as well, under whatever prefix.
  const app = fastify();
  await app.register(server.fastify, { prefix: "/ml" });
  const mounted = await app.inject({ method: "GET", url: "/ml/openapi.json" });
  expect(mounted.json()).toEqual(document);
  await app.close();
});

/** Lets schemathesis ask a server by its document, and counts the statuses by the first part of the paths. */
async function fuzz(server: ModelServer, options: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const statuses = new Map<string, number>();
  const listener = createServer((request, response) => {
    response.on("finish", () => {
      const key = `${/^\/(\w+)/.exec(request.url ?? "")?.[1]} ${response.statusCode}`;
      statuses.set(key, (statuses.get(key) ?? 0) + 1);
    });
    server.node(request, response);
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  try {
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/openapi.json`;
    const { stdout } = await promisify(execFile)(
      python,
      ["-c", running, "run", url, "--checks", checks, "--seed", "1", "--no-color", ...options],
      { cwd: tmpdir(), maxBuffer: 64 * 1024 * 1024 },
    ).catch((error: unknown) => error as { readonly stdout: string });
    expect(stdout).toMatch(/\d+ generated, \d+ passed/);
    expect(stdout).not.toContain("failed");
  } finally {
    listener.closeAllConnections();
    listener.close();
  }
  expect([...statuses.keys()].filter((key) => /5\d\d$/.test(key))).toEqual([]);
  return statuses;
}

const whereFound: (context: TestContext) => void = ({ skip }) => {
  if (process.env["CI"] !== "true")
    skip(
      !found,
      `${python} cannot import schemathesis: pip install schemathesis, and name that Python in MILLWRIGHT_SCHEMATHESIS_PYTHON`,
    );
};

test(
  "schemathesis finds no 5xx, and no answer that is not as the document of OpenAPI says",
  { timeout: 300_000 },
  async (context) => {
    whereFound(context);
    await using folder = await packFolder(1);
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    });
    const statuses = await fuzz(server, ["--max-examples", "10", "--exclude-path-regex", "^/v1/"]);
    for (const root of ["v2", "invocations"]) {
      expect(statuses.get(`${root} 200`), root).toBeGreaterThan(5);
      expect(statuses.get(`${root} 400`), root).toBeGreaterThan(25);
    }
  },
);

test(
  "schemathesis finds no 5xx in the REST API of TensorFlow Serving and KServe v1, with texts, integers and floats as inputs",
  { timeout: 300_000 },
  async (context) => {
    whereFound(context);
    await using served = await openProtocolServer();
    const statuses = await fuzz(served.server, [
      "--max-examples",
      "8",
      "--include-path-regex",
      "^/v1/models/(late|echo)",
    ]);
    expect(statuses.get("v1 200")).toBeGreaterThan(50);
    expect(statuses.get("v1 400")).toBeGreaterThan(100);
  },
);
