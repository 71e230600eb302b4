import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, type Socket, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import fastify from "fastify";
import { expect, test } from "vitest";
import { listen, openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

const body = JSON.stringify({ instances: [[0.5, -1, 2, 0.25]] });
const post = `POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`;
const good = `${post}Content-Length: ${body.length}\r\n\r\n${body}`;

interface Opened extends AsyncDisposable {
  readonly ports: Readonly<Record<string, number>>;
}

/** The same server behind Fastify, with `listen`, and behind node:http. */
async function open(limits: { readonly maxBodyBytes?: number; readonly bodyTimeoutMs?: number }): Promise<Opened> {
  const folder = await packFolder(1);
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    ...limits,
  });
  const app = fastify();
  await app.register(server.fastify);
  const address = await listen(app, { port: 0, headersTimeoutMs: 400 });
  const plain = createServer(server.node).listen(0, "127.0.0.1");
  await once(plain, "listening");
  return {
    ports: { Fastify: Number(new URL(address).port), "node:http": (plain.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      plain.closeAllConnections();
      plain.close();
      await app.close();
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** A connection, and all that came back over it. */
async function dial(
  port: number,
): Promise<{ readonly socket: Socket; readonly text: () => string; readonly closed: Promise<unknown> }> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await once(socket, "connect");
  return { socket, text: () => text, closed };
}

const closedIn = async (closed: Promise<unknown>, ms: number): Promise<boolean> =>
  Promise.race([closed.then(() => true), sleep(ms, false, { ref: false })]);

async function answersWell(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/invocations`, { method: "POST", body });
  expect(response.status).toBe(200);
}

test("clients that trickle heads and bodies are cut off with 408, and others are answered meanwhile", async () => {
  await using opened = await open({ bodyTimeoutMs: 500 });
  const trickle = async (port: number, head: string): Promise<{ readonly text: string; readonly ms: number }> => {
    const startMs = performance.now();
    const { socket, text, closed } = await dial(port);
    socket.write(head);
    while (!socket.destroyed && !(await closedIn(closed, 50)) && performance.now() - startMs < 100_000)
      socket.write("x");
    return { text: text(), ms: performance.now() - startMs };
  };
  const { Fastify = 0, "node:http": plain = 0 } = opened.ports;
  const heads = Array.from({ length: 40 }, () => trickle(Fastify, "POST /invocations HTTP/1.1\r\nX-Slow: "));
  const bodies = [Fastify, plain].flatMap((port) =>
    Array.from({ length: 20 }, () => trickle(port, `${post}Content-Length: 100000\r\n\r\n`)),
  );
  for (let time = 0; time < 3; time += 1) {
    await answersWell(Fastify);
    await answersWell(plain);
    await sleep(100);
  }
  for (const { text, ms } of await Promise.all(heads)) {
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(ms).toBeLessThan(50_000);
  }
  for (const { text, ms } of await Promise.all(bodies)) {
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(text).toContain("SERVING_BODY_TIMED_OUT");
    expect(ms).toBeLessThan(50_000);
  }
});

test("heads that are too long, pipelines, HTTP/1.0 and Expect: 100-continue are answered as HTTP has it", async () => {
  await using opened = await open({});
  for (const [name, port] of Object.entries(opened.ports)) {
    const huge = await dial(port);
    huge.socket.write(`GET /ping HTTP/1.1\r\nHost: x\r\nX-Huge: ${"x".repeat(40_000)}\r\n\r\n`);
    expect(await closedIn(huge.closed, 5_000), name).toBe(true);
    expect(huge.text(), name).toMatch(/^HTTP\/1\.1 431 /);

    const piped = await dial(port);
    piped.socket.write(
      `${good}GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n${good}GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(await closedIn(piped.closed, 5_000), name).toBe(true);
    expect(piped.text().match(/HTTP\/1\.1 \d+/g), name).toEqual([
      "HTTP/1.1 200",
      "HTTP/1.1 404",
      "HTTP/1.1 200",
      "HTTP/1.1 200",
    ]);

    const old = await dial(port);
    old.socket.write(good.replace("HTTP/1.1", "HTTP/1.0"));
    expect(await closedIn(old.closed, 5_000), name).toBe(true);
    expect(old.text(), name).toMatch(/^HTTP\/1\.1 200 [^]*"predictions":\[0\.\d+\]\}$/);

    const careful = await dial(port);
    careful.socket.write(`${post}Expect: 100-continue\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`);
    await expect.poll(careful.text).toMatch(/^HTTP\/1\.1 100 Continue/);
    careful.socket.write(body);
    expect(await closedIn(careful.closed, 5_000), name).toBe(true);
    expect(careful.text(), name).toContain("HTTP/1.1 200");
    await answersWell(port);
  }
});

test("a body beyond the limit is refused while it comes, one that says its length before it comes, and a compression bomb while it is unpacked", async () => {
  const maxBodyBytes = 200_000;
  await using opened = await open({ maxBodyBytes });
  for (const [name, port] of Object.entries(opened.ports)) {
    const endless = await dial(port);
    endless.socket.write(`${post}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = `${(16_384).toString(16)}\r\n${" ".repeat(16_384)}\r\n`;
    let sentBytes = 0;
    while (!endless.socket.destroyed && sentBytes < 100_000_000) {
      const roomy = endless.socket.write(chunk);
      sentBytes += 16_384;
      if (!roomy) await Promise.race([once(endless.socket, "drain"), endless.closed]).catch(() => undefined);
    }
    expect(endless.socket.destroyed, name).toBe(true);
    // What the kernel's buffers and the client's own hold is sent for nothing.
    expect(sentBytes, name).toBeLessThan(30_000_000);

    const declared = await dial(port);
    declared.socket.write(`${post}Content-Length: 100000000\r\n\r\n`);
    expect(await closedIn(declared.closed, 5_000), name).toBe(true);
    expect(declared.text(), name).toMatch(/^HTTP\/1\.1 413 [^]*SERVING_BODY_TOO_LARGE/);

    const bomb = gzipSync(Buffer.alloc(150_000_000));
    expect(bomb.length).toBeLessThan(maxBodyBytes);
    const before = process.memoryUsage().rss;
    const response = await fetch(`http://127.0.0.1:${port}/invocations`, {
      method: "POST",
      headers: { "content-encoding": "gzip", "content-type": "application/json" },
      body: bomb,
    });
    expect([response.status, await response.json()], name).toMatchObject([413, { code: "SERVING_BODY_TOO_LARGE" }]);
    expect(process.memoryUsage().rss - before, name).toBeLessThan(100_000_000);
    await answersWell(port);
  }
});
