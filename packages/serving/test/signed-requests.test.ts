import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { type RequestOptions, createServer as createTlsServer, request as tlsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { Sha256 } from "@aws-crypto/sha256-js";
import { InvokeEndpointCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";
import { SignatureV4 } from "@smithy/signature-v4";
import fastify from "fastify";
import { expect, test } from "vitest";
import { type Authenticate, apiKeys, firstOf, mutualTls, sigV4 } from "@millwright/serving/auth";
import { ask, body, open, row } from "./guarded-server.ts";
import { expected } from "./models.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const verifier = (more: Partial<Parameters<typeof sigV4>[0]> = {}): Authenticate =>
  sigV4({
    region: "eu-central-1",
    credentialsOf: (id) =>
      id === credentials.accessKeyId ? { secretAccessKey: credentials.secretAccessKey, principal: "ann" } : undefined,
    ...more,
  });

test("SV-46: requests that the SDK of AWS signs are recognised, through node:http and Fastify", async () => {
  await using opened = await open(firstOf(apiKeys({ keys: [] }), verifier()));
  const plain = createServer(opened.server.node).listen(0, "127.0.0.1");
  const app = fastify();
  await app.register(opened.server.fastify);
  const own = await app.listen({ port: 0, host: "127.0.0.1" });
  try {
    for (const endpoint of [own, `http://127.0.0.1:${(plain.address() as AddressInfo).port}`]) {
      const invoke = async (secretAccessKey: string): Promise<string> => {
        const client = new SageMakerRuntimeClient({
          endpoint,
          region: "eu-central-1",
          credentials: { ...credentials, secretAccessKey },
          maxAttempts: 1,
        });
        const { Body } = await client.send(
          new InvokeEndpointCommand({ EndpointName: "late", ContentType: "application/json", Body: body }),
        );
        return Buffer.from(Body ?? []).toString();
      };
      expect(JSON.parse(await invoke(credentials.secretAccessKey))).toEqual({
        predictions: [expect.closeTo(expected(1, row), 6)],
      });
      await expect(invoke("another secret")).rejects.toMatchObject({ $metadata: { httpStatusCode: 401 } });
    }
  } finally {
    plain.close();
    await app.close();
  }
});

test("SV-46: signatures: changed bodies, paths, queries and headers, old ones, those for others and those of nobody are refused", async () => {
  await using opened = await open(verifier());
  const signer = (more: Record<string, unknown> = {}) =>
    new SignatureV4({ service: "sagemaker", region: "eu-central-1", credentials, sha256: Sha256, ...more });
  const path = "/endpoints/late/invocations";
  const query = { b: "2 and *", a: "1", empty: "" };
  const search = "?b=2%20and%20%2A&a=1&empty=";
  const sign = async (by = signer(), signingDate = new Date()): Promise<Record<string, string>> => {
    const headers = { host: "host", "content-type": "application/json", "x-kept": "  two   spaces " };
    const signed = await by.sign(
      { method: "POST", protocol: "http:", hostname: "host", path, query, headers, body },
      { signingDate },
    );
    return signed.headers;
  };
  const statusOf = async (headers: Record<string, string>, at = path + search, sent = body): Promise<number> => {
    const response = await opened.server.handle(
      new Request(`http://host${at}`, { method: "POST", headers, body: sent }),
    );
    return response.status;
  };
  const good = await sign();
  expect(await statusOf(good)).toBe(200);
  expect(await statusOf(good, `${path}?empty=&a=1&b=2%20and%20*`)).toBe(200);
  const { "x-amz-content-sha256": _, ...unhashed } = good;
  const wrong: Readonly<Record<string, Promise<number>>> = {
    body: statusOf(good, path + search, body.replace("0.5", "0.6")),
    "body without its hash": statusOf(unhashed, path + search, body.replace("0.5", "0.6")),
    path: statusOf(good, `/endpoints/late/predict${search}`),
    query: statusOf(good, `${path}?a=2`),
    header: statusOf({ ...good, "content-type": "text/csv" }),
    old: sign(signer(), new Date(Date.now() - 600_000)).then(statusOf),
    early: sign(signer(), new Date(Date.now() + 600_000)).then(statusOf),
    region: sign(signer({ region: "us-east-1" })).then(statusOf),
    service: sign(signer({ service: "s3" })).then(statusOf),
    nobody: sign(signer({ credentials: { ...credentials, accessKeyId: "AKIDNOBODY" } })).then(statusOf),
    secret: sign(signer({ credentials: { ...credentials, secretAccessKey: "x" } })).then(statusOf),
    unread: statusOf({ ...good, authorization: "AWS4-HMAC-SHA256 nonsense" }),
    none: statusOf({}),
  };
  for (const [name, status] of Object.entries(wrong)) expect(await status, name).toBe(401);
});

test("SV-46: certificates that TLS has verified name their holder, others nobody", async () => {
  const file = (name: string): Buffer => readFileSync(new URL(`fixtures/tls/${name}.pem`, import.meta.url));
  await using opened = await open(mutualTls());
  const principals: (string | undefined)[] = [];
  await using watched = await open(mutualTls(), {
    authorizer: { decide: async ({ principal }) => (principals.push(principal), { allowed: true }) },
  });
  const tls = {
    cert: file("server"),
    key: file("server-key"),
    ca: file("ca"),
    requestCert: true,
    rejectUnauthorized: false,
  };
  const server = createTlsServer(tls, watched.server.node).listen(0, "127.0.0.1");
  await once(server, "listening");
  const statusOf = (client: string | undefined): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const options: RequestOptions = {
        port: (server.address() as AddressInfo).port,
        host: "127.0.0.1",
        method: "POST",
        path: "/invocations",
        ca: file("ca"),
        agent: false,
        ...(client === undefined ? {} : { cert: file(client), key: file(`${client}-key`) }),
      };
      const sent = tlsRequest(options, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end(body);
    });
  try {
    expect(await statusOf("client")).toBe(200);
    expect(principals).toEqual(["spiffe://fab/scorer"]);
    expect(await statusOf("stranger")).toBe(401);
    expect(await statusOf(undefined)).toBe(401);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  // Where there is no TLS there is no certificate, whatever a header says.
  expect((await ask(opened.server, { "x-client-cert": "spiffe://fab/scorer" })).status).toBe(401);
});
