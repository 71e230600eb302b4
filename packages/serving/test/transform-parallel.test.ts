import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openThreadTarget, startTransform, type TransformTarget } from "@millwright/serving/transform";
import { expect, test } from "vitest";
import { denseRuntime, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";
import { watchedClock } from "./watched-clock.ts";

const module = pathToFileURL(fileURLToPath(new URL("./fixtures/transform-thread.js", import.meta.url)));

test("BT-5: one file keeps 8 workers busy: five times as fast as one, where time goes into waiting for the model, and the same bytes", async () => {
  await using files = await folder();
  const rows = Array.from({ length: 480 }, (_, at) => `"${"x".repeat(at % 40)}${at % 9 === 0 ? "\n" : ""}",${at}\n`);
  await writeFile(join(files.input, "big.csv"), rows.join(""));
  const calls = 48;
  const run = async (maxConcurrentTransforms: number): Promise<{ readonly ms: number; readonly output: string }> => {
    const clock = watchedClock();
    let [turn, answered, lastMs] = [0, 0, 0];
    /** As a model behind a network: its time passes elsewhere. The later ones are often the earlier to answer. */
    const remote: TransformTarget = {
      name: "remote",
      async invoke({ body }) {
        turn += 1;
        await clock.sleep(80 + (turn % 3) * 20);
        answered += 1;
        lastMs = clock.nowMs();
        return { status: 200, body: body as Uint8Array };
      },
    };
    const output = join(files.output, String(maxConcurrentTransforms));
    const shape = { maxConcurrentTransforms, maxBatchRecords: 10, chunkBytes: 1 };
    const result = startTransform({ target: remote, input: files.input, output, ...shape }).result();
    while (answered < calls) {
      // Time passes while as many are asked as could be, or when no more of them come.
      const could = Math.min(maxConcurrentTransforms, calls - answered);
      for (let waits = 0; clock.sleepers < could && waits < 400; waits += 1) await setTimeout(5);
      await clock.advance(20);
    }
    await result;
    expect(turn).toBe(calls);
    return { ms: lastMs, output: await readFile(join(output, "big.csv.out"), "utf8") };
  };
  const one = await run(1);
  const eight = await run(8);
  expect(eight.output).toBe(one.output);
  expect(one.output).toBe(rows.join(""));
  expect(one.ms / eight.ms).toBeGreaterThanOrEqual(5);
});

test(
  "BT-5: a model in threads gives the same bytes in the same order as in this one, whatever thread was the faster",
  { timeout: 300_000 },
  async () => {
    await using models = await packFolder(1);
    await using files = await folder();
    const rows = Array.from({ length: 5_000 }, (_, at) => `${at / 7},${-at},${at % 11},1e-3\n`);
    await writeFile(join(files.input, "big.csv"), rows.join(""));
    const shape = { input: files.input, maxBatchRecords: 100, chunkBytes: 1, joinSource: "Input" } as const;
    const model = { source: models.source, runtimes: [denseRuntime()], model: "late/1" };
    const here = await startTransform({ ...shape, model, output: join(files.output, "here") }).result();
    await using target = await openThreadTarget(module, { threads: 3, data: { root: models.root } });
    const threads = await startTransform({ ...shape, target, output: join(files.output, "threads") }).result();
    expect(threads.manifest?.outputDigest).toBe(here.manifest?.outputDigest);
    expect(threads.manifest?.model).toEqual(here.manifest?.model);
    expect(threads.status).toMatchObject({ records: 5_000, invocations: 50, retries: 0 });
  },
);

test("a thread that ends is replaced, and what it was asked is asked again", { timeout: 300_000 }, async () => {
  await using models = await packFolder(1);
  await using files = await folder();
  await writeFile(join(files.input, "x.csv"), "1,2,3,4\n2,3,4,5\n3,4,5,6\n");
  const crashes = join(files.root, "crashes.log");
  await writeFile(crashes, "");
  await using target = await openThreadTarget(module, { threads: 2, data: { root: models.root, crashes } });
  const { status } = await startTransform({
    target,
    input: files.input,
    output: files.output,
    batchStrategy: "SingleRecord",
    backoffMs: 1,
  }).result();
  expect(status).toMatchObject({ state: "completed", written: 3 });
  expect(status.retries).toBeGreaterThanOrEqual(3);
});

test("a module that makes no target is refused with what it says", async () => {
  const text = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);
  await expect(openThreadTarget(text("export const x = 1"), { threads: 1 })).rejects.toThrow("no function");
  await expect(openThreadTarget(text("throw new TypeError('not here')"), { threads: 2 })).rejects.toThrow("not here");
  await expect(openThreadTarget(module, { threads: 0 })).rejects.toThrow(RangeError);
});
