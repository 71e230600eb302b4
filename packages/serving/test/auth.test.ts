import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type AccessRequest, createManualClock } from "@millwright/contracts";
import * as jose from "jose";
import { expect, test } from "vitest";
import {
  type Authenticate,
  apiKeys,
  bearerTokens,
  hashApiKey,
  limitRequests,
  scopeAuthorizer,
} from "@millwright/serving/auth";
import { ask, open } from "./guarded-server.ts";

const key = "k-5f2c9b1e7a304d86b0e4";

test("SV-46: API keys: valid, expired, unknown and missing ones; health needs none; scopes decide between 401 and 403", async () => {
  const clock = createManualClock(1_000_000);
  const seen: AccessRequest[] = [];
  const scoped = scopeAuthorizer({ "endpoint:invoke": "predict" });
  const keys = [
    { sha256: hashApiKey(key), principal: "ann", tenant: "fab", scopes: ["predict"], expiresMs: 1_010_000 },
    { sha256: hashApiKey("k-of-bob-who-may-only-look"), principal: "bob", scopes: ["look"] },
  ];
  await using opened = await open(apiKeys({ keys, clock }), {
    authorizer: { decide: (asked, options) => (seen.push(asked), scoped.decide(asked, options)) },
  });
  const { server } = opened;
  const statusOf = async (headers: Record<string, string>, path?: string): Promise<readonly unknown[]> => {
    const response = await ask(server, headers, path);
    const { code } = (await response.json()) as { readonly code?: string };
    return [response.status, code, response.headers.has("www-authenticate")];
  };
  expect(await statusOf({ "x-api-key": key })).toEqual([200, undefined, false]);
  expect(seen).toEqual([
    {
      principal: "ann",
      action: "endpoint:invoke",
      resource: "endpoint/late",
      attributes: { tenant: "fab", scopes: ["predict"] },
    },
  ]);
  expect(await statusOf({ "x-api-key": "k-of-bob-who-may-only-look" })).toEqual([403, "SERVING_FORBIDDEN", false]);
  for (const wrong of [
    {},
    { "x-api-key": `${key}x` },
    { "x-api-key": "" },
    { "x-api-key": hashApiKey(key) },
    { authorization: `Bearer ${key}` },
  ])
    expect(await statusOf(wrong)).toEqual([401, "SERVING_UNAUTHENTICATED", true]);
  expect(await statusOf({}, "/endpoints/late/predict")).toEqual([401, "SERVING_UNAUTHENTICATED", true]);
  expect(await statusOf({}, "/v2/models/late/infer")).toEqual([401, "SERVING_UNAUTHENTICATED", true]);
  expect((await server.handle(new Request("http://host/v2/models/late"))).status).toBe(401);
  for (const path of ["/ping", "/v2/health/live", "/v2/health/ready"])
    expect((await server.handle(new Request(`http://host${path}`))).status).toBe(200);
  await clock.advance(10_000);
  expect(await statusOf({ "x-api-key": key })).toEqual([401, "SERVING_UNAUTHENTICATED", true]);
});

test("SV-46: quotas of keys and of principals are told with 429 and Retry-After, and fill again evenly", async () => {
  const clock = createManualClock(0);
  const keys = [{ sha256: hashApiKey(key), principal: "ann", quota: { requests: 3, perMs: 30_000 } }];
  const everybody = limitRequests(apiKeys({ keys, clock }), { quotaOf: () => ({ requests: 100, perMs: 1 }), clock });
  await using opened = await open(everybody);
  const statuses = async (count: number): Promise<readonly number[]> => {
    const all: number[] = [];
    for (let at = 0; at < count; at += 1) all.push((await ask(opened.server, { "x-api-key": key })).status);
    return all;
  };
  expect(await statuses(4)).toEqual([200, 200, 200, 429]);
  const refused = await ask(opened.server, { "x-api-key": key });
  expect([refused.headers.get("retry-after"), await refused.json()]).toMatchObject([
    "10",
    { code: "SERVING_QUOTA_EXCEEDED", retryable: true },
  ]);
  await clock.advance(10_000);
  expect(await statuses(2)).toEqual([200, 429]);
  await clock.advance(60_000);
  expect(await statuses(4)).toEqual([200, 200, 200, 429]);
});

test("SV-46: how much of a key is right does not show in the time that a wrong one takes", async () => {
  const keys = [{ sha256: hashApiKey(key), principal: "ann" }];
  const authenticate = apiKeys({ keys });
  const request = {
    method: "POST",
    target: "/",
    certificate: () => undefined,
    body: async () => new Uint8Array(0),
    signal: new AbortController().signal,
  };
  const nothing = { ...request, headers: { "x-api-key": `z${"z".repeat(key.length - 1)}` } };
  const nearly = { ...request, headers: { "x-api-key": `${key.slice(0, -1)}~` } };
  const timed = (asked: typeof nothing): number => {
    const start = process.hrtime.bigint();
    for (let at = 0; at < 50; at += 1) expect(() => authenticate(asked)).toThrow("unknown");
    return Number(process.hrtime.bigint() - start);
  };
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  // Interleaved pairs: what the machine does meanwhile falls on both.
  const ratios = Array.from({ length: 101 }, (_, at) =>
    at % 2 === 0 ? timed(nothing) / timed(nearly) : 1 / (timed(nearly) / timed(nothing)),
  );
  // A comparison that stops at the first wrong byte differs by more; the machine may be busy.
  expect(median(ratios)).toBeGreaterThan(0.75);
  expect(median(ratios)).toBeLessThan(1.33);
});

/** An issuer that publishes its keys over HTTP and can change them. */
async function openIssuer(): Promise<
  AsyncDisposable & {
    readonly url: string;
    reads(): number;
    rotate(kid: string): Promise<jose.CryptoKey>;
    fail(): void;
  }
> {
  let published: jose.JWK[] = [];
  let reads = 0;
  let failing = false;
  const server = createServer((_request, response) => {
    reads += 1;
    response
      .writeHead(failing ? 500 : 200, { "content-type": "application/json" })
      .end(JSON.stringify({ keys: published }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    reads: () => reads,
    fail: () => (failing = true),
    async rotate(kid) {
      const { publicKey, privateKey } = await jose.generateKeyPair("ES256", { extractable: true });
      published = [{ ...(await jose.exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }];
      return privateKey;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("SV-46: tokens: valid, expired, early, forged and foreign ones, and those of a new key after the issuer changed it", async () => {
  await using issuer = await openIssuer();
  const first = await issuer.rotate("one");
  const bearer = (): Authenticate =>
    bearerTokens({ jose, jwksUrl: issuer.url, issuer: "https://issuer", audience: "models", jwksCooldownMs: 0 });
  await using opened = await open(bearer(), { authorizer: scopeAuthorizer({ "endpoint:invoke": "predict" }) });
  const token = (
    { iss = "https://issuer", aud = "models", ...claims }: Record<string, unknown> & { iss?: string; aud?: string },
    { kid = "one", signer = first as jose.CryptoKey | Uint8Array, alg = "ES256", lifetime = "1h" } = {},
  ) =>
    new jose.SignJWT({ scope: "predict", ...claims })
      .setProtectedHeader({ alg, kid })
      .setSubject("ann")
      .setIssuer(iss)
      .setAudience(aud)
      .setExpirationTime(lifetime)
      .sign(signer);
  const statusOf = async (text: string): Promise<number> =>
    (await ask(opened.server, { authorization: `Bearer ${text}` })).status;
  const valid = await token({});
  expect(await statusOf(valid)).toBe(200);
  expect(await statusOf(await token({ scope: "look" }))).toBe(403);
  const [head = "", payload = "", signature = ""] = valid.split(".");
  const forged = Buffer.from(JSON.stringify({ ...jose.decodeJwt(valid), sub: "root" })).toString("base64url");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const { privateKey: stranger } = await jose.generateKeyPair("ES256");
  const published = (await (await fetch(issuer.url)).json()) as { readonly keys: readonly jose.JWK[] };
  const wrong: Readonly<Record<string, string>> = {
    expired: await token({}, { lifetime: "-1h" }),
    early: await token({ nbf: Math.floor(Date.now() / 1000) + 3_600 }),
    "of another issuer": await token({ iss: "https://other" }),
    "for another audience": await token({ aud: "elsewhere" }),
    "with other claims": `${head}.${forged}.${signature}`,
    "signed by a stranger": await token({}, { signer: stranger }),
    "of an unknown key": await token({}, { kid: "nobody", signer: stranger }),
    unsigned: `${none}.${payload}.`,
    "signed with the public key as a secret": await token(
      {},
      { alg: "HS256", signer: Buffer.from(JSON.stringify(published.keys[0])) },
    ),
    "without an end": await new jose.SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "one" })
      .setSubject("ann")
      .setIssuer("https://issuer")
      .setAudience("models")
      .sign(first),
    "cut short": valid.slice(0, -10),
    nonsense: "x.y.z",
  };
  for (const [name, text] of Object.entries(wrong)) expect(await statusOf(text), name).toBe(401);
  const challenge = await ask(opened.server, { authorization: `Bearer ${wrong["expired"]}` });
  expect(challenge.headers.get("www-authenticate")).toBe('Bearer error="invalid_token"');
  expect(JSON.stringify(await challenge.json())).toContain("expired");
  // The issuer changes its key: the new one is read when a token names it, and the old one is gone.
  const second = await issuer.rotate("two");
  expect(await statusOf(await token({}, { kid: "two", signer: second }))).toBe(200);
  expect(await statusOf(valid)).toBe(401);
  const reads = issuer.reads();
  for (let at = 0; at < 5; at += 1) expect(await statusOf(await token({}, { kid: "two", signer: second }))).toBe(200);
  expect(issuer.reads()).toBe(reads);
  // Keys that cannot be read are nobody's fault but the server's.
  issuer.fail();
  await using fresh = await open(bearer());
  expect((await ask(fresh.server, { authorization: `Bearer ${valid}` })).status).toBe(503);
});

test("a body that nobody may send is not read, and what an authenticator throws by mistake says nothing", async () => {
  await using opened = await open(apiKeys({ keys: [] }));
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array>(
    { pull: (controller) => ((pulled += 1), controller.enqueue(new Uint8Array(65_536))) },
    { highWaterMark: 0 },
  );
  const response = await opened.server.handle(
    new Request("http://host/invocations", { method: "POST", body: endless, duplex: "half" } as RequestInit),
  );
  expect([response.status, pulled]).toEqual([401, 0]);
  await using broken = await open(() => {
    throw new TypeError("the secret is x");
  });
  const failed = await ask(broken.server);
  expect([failed.status, await failed.text()]).toEqual([500, '{"error":"The server failed to answer."}']);
});
