import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import fastify from "fastify";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { type ModelServer, openModelServer } from "@millwright/serving";
import {
  type LambdaEvent,
  type WebSocketLike,
  lambdaHandler,
  routeHandlers,
  webSocketHandler,
} from "@millwright/serving/hosts";
import { denseRuntime, expected, matrix, packFolder } from "./models.ts";

const rows = [
  [0.5, -1, 2, 0.25],
  [1, 1, 1, 1],
  [-3, 0.125, 7, 1e-3],
];
const instances = JSON.stringify({ instances: rows });
const tensors = Buffer.from(Float32Array.from(rows.flat()).buffer);
const head = JSON.stringify({
  inputs: [{ name: "features", datatype: "FP32", shape: [3, 4], parameters: { binary_data_size: tensors.length } }],
  parameters: { binary_data_output: true },
});

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body?: Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answered {
  readonly status: number;
  readonly type: string | null;
  readonly bytes: Buffer;
}

type Host = (asked: Asked) => Promise<Answered>;

const post = (path: string, body: string | Buffer, type: string, headers: Record<string, string> = {}): Asked => ({
  method: "POST",
  path,
  body: Buffer.from(body),
  // The request's id is in the answers: it must not differ.
  headers: { "content-type": type, "x-request-id": "the-request", ...headers },
});

const questions: readonly Asked[] = [
  { method: "GET", path: "/ping" },
  { method: "GET", path: "/v2/models/late" },
  { method: "GET", path: "/v2/models/none" },
  post("/endpoints/late/predict", instances, "application/json"),
  post("/invocations", rows.map((row) => row.join(",")).join("\n"), "text/csv"),
  post("/invocations", instances, "application/json", { accept: "text/csv" }),
  post("/invocations", '{"instances":[[1,2]]}', "application/json"),
  post("/invocations", "{", "application/json"),
  post("/invocations", " ".repeat(5_000), "application/json"),
  post("/v2/models/late/infer", Buffer.concat([Buffer.from(head), tensors]), "application/octet-stream", {
    "inference-header-content-length": String(head.length),
  }),
];

const mediaType = (type: string | null): string => type?.split(";")[0] ?? "";

const over =
  (address: string): Host =>
  async ({ method, path, body, headers = {} }) => {
    const response = await fetch(`${address}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body as never }),
    });
    return answeredBy(response);
  };

const answeredBy = async (response: Response): Promise<Answered> => ({
  status: response.status,
  type: response.headers.get("content-type"),
  bytes: Buffer.from(await response.arrayBuffer()),
});

const requestOf = ({ method, path, body, headers = {} }: Asked, base: string): Request =>
  new Request(`${base}${path}`, { method, headers, ...(body === undefined ? {} : { body: body as never }) });

const secondEvent = ({ method, path, body, headers }: Asked): LambdaEvent => ({
  version: "2.0",
  rawPath: `/prod${path}`,
  rawQueryString: "",
  headers: { host: "x.lambda-url", ...headers },
  requestContext: { stage: "prod", http: { method } },
  ...(body === undefined ? {} : { body: Buffer.from(body).toString("base64"), isBase64Encoded: true }),
});

const firstEvent = ({ method, path, body, headers }: Asked): LambdaEvent => ({
  httpMethod: method,
  path: `/ml${path}`,
  multiValueHeaders: Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, [value]])),
  headers: null,
  queryStringParameters: null,
  requestContext: { stage: "prod" },
  ...(body === undefined
    ? { body: null, isBase64Encoded: false }
    : { body: Buffer.from(body).toString("base64"), isBase64Encoded: true }),
});

const lambdaHost =
  (run: ReturnType<typeof lambdaHandler>, event: (asked: Asked) => LambdaEvent): Host =>
  async (asked) => {
    const { statusCode, headers, body, isBase64Encoded } = await run(event(asked));
    return {
      status: statusCode,
      type: headers["content-type"] ?? null,
      bytes: Buffer.from(body, isBase64Encoded ? "base64" : "utf8"),
    };
  };

/** Every host with the same server behind it. */
async function openHosts(server: ModelServer): Promise<AsyncDisposable & { readonly hosts: Record<string, Host> }> {
  const plain = createServer(server.node).listen(0, "127.0.0.1");
  const framed = express();
  framed.get("/", (_request, response) => void response.send("own"));
  framed.use("/ml", server.node);
  framed.use((_request, response) => void response.status(418).send("the application's"));
  const framedServer = framed.listen(0, "127.0.0.1");
  await Promise.all([
    plain.listening || once(plain, "listening"),
    framedServer.listening || once(framedServer, "listening"),
  ]);
  const app = fastify();
  await app.register(server.fastify, { prefix: "/ml" });
  const fastifyAddress = await app.listen({ port: 0, host: "127.0.0.1" });
  const hono = new Hono().mount("/ml", server.handle);
  const next = routeHandlers(server.handle, { prefix: "/api/ml" });
  const at = ({ port }: AddressInfo): string => `http://127.0.0.1:${port}`;
  return {
    hosts: {
      "node:http": over(at(plain.address() as AddressInfo)),
      Express: over(`${at(framedServer.address() as AddressInfo)}/ml`),
      Fastify: over(`${fastifyAddress}/ml`),
      Hono: async (asked) => answeredBy(await hono.request(requestOf(asked, "http://host/ml"))),
      Next: async (asked) => answeredBy(await next[asked.method as "GET"](requestOf(asked, "http://host/api/ml"))),
      "Lambda 2.0": lambdaHost(lambdaHandler(server.handle), secondEvent),
      "Lambda 1.0": lambdaHost(lambdaHandler(server.handle, { prefix: "/ml" }), firstEvent),
    },
    async [Symbol.asyncDispose]() {
      plain.close();
      framedServer.close();
      await app.close();
    },
  };
}

const open = async (source: Awaited<ReturnType<typeof packFolder>>["source"]): Promise<ModelServer> =>
  openModelServer({
    source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    maxBodyBytes: 4_000,
  });

test("SV-2: one model answers the same bytes through node:http, Express, Fastify, Hono, Next and Lambda, good requests and bad", async () => {
  await using folder = await packFolder(1);
  await using server = await open(folder.source);
  await using opened = await openHosts(server);
  for (const asked of questions) {
    const reference = await answeredBy(await server.handle(requestOf(asked, "http://host")));
    for (const [name, host] of Object.entries(opened.hosts)) {
      const { status, type, bytes } = await host(asked);
      const told = `${asked.method} ${asked.path} ${bytes.toString().slice(0, 200)} through ${name}`;
      expect(status, told).toBe(reference.status);
      expect(mediaType(type), told).toBe(mediaType(reference.type));
      expect(bytes.equals(reference.bytes), told).toBe(true);
    }
  }
  const answered = await opened.hosts["Lambda 2.0"]?.(questions[3] as Asked);
  expect(JSON.parse(answered?.bytes.toString() ?? "")).toMatchObject({
    predictions: rows.map((row) => expect.closeTo(expected(1, row), 6)),
  });
  // Called directly, without a host.
  const { outputs } = await server.predict("late", { inputs: { features: matrix(rows) } });
  const direct = outputs["probability"]?.data.join(",");
  expect(answered?.bytes.toString()).toContain(`"predictions":[${direct}]`);
});

test("SV-2: a WebSocket answers requests as they are ready, with the body of the route, and errors with their status", async () => {
  await using folder = await packFolder(1);
  await using server = await open(folder.source);
  const sockets = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  const serve = webSocketHandler(server.handle, { maxInFlight: 2 });
  sockets.on("connection", (socket, request) => serve(socket as unknown as WebSocketLike, request));
  await once(sockets, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`, {
    headers: { "x-request-id": "the-request" },
  });
  try {
    await once(client, "open");
    const answers = new Map<unknown, Record<string, unknown>>();
    const texts: string[] = [];
    client.on("message", (data: Buffer) => {
      const answer = JSON.parse(data.toString()) as Record<string, unknown>;
      texts.push(data.toString());
      answers.set(answer["id"], answer);
    });
    for (let id = 0; id < 50; id += 1)
      client.send(JSON.stringify({ id, endpoint: "late", instances: [rows[id % rows.length]] }));
    client.send(JSON.stringify({ id: "bad", endpoint: "late", instances: [[1]] }));
    client.send(JSON.stringify({ id: "none", endpoint: "other", instances: [[1]] }));
    client.send("no JSON");
    client.send(Buffer.from([1, 2, 3]));
    await expect.poll(() => texts.length).toBe(54);
    for (let id = 0; id < 50; id += 1)
      expect(answers.get(id)).toMatchObject({
        status: 200,
        predictions: [expect.closeTo(expected(1, rows[id % rows.length] as number[]), 6)],
        provenance: { requestId: "the-request" },
      });
    expect(answers.get("bad")).toMatchObject({ status: 400, code: "SERVING_INPUT_INVALID" });
    expect(answers.get("none")).toMatchObject({ status: 404, code: "SERVING_ENDPOINT_UNKNOWN" });
    expect(answers.get(undefined)).toMatchObject({ status: 400, code: "SERVING_BODY_INVALID" });
    const web = await server.handle(
      requestOf(post("/endpoints/late/predict", JSON.stringify({ instances: [rows[0]] }), ""), "http://host"),
    );
    expect(texts).toContain(`{"id":0,"status":200,${(await web.text()).slice(1)}`);
  } finally {
    client.close();
    sockets.close();
  }
});

test("in Express what is nobody's goes on to the application, and a body that a parser has read is taken as it was read", async () => {
  await using folder = await packFolder(1);
  await using server = await open(folder.source);
  await using opened = await openHosts(server);
  const elsewhere = await opened.hosts["Express"]?.({ method: "GET", path: "/nothing" });
  expect([elsewhere?.status, elsewhere?.bytes.toString()]).toEqual([418, "the application's"]);
  const parsing = express().use(express.json()).use(server.node).listen(0, "127.0.0.1");
  try {
    await once(parsing, "listening");
    const ask = over(`http://127.0.0.1:${(parsing.address() as AddressInfo).port}`);
    const answer = await ask(post("/invocations", instances, "application/json"));
    expect(JSON.parse(answer.bytes.toString())).toEqual({
      predictions: rows.map((row) => expect.closeTo(expected(1, row), 6)),
    });
  } finally {
    parsing.close();
  }
});

test("a method that a path does not have is 405 with those it has; an event that is no request is refused", async () => {
  await using folder = await packFolder(1);
  await using server = await open(folder.source);
  const answer = await server.handle(new Request("http://host/invocations"));
  expect([answer.status, answer.headers.get("allow")]).toEqual([405, "POST"]);
  const queue = { Records: [{ body: "{}" }] } as LambdaEvent;
  await expect(lambdaHandler(server.handle)(queue)).rejects.toMatchObject({ code: "SERVING_REQUEST_INVALID" });
  expect(() => routeHandlers(server.handle, { prefix: "api" })).toThrow(RangeError);
});
