import { createManualClock } from "@millwright/contracts";
import { openMemoryRecordStore } from "@millwright/storage";
import { describe, expect, it } from "vitest";
import { type ModelServerOptions, type ResponseCacheOptions, openModelServer, responseCache } from "../src/index.ts";
import { inputKey } from "../src/cache/input-key.ts";
import { createCounts } from "./counts.ts";
import { type ModelFolder, denseRuntime, expected, matrix, packFolder } from "./models.ts";

const row = [0.1, -0.2, 0.3, 0.4];

async function openWith(
  folder: ModelFolder,
  options: Partial<ResponseCacheOptions> = {},
  more: Partial<ModelServerOptions> = {},
) {
  const counting = { calls: 0, hold: undefined as Promise<void> | undefined, fail: false };
  const inner = denseRuntime();
  const cache = responseCache({ ttlMs: 60_000, ...options });
  const server = await openModelServer({
    source: folder.source,
    runtimes: [
      {
        formats: inner.formats,
        async load(directory, manifest, given) {
          const loaded = await inner.load(directory, manifest, given);
          return {
            ...loaded,
            async predict(inputs, asked) {
              counting.calls += 1;
              await counting.hold;
              if (counting.fail) throw new RangeError("not today");
              return loaded.predict(inputs, asked);
            },
          };
        },
      },
    ],
    endpoints: { late: { variants: { main: { model: "late@champion", weight: 1 } }, stages: [cache] } },
    ...more,
  });
  counting.calls = 0;
  const ask = async (values: readonly number[] = row, signal?: AbortSignal) => {
    const { outputs, provenance } = await server.predict("late", { instances: [values], signal });
    return { said: outputs["probability"]?.data[0] as number, outputs, provenance };
  };
  return { server, cache, counting, ask, [Symbol.asyncDispose]: () => server.drain() };
}

describe("a response cache", () => {
  it("SV-41: gives no answer of another version: 0 stale hits over a switch under load", async () => {
    await using folder = await packFolder(2);
    await using open = await openWith(folder);
    const { ask, cache, counting } = open;
    const rows = Array.from({ length: 20 }, (_, at) => row.map((value) => value + at / 10));
    let stale = 0;
    const round = async () => {
      for (const values of rows) {
        const { said, provenance } = await ask(values);
        const version = provenance.model.version ?? 0;
        if (Math.abs(said - expected(version, values)) > 1e-5) stale += 1;
      }
    };
    await round();
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 20, entries: 20 });
    await round();
    expect([cache.stats().hits, counting.calls]).toEqual([20, 20]);
    await folder.point("champion", 2);
    let newest = 1;
    for (let look = 0; look < 400 && newest === 1; look += 1) {
      await round();
      newest = (await ask()).provenance.model.version ?? 0;
      await new Promise<void>((resolve) => setTimeout(resolve, 5));
    }
    expect(newest).toBe(2);
    await round();
    for (const values of rows) {
      const { said, provenance } = await ask(values);
      expect(provenance).toMatchObject({ reused: "cache", model: { version: 2 } });
      expect(said).toBeCloseTo(expected(2, values), 5);
    }
    expect(stale).toBe(0);
  });

  it("SV-41: does not mind the order of keys, but every value, name, type and shape", () => {
    const tensors = (inputs: Parameters<typeof matrix>[0]) => ({ a: matrix(inputs), b: matrix([[1]]) });
    const key = (payload: Parameters<typeof inputKey>[1], digest = "sha256:1") => inputKey([digest, ""], payload);
    const plain = key({ kind: "tensors", tensors: tensors([[1, 2]]) });
    const { a, b } = tensors([[1, 2]]);
    expect(key({ kind: "tensors", tensors: { b, a } })).toBe(plain);
    const others = [
      key({ kind: "tensors", tensors: { a: matrix([[1, 3]]), b } }),
      key({ kind: "tensors", tensors: { a: matrix([[1], [2]]), b } }),
      key({ kind: "tensors", tensors: { c: a, b } }),
      key({ kind: "tensors", tensors: { a: { dtype: "int32", shape: [1, 2], data: Int32Array.of(1, 2) }, b } }),
      key({ kind: "tensors", tensors: { a, b } }, "sha256:2"),
      key({ kind: "tensors", tensors: { a: { dtype: "string", shape: [1, 2], data: ["1,", "2"] }, b } }),
      key({ kind: "tensors", tensors: { a: { dtype: "string", shape: [1, 2], data: ["1", ",2"] }, b } }),
    ];
    expect(new Set([plain, ...others]).size).toBe(others.length + 1);

    const words = (texts: readonly string[]) => ({
      type: "utf8" as const,
      length: texts.length,
      values: Buffer.from(texts.join("")),
      offsets: Int32Array.from([0, ...texts.map((_, at) => texts.slice(0, at + 1).join("").length)]),
    });
    const columns = (columnsOf: object) => key({ kind: "columns", batch: { length: 2, columns: columnsOf as never } });
    const numbers = (values: readonly number[], validity?: number) => ({
      type: "float64",
      length: 2,
      values: Float64Array.from(values),
      ...(validity === undefined ? {} : { validity: Uint8Array.of(validity) }),
    });
    const whole = columns({ carrier: words(["ab", "c"]), distance: numbers([1, 2]) });
    expect(columns({ distance: numbers([1, 2]), carrier: words(["ab", "c"]) })).toBe(whole);
    expect(columns({ distance: numbers([1, 2], 0b11111111), carrier: words(["ab", "c"]) })).toBe(whole);
    // The same texts as a dictionary.
    const dictionary = { type: "dictionary", length: 2, values: Int32Array.of(1, 0), dictionary: words(["c", "ab"]) };
    expect(columns({ carrier: dictionary, distance: numbers([1, 2]) })).toBe(whole);
    expect(columns({ carrier: words(["a", "bc"]), distance: numbers([1, 2]) })).not.toBe(whole);
    const missing = columns({ carrier: words(["ab", "c"]), distance: numbers([1, 2], 0b01) });
    expect(missing).not.toBe(whole);
    // What stands where there is nothing is nothing.
    expect(columns({ carrier: words(["ab", "c"]), distance: numbers([1, 9], 0b01) })).toBe(missing);
    expect(columns({ carrier: words(["ab", "c"]), distance: numbers([1, 0]) })).not.toBe(missing);
  });

  it("keeps answers for their time and within its bytes, the ones used last", async () => {
    const clock = createManualClock();
    const { meter, of } = createCounts();
    await using folder = await packFolder(1);
    await using open = await openWith(folder, { ttlMs: 1000, maxBytes: 3 * 700 }, { clock, meter, watch: false });
    const { ask, cache, counting } = open;
    await ask();
    await clock.advance(900);
    expect((await ask()).provenance.reused).toBe("cache");
    await clock.advance(200);
    expect((await ask()).provenance.reused).toBeUndefined();
    for (let at = 1; at <= 20; at += 1) {
      await ask(row.map((value) => value + at));
      await ask();
    }
    expect(cache.stats().bytes).toBeLessThanOrEqual(3 * 700);
    expect(cache.stats().entries).toBeGreaterThanOrEqual(2);
    // Asked in between each time, so never the one that left.
    expect(counting.calls).toBe(22);
    expect(of("millwright_serving_response_cache_requests_total", { result: "hits" })).toHaveLength(21);
    const changed = await ask();
    Object.assign(changed.outputs["probability"]?.data ?? [], { 0: 42 });
    expect((await ask()).said).toBeCloseTo(expected(1, row), 5);
  });

  it("asks the model once for equal inputs at once; who gives up does not take the others along; failures are not kept", async () => {
    await using folder = await packFolder(1);
    await using open = await openWith(folder);
    const { ask, cache, counting } = open;
    let release = (): void => {};
    counting.hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const gone = new AbortController();
    const asked = [ask(row, gone.signal), ...Array.from({ length: 30 }, () => ask())];
    const settled = Promise.allSettled(asked);
    await new Promise<void>((resolve) => setTimeout(resolve, 20));
    gone.abort();
    release();
    const outcomes = await settled;
    expect(outcomes.slice(1).every(({ status }) => status === "fulfilled")).toBe(true);
    expect(counting.calls).toBeLessThanOrEqual(2);
    expect(cache.stats().coalesced + cache.stats().hits).toBeGreaterThanOrEqual(29);
    counting.fail = true;
    const other = row.map((value) => value + 1);
    const failed = await Promise.allSettled(Array.from({ length: 10 }, () => ask(other)));
    expect(failed.every(({ status }) => status === "rejected")).toBe(true);
    counting.fail = false;
    expect((await ask(other)).said).toBeCloseTo(expected(1, other), 5);
  });

  it("keeps answers in records for other processes, and goes on where the records fail", async () => {
    const records = openMemoryRecordStore();
    await using folder = await packFolder(1);
    {
      await using open = await openWith(folder, { records });
      await open.ask();
    }
    await using again = await openWith(folder, { records });
    expect(await again.ask()).toMatchObject({
      provenance: { reused: "cache" },
      said: expect.closeTo(expected(1, row), 5),
    });
    expect(again.counting.calls).toBe(0);
    const down = async () => {
      throw new RangeError("the store is down");
    };
    await using broken = await openWith(folder, { records: { ...records, read: down, write: down } });
    expect((await broken.ask()).said).toBeCloseTo(expected(1, row), 5);
    expect((await broken.ask()).provenance.reused).toBeUndefined();
  });

  it("leaves alone what may not be answered from it", async () => {
    await using folder = await packFolder(1);
    await using open = await openWith(folder, { cacheable: ({ rows }) => rows > 1 });
    await open.ask();
    await open.ask();
    expect(open.counting.calls).toBe(2);
    expect(() => responseCache({ ttlMs: 0 })).toThrow(RangeError);
  });
});
