import {
  type CapturedPrediction,
  type Digest,
  type ModelRuntime,
  type ModelSource,
  type Tensor,
  createManualClock,
} from "@millwright/contracts";
import { denseRuntime } from "@millwright/model";
import { describe, expect, it } from "vitest";
import { type ModelServerOptions, type Shadow, type ShadowPair, openModelServer, shadow } from "../src/index.ts";
import { isolated, obedient } from "./isolation-setting.ts";
import { expected, packFolder } from "./models.ts";

const rowOf = (index: number): readonly number[] => [index / 7, -0.2, (index % 5) / 3, 0.4];

async function serverWith(stages: readonly Shadow[], options: Partial<ModelServerOptions> = {}) {
  const folder = await packFolder(3);
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages } },
    ...options,
  });
  return {
    server,
    folder,
    [Symbol.asyncDispose]: async () => {
      await server.drain();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What a model of the test's own does instead of the dense one's. */
const runtimeThat = (
  predict: (inputs: Readonly<Record<string, Tensor>>) => Promise<never> | Record<string, Tensor>,
): ModelRuntime => {
  let loads = 0;
  return {
    formats: ["dense"],
    load: async (directory, manifest, options) => {
      const real = await denseRuntime().load(directory, manifest, options);
      loads += 1;
      expect(loads).toBe(1);
      let golden = true;
      return {
        memoryBytes: real.memoryBytes,
        // Its golden request is answered well.
        predict: (inputs) => {
          if (!golden) return predict(inputs);
          golden = false;
          return real.predict(inputs);
        },
        dispose: () => real.dispose(),
      };
    },
  };
};

describe("shadow", () => {
  it("SV-18: sees its share of the traffic after callers have their answers, and answers nobody", async () => {
    const captured: CapturedPrediction[] = [];
    const pairs: ShadowPair[] = [];
    const all = shadow({ model: "late/2", name: "all", onPair: (pair) => pairs.push(pair) });
    const half = shadow({ model: "late/3", name: "half", share: 0.5, maxInFlight: 1e4 });
    const other = shadow({ model: "late/3", name: "other", share: 0.5, maxInFlight: 1e4 });
    await using open = await serverWith([all, half, other], {
      predictions: { capture: (prediction) => captured.push(prediction) },
    });
    const count = 2000;
    for (let index = 0; index < count; index += 1) {
      const { outputs, provenance } = await open.server.predict("late", {
        instances: [rowOf(index)],
        requestId: `r${index}`,
      });
      expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rowOf(index)), 5);
      expect(provenance.variant).toBe("main");
      // Requests of sockets come in turns of the loop; in one turn no more wait for the shadow than may be under way.
      if (index % 32 === 31) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all([all, half, other].map((each) => each.settled()));
    expect(all.report()).toMatchObject({
      requests: count,
      dropped: 0,
      primary: { version: 1 },
      shadow: { version: 2 },
    });
    // Within 4 standard deviations of a half; and two shadows choose for themselves.
    for (const each of [half, other])
      expect(Math.abs(each.report().requests - count / 2)).toBeLessThan(4 * Math.sqrt(count / 4));
    const [pair] = pairs;
    expect(pair?.requestId).toBe("r0");
    expect(pair?.primary.answer?.outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rowOf(0)), 5);
    expect(pair?.mirrored.answer?.outputs["probability"]?.data[0]).toBeCloseTo(expected(2, rowOf(0)), 5);
    const requestsOf = (name: string) =>
      captured.filter(({ variant }) => variant === name).map(({ requestId }) => requestId);
    expect(requestsOf("main")).toHaveLength(count);
    expect(new Set(requestsOf("all"))).toEqual(new Set(requestsOf("main")));
  });

  it("SV-18: one that hangs or throws changes nothing for callers; what it may hold is bounded", async () => {
    const clock = createManualClock();
    const hanging = shadow({
      model: "late/2",
      name: "hanging",
      maxInFlight: 8,
      timeoutMs: 1000,
      runtimes: [runtimeThat(() => new Promise<never>(() => {}))],
    });
    const throwing = shadow({
      model: "late/3",
      name: "throwing",
      maxInFlight: 1000,
      runtimes: [
        runtimeThat(() => {
          throw new RangeError("out of range");
        }),
      ],
    });
    await using open = await serverWith([hanging, throwing], { clock });
    for (let index = 0; index < 100; index += 1) {
      const { outputs } = await open.server.predict("late", { instances: [rowOf(index)] });
      expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, rowOf(index)), 5);
    }
    await throwing.settled();
    expect(throwing.report().errors).toMatchObject({ primary: 0, shadow: 100, onlyShadow: 100 });
    expect(throwing.report().recommendation.verdict).toBe("keep");
    // Those that wait for the one that hangs end with their time.
    while (hanging.report().timedOut < 8) await clock.advance(500);
    expect(hanging.report()).toMatchObject({ dropped: 92, timedOut: 8, errors: { onlyShadow: 8 } });
    const drained = open.server.drain();
    let done = false;
    void drained.then(() => (done = true));
    while (!done) await clock.advance(500);
  });

  it("SV-18: one that loops, aborts or fills its memory in a worker of its own costs callers less than a millisecond", async () => {
    const folder = await packFolder(1);
    const { signature } = (await folder.source.resolve("late/1")).manifest;
    const manifest = { ...obedient(), signature };
    const source: ModelSource = {
      resolve: async (ref, options) =>
        ref === "obedient"
          ? { digest: "sha256:obedient" as Digest, manifest, directory: folder.root, name: "obedient" }
          : folder.source.resolve(ref, options),
      watch: (ref, options) => folder.source.watch(ref, options),
    };
    await using runtime = isolated({ hangMs: 300, heapBytes: 64 * 2 ** 20 });
    const mirrored = shadow({ model: "obedient", runtimes: [runtime], timeoutMs: 3000, maxInFlight: 4 });
    const variants = { main: { model: "late/1", weight: 1 } };
    await using server = await openModelServer({
      source,
      runtimes: [denseRuntime()],
      endpoints: { alone: { variants }, shadowed: { variants, stages: [mirrored] } },
    });
    /** Processor time of this process for a request, milliseconds: workers are others. */
    const cost = async (endpoint: string, deed: number): Promise<number> => {
      const before = process.cpuUsage();
      for (let index = 0; index < 100; index += 1) {
        const { outputs } = await server.predict(endpoint, { instances: [[deed, index, 0, deed]] });
        expect(outputs["probability"]?.data[0]).toBeCloseTo(expected(1, [deed, index, 0, deed]), 4);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000 / 100;
    };
    for (const [name, deed] of [
      ["loops", 4],
      ["aborts", 1],
      ["fills its memory", 5],
    ] as const) {
      const [alone, shadowed] = [await cost("alone", deed), await cost("shadowed", deed)];
      expect(shadowed - alone, name).toBeLessThan(1);
    }
    const { errors, dropped, agreement } = mirrored.report();
    expect(errors.primary).toBe(0);
    // It did as it was told, each time until its worker was replaced.
    expect(errors.onlyShadow).toBeGreaterThan(0);
    expect(agreement.rows).toBe(0);
    expect(errors.onlyShadow + dropped).toBeLessThanOrEqual(300);
    await server.drain();
    await folder[Symbol.asyncDispose]();
  });

  it("SV-18: begins and ends with its time, an hour to 30 days, and disposes its model", async () => {
    const clock = createManualClock(1_000_000);
    const timed = shadow({ model: "late/2", startMs: 1_060_000, durationMs: 3_600_000 });
    await using open = await serverWith([timed], { clock });
    const ask = async () => {
      await open.server.predict("late", { instances: [rowOf(1)] });
      await timed.settled();
      return timed.report().requests;
    };
    expect(await ask()).toBe(0);
    await clock.advance(60_000);
    expect(await ask()).toBe(1);
    await clock.advance(3_599_999);
    expect(await ask()).toBe(2);
    await clock.advance(1);
    expect(await ask()).toBe(2);
    expect(timed.report()).toMatchObject({ fromMs: 1_060_000, untilMs: 4_659_999, shadow: { version: 2 } });
    for (const durationMs of [3_599_999, 31 * 86_400_000])
      expect(() => shadow({ model: "late/2", durationMs })).toThrow(RangeError);
    for (const share of [0, 1.01, Number.NaN]) expect(() => shadow({ model: "late/2", share })).toThrow(RangeError);
  });
});
