import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { openModelServer } from "@millwright/serving";
import type { AsyncNotification, AsyncTarget } from "@millwright/serving/async";
import { describe, expect, it } from "vitest";
import { openQueue, textOf } from "./async-queue.ts";
import { createCounts } from "./counts.ts";
import { denseRuntime, expected, packFolder } from "./models.ts";

const echo: AsyncTarget = async (request) => new Response(`echo ${await request.text()}`);
const row = [0.1, -0.2, 0.3, 0.4];

describe("a queue of async requests", () => {
  it("SV-31: answers from a model server that is opened when there is something to do and closed when there is not", async () => {
    await using folder = await packFolder(1);
    let open = 0;
    let opened = 0;
    const told: AsyncNotification[] = [];
    await using queue = await openQueue(
      {
        target: {
          idleMs: 50,
          async open() {
            const server = await openModelServer({
              source: folder.source,
              runtimes: [denseRuntime()],
              endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
            });
            open += 1;
            opened += 1;
            return {
              target: server.handle,
              async [Symbol.asyncDispose]() {
                open -= 1;
                await server.drain();
              },
            };
          },
        },
      },
      { notify: async (notification) => void told.push(notification) },
    );
    const { inference } = queue;
    expect(open).toBe(0);
    for (const round of [1, 2]) {
      const job = await inference.submit("late", { body: JSON.stringify({ instances: [row] }) });
      const done = await inference.wait(job.id);
      expect(done).toMatchObject({
        state: "completed",
        status: 200,
        outputContentType: "application/json",
        attempts: 1,
      });
      expect(JSON.parse(await textOf(inference.result(job.id)))).toEqual({
        predictions: [expect.closeTo(expected(1, row), 6)],
      });
      await expect.poll(() => open).toBe(0);
      await expect.poll(async () => (await inference.backlog("late")).instances).toBe(0);
      expect(opened).toBe(round);
    }
    await expect.poll(() => told.length).toBe(2);
    expect(told[0]).toMatchObject({
      outcome: "success",
      message: {
        eventSource: "aws:sagemaker",
        eventName: "InferenceResult",
        invocationStatus: "Completed",
        requestParameters: { endpointName: "late", contentType: "application/json" },
      },
    });
    const refused = await inference.submit("late", { body: '{"instances":[[1]]}' });
    expect(await inference.wait(refused.id)).toMatchObject({
      state: "failed",
      status: 400,
      attempts: 1,
      errorCode: "SERVING_INPUT_INVALID",
    });
    await expect.poll(() => told.length).toBe(3);
    expect(told[2]).toMatchObject({ outcome: "error", message: { invocationStatus: "Failed" } });
  });

  it("SV-31: a poisoned request is tried so many times, with waits between them, then dead; told again until it is taken; and redriven", async () => {
    let poisoned = true;
    let tries = 0;
    let refusals = 2;
    const ids: string[] = [];
    const counts = createCounts();
    await using queue = await openQueue(
      {
        maxAttempts: 3,
        target: async (request) => {
          tries += 1;
          return poisoned ? new Response('{"code":"SERVING_MODEL_FAILED"}', { status: 500 }) : echo(request);
        },
      },
      {
        meter: counts.meter,
        notify: async ({ id }) => {
          ids.push(id);
          refusals -= 1;
          if (refusals >= 0) throw new TypeError("the receiver is away");
        },
      },
    );
    const { inference } = queue;
    const { id } = await inference.submit("late", { body: "x" });
    expect(await inference.wait(id)).toMatchObject({ state: "dead", attempts: 3, errorCode: "SERVING_MODEL_FAILED" });
    expect(tries).toBe(3);
    await expect.poll(() => ids.length, { timeout: 5000 }).toBe(3);
    expect(new Set(ids).size).toBe(1);
    await expect(textOf(inference.result(id))).rejects.toMatchObject({ code: "SERVING_ASYNC_STATE" });
    const dead: string[] = [];
    for await (const job of inference.list({ endpoint: "late", states: ["dead"] })) dead.push(job.id);
    expect(dead).toEqual([id]);
    poisoned = false;
    await inference.redrive(id);
    expect((await inference.wait(id)).state).toBe("completed");
    expect(await textOf(inference.result(id))).toBe("echo x");
    expect(counts.of("millwright_async_retries_total")).toHaveLength(2);
    expect(counts.of("millwright_async_invocation_failures_total")).toHaveLength(1);
  });

  it("keeps the order of priorities, and gives requests of one key or id once", async () => {
    const order: string[] = [];
    await using queue = await openQueue({});
    for (const [body, priority] of [
      ["c", 0],
      ["a", 5],
      ["d", 0],
      ["b", 1],
    ] as const)
      await queue.inference.submit("late", { body, priority });
    const again = { body: "e", idempotencyKey: "key-1", priority: -1 };
    const [first, second] = [await queue.inference.submit("late", again), await queue.inference.submit("late", again)];
    expect(second.id).toBe(first.id);
    await expect(queue.inference.submit("late", { ...again, body: "f" })).rejects.toMatchObject({
      code: "SERVING_IDEMPOTENCY_KEY_REUSED",
    });
    expect(await queue.inference.backlog("late")).toMatchObject({
      approximateBacklogSize: 5,
      hasBacklogWithoutCapacity: true,
      instances: 0,
    });
    // What was put down for a duplicate is gone again.
    expect((await readdir(join(queue.root, "payloads", "late", "inputs"))).length).toBe(5);
    await queue.another({
      maxConcurrent: 1,
      target: async (request) => {
        order.push(await request.text());
        return new Response("");
      },
    });
    await queue.inference.wait(first.id);
    expect(order).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("SV-31: ends what takes too long, what was not begun in time, and what is cancelled while it is worked at", async () => {
    await using queue = await openQueue({});
    const { inference } = queue;
    const expiring = await inference.submit("late", { body: "stale", ttlMs: 1 });
    const slow = await inference.submit("late", { body: "slow", timeoutMs: 60 });
    const unwanted = await inference.submit("late", { body: "unwanted" });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const begun: string[] = [];
    const aborted: string[] = [];
    const worker = await queue.another({
      maxAttempts: 2,
      target: async (request) => {
        const body = await request.text();
        begun.push(body);
        await new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
        aborted.push(body);
        return new Response("late");
      },
    });
    expect(await inference.wait(expiring.id)).toMatchObject({ state: "expired", errorCode: "EXPIRED" });
    expect(await inference.wait(slow.id)).toMatchObject({
      state: "dead",
      attempts: 3,
      errorCode: "SERVING_ASYNC_TIMED_OUT",
    });
    await expect.poll(() => begun).toContain("unwanted");
    expect(await worker.cancel(unwanted.id)).toMatchObject({ state: "cancelled" });
    await expect.poll(() => aborted).toContain("unwanted");
    expect(begun).not.toContain("stale");
    await expect(inference.cancel(unwanted.id)).rejects.toMatchObject({ code: "SERVING_ASYNC_STATE" });
    const files = await readdir(join(queue.root, "payloads", "late"));
    expect(files.filter((name) => name.includes("staged"))).toEqual([]);
    expect(files.filter((name) => name.endsWith("-error.out"))).toHaveLength(2);
  });

  it("gives back what is under way when it drains, and another process finishes it", async () => {
    await using queue = await openQueue({ target: () => new Promise(() => {}) });
    const { id } = await queue.inference.submit("late", { body: "x" });
    await expect.poll(async () => (await queue.inference.describe(id))?.state).toBe("running");
    await queue.inference.drain({ graceMs: 10 });
    await expect(queue.inference.submit("late", { body: "y" })).rejects.toMatchObject({ code: "SERVING_DRAINING" });
    expect(await queue.inference.describe(id)).toMatchObject({ state: "waiting", attempts: 0 });
    const other = await queue.another({ target: echo });
    expect(await other.wait(id)).toMatchObject({ state: "completed", attempts: 1 });
  });

  it("SV-31: takes 256 MB by stream and by pointer in constant memory", async () => {
    const piece = new Uint8Array(1 << 20).fill(120);
    await using queue = await openQueue({
      target: async (request) => {
        let bytes = 0;
        for await (const part of request.body as unknown as AsyncIterable<Uint8Array>) bytes += part.length;
        return new Response(String(bytes));
      },
    });
    async function* body(): AsyncGenerator<Uint8Array, void> {
      for (let at = 0; at < 256; at += 1) yield piece;
    }
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)), 5);
    const { id, inputLocation } = await queue.inference.submit("late", { body: body() });
    expect((await queue.inference.wait(id)).state).toBe("completed");
    clearInterval(watch);
    expect(await textOf(queue.inference.result(id))).toBe(String(256 << 20));
    expect(most).toBeLessThan(64 << 20);
    // The input of a completed request is gone: a pointer to it is told as missing.
    const gone = await queue.inference.submit("late", { inputLocation });
    expect(await queue.inference.wait(gone.id)).toMatchObject({
      state: "failed",
      errorCode: "SERVING_ASYNC_INPUT_MISSING",
    });
    const outside = await queue.inference.submit("late", { inputLocation: pathToFileURL("/etc/hostname").href });
    expect((await queue.inference.wait(outside.id)).errorCode).toBe("SERVING_ASYNC_INPUT_MISSING");
  });
});
