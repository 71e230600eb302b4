import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startTransform, type TransformOptions, type TransformTarget } from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { denseRuntime, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";
import { watchedClock } from "./watched-clock.ts";

/** Answers the double of each line, and refuses what holds a line that is no number, as a model would. */
const doubling: TransformTarget = {
  name: "doubling",
  async invoke({ body }) {
    const lines = Buffer.from(body as Uint8Array)
      .toString("utf8")
      .trimEnd()
      .split("\n");
    const bad = lines.find((line) => !/^\d+$/.test(line));
    if (bad !== undefined)
      return { status: 400, body: Buffer.from(JSON.stringify({ error: `"${bad}" is no number` })) };
    return { status: 200, body: Buffer.from(lines.map((line) => `${Number(line) * 2}\n`).join("")) };
  },
};

/** A thousand numbers of which each hundredth is no number. */
const poisoned = Array.from({ length: 1000 }, (_, at) => (at % 100 === 37 ? `poison-${at}` : String(at)));
const good = poisoned.filter((line) => !line.startsWith("poison"));

async function run(
  options: Partial<TransformOptions>,
): Promise<{ readonly output: string; readonly errors: readonly Record<string, unknown>[]; readonly failed: number }> {
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), poisoned.map((line) => `${line}\n`).join(""));
  const job = startTransform({ target: doubling, input: files.input, output: files.output, ...options });
  const { status } = await job.result();
  const has = (await readdir(files.output)).includes("x.csv.errors");
  const errors = has ? (await readFile(join(files.output, "x.csv.errors"), "utf8")).trimEnd().split("\n") : [];
  return {
    output: await readFile(join(files.output, "x.csv.out"), "utf8"),
    errors: errors.map((line) => JSON.parse(line) as Record<string, unknown>),
    failed: status.failed,
  };
}

test("BT-8: with 1 % of poison all good rows are there, and the error file names each bad one with its reason and place", async () => {
  const { output, errors, failed } = await run({ onRecordError: "skip", chunkBytes: 500, maxConcurrentTransforms: 3 });
  expect(output).toBe(good.map((line) => `${Number(line) * 2}\n`).join(""));
  expect(failed).toBe(10);
  const wanted = poisoned.flatMap((line, record) => (line.startsWith("poison") ? [{ line, record }] : []));
  expect(errors).toEqual(
    wanted.map(({ line, record }) => ({
      record,
      offset: poisoned.slice(0, record).reduce((sum, each) => sum + each.length + 1, 0),
      bytes: line.length + 1,
      code: "SERVING_TRANSFORM_TARGET_FAILED",
      reason: expect.stringContaining(`"${line}" is no number`),
    })),
  );
});

test("BT-8: a default stands where a bad row's answer would, joined with it too", async () => {
  const { output, errors } = await run({ onRecordError: { value: "-1" }, joinSource: "Input" });
  expect(output).toBe(
    poisoned.map((line) => `${line},${line.startsWith("poison") ? -1 : Number(line) * 2}\n`).join(""),
  );
  expect(errors).toHaveLength(10);
});

test("BT-8: the job fails at the first bad row unless told otherwise, with what the model said", async () => {
  await expect(run({})).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_TARGET_FAILED",
    retryable: false,
    message: expect.stringContaining('"poison-37" is no number'),
  });
});

test("BT-8: more failed records than the job allows stop it early", async () => {
  let asked = 0;
  const counting: TransformTarget = {
    name: "counting",
    invoke: (invocation) => {
      asked += 1;
      return doubling.invoke(invocation);
    },
  };
  const options = { target: counting, onRecordError: "skip", batchStrategy: "SingleRecord", chunkRecords: 50 } as const;
  await expect(run({ ...options, maxErrorRate: 0.005 })).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_ERROR_RATE",
  });
  expect(asked).toBeLessThan(300);
  expect((await run({ ...options, maxErrorRate: 0.02 })).failed).toBe(10);
});

test("BT-8: a record of JSON that is none, one that a filter finds nothing in, and one that is too long are bad rows too", async () => {
  await using files = await folder();
  const records = ['{"x":1}', "{", '{"y":2}', `{"x":"${"long".repeat(20)}"}`, '{"x":3}'];
  await writeFile(join(files.input, "x.jsonl"), records.join("\n"));
  const target: TransformTarget = {
    name: "echo",
    invoke: ({ body }) => Promise.resolve({ status: 200, body: body as Uint8Array }),
  };
  const shape = { inputFilter: "$.x", onRecordError: "skip", maxPayloadInMB: 60 / 2 ** 20 } as const;
  await startTransform({ target, input: files.input, output: files.output, ...shape }).result();
  expect(await readFile(join(files.output, "x.jsonl.out"), "utf8")).toBe("1\n3\n");
  const errors = (await readFile(join(files.output, "x.jsonl.errors"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly record: number; readonly code: string });
  expect(errors.map(({ record, code }) => [record, code])).toEqual([
    [1, "SERVING_TRANSFORM_RECORD_INVALID"],
    [2, "SERVING_TRANSFORM_RECORD_INVALID"],
    [3, "SERVING_TRANSFORM_RECORD_TOO_LARGE"],
  ]);
});

test("an object that fails leaves the others' outputs, has none itself, and is done when the job is started again with it mended", async () => {
  await using models = await packFolder(1);
  await using files = await folder();
  await writeFile(join(files.input, "a.csv"), "1,2,3,4\n");
  await writeFile(join(files.input, "b.csv"), "1,2,3,4\n1,2,x,4\n");
  await writeFile(join(files.input, "c.csv"), "4,3,2,1\n");
  const options = {
    model: { source: models.source, runtimes: [denseRuntime()], model: "late/1" },
    input: files.input,
    output: files.output,
  };
  const outputs = async (): Promise<readonly string[]> =>
    (await readdir(files.output)).filter((name) => name.endsWith(".out"));
  await expect(startTransform(options).result()).rejects.toMatchObject({ message: expect.stringContaining('"x"') });
  expect(await outputs()).toEqual(["a.csv.out", "c.csv.out"]);
  await expect(startTransform({ ...options, batchStrategy: "SingleRecord" }).result()).rejects.toMatchObject({
    code: "SERVING_TRANSFORM_CHANGED",
  });
  await writeFile(join(files.input, "b.csv"), "1,2,3,4\n1,2,5,4\n");
  const { status } = await startTransform(options).result();
  expect(await outputs()).toEqual(["a.csv.out", "b.csv.out", "c.csv.out"]);
  expect(status).toMatchObject({ objectsDone: 3, chunksReused: 2 });
});

test("BT-11: a flaky target is asked again with growing waits, at most so often; each try is counted and has its time", async () => {
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), "1\n");
  const clock = watchedClock();
  const asked: number[] = [];
  const flaky = (answers: readonly (number | "hangs" | "gone")[]): TransformTarget => ({
    name: "flaky",
    async invoke({ body, signal }) {
      const answer = answers[asked.length] ?? 200;
      asked.push(clock.nowMs());
      if (answer === "gone") throw new TypeError("fetch failed");
      if (answer === "hangs") await clock.sleep(1e9, { signal });
      return {
        status: answer as number,
        body: answer === 200 ? (body as Uint8Array) : Buffer.from("busy"),
        retryAfterMs: answer === 429 ? 7_000 : undefined,
      };
    },
  });
  const attempt = async (
    answers: readonly (number | "hangs" | "gone")[],
    more: Partial<TransformOptions> = {},
  ): Promise<unknown> => {
    asked.length = 0;
    const policy = { timeoutMs: 5_000, maxRetries: 3, backoffMs: 1_000, ...more };
    const job = startTransform({
      target: flaky(answers),
      input: files.input,
      output: files.output,
      restart: true,
      clock,
      ...policy,
    });
    let over = false;
    const result = job.result().then(
      ({ status }) => status,
      (error: unknown) => error,
    );
    void result.then(() => (over = true));
    while (!over) {
      while (!over && clock.sleepers === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      if (!over) await clock.advance(100);
    }
    return result;
  };
  expect(await attempt([503, "gone", 500])).toMatchObject({ state: "completed", invocations: 4, retries: 3 });
  const waits = asked.slice(1).map((at, index) => at - (asked[index] as number));
  // Half of 1, 2 and 4 s is sure, the rest by chance.
  for (const [index, ceiling] of [1_000, 2_000, 4_000].entries()) {
    expect(waits[index]).toBeGreaterThanOrEqual(ceiling / 2);
    expect(waits[index]).toBeLessThanOrEqual(ceiling + 100);
  }
  // Too slow: tried 4 times of 5 s each, and no longer.
  expect(await attempt(["hangs", "hangs", "hangs", "hangs"])).toMatchObject({
    code: "SERVING_TRANSFORM_TARGET_FAILED",
    retryable: true,
    message: expect.stringContaining("longer than 5000 ms, after 4 tries"),
  });
  expect(asked).toHaveLength(4);
  expect((asked[3] as number) - (asked[0] as number)).toBeLessThanOrEqual(3 * 5_000 + 1_000 + 2_000 + 4_000 + 600);
  // Asked for more time: it is given.
  expect(await attempt([429])).toMatchObject({ invocations: 2 });
  expect((asked[1] as number) - (asked[0] as number)).toBeGreaterThanOrEqual(7_000);
  // What it refuses is not asked again.
  expect(await attempt([400, 200])).toMatchObject({ code: "SERVING_TRANSFORM_TARGET_FAILED", retryable: false });
  expect(asked).toHaveLength(1);
  expect(await attempt([500, 500], { maxRetries: 1 })).toMatchObject({
    message: expect.stringContaining("after 2 tries"),
  });
});

test("an abort ends the job with its reason, and what was done is not done again", async () => {
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), good.map((line) => `${line}\n`).join(""));
  const stop = new AbortController();
  const options = { target: doubling, input: files.input, output: files.output, chunkBytes: 100, maxBatchRecords: 10 };
  const job = startTransform({
    ...options,
    signal: stop.signal,
    onProgress: ({ chunks }) => chunks === 20 && stop.abort(new Error("enough")),
  });
  await expect(job.result()).rejects.toThrow("enough");
  expect(job.status().state).toBe("failed");
  const { status } = await startTransform(options).result();
  expect(status.chunksReused).toBeGreaterThanOrEqual(20);
  expect(await readFile(join(files.output, "x.csv.out"), "utf8")).toBe(
    good.map((line) => `${Number(line) * 2}\n`).join(""),
  );
});

test("a job that is told to stop writes down what is under way, says so, and goes on later", async () => {
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), good.map((line) => `${line}\n`).join(""));
  const options = { target: doubling, input: files.input, output: files.output, chunkBytes: 100, maxBatchRecords: 10 };
  const job = startTransform(options);
  for await (const { chunks } of job.progress()) {
    if (chunks < 5) continue;
    await job.stop("the machine is wanted back");
    break;
  }
  const stopped = await job.result();
  expect(stopped).toMatchObject({ state: "stopped", reason: "the machine is wanted back", objects: [] });
  expect(job.status().state).toBe("stopped");
  const { status } = await startTransform(options).result();
  expect(status).toMatchObject({ state: "completed", chunksReused: stopped.status.chunks, records: good.length });
});
