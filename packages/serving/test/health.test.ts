import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelRuntime } from "@millwright/contracts";
import { expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

const endpoints = {
  late: { variants: { main: { model: "late/1", weight: 1 } } },
  other: { variants: { main: { model: "other/1", weight: 1 } } },
};
const instances = [[1, 2, 3, 4]];

const get = async (server: ModelServer, path: string): Promise<{ status: number; body: unknown }> => {
  const response = await server.handle(new Request(`http://localhost${path}`));
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
};

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** The dense runtime whose models wait, hang or answer wrongly as they are told. */
function toldRuntime(): {
  readonly runtime: ModelRuntime;
  open(): void;
  behave: "well" | "wrongly" | "hang" | "throw";
} {
  const dense = denseRuntime();
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const told = {
    behave: "well" as "well" | "wrongly" | "hang" | "throw",
    open: () => open(),
    runtime: {
      formats: dense.formats,
      async load(directory, manifest, options) {
        await opened;
        const loaded = await dense.load(directory, manifest, options);
        return {
          ...loaded,
          predict: async (inputs) => {
            if (told.behave === "hang") await new Promise(() => {});
            if (told.behave === "throw") throw new Error("the model is broken");
            const outputs = await loaded.predict(inputs);
            if (told.behave === "wrongly") (outputs["probability"]!.data as Float32Array).fill(7);
            return outputs;
          },
        };
      },
    } satisfies ModelRuntime,
  };
  return told;
}

test("SV-11: where a model does not load, the server lives, is not ready, and says of the model why; the others answer, and it is tried again", async () => {
  await using folder = await packFolder(1);
  const options = { source: folder.source, runtimes: [denseRuntime()], endpoints, loadRetryMs: 5 };
  await expect(openModelServer(options)).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
  await using server = await openModelServer({ ...options, onLoadFailure: "degrade" });
  expect(await get(server, "/v2/health/live")).toEqual({ status: 200, body: { live: true } });
  expect(await get(server, "/v2/health/startup")).toEqual({ status: 200, body: { started: true } });
  expect(await get(server, "/v2/health/ready")).toEqual({ status: 503, body: { ready: false } });
  expect(await get(server, "/ping")).toEqual({ status: 503, body: undefined });
  const reason = expect.stringContaining("other");
  expect(await get(server, "/v2/models/other/ready")).toEqual({
    status: 503,
    body: { name: "other", ready: false, reason },
  });
  expect(await get(server, "/v2/models/other/versions/1/ready")).toMatchObject({ status: 503, body: { ready: false } });
  expect(await get(server, "/v2/models/late/ready")).toEqual({ status: 200, body: { name: "late", ready: true } });
  expect(await get(server, "/v2/models/other")).toMatchObject({ status: 503 });
  const index = new Request("http://localhost/v2/repository/index", { method: "POST" });
  expect(await (await server.handle(index)).json()).toEqual([
    { name: "late", version: "1", state: "READY" },
    { name: "other", state: "UNAVAILABLE", reason },
  ]);
  expect(server.health()).toMatchObject({ state: "degraded", ready: false, started: true });
  expect(await server.checkHealth()).toMatchObject({
    healthy: false,
    models: [
      { endpoint: "late", variant: "main", healthy: true, requests: 1 },
      { endpoint: "other", healthy: false, reason },
    ],
  });
  expect((await server.predict("late", { instances })).provenance.model.version).toBe(1);
  const refused = { code: "SERVING_MODEL_NOT_READY", retryable: true };
  await expect(server.predict("other", { instances })).rejects.toMatchObject(refused);
  await expect(server.deploy("other", { model: "late/1", traffic: { type: "all-at-once" } })).rejects.toMatchObject(
    refused,
  );
  await expect(server.setWeights("other", { main: 1 })).rejects.toMatchObject(refused);
  await until(() => (server.health().endpoints[1]?.attempts ?? 0) > 2);
  // The mend: what it names is there now.
  await cp(join(folder.root, "late", "1"), join(folder.root, "mended"), { recursive: true });
  await cp(join(folder.root, "mended"), join(folder.root, "other", "1"), { recursive: true });
  await until(() => server.ready);
  expect(await get(server, "/v2/health/ready")).toEqual({ status: 200, body: { ready: true } });
  expect(await get(server, "/ping")).toMatchObject({ status: 200 });
  expect(await get(server, "/v2/models/other/ready")).toMatchObject({ status: 200 });
  expect((await server.predict("other", { instances })).provenance.endpoint).toBe("other");
});

test("SV-11: a server in the background answers health while its models load, and can be drained meanwhile", async () => {
  await using folder = await packFolder(1);
  const told = toldRuntime();
  const one = { late: endpoints.late };
  const options = { source: folder.source, runtimes: [told.runtime], endpoints: one, startup: "background" as const };
  await using server = await openModelServer(options);
  expect(server.health()).toMatchObject({ state: "starting", ready: false, started: false });
  expect((await get(server, "/v2/health/live")).status).toBe(200);
  expect((await get(server, "/v2/health/startup")).status).toBe(503);
  expect((await get(server, "/v2/health/ready")).status).toBe(503);
  expect((await get(server, "/v2/models/late/ready")).body).toMatchObject({ reason: "its models are being loaded" });
  await expect(server.predict("late", { instances })).rejects.toMatchObject({ code: "SERVING_MODEL_NOT_READY" });
  told.open();
  await until(() => server.ready);
  expect(server.health()).toMatchObject({ state: "ready", started: true });
  expect((await get(server, "/v2/health/startup")).status).toBe(200);
  await server.predict("late", { instances });
  await server.drain();
  expect(server.health()).toMatchObject({ state: "closed", ready: false, endpoints: [{ ready: false }] });
  const failing = await openModelServer({ ...options, endpoints });
  await until(() => failing.health().started);
  expect(failing.health()).toMatchObject({ state: "degraded", endpoints: [{ state: "ready" }, { state: "failed" }] });
  expect(failing.health().endpoints[1]).not.toHaveProperty("retryAfterMs");
  await failing.drain();
});

test("SV-11: a server that is drained while it waits for the next try stops trying", async () => {
  await using folder = await packFolder(1);
  const options = { source: folder.source, runtimes: [denseRuntime()], endpoints, loadRetryMs: 60_000 };
  const server = await openModelServer({ ...options, onLoadFailure: "degrade" });
  expect(server.health().endpoints[1]).toMatchObject({ state: "failed", attempts: 1, retryAfterMs: 60_000 });
  await server.drain();
  await rm(folder.root, { recursive: true, force: true });
  expect(server.health()).toMatchObject({ state: "closed" });
});

test("SV-11: a deep ping asks the models: one that answers wrongly, throws or hangs is found out", async () => {
  await using folder = await packFolder(1);
  const told = toldRuntime();
  told.open();
  let nowMs = 0;
  const clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (ms: number, { signal }: { signal?: AbortSignal | undefined } = {}) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, Math.min(ms, 50));
        signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason as Error)));
      }),
  };
  const one = { late: endpoints.late };
  const options = { source: folder.source, runtimes: [told.runtime], endpoints: one, clock };
  await using server = await openModelServer({ ...options, deepPing: true });
  expect(await get(server, "/ping")).toEqual({ status: 200, body: { healthy: true, models: 1 } });
  told.behave = "wrongly";
  expect((await get(server, "/ping")).status, "within a second the answer is the one before").toBe(200);
  nowMs += 1_001;
  expect(await get(server, "/ping")).toEqual({ status: 503, body: { healthy: false, models: 1 } });
  expect((await server.checkHealth()).models[0]?.reason).toContain('"probability" should be');
  expect((await get(server, "/v2/health/ready")).status, "readiness is not a canary").toBe(200);
  told.behave = "throw";
  expect((await server.checkHealth()).models[0]).toMatchObject({
    healthy: false,
    reason: expect.stringContaining("failed"),
  });
  told.behave = "hang";
  expect((await server.checkHealth({ timeoutMs: 20 })).models[0]?.reason).toContain("within 20 ms");
  const abort = new AbortController();
  const asked = server.checkHealth({ signal: abort.signal, timeoutMs: 10_000 });
  abort.abort(new Error("enough"));
  await expect(asked).rejects.toThrow("enough");
  await server.drain({ timeoutMs: 1 });
});

test("SV-11: options of the start that cannot be are refused", async () => {
  await using folder = await packFolder(1);
  const options = { source: folder.source, runtimes: [denseRuntime()], endpoints: { late: endpoints.late } };
  for (const wrong of [
    { startup: "later" },
    { onLoadFailure: "ignore" },
    { loadRetryMs: 0 },
    { loadRetryMs: Infinity },
  ])
    await expect(openModelServer({ ...options, ...(wrong as object) })).rejects.toThrow(RangeError);
});
