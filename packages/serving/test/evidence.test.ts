import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import * as api from "@opentelemetry/api";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { type CapturedPrediction, type ModelRuntime, type RequestIdentity, type Tensors } from "@millwright/contracts";
import { afterEach, expect, test } from "vitest";
import { openModelServer } from "@millwright/serving";
import { denseRuntime, packFolder } from "./models.ts";

const one = { late: { variants: { main: { model: "late/1", weight: 1 } } } };
const traceId = "0af7651916cd43dd8448eb211c80319c";
const caller = `00-${traceId}-b7ad6b7169203331-01`;

const post = (body: unknown, headers: Readonly<Record<string, string>> = {}): Request =>
  new Request("http://localhost/invocations", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
const ask = { instances: [[1, 2, 3, 4]] };

/** A model whose work is done by a process of its own, which says whose each call was. */
function remoteRuntime(child: ChildProcess): ModelRuntime {
  const dense = denseRuntime();
  return {
    formats: dense.formats,
    async load(...options) {
      const loaded = await dense.load(...options);
      return {
        ...loaded,
        async predict(inputs: Tensors, call) {
          if (call?.requests !== undefined) {
            child.send({ requests: call.requests });
            await once(child, "message");
          }
          return loaded.predict(inputs);
        },
      };
    },
  };
}

afterEach(() => api.trace.disable());

test("SV-38: header, span, captured record and the log of another process have one request id and one trace", async () => {
  await using folder = await packFolder(1);
  const exporter = new InMemorySpanExporter();
  api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  api.propagation.setGlobalPropagator({
    inject: () => {},
    extract: (context, carrier: Record<string, string>) => {
      const [, trace = "", spanId = "", flags] = (carrier["traceparent"] ?? "").split("-");
      return api.trace.setSpanContext(context, { traceId: trace, spanId, traceFlags: Number(flags), isRemote: true });
    },
    fields: () => ["traceparent"],
  });
  const script = fileURLToPath(new URL("./fixtures/telling-child.js", import.meta.url));
  const child = fork(script, { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  let log = "";
  child.stdout?.on("data", (chunk: Buffer) => (log += String(chunk)));
  const captured: CapturedPrediction[] = [];
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [remoteRuntime(child)],
    endpoints: one,
    openTelemetry: api,
    predictions: { capture: (prediction) => captured.push(prediction) },
  });
  const answer = await server.handle(post(ask, { "x-request-id": "r-1", traceparent: caller }));
  const ended = once(child, "exit");
  child.disconnect();
  await ended;
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-request-id")).toBe("r-1");
  expect(captured.map(({ requestId }) => requestId)).toEqual(["r-1"]);
  // What it has said may come after its end.
  await expect.poll(() => log).toMatch(/\n$/);
  const told = JSON.parse(log.trim()) as RequestIdentity;
  expect(told.requestId).toBe("r-1");
  const spans = exporter.getFinishedSpans();
  const whole = spans.find(({ name }) => name === "predict late");
  expect(whole?.attributes).toMatchObject({
    "millwright.request_id": "r-1",
    "ml.model.name": "late",
    "ml.model.version": 1,
    "millwright.variant": "main",
  });
  expect(whole?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
  expect(told.traceparent).toBe(`00-${traceId}-${whole?.spanContext().spanId}-01`);
  expect(answer.headers.get("traceparent")).toBe(told.traceparent);
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([traceId]));
  expect(spans.map(({ name }) => name)).toEqual(expect.arrayContaining(["preprocess", "batch", "model"]));
});

test("SV-38: a failure has the headers of an answer, and a span that says so", async () => {
  await using folder = await packFolder(1);
  const exporter = new InMemorySpanExporter();
  api.trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  await using server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: one,
    openTelemetry: api,
  });
  const refused = await server.handle(post({ instances: [[1, 2, 3]] }, { "x-request-id": "r-2" }));
  expect(refused.status).toBe(400);
  expect(refused.headers.get("x-request-id")).toBe("r-2");
  expect(refused.headers.get("x-millwright-model")).toBe("late/1");
  expect(refused.headers.get("x-millwright-variant")).toBe("main");
  expect(refused.headers.get("server-timing")).toMatch(/total;dur=/);
  const [span] = exporter.getFinishedSpans().filter(({ name }) => name === "predict late");
  expect(span?.status).toMatchObject({ code: api.SpanStatusCode.ERROR, message: "SERVING_INPUT_INVALID" });
  const unread = await server.handle(new Request("http://localhost/invocations", { method: "POST", body: "{" }));
  expect(unread.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
});

test("SV-38: without OpenTelemetry a caller's trace goes on under a span of the server's; what is no traceparent does not", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, runtimes: [denseRuntime()], endpoints: one });
  const traced = await server.handle(post(ask, { traceparent: caller }));
  expect(traced.headers.get("traceparent")).toMatch(new RegExp(`^00-${traceId}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`));
  for (const wrong of [
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    `ff-${traceId}-b7ad6b7169203331-01`,
    `00-${traceId}-b7ad6b7169203331-01-more`,
    "nonsense",
  ]) {
    const answer = await server.handle(post(ask, { traceparent: wrong }));
    expect([answer.status, answer.headers.get("traceparent")]).toEqual([200, null]);
  }
});

test("SV-36: Server-Timing adds up over HTTP", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, runtimes: [denseRuntime()], endpoints: one });
  const answer = await server.handle(post(ask));
  const parts = (answer.headers.get("server-timing") ?? "").split(", ").map((part) => part.split(";dur="));
  const total = Number(parts.find(([name]) => name === "total")?.[1]);
  const sum = parts.filter(([name]) => name !== "total").reduce((all, [, ms]) => all + Number(ms), 0);
  expect(total).toBeGreaterThan(0);
  // Each part is rounded to a microsecond.
  expect(Math.abs(sum - total)).toBeLessThan(0.005);
});
