import { setMaxListeners } from "node:events";
import { type Clock, createManualClock, createRandom, hasCode } from "@millwright/contracts";
import {
  type TrialResources,
  type TrialShare,
  type TrialSlots,
  createTrialSlots,
  float,
  openStudy,
  randomSampler,
} from "@millwright/tuner";
import { expect, test } from "vitest";

interface Load {
  readonly clock: Clock;
  readonly share: TrialShare;
  readonly signal: AbortSignal;
  /** Trials at a time. */
  readonly parallelism: number;
  readonly next: () => { readonly resources: TrialResources; readonly durationMs: number };
  readonly during?: () => void;
}

/** A study that always has trials to run. */
async function keepBusy({ clock, share, signal, parallelism, next, during }: Load): Promise<void> {
  setMaxListeners(0, signal);
  const work = async (): Promise<void> => {
    while (!signal.aborted) {
      const { resources, durationMs } = next();
      const slot = await share.acquire(resources, { signal });
      during?.();
      await clock.sleep(durationMs, { signal }).finally(() => slot.release());
    }
  };
  await Promise.allSettled(Array.from({ length: parallelism }, work));
}

async function letPass(clock: ReturnType<typeof createManualClock>, durationMs: number): Promise<void> {
  for (let at = 0; at < durationMs; at += 100) await clock.advance(100);
}

const shareOf = (a: TrialShare, b: TrialShare): number => a.usedMs() / (a.usedMs() + b.usedMs());

test("HT-21: two studies share the slots 50/50 within 5 %, however long their trials are and however many they ask for at once", async () => {
  for (let seed = 0; seed < 8; seed += 1) {
    const clock = createManualClock();
    const slots = createTrialSlots({ cpus: 8, gpus: 2, memoryBytes: 64 }, { clock });
    const random = createRandom(seed);
    const stop = new AbortController();
    const { signal } = stop;
    const [a, b] = [slots.share("a"), slots.share("b")];
    const loads = [
      keepBusy({
        clock,
        share: a,
        signal,
        parallelism: 40,
        next: () => ({ resources: { cpus: 1 }, durationMs: 50 + 100 * random.next() }),
      }),
      keepBusy({
        clock,
        share: b,
        signal,
        parallelism: 6,
        next: () => ({ resources: { cpus: 2, memoryBytes: 8 }, durationMs: 500 + 1_000 * random.next() }),
      }),
    ];
    await letPass(clock, 30_000);
    const part = shareOf(a, b);
    stop.abort();
    await Promise.all(loads);
    expect(part).toBeGreaterThan(0.475);
    expect(part).toBeLessThan(0.525);
  }
});

test("HT-21: a share of weight 3 has three times the time of one of weight 1, and the caps hold in random oversubscription", async () => {
  for (let seed = 0; seed < 12; seed += 1) {
    const clock = createManualClock();
    const capacity = { cpus: 6, gpus: 3, memoryBytes: 1_000 };
    const slots: TrialSlots = createTrialSlots(capacity, { clock });
    const random = createRandom(100 + seed);
    const stop = new AbortController();
    const { signal } = stop;
    const held = { most: 0, broken: [] as unknown[] };
    const during = (): void => {
      const { cpus, gpus, memoryBytes } = slots.used();
      held.most = Math.max(held.most, cpus);
      if (cpus > capacity.cpus + 1e-9 || gpus > capacity.gpus + 1e-9 || memoryBytes > capacity.memoryBytes)
        held.broken.push({ cpus, gpus, memoryBytes });
    };
    const next = () => ({
      resources: {
        cpus: 0.5 * (1 + random.integer(6)),
        gpus: [0, 0, 0.25, 0.5, 1, 2][random.integer(6)] as number,
        memoryBytes: 300 * random.next(),
      },
      durationMs: 20 + 400 * random.next(),
    });
    const [a, b] = [slots.share("a", { weight: 3 }), slots.share("b", { weight: 1 })];
    const loads = [a, b].map((share) => keepBusy({ clock, share, signal, parallelism: 20, next, during }));
    await letPass(clock, 60_000);
    const part = shareOf(a, b);
    stop.abort();
    await Promise.all(loads);
    expect(held.broken).toEqual([]);
    expect(held.most).toBeGreaterThan(3);
    expect(part).toBeGreaterThan(0.7);
    expect(part).toBeLessThan(0.8);
    expect(slots.used()).toEqual({ cpus: 0, gpus: 0, memoryBytes: 0 });
  }
});

test("devices are given whole or in shares, and no share of a device that somebody has whole", async () => {
  const slots = createTrialSlots({ gpus: 2 });
  const share = slots.share("a");
  const half = await share.acquire({ gpus: 0.5 });
  const whole = await share.acquire({ gpus: 1 });
  const other = await share.acquire({ gpus: 0.5 });
  expect(half.gpus).toEqual(other.gpus);
  expect(whole.gpus).not.toEqual(half.gpus);
  const waiting = share.acquire({ gpus: 2 });
  let isGiven = false;
  void waiting.then(() => (isGiven = true));
  half.release();
  half.release();
  whole.release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(isGiven).toBe(false);
  other.release();
  expect((await waiting).gpus).toEqual([0, 1]);
});

test("a request that does not fit lets small ones go first, but not for ever; one that is given up leaves the queue; the impossible is refused", async () => {
  const clock = createManualClock();
  const slots = createTrialSlots({ cpus: 4 }, { clock });
  const stop = new AbortController();
  const [small, large] = [slots.share("small"), slots.share("large")];
  const load = keepBusy({
    clock,
    share: small,
    signal: stop.signal,
    parallelism: 8,
    next: () => ({ resources: { cpus: 1 }, durationMs: 10 }),
  });
  await clock.advance(5);
  const whole = large.acquire({ cpus: 4 });
  await clock.advance(200);
  (await whole).release();
  const controller = new AbortController();
  const given = large.acquire({ cpus: 4 }, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await expect(given).rejects.toThrow("enough");
  await expect(large.acquire({ cpus: 5 })).rejects.toSatisfy((error) => hasCode(error, "TUNER_RESOURCES_IMPOSSIBLE"));
  stop.abort();
  await load;
  await clock.advance(20);
  expect(slots.used().cpus).toBe(0);
  expect(() => slots.share("a", { weight: 0 })).toThrow(RangeError);
});

test("HT-21: two studies that are optimized at once take turns in the slots: never more trials than fit, and each half of the time", async () => {
  const slots = createTrialSlots({ cpus: 4 });
  const running = { now: 0, most: 0 };
  const run = async (name: string, parallelism: number, trials: number) => {
    await using study = await openStudy({
      name,
      space: { x: float(0, 1) },
      direction: "minimize",
      sampler: randomSampler(),
      pruner: false,
    });
    await study.optimize(
      async ({ params }) => {
        running.now += 1;
        running.most = Math.max(running.most, running.now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running.now -= 1;
        return params.x;
      },
      { trials, parallelism, slots },
    );
  };
  const first = run("a", 24, 400);
  const second = run("b", 6, 400);
  await Promise.race([first, second]);
  const part = shareOf(slots.share("a"), slots.share("b"));
  await Promise.all([first, second]);
  expect(running.most).toBe(4);
  expect(part).toBeGreaterThan(0.45);
  expect(part).toBeLessThan(0.55);
});
