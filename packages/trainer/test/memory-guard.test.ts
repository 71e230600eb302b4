import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import { join } from "node:path";
import { readLatestCheckpoint, type StartOptions, type TrainingResult } from "@millwright/trainer";
import { expect, test } from "vitest";
import { checkMemoryGuard } from "../src/memory/memory-guard.ts";
import { memoryOfError } from "../src/memory/out-of-memory.ts";
import { fixture, flights, openSetting } from "./setting.ts";

const module = fixture("memory.train.js");
const timeout = 600_000;
const base = { label: "late", epochs: 1, batchSize: 128, seed: 4, device: "wasm", progress: false } as const;

async function weightsOf({ checkpoint = "" }: TrainingResult): Promise<readonly number[]> {
  const { parts = [] } = (await readLatestCheckpoint(checkpoint)) ?? {};
  return parts.filter(({ name }) => name.startsWith("model/")).flatMap(({ data }) => [...data]);
}

const kinds = {
  limit: { params: { kind: "limit", mostRows: 32 }, limits: { memoryBytes: 1_200 * 2 ** 20 } },
  heap: { params: { kind: "heap", mostRows: 32 }, environment: { NODE_OPTIONS: "--max-old-space-size=160" } },
} satisfies Record<string, Partial<StartOptions>>;

test(
  "TR-13: a run for which memory ends above 32 rows at once goes on in parts of 32, to the steps of the whole batch",
  { timeout },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(600, 1));
    const start = async (more: Partial<StartOptions>) =>
      setting.trainer.start(module, { ...base, data: { train }, ...more } as StartOptions);
    const whole = await (await start({ params: { kind: "error", mostRows: 1_000 } })).result();
    for (const [kind, options] of Object.entries(kinds)) {
      const run = await start({ ...options, memoryGuard: true });
      const result = await run.result();
      expect(result).toMatchObject({ outcome: "completed", memory: { batchSize: 128, microBatch: 32, accumulate: 4 } });
      expect(result.memory?.decisions).toMatchObject([
        { memory: kind, before: 128, after: 64 },
        { memory: kind, before: 64, after: 32 },
      ]);
      // The batch, and with it the steps, stay.
      expect(result.epochs.map(({ step }) => step)).toEqual(whole.epochs.map(({ step }) => step));
      const weights = await weightsOf(whole);
      for (const [index, weight] of (await weightsOf(result)).entries())
        expect(weight).toBeCloseTo(weights[index] ?? 0, 5);
      const halved = [];
      for await (const { type, data } of run.events())
        if (type === "run.micro-batch-halved") halved.push(data["after"]);
      expect(halved).toEqual([64, 32]);
      const manifest = JSON.parse(await readFile(join(result.modelDirectory ?? "", "manifest.json"), "utf8")) as {
        provenance: { hyperparameters: unknown };
      };
      expect(manifest.provenance.hyperparameters).toMatchObject({ batchSize: 128, microBatch: 32 });
    }
  },
);

test(
  "TR-13: without a guard, or below its smallest, running out of memory is the failure it is",
  { timeout },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(200, 1));
    const fail = async (more: Partial<StartOptions>) =>
      (await setting.trainer.start(module, { ...base, data: { train }, ...more } as StartOptions)).result();
    const error = { params: { kind: "error", mostRows: 32 } };
    await expect(fail(error)).rejects.toMatchObject({ code: "TRAINER_OUT_OF_MEMORY", category: "capacity" });
    await expect(fail({ ...error, memoryGuard: { smallest: 64 } })).rejects.toThrow(
      /Cannot allocate memory \(machine\)/,
    );
    await expect(fail({ ...kinds.heap })).rejects.toThrow(/JavaScript heap out of memory/);
    expect(() => checkMemoryGuard({ smallest: 0 })).toThrow(/memoryGuard\.smallest/);
  },
);

test("TR-13: WebAssembly's memory runs out at 4 GiB, and the run goes on in halves", { timeout }, async ({ skip }) => {
  skip(freemem() < 8 * 2 ** 30, "there is too little memory for WebAssembly to run out of its own");
  await using setting = await openSetting();
  const train = await setting.save("train", flights(200, 1));
  const params = { kind: "wasm", mostRows: 64 };
  const run = await setting.trainer.start(module, { ...base, data: { train }, params, memoryGuard: true });
  const { memory, epochs } = await run.result();
  expect(memory?.decisions).toMatchObject([{ memory: "wasm", before: 128, after: 64 }]);
  expect(epochs.map(({ step }) => step)).toEqual([2]);
});

test("TR-13: memory is told apart by what backends say of it", () => {
  const oom =
    "OOM when allocating tensor with shape[4096,4096] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc";
  const exhausted = "ResourceExhausted: failed to allocate memory [Op:MatMul]";
  const cuda = "CUDA runtime error: CUDA_ERROR_OUT_OF_MEMORY: out of memory";
  const kindOf = (message: string, device: string, heapBytes = 0) =>
    memoryOfError(new Error(message), { device, heapBytes });
  for (const message of [oom, exhausted, cuda]) {
    expect(kindOf(message, "gpu")).toBe("gpu");
    expect(kindOf(message, "cpu")).toBe("machine");
  }
  for (const message of ["memory access out of bounds", "Aborted(). Build with -sASSERTIONS for more info."]) {
    expect(kindOf(message, "wasm", 4 * 2 ** 30)).toBe("wasm");
    expect(kindOf(message, "wasm", 2 ** 26)).toBeUndefined();
  }
  expect(kindOf("Array buffer allocation failed", "wasm")).toBe("machine");
  expect(kindOf("Shapes do not match", "gpu")).toBeUndefined();
});
