import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { hasCode } from "@millwright/contracts";
import { openModelServer } from "../src/index.ts";
import { asked, everyType, fixture, isolated, obedient, row, until } from "./isolation-setting.ts";
import { expected, matrix, packFolder } from "./models.ts";
import { isolatedRuntime } from "../src/isolation.ts";

const kinds = ["process", "thread"] as const;

for (const kind of kinds) {
  test(`a server answers with a model in a ${kind} what it answers in process, golden requests and all`, async () => {
    await using folder = await packFolder(2);
    await using runtime = isolated({ kind, workers: 2 });
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [runtime],
      endpoints: { late: { variants: { main: { model: "late@champion", weight: 1 } } } },
    });
    const rows = Array.from({ length: 40 }, (_, at) => [at / 10, -at / 7, 0.5, at / 3]);
    const answers = await Promise.all(rows.map((each) => server.predict("late", { instances: [each] })));
    for (const [at, { outputs }] of answers.entries())
      expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rows[at] ?? []), 6);
    expect(runtime.workers().map(({ models }) => models)).toEqual([["late"], ["late"]]);
  });

  test(`tensors of every type cross to a ${kind} and back as they were`, async () => {
    await using runtime = isolatedRuntime({
      formats: ["echo"],
      kind,
      module: new URL("./fixtures/echo-runtime.js", import.meta.url),
    });
    const model = await runtime.load("/nowhere", { ...obedient(), format: "echo" });
    expect(await model.predict(everyType)).toEqual(everyType);
    // Whose rows they are crosses, too.
    const requests = [
      { requestId: "r1", traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` },
      { requestId: "r2" },
    ];
    const { who } = await model.predict({ who: everyType.bool }, { requests });
    expect([...(who?.data ?? [])].map((each) => JSON.parse(String(each)))).toEqual(requests);
    expect(everyType.float32.data).toEqual(Float32Array.of(1.5, -0));
  });
}

test("SV-20: process.abort() in a worker under load: at most the requests in flight are asked again, and all are answered", async () => {
  const ends: string[] = [];
  let failovers = 0;
  const counters = { add: () => (failovers += 1) };
  await using runtime = isolated({
    workers: 3,
    meter: {
      counter: (name) => (name === "millwright_serving_worker_failovers_total" ? counters : { add: () => {} }),
      gauge: () => ({ set: () => {} }),
      histogram: () => ({ observe: () => {} }),
    },
    logger: {
      debug: () => {},
      info: () => {},
      warn: () => {},
      error: (fields) => void ends.push(String((fields as { readonly how?: unknown }).how)),
    },
  });
  const model = await runtime.load("/nowhere", obedient());
  expect(model.lanes).toBe(3);
  const before = new Set(runtime.workers().map(({ pid }) => pid));
  let poisoned: unknown;
  const load = Array.from({ length: 600 }, async (_, at) => {
    await new Promise((resolve) => setTimeout(resolve, at / 4));
    // In the middle of the load one request aborts whatever worker it is in.
    if (at === 200) poisoned = await asked(model, 1, 0).catch((error: unknown) => error);
    else return asked(model, 10 + at, 2);
    return undefined;
  });
  const answers = await Promise.all(load);
  for (const [at, answer] of answers.entries()) if (at !== 200) expect(answer).toBe(2 * (10 + at));
  expect(hasCode(poisoned, "SERVING_REQUEST_QUARANTINED")).toBe(true);
  // Workers take one request at a time: the one that aborted was asked once more, and nothing else was.
  expect(failovers).toBe(1);
  // Two workers ended, and the request is told of by itself.
  expect(ends.filter((how) => how.includes("SIGABRT"))).toHaveLength(3);
  await until(() => runtime.workers().length === 3);
  const after = runtime.workers().map(({ pid }) => pid);
  expect(after.filter((pid) => before.has(pid))).toHaveLength(1);
  expect(await asked(model, 21)).toBe(42);
});

test("a worker that is killed from outside loses nothing: its request is asked again, and is not held to be poison", async () => {
  await using runtime = isolated({ workers: 2 });
  const model = await runtime.load("/nowhere", obedient());
  const slow = [asked(model, 50, 300), asked(model, 51, 300)];
  await until(() => runtime.workers().every(({ running }) => running === 1));
  process.kill(runtime.workers()[0]?.pid ?? 0, "SIGKILL");
  expect(await Promise.all(slow)).toEqual([100, 102]);
  expect(runtime.quarantined()).toEqual([]);
  await until(() => runtime.workers().length === 2);
});

test("a request that ended two workers is remembered, alone and as a row of a batch", async () => {
  await using runtime = isolated({ workers: 1 });
  const model = await runtime.load("/nowhere", obedient());
  await expect(asked(model, 1, 7)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED", category: "data" });
  expect(runtime.quarantined()).toHaveLength(1);
  expect(await asked(model, 30)).toBe(60);
  const [{ pid } = { pid: 0 }] = runtime.workers();
  await expect(asked(model, 1, 7)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED" });
  const batch = { features: matrix([[30, 0], [1, 7], [31, 0]]) }; // prettier-ignore
  await expect(model.predict(batch)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED" });
  // Neither reached a worker.
  expect(runtime.workers()[0]?.pid).toBe(pid);
});

test("a poisonous row among others of a batch fails alone", async () => {
  await using runtime = isolated({ workers: 2 });
  const manifest = obedient();
  await using server = await openModelServer({
    source: {
      resolve: () =>
        Promise.resolve({ name: "obedient", digest: "sha256:00", manifest, directory: "/nowhere" } as never),
      watch: async function* () {},
    },
    runtimes: [runtime],
    watch: false,
    endpoints: { o: { variants: { main: { model: "obedient", weight: 1 } } } },
  });
  const answers = await Promise.allSettled(
    [30, 31, 1, 32].map((first) => server.predict("o", { instances: [[first, 0]] })),
  );
  expect(
    answers.map((each) =>
      each.status === "fulfilled" ? each.value.outputs["probability"]?.data[0] : each.reason.code,
    ),
  ).toEqual([60, 62, "SERVING_REQUEST_QUARANTINED", 64]);
});

const endings: readonly (readonly [deed: number, kind: (typeof kinds)[number], what: string])[] = [
  [2, "process", "exit(1)"],
  [2, "thread", "exit(1)"],
  [3, "process", "SIGKILL"],
  [4, "process", "an endless loop"],
  [4, "thread", "an endless loop"],
  [5, "process", "a full heap"],
  [5, "thread", "a full heap"],
];

for (const [deed, kind, what] of endings) {
  test(`${what} in a ${kind} ends the worker and nothing else`, { timeout: 300_000 }, async () => {
    await using runtime = isolated({ kind, workers: 1, hangMs: deed === 4 ? 2_000 : 20_000, heapBytes: 24 * 2 ** 20 });
    const model = await runtime.load("/nowhere", obedient());
    await expect(asked(model, deed)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED" });
    expect(await asked(model, 11)).toBe(22);
  });
}

test("in a thread process.abort() is refused by Node, and fails its request alone", async () => {
  await using runtime = isolated({ kind: "thread" });
  const model = await runtime.load("/nowhere", obedient());
  await expect(asked(model, 1)).rejects.toMatchObject({ code: "SERVING_MODEL_FAILED" });
  expect(await asked(model, 11)).toBe(22);
});

test("a request that never ends gives its worker up after callTimeoutMs", async () => {
  await using runtime = isolated({ kind: "thread", hangMs: 1_000, callTimeoutMs: 4_000 });
  const model = await runtime.load("/nowhere", obedient());
  // It waits and says so: it has not hung.
  expect(await asked(model, 12, 1_500)).toBe(24);
  const startMs = performance.now();
  await expect(asked(model, 9, -1)).rejects.toMatchObject({ code: "SERVING_REQUEST_QUARANTINED" });
  // It ended two workers, each after its time.
  expect(performance.now() - startMs).toBeGreaterThan(8_000);
});

test("errors cross as they were thrown: those of the house with their code, others as a failure of the model", async () => {
  await using runtime = isolated();
  const model = await runtime.load("/nowhere", obedient());
  await expect(asked(model, 6)).rejects.toMatchObject({
    code: "SERVING_MODEL_FAILED",
    message: expect.stringContaining("TypeError: it was told to throw"),
  });
  await expect(asked(model, 7)).rejects.toMatchObject({
    code: "MODEL_INPUT_MISMATCH",
    category: "user",
    message: "Such a row is not taken. Send another.",
  });
  // What a model prints does not reach the frames.
  expect(await asked(model, 8)).toBe(16);
});

test("a model that ends its worker at load is refused, and the worker's others go on", async () => {
  await using runtime = isolated({ sharing: "runtime", workers: 2 });
  const model = await runtime.load("/nowhere", obedient());
  await expect(runtime.load("/nowhere", obedient({ dies: true }))).rejects.toMatchObject({
    code: "SERVING_WORKER_START_FAILED",
    message: expect.stringContaining("SIGABRT"),
  });
  expect(await asked(model, 13)).toBe(26);
  await until(() => runtime.workers().length === 2);
  expect(runtime.workers().map(({ models }) => models)).toEqual([["obedient"], ["obedient"]]);
});

test("what cannot run is told at load, by what it says itself", async () => {
  const absent = isolatedRuntime({
    formats: ["onnx"],
    module: new URL("./fixtures/absent-runtime.js", import.meta.url),
  });
  await expect(absent.load("/nowhere", obedient())).rejects.toMatchObject({
    code: "SERVING_WORKER_START_FAILED",
    message: expect.stringContaining("no-such-library"),
  });
  await absent[Symbol.asyncDispose]();
  const nothing = isolatedRuntime({ formats: ["x"], command: { program: "no-such-program-at-all" } });
  await expect(nothing.load("/nowhere", obedient())).rejects.toMatchObject({
    code: "SERVING_WORKER_START_FAILED",
    message: expect.stringContaining("ENOENT"),
  });
  await nothing[Symbol.asyncDispose]();
  const babble = isolatedRuntime({
    formats: ["x"],
    command: { program: process.execPath, args: ["-e", "console.log('Loading the model, please wait')"] },
  });
  await expect(babble.load("/nowhere", obedient())).rejects.toMatchObject({
    message: expect.stringContaining("Loading the"),
  });
  await babble[Symbol.asyncDispose]();
  await using other = isolated();
  await expect(other.load("/nowhere", { ...obedient(), format: "onnx" })).rejects.toMatchObject({
    message: expect.stringContaining('loads the format "onnx"'),
  });
});

test("an aborted request is not sent, or its answer is dropped and its worker stopped", async () => {
  await using runtime = isolated({ kind: "thread" });
  const model = await runtime.load("/nowhere", obedient());
  const first = new AbortController();
  const second = new AbortController();
  // Looked at from the start: either may end while something else is waited for.
  const ending = async (asking: ReturnType<typeof model.predict>): Promise<unknown> => {
    try {
      return await asking;
    } catch (error) {
      return error;
    }
  };
  const running = ending(model.predict(row(60, 60_000), { signal: first.signal }));
  const waiting = ending(model.predict(row(1, 0), { signal: second.signal }));
  await until(() => runtime.traffic().running === 1);
  second.abort(new TypeError("not wanted"));
  expect(await waiting).toEqual(new TypeError("not wanted"));
  first.abort(new TypeError("not wanted either"));
  expect(await running).toEqual(new TypeError("not wanted either"));
  const before = Promise.resolve(model.predict(row(1), { signal: AbortSignal.abort(new TypeError("before")) }));
  await expect(before).rejects.toThrow("before");
  // The worker was told, and is free long before the minute is over.
  expect(await asked(model, 61)).toBe(122);
});

test("workers are added and taken away while requests run, and none fails", async () => {
  await using runtime = isolated({ kind: "thread", workers: 1, spares: 1 });
  const model = await runtime.load("/nowhere", obedient());
  const answers = Array.from({ length: 60 }, (_, at) => asked(model, 100 + at, 10));
  await runtime.scale(3);
  expect(model.lanes).toBe(3);
  await runtime.scale(1);
  expect(model.lanes).toBe(1);
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 60 }, (_, at) => 2 * (100 + at)));
  expect(runtime.workers()).toHaveLength(1);
});

test("while no worker comes up a request waits for waitMs and is told that none is there", async () => {
  await using folder = await packFolder(1);
  const { directory, manifest } = await folder.source.resolve("late/1");
  await using runtime = isolated({ waitMs: 200, hangMs: 400, backoffMs: { first: 5_000, most: 5_000 } });
  const model = await runtime.load(directory, manifest);
  // From here on no worker can load it.
  await rm(directory, { recursive: true });
  process.kill(runtime.workers()[0]?.pid ?? 0, "SIGKILL");
  await until(() => runtime.workers().length === 0);
  const asking = Promise.resolve(model.predict({ features: matrix([[1, 2, 3, 4]]) }));
  await expect(asking).rejects.toMatchObject({ code: "SERVING_WORKER_LOST", category: "transient", retryable: true });
});

test("what is closed answers so, and its processes are gone", async () => {
  const runtime = isolated({ workers: 2, spares: 1 });
  const model = await runtime.load("/nowhere", obedient());
  const pids = runtime.workers().map(({ pid }) => pid ?? 0);
  const running = asked(model, 70, 100);
  await runtime[Symbol.asyncDispose]();
  expect(await running).toBe(140);
  await expect(asked(model, 71)).rejects.toMatchObject({ code: "PORT_CLOSED" });
  for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  await expect(runtime.load("/nowhere", obedient())).rejects.toMatchObject({ code: "PORT_CLOSED" });
});

test("a worker that loops does not outlive a server that is killed", async () => {
  const program = fileURLToPath(new URL("./fixtures/isolation-server.js", import.meta.url));
  const server = spawn(process.execPath, [program, JSON.stringify(obedient())], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = Number(await new Promise<Buffer>((resolve) => server.stdout.once("data", resolve)));
  expect(pid).toBeGreaterThan(1);
  process.kill(pid, 0);
  server.kill("SIGKILL");
  await until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
});

test("options out of range are refused where they are given", () => {
  expect(() => isolatedRuntime({ formats: [] as never, module: fixture })).toThrow("formats");
  expect(() => isolatedRuntime({ formats: ["dense"] })).toThrow("module and command");
  expect(() => isolatedRuntime({ formats: ["dense"], module: "./runtimes.js" })).toThrow("import.meta.url");
  expect(() => isolatedRuntime({ formats: ["dense"], module: fixture, workers: 0 })).toThrow("workers");
  expect(() => isolatedRuntime({ formats: ["dense"], module: fixture, hangMs: -1 })).toThrow("hangMs");
});
