import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fastify from "fastify";
import { listen, openModelServer } from "@millwright/serving";
import {
  createHttpTarget,
  startTransform,
  transformEnvironment,
  type TransformOptions,
} from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { denseRuntime, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";

interface Container extends AsyncDisposable {
  readonly url: string;
  /** The records of each request, and how many requests were under way at once at most. */
  readonly bodies: string[];
  readonly most: () => number;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString("utf8");
}

/** A container of SageMaker's contract that answers each line with itself, and says of itself what it is given. */
async function openContainer(parameters: object | undefined): Promise<Container> {
  const bodies: string[] = [];
  let underWay = 0;
  let most = 0;
  const server = createServer(async (request, response) => {
    if (request.url === "/execution-parameters") {
      response.writeHead(parameters === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(parameters === undefined ? "" : JSON.stringify(parameters));
      return;
    }
    const body = await bodyOf(request);
    bodies.push(body);
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise((resolve) => setTimeout(resolve, 30));
    underWay -= 1;
    response.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    most: () => most,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const byte = 1 / 2 ** 20;
const told = { MaxConcurrentTransforms: 3, BatchStrategy: "SINGLE_RECORD", MaxPayloadInMB: 10 * byte };
type Asked = Pick<TransformOptions, "maxConcurrentTransforms" | "batchStrategy" | "maxPayloadInMB">;
// Twelve lines of 4 bytes: what is sent tells which parameters held.
const cases: readonly (readonly [
  string,
  object | undefined,
  Asked,
  { readonly most: number; readonly sizes: readonly number[] },
])[] = [
  ["nobody says anything: 1 at once, MultiRecord, 6 MB", undefined, {}, { most: 1, sizes: [48] }],
  ["the container says all", told, {}, { most: 3, sizes: new Array<number>(12).fill(3) }],
  [
    "the job says how many at once, the container the rest",
    told,
    { maxConcurrentTransforms: 2 },
    { most: 2, sizes: new Array<number>(12).fill(3) },
  ],
  [
    "the job says the strategy, the container the rest",
    told,
    { batchStrategy: "MultiRecord" },
    { most: 3, sizes: new Array<number>(6).fill(8) },
  ],
  [
    "the job says the payload, the container the rest",
    { ...told, BatchStrategy: "MULTI_RECORD" },
    { maxPayloadInMB: 16 * byte },
    { most: 3, sizes: [16, 16, 16] },
  ],
  [
    "the job says all",
    told,
    { maxConcurrentTransforms: 1, batchStrategy: "MultiRecord", maxPayloadInMB: 24 * byte },
    { most: 1, sizes: [24, 24] },
  ],
  [
    "the container says a part, the defaults the rest",
    { MaxPayloadInMB: 12 * byte },
    {},
    { most: 1, sizes: [12, 12, 12, 12] },
  ],
  [
    "the container says what makes no sense",
    { MaxConcurrentTransforms: "8", BatchStrategy: "BOTH", MaxPayloadInMB: -1 },
    {},
    { most: 1, sizes: [48] },
  ],
];

for (const [name, parameters, asked, { most, sizes }] of cases) {
  test(`BT-3: what the job asks for goes before the container's word, and that before the defaults: ${name}`, async () => {
    await using files = await folder();
    await using container = await openContainer(parameters);
    const text = Array.from({ length: 12 }, (_, at) => `${100 + at}\n`).join("");
    await writeFile(join(files.input, "x.csv"), text);
    const options = {
      target: createHttpTarget(container.url),
      input: files.input,
      output: files.output,
      chunkBytes: 1,
    };
    await startTransform({ ...options, ...asked }).result();
    expect(container.bodies.map(({ length }) => length)).toEqual(sizes);
    expect(container.most()).toBe(most);
    expect(await readFile(join(files.output, "x.csv.out"), "utf8")).toBe(text);
  });
}

test("BT-3: the environment of a job's container is SageMaker's", () => {
  expect(transformEnvironment()).toEqual({ SAGEMAKER_BATCH: "true" });
  expect(
    transformEnvironment({ batchStrategy: "SingleRecord", maxPayloadInMB: 0, maxConcurrentTransforms: 8 }),
  ).toEqual({
    SAGEMAKER_BATCH: "true",
    SAGEMAKER_BATCH_STRATEGY: "SINGLE_RECORD",
    SAGEMAKER_MAX_PAYLOAD_IN_MB: "0",
    SAGEMAKER_MAX_CONCURRENT_TRANSFORMS: "8",
  });
  expect(transformEnvironment({ batchStrategy: "MultiRecord" })["SAGEMAKER_BATCH_STRATEGY"]).toBe("MULTI_RECORD");
});

test("BT-3: a server over HTTP is a target as the model in this process is: the same bytes", async () => {
  await using models = await packFolder(1);
  await using files = await folder();
  const rows = Array.from({ length: 300 }, (_, at) => `${at / 3},${-at},${at % 7},1e-3\n`);
  await writeFile(join(files.input, "x.csv"), rows.join(""));
  const runtimes = [denseRuntime()];
  await using server = await openModelServer({
    source: models.source,
    runtimes,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  const app = fastify();
  await app.register(server.fastify);
  const target = createHttpTarget(await listen(app, { port: 0 }));
  const shape = { input: files.input, output: files.output, joinSource: "Input", maxBatchRecords: 50 } as const;
  const remote = await startTransform({ ...shape, target, name: "remote" }).result();
  await app.close();
  const here = await startTransform({ ...shape, model: { source: models.source, runtimes, model: "late/1" } }).result();
  expect(remote.manifest?.outputDigest).toBe(here.manifest?.outputDigest);
  expect(remote.status).toMatchObject({ records: 300, invocations: 6 });
  await expect(startTransform({ ...shape, target, name: "gone", maxRetries: 0 }).result()).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_TARGET_FAILED",
    retryable: true,
  });
});
