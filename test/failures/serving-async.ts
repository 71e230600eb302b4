import fastify from "../../packages/serving/node_modules/fastify/fastify.js";
import * as asynchronous from "../../packages/serving/dist/async.js";
import * as storage from "../../packages/storage/dist/index.js";
import { nodePair } from "./serving-hosts.ts";
import { type Subjects, methods, well } from "./subjects.ts";

const { signal } = new AbortController();

async function* oneOf(text: string): AsyncGenerator<Uint8Array, void> {
  yield Buffer.from(text);
}

async function drawn(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

/** What `@millwright/serving/async` exports. */
export async function asyncSubjects(folder: string): Promise<Subjects> {
  const database = await storage.openSqlite(`${folder}/async.db`);
  const payloads = asynchronous.createDirectoryPayloads(`${folder}/payloads`);
  const options: asynchronous.AsyncInferenceOptions = {
    database,
    payloads,
    pollMs: 10,
    endpoints: { late: { backoffMs: 1, maxAttempts: 1 }, answered: { target: async () => new Response("yes") } },
  };
  const inference = await asynchronous.openAsyncInference(options);
  const drained = await asynchronous.openAsyncInference(options);
  await drained.drain();
  const { id } = await inference.submit("answered", { body: "x", inferenceId: "done" });
  await inference.wait(id);
  await inference.submit("late", { body: "x", inferenceId: "waiting" });
  const unknown = (call: () => unknown) => ({ SERVING_ASYNC_UNKNOWN: call });
  const file = payloads.locationOf("late/some.bin");
  await payloads.write(file, oneOf("some"));
  const away = asynchronous.createDirectoryPayloads(`${folder}/async.db`);
  const client = {
    putObject: async () => ({}),
    getObject: async ({ Key }: { readonly Key: string }) =>
      Key === "x"
        ? { Body: { transformToWebStream: () => oneOf("some") } }
        : Promise.reject(new TypeError("NoSuchKey")),
    copyObject: async () => ({}),
    deleteObject: async () => ({}),
  } as never;
  const s3 = asynchronous.createS3Payloads({ client, bucket: "b" });
  return {
    openAsyncInference: well(
      async (given: asynchronous.AsyncInferenceOptions) => {
        const opened = await asynchronous.openAsyncInference(given);
        await opened.drain({ graceMs: 0 });
      },
      () => [{ ...options, maxPayloadBytes: 100, leaseMs: 1000, retainMs: 1000, signal }],
      {},
      20,
    ),
    createDirectoryPayloads: well(asynchronous.createDirectoryPayloads, () => [folder]),
    createS3Payloads: well(asynchronous.createS3Payloads, () => [{ client: {} as never, bucket: "b", prefix: "p/" }]),
    ...methods("openAsyncInference()", () => inference, {
      submit: [
        () => ["late", { body: "x", contentType: "text/csv", accept: "text/csv", priority: 1, ttlMs: 10 }, { signal }],
        {
          SERVING_ENDPOINT_UNKNOWN: () => inference.submit("other", { body: "x" }),
          SERVING_ASYNC_INVALID: () => inference.submit("late", {}),
          "SERVING_ASYNC_INVALID: a time": () => inference.submit("late", { body: "x", timeoutMs: 4_000_000 }),
          SERVING_IDEMPOTENCY_KEY_REUSED: () => inference.submit("late", { body: "y", inferenceId: "waiting" }),
          SERVING_DRAINING: () => drained.submit("late", { body: "x" }),
        },
        20,
      ],
      describe: [() => ["done", { signal }]],
      list: [() => [{ endpoint: "late", states: ["waiting"], signal }]],
      wait: [() => ["done", { signal }], unknown(() => inference.wait("other")), 20],
      result: [
        () => ["done", { signal }],
        {
          ...unknown(() => drawn(inference.result("other"))),
          SERVING_ASYNC_STATE: () => drawn(inference.result("waiting")),
        },
      ],
      cancel: [
        () => ["done", { signal }],
        { ...unknown(() => inference.cancel("other")), SERVING_ASYNC_STATE: () => inference.cancel("done") },
        0,
      ],
      redrive: [
        () => ["done", { signal }],
        { ...unknown(() => inference.redrive("other")), SERVING_ASYNC_STATE: () => inference.redrive("done") },
        0,
      ],
      backlog: [() => ["late", { signal }], { SERVING_ENDPOINT_UNKNOWN: () => inference.backlog("other") }],
      fastify: [() => [fastify(), {}], {}, 0],
      node: [nodePair, {}, 0],
      handle: [() => [new Request("http://localhost/endpoints/late/async-invocations/done")], {}, 10],
      drain: [() => [{ graceMs: 0, signal }], {}, 0],
      start: [() => [], {}, 0],
    }),
    ...methods("createDirectoryPayloads()", () => payloads, {
      locationOf: [() => ["late/1.out"]],
      open: [() => [file, { signal }], { SERVING_ASYNC_INPUT_MISSING: () => drawn(payloads.open("file:///nowhere")) }],
      write: [
        () => [file, oneOf("some"), { signal }],
        { SERVING_ASYNC_STORE_FAILED: () => away.write(away.locationOf("x"), oneOf("some")) },
        20,
      ],
      move: [() => [file, file, { signal }]],
      delete: [() => [payloads.locationOf("late/none.bin"), { signal }]],
    }),
    ...methods("createS3Payloads()", () => s3, {
      locationOf: [() => ["late/1.out"]],
      open: [() => ["s3://b/x"], { SERVING_ASYNC_INPUT_MISSING: () => drawn(s3.open("s3://b/none")) }, 0],
      write: [() => ["s3://b/x", oneOf("some")], {}, 0],
      move: [() => ["s3://b/x", "s3://b/y"], {}, 0],
      delete: [() => ["s3://b/x"], {}, 0],
    }),
  };
}
