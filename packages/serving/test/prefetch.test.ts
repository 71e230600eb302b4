import { createManualClock, createRandom } from "@millwright/contracts";
import { describe, expect, it } from "vitest";
import { type PrefetchOptions, createModelCatalog, openModelServer, prefetch } from "../src/index.ts";
import { openFleet, row } from "./fleet.ts";

interface Step {
  readonly atMs: number;
  readonly target: string;
  readonly session?: string | undefined;
}

const minuteMs = 60_000;
const slots = 8;
const perSlot = 4;

/** Every ten minutes another four models are asked in a burst that begins at a time of its own; one request in twenty goes anywhere. */
function burstyTrace(periods: number, seed: number): readonly Step[] {
  const random = createRandom(seed);
  const steps: Step[] = [];
  for (let slot = 0; slot < periods * slots; slot += 1) {
    const startMs = slot * 10 * minuteMs + random.next() * 2 * minuteMs;
    for (let request = 0; request < 16; request += 1) {
      const anywhere = random.next() < 0.05;
      const model = anywhere ? 100 + random.integer(100) : (slot % slots) * perSlot + random.integer(perSlot);
      steps.push({ atMs: startMs + request * 10_000, target: `m${model}` });
    }
  }
  return steps;
}

/** People who go from one model to the next, each along a path of their own, with a step aside now and then. */
function walks(count: number, seed: number): readonly Step[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, (_, walk) => {
    const path = random.integer(6);
    return Array.from({ length: 6 }, (_unused, step) => ({
      atMs: walk * 7000 + step * 1000,
      target: random.next() < 0.05 ? `m${200 + random.integer(50)}` : `m${path * 6 + step}`,
      session: `person ${walk}`,
    }));
  }).flat();
}

/** Cold hits of a trace with room for a few models; the requests are real, the time is the trace's. */
async function coldHits(trace: readonly Step[], room: number, options?: Omit<PrefetchOptions, "models">) {
  const clock = createManualClock(1_700_000_000_000 - (1_700_000_000_000 % (slots * 10 * minuteMs)));
  const startMs = clock.nowMs();
  await using fleet = await openFleet({ models: room }, { clock });
  const models = fleet.models;
  const stage = options === undefined ? undefined : prefetch({ ...options, models });
  // The stage stands in an endpoint of its own over the same catalog's server.
  const told = { clock, meter: silent, logger: quiet, endpoint: "fleet" } as never;
  await stage?.open?.(told);
  for (const { atMs, target, session } of trace) {
    const waitMs = startMs + atMs - clock.nowMs();
    if (waitMs > 0) await clock.advance(waitMs);
    await settled();
    const request = { targetModel: target, instances: [row], stickyKey: session };
    const ask = () => fleet.server.predict("fleet", request);
    await (stage?.request?.({ request, endpoint: "fleet" } as never, ask) ?? ask());
  }
  await stage?.close?.();
  const { misses, hits } = models.stats();
  expect(hits + misses).toBe(trace.length);
  return { cold: misses, stats: stage?.stats() };

  /** Loads are real and take real time, of which the trace's clock knows nothing. */
  async function settled(): Promise<void> {
    for (let quietTurns = 0; quietTurns < 3; quietTurns += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (fleet.busy()) quietTurns = 0;
    }
  }
}

const silent = { counter: () => ({ add: () => {} }) };
const quiet = { warn: () => {} };

describe("prefetching", () => {
  it("SV-28: by the time of day cuts cold hits of bursts by at least half against LRU with the same memory", async () => {
    const trace = burstyTrace(4, 11);
    const plain = await coldHits(trace, 8);
    const pattern = { periodMs: slots * 10 * minuteMs, slotMs: 10 * minuteMs, leadMs: minuteMs, most: perSlot };
    const ahead = await coldHits(trace, 8, { next: false, pattern, maxConcurrent: 4 });
    expect(plain.cold).toBeGreaterThan(100);
    expect(ahead.cold).toBeLessThanOrEqual(plain.cold / 2);
    expect(ahead.stats).toMatchObject({
      requests: trace.length,
      cold: ahead.cold,
      coldRate: ahead.cold / trace.length,
    });
    expect(ahead.stats?.used).toBeGreaterThan(50);
  });

  it("SV-28: by what people were seen to ask next cuts cold hits by at least half", async () => {
    const trace = walks(100, 5);
    const plain = await coldHits(trace, 6);
    const ahead = await coldHits(trace, 6, {});
    expect(plain.cold).toBeGreaterThan(400);
    // The first step of a walk cannot be foreseen, nor a step aside.
    expect(ahead.cold).toBeLessThanOrEqual(plain.cold / 2);
  });

  it("keeps warm what is pinged, in the server it stands in, and measures how often a request was cold", async () => {
    await using fleet = await openFleet({ models: 1 });
    const models = createModelCatalog({ memoryBytes: 2.5 * fleet.modelBytes, refOf: (target) => `late/${target}` });
    const stage = prefetch({ models, next: false, pings: [{ target: "1", everyMs: 5 }] });
    const server = await openModelServer({
      source: fleet.folder.source,
      runtimes: [fleet.runtime],
      endpoints: { fleet: { variants: {}, models, stages: [stage] } },
    });
    for (const target of ["2", "3", "4", "5"]) {
      await server.predict("fleet", { instances: [row], targetModel: target });
      // Whatever else is asked it comes back.
      await expect.poll(() => models.model("1"), { interval: 5 }).toBeDefined();
    }
    expect(stage.stats()).toMatchObject({ requests: 4, cold: 4, coldRate: 1 });
    await server.drain();
    expect(() => prefetch({ models, next: { minShare: 2 } })).toThrow(RangeError);
  });
});
