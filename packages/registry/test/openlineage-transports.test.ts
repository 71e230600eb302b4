import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fastify from "fastify";
import { expect, test } from "vitest";
import {
  createLineageServer,
  fileTransport,
  httpTransport,
  openLineageEmitter,
  type OpenLineageEvent,
  type OpenLineageRunEvent,
} from "../src/openlineage.ts";
import { startChild } from "./child.ts";
import { liveThrough } from "./lineage-life.ts";
import { lake, nightly, quick, raw, runIds, toEnd, toldBy } from "./openlineage-workshop.ts";
import { openWorkshop } from "./workshop.ts";

const [start] = nightly as unknown as [OpenLineageRunEvent];
const never = { signal: new AbortController().signal };

interface Asked {
  readonly request: IncomingMessage;
  readonly event: OpenLineageRunEvent;
  readonly status: number;
}

/** A server of lineage on a free port. @param answer The status to give, or 0 to hang up. */
async function openServer(answer: (asked: Omit<Asked, "status">) => number) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const event = JSON.parse(Buffer.concat(chunks).toString()) as OpenLineageRunEvent;
      const status = answer({ request, event });
      asked.push({ request, event, status });
      if (status === 0) request.socket.destroy();
      else response.writeHead(status, status === 429 ? { "retry-after": "0" } : {}).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Each once, in the order in which they came first. */
const once = (events: readonly OpenLineageEvent[]): string[] => [
  ...new Set(events.map((each) => JSON.stringify(each))),
];

test("MR-35: over HTTP a server that fails gets every event in order, with the token of now; what it will never take is put aside", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  await liveThrough(workshop);
  const wanted = await toldBy(workshop);
  let count = 0;
  let tokens = 0;
  await using server = await openServer(({ event }) => {
    if (event.run?.facets?.["errorMessage"] !== undefined) return 422;
    return [503, 0, 429, 401, 201][(count += 1) % 5] ?? 201;
  });
  const transport = httpTransport({
    url: server.url,
    token: async () => `token-${(tokens += 1)}`,
    headers: { team: "ml" },
  });
  await using emitter = await openLineageEmitter({
    registry,
    database,
    targets: [{ id: "marquez", transport }],
    ...quick,
  });
  await toEnd(emitter, "marquez", workshop);
  const refused = wanted.find((event) => "run" in event && event.run.facets?.["errorMessage"] !== undefined);
  const taken = server.asked.filter(({ status }) => status === 201).map(({ event }) => event);
  expect(once(taken)).toEqual(once(wanted.filter((event) => event !== refused)));
  expect(server.asked.filter(({ status }) => status === 422)).toHaveLength(1);
  const { undelivered } = await emitter.state("marquez");
  expect(undelivered).toHaveLength(1);
  expect(server.asked.length).toBeGreaterThan(2 * wanted.length);
  for (const [index, { request }] of server.asked.entries()) {
    expect(request.method).toBe("POST");
    expect(request.url).toBe("/api/v1/lineage");
    expect(request.headers).toMatchObject({ "content-type": "application/json", team: "ml" });
    // A connection that was cut may be asked again by Node's fetch; tokens are never reused for another event.
    expect(request.headers.authorization).toMatch(/^Bearer token-\d+$/);
    expect(Number(request.headers.authorization?.split("-")[1])).toBeGreaterThan(index * 0.5);
  }
});

test("a server that does not answer in time is asked again, and an address that is none is refused at once", async () => {
  const slow = httpTransport({
    url: "http://127.0.0.1:9/prefix/",
    endpoint: "lineage",
    timeoutMs: 5,
    fetch: (url, { signal }) =>
      new Promise((_, reject) => {
        expect(url).toBe("http://127.0.0.1:9/prefix/lineage");
        signal.addEventListener("abort", () => reject(new DOMException("late", "TimeoutError")));
      }),
  });
  expect(await slow.send(start, never)).toEqual({ kind: "failed", problem: "no answer within 5 ms" });
  for (const url of ["ftp://host", "", "host:80"]) expect(() => httpTransport({ url })).toThrowError(RangeError);
  expect(() => httpTransport({ url: "http://host", timeoutMs: 0 })).toThrowError(RangeError);
});

test("a line of a file that a crash cut short is cut off, and whole lines stay as they are", async () => {
  await using workshop = await openWorkshop();
  const path = join(workshop.folder, "lineage.ndjson");
  const file = fileTransport({ path });
  const line = `${JSON.stringify(start)}\n`;
  await file.send(start, never);
  expect(await readFile(path, "utf8")).toBe(line);
  for (const cut of ['{"event', "x".repeat(70_000), "x".repeat(200_000)]) {
    await appendFile(path, cut);
    await file.send(start, never);
    await writeFile(`${path}.copy`, await readFile(path));
    expect(await readFile(path, "utf8")).toBe(line.repeat(2));
    await writeFile(path, line);
  }
  await writeFile(path, '{"event');
  await file.send(start, never);
  expect(await readFile(path, "utf8")).toBe(line);
});

for (const kind of ["file", "http"] as const)
  test(
    `MR-35: a process that is killed while it tells over ${kind} loses nothing: every event arrives, in order, and what arrives twice is the same and changes nothing`,
    { timeout: 600_000 },
    async () => {
      await using workshop = await openWorkshop();
      const { registry, folder } = workshop;
      for (let round = 0; round < 16; round += 1) {
        const run = await registry.startRun({ experiment: "late", name: `run ${round}` });
        await run.end(round % 2 === 0 ? "finished" : "failed");
      }
      const wanted = once(await toldBy(workshop));
      const path = join(folder, "lineage.ndjson");
      await writeFile(path, "");
      await using server = await openServer(() => 200);
      const linesOf = async (): Promise<string[]> =>
        kind === "http"
          ? server.asked.map(({ event }) => JSON.stringify(event))
          : (await readFile(path, "utf8")).split("\n").slice(0, -1);
      for (let kill = 1; kill <= 3; kill += 1) {
        const child = startChild("lineage-emitter.mjs", [folder, kind === "http" ? server.url : path]);
        const enough = (await linesOf()).length + 6;
        await expect
          .poll(async () => (await linesOf()).length, { timeout: 100_000, interval: 1 })
          .toBeGreaterThanOrEqual(enough);
        child.process.kill("SIGKILL");
        expect(await child.ended).toMatchObject({ signal: "SIGKILL" });
        // As where the kill came in the middle of a line.
        if (kind === "file" && kill % 2 === 0) await appendFile(path, wanted[0]?.slice(0, 100 * kill) ?? "");
      }
      const last = startChild("lineage-emitter.mjs", [folder, kind === "http" ? server.url : path]);
      await expect.poll(async () => new Set(await linesOf()).size, { timeout: 100_000 }).toBe(wanted.length);
      last.process.kill("SIGKILL");
      await last.ended;
      const lines = await linesOf();
      expect([...new Set(lines)]).toEqual(wanted);
      await using fresh = await openWorkshop();
      const { received, known } = await fresh.registry.receiveLineage(lines.map((each) => JSON.parse(each) as unknown));
      expect([received, known]).toEqual([wanted.length, lines.length - wanted.length]);
      expect(await fresh.registry.lineageGraph()).toEqual(await registry.lineageGraph());
    },
  );

test("MR-35: clients send to api/v1/lineage of a Fastify plugin, one event or a batch, packed or not, with a token", async () => {
  await using workshop = await openWorkshop();
  const { registry, events } = workshop;
  const server = createLineageServer({
    registry,
    authenticate: (token) => (token === "secret" ? "airflow" : token === "reader" ? "guest" : undefined),
    authorizer: {
      decide: async ({ principal, action, resource }) => {
        expect([action, resource]).toEqual(["registry:write", "lineage/*"]);
        return principal === "airflow" ? { allowed: true } : { allowed: false, reason: "guests only look" };
      },
    },
    maxBodyBytes: 20_000,
  });
  const app = fastify({ forceCloseConnections: true });
  await app.register(server.fastify, { prefix: "/mill" });
  const url = `${await app.listen({ port: 0, host: "127.0.0.1" })}/mill/api/v1/lineage`;
  const post = async (
    body: unknown,
    more: { readonly place?: string; readonly headers?: object; readonly method?: string } = {},
  ) => {
    const answer = await fetch(url + (more.place ?? ""), {
      method: more.method ?? "POST",
      headers: { "content-type": "application/json", authorization: "Bearer secret", ...more.headers },
      ...(more.method === "GET"
        ? {}
        : { body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body) }),
    } as RequestInit);
    return { status: answer.status, answer: (await answer.json()) as Record<string, unknown> };
  };
  const gzip = { headers: { "content-encoding": "gzip" } };
  try {
    expect(await post(nightly[0])).toEqual({ status: 201, answer: {} });
    expect(await post(gzipSync(JSON.stringify(nightly[1])), gzip)).toEqual({ status: 201, answer: {} });
    expect(await post(nightly.slice(2, 4), { place: "/batch" })).toMatchObject({
      status: 200,
      answer: { status: "success", summary: { received: 2, successful: 2, failed: 0 }, failed_events: [] },
    });
    const mixed = [nightly[4], { ...start, eventTime: "now" }, nightly[5], 7];
    expect(await post(mixed, { place: "/batch" })).toMatchObject({
      status: 200,
      answer: {
        status: "partial_success",
        summary: { received: 4, successful: 2, failed: 2, retriable: 0, non_retriable: 2 },
        failed_events: [
          { index: 1, reason: expect.stringContaining("eventTime"), retriable: false },
          { index: 3, retriable: false },
        ],
      },
    });
    const known = (await events()).length;
    expect(known).toBe(6);
    const refused = async (status: number, ...given: Parameters<typeof post>): Promise<void> => {
      const { status: found, answer } = await post(...given);
      expect([found, typeof answer["error"]]).toEqual([status, "string"]);
      expect(JSON.stringify(answer)).not.toContain("    at ");
    };
    await refused(401, start, { headers: { authorization: "Bearer wrong" } });
    await refused(401, start, { headers: { authorization: "" } });
    await refused(403, start, { headers: { authorization: "Bearer reader" } });
    await refused(400, { ...start, job: {} });
    await refused(400, [start]);
    await refused(400, start, { place: "/batch" });
    await refused(400, "{");
    await refused(400, new Uint8Array([0xff, 0xfe]));
    await refused(400, "not packed", gzip);
    await refused(413, { ...start, more: "x".repeat(20_000) });
    // A small body that unpacks to a large one.
    await refused(413, gzipSync(JSON.stringify({ ...start, more: "x".repeat(20_000) })), gzip);
    await refused(415, start, { headers: { "content-encoding": "br" } });
    await refused(404, start, { place: "/other" });
    await refused(405, undefined, { method: "GET" });
    expect(await events()).toHaveLength(known);
    expect((await events()).map(({ data }) => data["by"])).toEqual(Array.from({ length: 6 }, () => "airflow"));
  } finally {
    await app.close();
  }
  const web = await server.handle(
    new Request("http://mill/x/api/v1/lineage", {
      method: "POST",
      headers: { authorization: "Bearer secret" },
      body: JSON.stringify(nightly[6]),
    }),
    { prefix: "/x" },
  );
  expect(web.status).toBe(201);
  expect(await registry.receivedRun(runIds.dag)).toMatchObject({ state: "FAIL" });
  const reached = await registry.lineage(
    { kind: "dataset", id: `${raw.namespace} ${raw.name}` },
    { direction: "descendants" },
  );
  expect(reached.map(({ entity }) => entity.name)).toContain(lake.name);
});
