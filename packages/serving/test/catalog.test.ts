import { createManualClock, modelCorrupt } from "@millwright/contracts";
import { describe, expect, it, vi } from "vitest";
import { type CatalogEvent, createModelCatalog, openModelServer } from "../src/index.ts";
import { createCounts } from "./counts.ts";
import { openFleet, row, versionOf, watchedRuntime, zipfTrace } from "./fleet.ts";
import { expected, packFolder } from "./models.ts";

/** Least recently used, by the book: which requests of a trace find their model among the `room` used last. */
function lruOracle(trace: readonly string[], room: number): readonly boolean[] {
  let held: readonly string[] = [];
  return trace.map((name) => {
    const hit = held.includes(name);
    held = [...held.filter((each) => each !== name), name].slice(-room);
    return hit;
  });
}

const gate = (): { readonly promise: Promise<void>; readonly open: () => void } => {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
};

const until = async (reached: () => boolean): Promise<void> => {
  while (!reached()) await new Promise<void>((resolve) => setTimeout(resolve, 5));
};

describe("a catalog of models", () => {
  it("SV-25: 500 models with room for 20 are hit as an LRU oracle says, and what is counted is exact", async () => {
    const { meter, of } = createCounts();
    const events: CatalogEvent[] = [];
    await using fleet = await openFleet({ models: 20, onEvent: (event) => events.push(event) }, { meter });
    const trace = zipfTrace(500, 1200, 7);
    const oracle = lruOracle(trace, 20);
    const hits: boolean[] = [];
    for (const name of trace) {
      hits.push(fleet.models.model(name) !== undefined);
      const { outputs, provenance } = await fleet.ask(name);
      expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(versionOf(name), row), 5);
      expect(provenance).toMatchObject({ endpoint: "fleet", variant: "models", model: { name } });
    }
    expect(hits).toEqual(oracle);
    const hit = oracle.filter(Boolean).length;
    const miss = trace.length - hit;
    expect(hit / trace.length).toBeGreaterThan(0.3);
    expect(fleet.models.stats()).toEqual({
      hits: hit,
      misses: miss,
      loads: miss,
      failures: 0,
      evictions: miss - 20,
      loaded: 20,
      memoryBytes: 20 * fleet.modelBytes,
    });
    // Of the process: after the first load the size is known before the load, and there are never 21 in memory.
    expect(fleet.runtime.held).toBe(20);
    expect(fleet.runtime.mostHeld).toBe(20);
    const counted = (name: string, labels = {}) => of(`millwright_serving_${name}`, { endpoint: "fleet", ...labels });
    expect(counted("model_cache_requests_total", { result: "hit" })).toHaveLength(hit);
    expect(counted("model_cache_requests_total", { result: "miss" })).toHaveLength(miss);
    expect(counted("model_downloading_seconds")).toHaveLength(miss);
    expect(counted("model_loading_seconds")).toHaveLength(miss);
    expect(counted("model_loading_wait_seconds")).toHaveLength(miss);
    expect(counted("model_unloading_seconds")).toHaveLength(miss - 20);
    expect(counted("model_unloads_total", { reason: "memory" })).toHaveLength(miss - 20);
    expect(counted("loaded_models").at(-1)).toBe(20);
    expect(counted("loaded_model_bytes").at(-1)).toBe(20 * fleet.modelBytes);
    expect(Math.max(...counted("loaded_models"))).toBe(20);
    expect(events.filter(({ type }) => type === "loaded")).toHaveLength(miss);
    expect(events.filter(({ type }) => type === "unloaded")).toHaveLength(miss - 20);
    await fleet.server.drain();
    expect(fleet.models.stats()).toMatchObject({ loaded: 0, memoryBytes: 0 });
    expect(fleet.runtime.held).toBe(0);
  });

  it("keeps what is pinned, and unloads by when requests came, not by when they were answered", async () => {
    await using fleet = await openFleet({ models: 3, pins: ["m0"] });
    expect(fleet.models.models().map(({ target, pinned }) => [target, pinned])).toEqual([["m0", true]]);
    await Promise.all(["m1", "m2", "m1"].map((name) => fleet.ask(name)));
    await fleet.ask("m3");
    expect(fleet.models.models().map(({ target }) => target)).toEqual(["m0", "m1", "m3"]);
    fleet.models.unpin("m0");
    await fleet.ask("m4");
    expect(fleet.models.models().map(({ target }) => target)).toEqual(["m1", "m3", "m4"]);
  });

  it("never unloads a model in use: a load waits for it, and is refused where it takes too long", async () => {
    const clock = createManualClock();
    await using fleet = await openFleet({ models: 1, memoryWaitMs: 500 }, { clock });
    await fleet.ask("m0");
    const held = gate();
    fleet.runtime.hold = held.promise;
    const first = fleet.ask("m1");
    // m1 takes the memory of m0 and is being loaded; m2 waits for it.
    await until(() => fleet.runtime.loading === 1);
    const refused = Promise.allSettled([fleet.ask("m2")]);
    const waits = setInterval(() => void clock.advance(100), 10);
    expect(await refused).toMatchObject([{ reason: { code: "SERVING_MODEL_MEMORY", retryable: true } }]);
    clearInterval(waits);
    expect(fleet.runtime.loads).toBe(2);
    held.open();
    fleet.runtime.hold = undefined;
    await first;
    await fleet.ask("m2");
    expect(fleet.models.models().map(({ target }) => target)).toEqual(["m2"]);
  });

  it("refuses a model that is too large alone, with the sizes, and unloads nothing for it", async () => {
    await using fleet = await openFleet({ models: 2, sizeOf: ({ name }) => (name === "m9" ? 1e9 : 1000) });
    await fleet.ask("m0");
    await expect(fleet.ask("m9")).rejects.toMatchObject({
      code: "SERVING_MODEL_TOO_LARGE",
      message: expect.stringContaining(`1000000000 bytes`),
    });
    expect(fleet.runtime.loads).toBe(1);
    expect(fleet.models.model("m0")).toBeDefined();
    // What is found to be too large only when it is loaded.
    await using small = await openFleet({ models: 0.5, sizeOf: () => 1 });
    await expect(small.ask("m0")).rejects.toMatchObject({ code: "SERVING_MODEL_TOO_LARGE" });
    expect([small.runtime.loads, small.runtime.held]).toEqual([1, 0]);
    expect(small.models.stats()).toMatchObject({ loaded: 0, memoryBytes: 0, failures: 1 });
  });

  it("keeps no model without caching, and one load serves whoever asks meanwhile", async () => {
    await using fleet = await openFleet({ models: 3, caching: false });
    await Promise.all([fleet.ask("m0"), fleet.ask("m0"), fleet.ask("m1")]);
    await fleet.ask("m0");
    await expect.poll(() => fleet.runtime.held, { interval: 5 }).toBe(0);
    expect(fleet.runtime.loads).toBe(3);
    expect(fleet.models.models()).toEqual([]);
  });

  it("lets one model go for each load while the process holds too much as measured", async () => {
    let measured = 0;
    await using fleet = await openFleet({ models: 10, maxProcessBytes: 1000, measureBytes: () => measured });
    for (const name of ["m0", "m1", "m2"]) await fleet.ask(name);
    measured = 1001;
    await fleet.ask("m3");
    await fleet.ask("m4");
    measured = 0;
    await fleet.ask("m5");
    expect(fleet.models.models().map(({ target }) => target)).toEqual(["m2", "m3", "m4", "m5"]);
  });

  it("is asked only by whoever may, by name, and in an endpoint that has one", async () => {
    await using fleet = await openFleet({ models: 2, mayUse: (target, principal) => target === `m${principal}` });
    const as = (principal: string | undefined, targetModel?: string) =>
      fleet.server.predict("fleet", { instances: [row], principal, targetModel });
    await as("1", "m1");
    await expect(as("2", "m1")).rejects.toMatchObject({ code: "SERVING_FORBIDDEN" });
    await expect(as(undefined, "m1")).rejects.toMatchObject({ code: "SERVING_FORBIDDEN" });
    await expect(as("1")).rejects.toMatchObject({ code: "SERVING_REQUEST_INVALID" });
    await expect(as("x/../y", "mx/../y")).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
    await expect(as("\u0000", "m\u0000")).rejects.toMatchObject({ code: "SERVING_REQUEST_INVALID" });
    expect(() => createModelCatalog({ memoryBytes: 0 })).toThrow(RangeError);
  });
});

describe("loads", () => {
  it("SV-26: 1,000 concurrent first hits make one load, and a load that fails backs off", async () => {
    const clock = createManualClock();
    await using fleet = await openFleet({ models: 5 }, { clock });
    const answers = await Promise.all(Array.from({ length: 1000 }, () => fleet.ask("m3")));
    expect(new Set(answers.map(({ outputs }) => outputs["probability"]?.data[0])).size).toBe(1);
    expect(answers[0]?.outputs["probability"]?.data[0]).toBeCloseTo(expected(4, row), 5);
    expect(fleet.runtime.loads).toBe(1);
    expect(fleet.models.stats()).toMatchObject({ hits: 0, misses: 1000, loads: 1 });

    fleet.runtime.fail = modelCorrupt("m4", "a disk lost it");
    const failing = async (): Promise<void> => {
      const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => fleet.ask("m4")));
      for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: "PORT_MODEL_CORRUPT" } });
    };
    const loadsAt: number[] = [];
    for (let second = 0; second < 40; second += 1) {
      const before = fleet.runtime.loads;
      await failing();
      if (fleet.runtime.loads > before) loadsAt.push(second);
      expect(fleet.runtime.loads - before).toBeLessThanOrEqual(1);
      await clock.advance(1000);
    }
    // 4,000 requests in 40 seconds: pauses of about 1, 2, 4, 8 and 16 seconds.
    expect(loadsAt.length).toBeGreaterThanOrEqual(5);
    expect(loadsAt.length).toBeLessThanOrEqual(7);
    const pauses = loadsAt.slice(1).map((at, index) => at - (loadsAt[index] ?? 0));
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    fleet.runtime.fail = undefined;
    await clock.advance(60_000 * 1.25);
    await fleet.ask("m4");
    expect(fleet.models.model("m4")).toBeDefined();
  });

  it("look at a package again only when `verifiedMs` is over, or a load failed", async () => {
    const clock = createManualClock();
    let looks = 0;
    await using folder = await packFolder(2);
    const runtime = watchedRuntime();
    const models = createModelCatalog({ memoryBytes: 65_536, verifiedMs: 1000, backoffMs: 0 });
    await using server = await openModelServer({
      source: {
        ...folder.source,
        resolve: (ref, options) => {
          looks += 1;
          return folder.source.resolve(ref, options);
        },
      },
      runtimes: [runtime],
      endpoints: { fleet: { variants: {}, models } },
      clock,
    });
    const ask = (targetModel: string) => server.predict("fleet", { instances: [row], targetModel });
    for (const target of ["late/1", "late/2", "late/1", "late/2"]) await ask(target);
    expect([looks, runtime.loads]).toEqual([2, 4]);
    await clock.advance(1001);
    await ask("late/1");
    expect(looks).toBe(3);
    runtime.fail = modelCorrupt("late", "its files were changed");
    await clock.advance(1);
    await expect(ask("late/2")).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
    runtime.fail = undefined;
    await clock.advance(1);
    await ask("late/2");
    expect(looks).toBe(5);
  });

  it("are few at once, and are turned away where too many wait", async () => {
    await using fleet = await openFleet({ models: 50, maxConcurrentLoads: 2, maxWaitingLoads: 5 });
    const held = gate();
    fleet.runtime.hold = held.promise;
    const asked = Array.from({ length: 10 }, (_, at) => fleet.ask(`m${at}`));
    const settled = Promise.allSettled(asked);
    await vi.waitFor(() => expect(fleet.runtime.loading).toBe(2), { timeout: 100_000 });
    held.open();
    const outcomes = await settled;
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
    expect(outcomes.slice(7)).toEqual(
      Array.from({ length: 3 }, () =>
        expect.objectContaining({ reason: expect.objectContaining({ code: "SERVING_OVERLOADED" }) }),
      ),
    );
    expect(fleet.runtime.mostLoading).toBe(2);
  });

  it("go on for others when one who waits gives up", async () => {
    await using fleet = await openFleet({ models: 2 });
    const held = gate();
    fleet.runtime.hold = held.promise;
    const gone = new AbortController();
    const first = fleet.ask("m0", gone.signal);
    const second = fleet.ask("m0");
    const refused = Promise.allSettled([first]);
    gone.abort(new RangeError("gone"));
    expect(await refused).toMatchObject([{ reason: { message: "gone" } }]);
    held.open();
    await second;
    expect(fleet.runtime.loads).toBe(1);
  });

  it("are ended by draining, which unloads what comes too late", async () => {
    const fleet = await openFleet({ models: 2 });
    const held = gate();
    fleet.runtime.hold = held.promise;
    const loading = fleet.models.load("m0");
    const outcome = Promise.allSettled([loading]);
    const drained = fleet[Symbol.asyncDispose]();
    held.open();
    await outcome;
    await drained;
    expect(fleet.runtime.held).toBe(0);
    await expect(fleet.models.load("m0")).rejects.toMatchObject({ code: "SERVING_DRAINING" });
  });
});

describe("a catalog by hand", () => {
  it("loads, tells, and unloads; refuses what is loaded or not", async () => {
    await using fleet = await openFleet({ models: 2 });
    const { models } = fleet;
    expect(await models.load("m1")).toMatchObject({ target: "m1", ref: "m1", memoryBytes: fleet.modelBytes, users: 0 });
    await expect(models.load("m1")).rejects.toMatchObject({ code: "SERVING_MODEL_LOADED" });
    await models.pin("m2");
    await expect(models.load("m3", { mayEvict: false })).rejects.toMatchObject({ code: "SERVING_MODEL_MEMORY" });
    await models.unload("m1");
    await expect(models.unload("m1")).rejects.toMatchObject({ code: "SERVING_MODEL_NOT_LOADED" });
    expect(fleet.runtime.held).toBe(1);
    await models.load("other", { ref: "m3", mayEvict: false });
    expect(models.model("other")?.model.name).toBe("m3");
  });
});
