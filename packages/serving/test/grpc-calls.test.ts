import * as grpc from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { listenGrpc } from "../src/grpc.ts";
import { type Message, client, late, oip, plain, raw, typeOf } from "./grpc-client.ts";
import { openProtocolServer } from "./protocol-server.ts";

test("deadlines, cancelling, identities, access and size of messages are those of gRPC", async () => {
  let aborted = 0;
  await using served = await openProtocolServer({
    principal: (headers) => headers["x-user"],
    authorizer: {
      decide: async ({ principal }) =>
        (principal === "eve" ? { allowed: false, reason: "she is not" } : { allowed: true }) as never,
    },
    maxBodyBytes: 20_000_000,
  });
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  using to = client(listener, { "grpc.max_receive_message_length": -1 });
  const slow = {
    model_name: "slow",
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 1] }],
    raw_input_contents: [raw([1])],
  };
  const soon = new Date().getTime() + 200;
  await expect(to.infer(slow, { deadline: soon })).rejects.toMatchObject({ code: grpc.status.DEADLINE_EXCEEDED });
  await expect(to.infer({ ...slow, parameters: { timeout: { int64_param: 20_000 } } })).rejects.toMatchObject({
    code: grpc.status.DEADLINE_EXCEEDED,
    details: expect.stringContaining("slow"),
  });
  const gone = to.infer(slow, { during: (call) => setTimeout(() => call.cancel(), 50) });
  await gone.catch(() => (aborted += 1));
  expect(aborted).toBe(1);

  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const half = {
    model_name: "halves",
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 1] }],
    raw_input_contents: [raw([1])],
  };
  await to.infer(half, { metadata: { traceparent, "x-request-id": "r-9" } });
  expect(served.told.at(-1)?.requests?.[0]).toMatchObject({
    requestId: "r-9",
    traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-/),
  });
  await expect(to.infer(half, { metadata: { "x-user": "eve" } })).rejects.toMatchObject({
    code: grpc.status.PERMISSION_DENIED,
  });

  const many = 2_000_000;
  const big = await to.infer({
    ...half,
    inputs: [{ name: "x", datatype: "FP32", shape: [1, many] }],
    raw_input_contents: [Buffer.alloc(many * 4)],
  });
  expect((big["raw_output_contents"] as Buffer[])[0]?.length).toBe(many * 4);
  const tooBig = { ...half, raw_input_contents: [Buffer.alloc(21_000_000)] };
  await expect(to.infer(tooBig)).rejects.toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
});

test("a stream answers each request in order, tells failures in place and goes on; one at a time or many at once", async () => {
  await using served = await openProtocolServer();
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  using to = client(listener);
  const [request, response] = [typeOf("InferRequest"), typeOf("StreamInferResponse")];
  const call = to.connection.makeBidiStreamRequest(
    `${oip}/ModelStreamInfer`,
    (value: Message) => Buffer.from(request.encode(request.fromObject(value)).finish()),
    (bytes) => response.toObject(response.decode(bytes), plain) as Message,
  );
  const answers: Message[] = [];
  let arrived = (): void => {};
  call.on("data", (answer: Message) => {
    answers.push(answer);
    arrived();
  });
  const first = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  call.write({ ...late, id: "first" });
  await first;
  for (let at = 0; at < 200; at += 1)
    call.write({ ...late, id: String(at), ...(at === 7 ? { model_name: "early" } : {}) });
  call.end();
  await new Promise<void>((resolve) => call.on("end", () => resolve()));
  expect(answers.map(({ infer_response }) => (infer_response as Message)["id"])).toEqual([
    "first",
    ...Array.from({ length: 200 }, (_, at) => String(at)),
  ]);
  expect(answers[8]).toMatchObject({ error_message: expect.stringContaining("PORT_MODEL_UNKNOWN") });
  expect(answers.filter(({ error_message }) => error_message !== "")).toHaveLength(1);
});

test("gRPC's health service follows the server, and a server that drains is UNAVAILABLE", async () => {
  await using served = await openProtocolServer();
  const { server } = served;
  await using listener = await listenGrpc(server, { grpc, port: 0 });
  using to = client(listener);
  const health = (service: string): Promise<Message> =>
    to.ask("/grpc.health.v1.Health/Check", ["HealthRequest", "HealthResponse"], { service });
  for (const service of ["", "inference.GRPCInferenceService", "late"])
    expect(await health(service)).toEqual({ status: 1 });
  await expect(health("nobody")).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
  const [request, response] = [typeOf("HealthRequest"), typeOf("HealthResponse")];
  const watching = to.connection.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    (value: Message) => Buffer.from(request.encode(value).finish()),
    (bytes) => response.toObject(response.decode(bytes), plain) as Message,
    { service: "late" },
  );
  watching.on("error", () => {});
  const seen: unknown[] = [];
  const changed = new Promise<void>((resolve) => {
    watching.on("data", ({ status }: Message) => {
      seen.push(status);
      if (status === 2) resolve();
    });
  });
  await to.infer(late);
  await server.drain();
  await changed;
  expect(seen).toEqual([1, 2]);
  watching.cancel();
  expect(await health("")).toEqual({ status: 2 });
  expect(await to.ask(`${oip}/ServerLive`, ["Empty", "Live"])).toEqual({ live: true });
  expect(await to.ask(`${oip}/ServerReady`, ["Empty", "Ready"])).toEqual({ ready: false });
  await expect(to.infer(late)).rejects.toMatchObject({ code: grpc.status.UNAVAILABLE });
});

test("a listener closes when its calls are answered, or at once when told; a busy port has its own error", async () => {
  await using served = await openProtocolServer();
  const listener = await listenGrpc(served.server, { grpc, port: 0, maxMessageBytes: 1000 });
  await expect(listenGrpc(served.server, { grpc, port: listener.port })).rejects.toMatchObject({
    code: "SERVING_PORT_BUSY",
  });
  await expect(listenGrpc({} as never, { grpc, port: 0 })).rejects.toThrow(TypeError);
  using to = client(listener);
  await expect(to.infer({ ...late, raw_input_contents: [Buffer.alloc(2000)] })).rejects.toMatchObject({
    code: grpc.status.RESOURCE_EXHAUSTED,
  });
  const slow = {
    model_name: "slow",
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 1] }],
    raw_input_contents: [raw([1])],
  };
  const pending = to.infer(slow).catch((error: grpc.ServiceError) => error.code);
  await new Promise<void>((resolve) => setTimeout(resolve, 150));
  await expect(listener.close({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({ name: "TimeoutError" });
  expect(await pending).not.toBe(grpc.status.OK);
});

test("where the server asks who somebody is, gRPC asks too, for all but health", async () => {
  await using served = await openProtocolServer({
    authenticate: ({ headers }) => (headers["x-api-key"] === "k1" ? { principal: "ada" } : undefined),
  });
  await using listener = await listenGrpc(served.server, { grpc, port: 0 });
  using to = client(listener);
  await expect(to.infer(late)).rejects.toMatchObject({ code: grpc.status.UNAUTHENTICATED });
  expect(await to.infer(late, { metadata: { "x-api-key": "k1" } })).toMatchObject({ model_name: "late" });
  await expect(to.ask(`${oip}/ModelReady`, ["Named", "Ready"], { name: "late" })).rejects.toMatchObject({
    code: grpc.status.UNAUTHENTICATED,
  });
  expect(await to.ask(`${oip}/ServerReady`, ["Empty", "Ready"])).toEqual({ ready: true });
  const [request, response] = [typeOf("InferRequest"), typeOf("StreamInferResponse")];
  const call = to.connection.makeBidiStreamRequest(
    `${oip}/ModelStreamInfer`,
    (value: Message) => Buffer.from(request.encode(request.fromObject(value)).finish()),
    (bytes) => response.toObject(response.decode(bytes), plain) as Message,
  );
  const answer = new Promise((resolve) => call.on("data", resolve));
  call.write(late);
  expect(await answer).toMatchObject({ error_message: expect.stringContaining("SERVING_UNAUTHENTICATED") });
  call.end();
});
