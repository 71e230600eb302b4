import { expect, test } from "vitest";
import type { ModelManifest, ModelRuntime } from "@millwright/contracts";
import { createMemoryGovernor } from "../src/isolation.ts";
import { asked, isolated, obedient, until } from "./isolation-setting.ts";

const mebibyte = 2 ** 20;

const sized = (name: string, sizeBytes: number): ModelManifest => ({
  ...obedient(),
  name,
  files: [{ path: "weights.bin", sizeBytes, digest: "sha256:00" as never }],
});

test("SV-21: a runtime that leaks with each load is recycled before its cap, the replacement first, and no request fails", async () => {
  const leakBytes = 24 * mebibyte;
  const governor = createMemoryGovernor();
  await using runtime = isolated({
    sharing: "runtime",
    memory: governor,
    recycle: { atBytes: 200 * mebibyte, checkMs: 50 },
  });
  const served = await runtime.load("/nowhere", obedient());
  const pids = new Set<number | undefined>();
  let highest = 0;
  let failed = 0;
  let answered = 0;
  let over = false;
  const requests = (async () => {
    while (!over) {
      const answer = await asked(served, 10 + answered, 1).catch(() => -1);
      if (answer === 2 * (10 + answered)) answered += 1;
      else failed += 1;
      for (const { pid, memory } of runtime.workers()) {
        pids.add(pid);
        highest = Math.max(highest, memory?.rssBytes ?? 0);
      }
    }
  })();
  // Twenty releases of a model, each of which leaves its bytes behind: 480 MiB, which never come together.
  for (let load = 0; load < 20; load += 1) {
    const model = await runtime.load("/nowhere", obedient({ leakBytes }));
    expect(await asked(model, 7_000)).toBe(14_000);
    await model.dispose();
  }
  over = true;
  await requests;
  expect(failed).toBe(0);
  expect(answered).toBeGreaterThan(20);
  expect(pids.size).toBeGreaterThan(1);
  expect(highest).toBeLessThan(300 * mebibyte);
  // Each load was measured, and what it left is what the model leaks.
  const leaks = governor.loads().filter(({ afterBytes, beforeBytes }) => afterBytes - beforeBytes > leakBytes * 0.8);
  expect(leaks.length).toBeGreaterThanOrEqual(20);
  expect(governor.loads().filter(({ first }) => first).length).toBeGreaterThan(1);
});

test("a worker is recycled after so many loads, and those that wait are served meanwhile", async () => {
  await using runtime = isolated({ kind: "thread", sharing: "runtime", recycle: { afterLoads: 5 } });
  const served = await runtime.load("/nowhere", obedient());
  const titles = new Set<string>();
  for (let load = 0; load < 16; load += 1) {
    const [, model] = await Promise.all([asked(served, 10, 2), runtime.load("/nowhere", obedient())]);
    await model.dispose();
    for (const { title, loads } of runtime.workers()) {
      titles.add(title);
      expect(loads).toBeLessThan(9);
    }
  }
  expect(await asked(served, 12)).toBe(24);
  await until(() => runtime.workers().length === 1);
  expect(titles.size).toBeGreaterThan(2);
});

test("a load over the limit is refused before it begins, and admitted once something was evicted", async () => {
  let usedBytes = 700 * mebibyte;
  const asks: number[] = [];
  let yields = false;
  const governor = createMemoryGovernor({
    limitBytes: 1_000 * mebibyte,
    share: 0.9,
    factor: 2,
    usedBytes: () => usedBytes,
    evict: (neededBytes) => {
      asks.push(neededBytes);
      if (yields) usedBytes -= neededBytes;
    },
  });
  let loads = 0;
  const plain: ModelRuntime = {
    formats: ["obedient"],
    load: async () => {
      loads += 1;
      return { memoryBytes: 0, predict: (inputs) => inputs, dispose: async () => {} };
    },
  };
  const guarded = governor.guard(plain);
  await guarded.load("/nowhere", sized("small", 50 * mebibyte));
  await expect(guarded.load("/nowhere", sized("large", 150 * mebibyte))).rejects.toMatchObject({
    code: "SERVING_MEMORY_EXHAUSTED",
    category: "capacity",
    message: expect.stringContaining("needs about 300 MiB to be loaded, and 700 MiB of 900 MiB are in use"),
  });
  expect(loads).toBe(1);
  expect(asks).toEqual([100 * mebibyte]);
  yields = true;
  await guarded.load("/nowhere", sized("large", 150 * mebibyte));
  expect(loads).toBe(2);
  expect(governor.usage()).toEqual({
    limitBytes: 1_000 * mebibyte,
    usedBytes: 600 * mebibyte,
    reservedBytes: 0,
  });
});

test("loads at the same time count against the limit together", async () => {
  const governor = createMemoryGovernor({ limitBytes: 100, share: 1, factor: 1, usedBytes: () => 0 });
  let finish = (): void => {};
  const slow: ModelRuntime = {
    formats: ["obedient"],
    load: async () => {
      await new Promise<void>((resolve) => (finish = resolve));
      return { memoryBytes: 0, predict: (inputs) => inputs, dispose: async () => {} };
    },
  };
  const guarded = governor.guard(slow);
  const first = guarded.load("/nowhere", sized("one", 60));
  await expect(guarded.load("/nowhere", sized("two", 60))).rejects.toMatchObject({ code: "SERVING_MEMORY_EXHAUSTED" });
  finish();
  await first;
  const second = guarded.load("/nowhere", sized("three", 60));
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  await second;
});

test("the spike of a first load is told apart from what the load leaves", async () => {
  const governor = createMemoryGovernor();
  await using runtime = isolated({ memory: governor });
  // Allocates and gives back: the kernel remembers the peak.
  await runtime.load("/nowhere", obedient({ spikeBytes: 80 * mebibyte }));
  const [report] = governor.loads();
  expect(report).toMatchObject({ model: "obedient", first: true });
  expect(report?.spikeBytes ?? 0).toBeGreaterThan(60 * mebibyte);
  expect(governor.firstLoadSpikeBytes()).toBe(report?.spikeBytes);
  // From here on a load of it is taken to need as much.
  await runtime.load("/nowhere", obedient());
  expect(governor.loads()[1]?.estimatedBytes).toBe(report?.spikeBytes);
  expect(governor.usage().limitBytes).toBeGreaterThan(0);
  expect(governor.usage().usedBytes).toBeGreaterThan(process.memoryUsage.rss());
});

test("bounds out of range are refused", () => {
  expect(() => createMemoryGovernor({ share: 0 })).toThrow(RangeError);
  expect(() => createMemoryGovernor({ limitBytes: -1 })).toThrow(RangeError);
  expect(() => createMemoryGovernor({ factor: Number.NaN })).toThrow(RangeError);
});
