import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SageMakerRuntime } from "@aws-sdk/client-sagemaker-runtime";
import { type GoldenRequest, createRandom } from "@millwright/contracts";
import { denseRuntime, goldenRequest, loadModel, openDirectoryModelSource, packModel } from "@millwright/model";
import { fallback, openModelServer } from "../src/index.ts";
import { type RemoteTarget, remoteRuntime, writeRemoteModel } from "../src/remote.ts";
import { openFakeServer } from "./fake-server.ts";
import { type ModelFolder, expected, matrix, packFolder } from "./models.ts";
import { openProtocolServer } from "./protocol-server.ts";

const signature = {
  inputs: [{ name: "features", dtype: "float32", shape: [-1, 4] }],
  outputs: [{ name: "probability", dtype: "float32", shape: [-1, 1] }],
} as const;
const row = [0.1, -0.2, 0.3, 0.4];
const golden = (version: number): GoldenRequest =>
  goldenRequest({ features: matrix([row]) }, { probability: matrix([[expected(version, row)]]) }, 1e-5);

/** Our server over sockets, with `late/2` as its weightier model and `late/1` beside it. */
async function openServed() {
  const served = await openProtocolServer();
  const sockets = createServer(served.server.node as never).listen(0, "127.0.0.1");
  await once(sockets, "listening");
  const close = async (): Promise<void> => {
    sockets.closeAllConnections();
    sockets.close();
    await once(sockets, "close");
  };
  return {
    url: `http://127.0.0.1:${(sockets.address() as AddressInfo).port}`,
    close,
    async [Symbol.asyncDispose]() {
      if (sockets.listening) await close();
      await served[Symbol.asyncDispose]();
    },
  };
}

/** Packs remote models beside those at hand: `late/<version>`. */
const packRemote = (folder: ModelFolder, version: number, target: RemoteTarget, asks: readonly GoldenRequest[]) =>
  packModel(join(folder.root, "late", String(version)), {
    name: "late",
    format: "remote",
    ...writeRemoteModel(target, signature),
    golden: asks,
  });

test("SV-23: the same model through every remote protocol and at hand answers the same within 1e-5", async () => {
  await using served = await openServed();
  await using folder = await packFolder(2);
  const { url } = served;
  const aws = new SageMakerRuntime({
    endpoint: url,
    region: "eu-central-1",
    credentials: { accessKeyId: "a", secretAccessKey: "b" },
    maxAttempts: 1,
  });
  const targets: readonly RemoteTarget[] = [
    { protocol: "millwright", url, endpoint: "late" },
    { protocol: "open-inference", url, model: "late", encoding: "json" },
    { protocol: "open-inference", url, model: "late" },
    { protocol: "tensorflow", url, model: "late" },
    { protocol: "tensorflow", url, model: "late", form: "rows" },
    { protocol: "kserve-v1", url, model: "late" },
    { protocol: "sagemaker", endpoint: "late" },
    { protocol: "sagemaker", endpoint: "late", body: "csv" },
  ];
  const runtimes = [denseRuntime(), remoteRuntime({ servers: [{ url }], sageMaker: aws, client: { retries: false } })];
  await using local = await loadModel(await folder.source.resolve("late/2"), runtimes);
  const random = createRandom(7);
  const inputs = { features: matrix(Array.from({ length: 64 }, () => row.map(() => random.normal() * 3))) };
  const wanted = (await local.predict(inputs))["probability"]!.data as Float32Array;
  for (const [at, target] of targets.entries()) {
    const resolved = await packRemote(folder, 10 + at, target, [golden(2)]);
    await using remote = await loadModel(resolved, runtimes);
    const answered = (await remote.predict(inputs))["probability"]!;
    expect(answered.shape).toEqual([64, 1]);
    const worst = Math.max(
      ...Array.from(answered.data as Float32Array, (value, index) => Math.abs(value - (wanted[index] ?? Number.NaN))),
    );
    expect(worst, JSON.stringify(target)).toBeLessThanOrEqual(1e-5);
    expect(remote.lanes).toBe(8);
  }
  aws.destroy();
});

test("SV-23: a remote model is batched, rolled out and followed as one at hand; while its server is down the fallback answers", async () => {
  await using served = await openServed();
  await using folder = await packFolder(1, { champion: 1 });
  const { url } = served;
  await packRemote(folder, 2, { protocol: "millwright", url, endpoint: "late" }, [golden(2)]);
  const runtimes = [
    denseRuntime(),
    remoteRuntime({ servers: [{ url }], client: { retries: { attempts: 2, firstDelayMs: 1 } } }),
  ];
  const stage = fallback({ to: [{ model: "late/1", name: "local" }] });
  const server = await openModelServer({
    source: folder.source,
    runtimes,
    endpoints: { late: { variants: { main: { model: "late@champion", weight: 1 } }, stages: [stage] } },
  });
  const ask = (rows: readonly (readonly number[])[] = [row]) => server.predict("late", { instances: rows });
  const score = async (): Promise<number> => (await ask()).outputs["probability"]!.data[0] as number;
  try {
    expect(await score()).toBeCloseTo(expected(1, row), 5);
    // From the model at hand to the remote one, by its alias.
    await folder.point("champion", 2);
    await expect.poll(async () => (await ask()).provenance.model.version).toBe(2);
    expect(await score()).toBeCloseTo(expected(2, row), 5);
    const many = await Promise.all(Array.from({ length: 20 }, (_, at) => ask([[at, 0, 0, 0]])));
    for (const [at, { outputs }] of many.entries())
      expect(outputs["probability"]!.data[0]).toBeCloseTo(expected(2, [at, 0, 0, 0]), 5);

    await served.close();
    const degraded = await ask();
    expect(degraded.outputs["probability"]!.data[0]).toBeCloseTo(expected(1, row), 5);
    expect(degraded.provenance.degraded).toMatchObject({
      by: "local",
      reason: expect.stringMatching(/^SERVING_CLIENT_(UNREACHABLE|CONNECTION_LOST)$/),
    });

    // A model whose server is not there is refused, and the one before goes on.
    await packRemote(folder, 3, { protocol: "millwright", url, endpoint: "late", version: "1" }, [golden(1)]);
    const before = (await ask()).provenance.model.version;
    await folder.point("champion", 3);
    await expect(server.deploy("late", { model: "late/3", traffic: { type: "all-at-once" } })).rejects.toMatchObject({
      code: "SERVING_CLIENT_UNREACHABLE",
      retryable: true,
    });
    expect((await ask()).provenance.model.version).toBe(before);
  } finally {
    await server.drain();
  }
});

test("SV-23: what is missing is told when the model is loaded, with its mend: no server of that address, no client of AWS, no such model, another signature", async () => {
  await using served = await openServed();
  await using folder = await packFolder(1);
  const { url } = served;
  const { host, hostname, port } = new URL(url);
  let version = 1;
  const loading = async (target: RemoteTarget, runtime = remoteRuntime({ servers: [{ url }] })) => {
    version += 1;
    return loadModel(await packRemote(folder, version, target, []), [runtime]);
  };
  const unconfigured = { code: "SERVING_REMOTE_UNCONFIGURED" };
  const target = { protocol: "open-inference", url, model: "late" } as const;
  await (await loading(target)).dispose();
  await expect(loading(target, remoteRuntime())).rejects.toMatchObject(unconfigured);
  for (const other of [`http://${hostname}.example:${port}`, `https://${host}`, "http://127.0.0.1:1"])
    await expect(loading({ ...target, url: other })).rejects.toMatchObject(unconfigured);
  // Below a path: its parts are compared whole, and nothing leads out of it.
  const below = remoteRuntime({ servers: [{ url: `${url}/models` }] });
  for (const other of [url, `${url}/modelsX`, `${url}/models/../other`])
    await expect(loading({ ...target, url: other }, below)).rejects.toMatchObject(unconfigured);
  await expect(loading({ ...target, model: "../../admin" })).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  await expect(loading({ protocol: "sagemaker", endpoint: "late" })).rejects.toMatchObject(unconfigured);
  await expect(loading({ ...target, model: "nowhere" })).rejects.toMatchObject({
    code: "SERVING_CLIENT_MODEL_UNKNOWN",
  });
  await expect(loading({ ...target, model: "echo" })).rejects.toMatchObject({
    code: "SERVING_CLIENT_SIGNATURE_INVALID",
  });
  await served.close();
  await expect(loading({ ...target, encoding: "json" })).rejects.toMatchObject({
    code: expect.stringMatching(/UNREACHABLE|LOST/),
    retryable: true,
  });

  for (const wrong of [
    { ...target, headers: { authorization: "x" } },
    { ...target, url: "http://user:secret@models" },
    { ...target, protocol: "telnet" },
  ])
    expect(() => writeRemoteModel(wrong as never, signature)).toThrow(TypeError);
});

test("credentials go to the server they are for, and what it says is told by kind: a bad row is the caller's, a closed door is not", async () => {
  const state = { status: 200 };
  const signatureBody = JSON.stringify({
    name: "late",
    inputs: [{ name: "features", datatype: "FP32", shape: [-1, 4] }],
    outputs: [{ name: "probability", datatype: "FP32", shape: [-1, 1] }],
  });
  await using remote = await openFakeServer(({ method, body }) => {
    if (method === "GET") return { body: signatureBody };
    const asked = JSON.parse(body.toString()) as {
      readonly inputs: readonly { readonly shape: readonly number[]; readonly data: readonly number[] }[];
    };
    const rows = asked.inputs[0]?.shape[0] ?? 0;
    if (state.status !== 200) return { status: state.status, body: '{"error":"as the test says"}' };
    if (asked.inputs[0]?.data.includes(13)) return { status: 400, body: '{"error":"13 is refused"}' };
    return {
      body: JSON.stringify({
        outputs: [{ name: "probability", datatype: "FP32", shape: [rows, 1], data: new Array(rows).fill(0.5) }],
      }),
    };
  });
  await using folder = await packFolder(1);
  await packRemote(folder, 2, { protocol: "open-inference", url: remote.url, model: "late", encoding: "json" }, []);
  const server = await openModelServer({
    source: openDirectoryModelSource(folder.root),
    runtimes: [
      remoteRuntime({
        servers: [
          { url: "http://other.example", headers: { authorization: "not for you" } },
          { url: remote.url, headers: () => ({ authorization: "Bearer 7" }) },
        ],
        client: { retries: false },
      }),
    ],
    endpoints: { late: { variants: { main: { model: "late/2", weight: 1 } } } },
  });
  const ask = (first: number) => server.predict("late", { instances: [[first, 0, 0, 0]], requestId: `r${first}` });
  try {
    await ask(1);
    expect(remote.requests.map(({ headers }) => headers["authorization"])).toEqual(
      remote.requests.map(() => "Bearer 7"),
    );
    // One request, one id, on both sides.
    expect(remote.requests.at(-1)?.headers["x-request-id"]).toBe("r1");
    // Of a batch only the bad row fails.
    const results = await Promise.allSettled([1, 13, 2, 3].map(ask));
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({
      code: "SERVING_CLIENT_REFUSED",
      category: "user",
    });
    for (const [status, code] of [
      [401, "SERVING_MODEL_FAILED"],
      [404, "SERVING_MODEL_FAILED"],
      [429, "SERVING_CLIENT_BUSY"],
      [503, "SERVING_CLIENT_SERVER_FAILED"],
    ] as const) {
      state.status = status;
      await expect(ask(1), code).rejects.toMatchObject({ code });
    }
  } finally {
    await server.drain();
  }
});

test("SV-23: embeddings, completions and chats of OpenAI's API are models of texts, in the order of the rows", async () => {
  await using server = await openFakeServer(({ path, method, body }) => {
    if (method === "GET") return { body: '{"data":[]}' };
    const asked = JSON.parse(body.toString()) as {
      readonly input?: readonly string[];
      readonly prompt?: readonly string[];
      readonly messages?: readonly { readonly content: string }[];
    };
    const list = asked.input ?? asked.prompt ?? [];
    const reversed = list.map((text, index) => ({ text, index })).toReversed();
    const answer =
      path === "/embeddings"
        ? { model: "m-1", data: reversed.map(({ text, index }) => ({ index, embedding: [text.length, 0.5] })) }
        : path === "/completions"
          ? { choices: reversed.map(({ text, index }) => ({ index, text: `${text}!` })) }
          : {
              choices: [
                {
                  message: {
                    content: (asked.messages ?? []).map(({ content }) => content).join("+"),
                  },
                },
              ],
            };
    return { body: JSON.stringify(answer) };
  });
  const root = await mkdtemp(join(tmpdir(), "millwright-remote-"));
  const runtime = remoteRuntime({ servers: [{ url: server.url }], client: { retries: false } });
  const text = (name: string) => ({ name, dtype: "string", shape: [-1] }) as const;
  const load = async (task: "embeddings" | "completions" | "chat", given: Parameters<typeof writeRemoteModel>[1]) => {
    const target: RemoteTarget = { protocol: "openai", url: server.url, model: "m", task, parameters: { seed: 1 } };
    const directory = await mkdtemp(join(root, "x-"));
    const resolved = await packModel(join(directory, "m"), {
      name: "m",
      format: "remote",
      ...writeRemoteModel(target, given),
    });
    return loadModel(resolved, [runtime]);
  };
  const texts = { dtype: "string", shape: [3], data: ["a", "bbb", "cc"] } as const;
  try {
    const vector = { name: "vector", dtype: "float32", shape: [-1, 2] } as const;
    const embeddings = await load("embeddings", { inputs: [text("x")], outputs: [vector] });
    expect((await embeddings.predict({ x: texts }))["vector"]).toEqual({
      dtype: "float32",
      shape: [3, 2],
      data: Float32Array.of(1, 0.5, 3, 0.5, 2, 0.5),
    });
    const completions = await load("completions", { inputs: [text("x")], outputs: [text("y")] });
    expect((await completions.predict({ x: texts }))["y"]?.data).toEqual(["a!", "bbb!", "cc!"]);
    const chat = await load("chat", { inputs: [text("x"), text("system")], outputs: [text("y")] });
    const system = { dtype: "string", shape: [3], data: ["s", "t", "u"] } as const;
    expect((await chat.predict({ x: texts, system }))["y"]?.data).toEqual(["s+a", "t+bbb", "u+cc"]);
    const posted = server.requests.filter(({ method }) => method === "POST").map(({ body }) => body.toString());
    expect(posted[0]).toBe('{"seed":1,"model":"m","input":["a","bbb","cc"],"encoding_format":"float"}');
    expect(posted[1]).toBe('{"seed":1,"model":"m","prompt":["a","bbb","cc"]}');
    expect(posted).toContain(
      '{"seed":1,"model":"m","messages":[{"role":"system","content":"t"},{"role":"user","content":"bbb"}]}',
    );
    await expect(load("embeddings", { inputs: [text("x")], outputs: [text("y")] })).rejects.toMatchObject({
      code: "SERVING_CLIENT_SIGNATURE_INVALID",
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
