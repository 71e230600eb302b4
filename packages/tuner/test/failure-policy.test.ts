import { createManualClock, createRandom } from "@millwright/contracts";
import { type OnFailure, type Sampler, float, openStudy, randomSampler, tpeSampler } from "@millwright/tuner";
import { expect, test } from "vitest";

const space = { x: float(-5, 5), y: float(-5, 5) };
const options = { name: "failing", space, direction: "minimize", seed: 2 } as const;

test("HT-22: NaN, a throw, a time-out and lack of memory each fail by their kind, or by their policy are tried again or imputed", async () => {
  const clock = createManualClock();
  const failures = [
    () => Number.NaN,
    () => Promise.reject(new Error("broken")),
    async () => {
      await clock.advance(1_000);
      return new Promise<number>(() => {});
    },
    () => {
      throw new RangeError("Array buffer allocation failed");
    },
    () => Promise.reject(Object.assign(new Error("worker"), { code: "ERR_WORKER_OUT_OF_MEMORY" })),
  ];
  const run = async (onFailure: OnFailure | undefined) => {
    await using study = await openStudy({ ...options, clock, sampler: randomSampler(), onFailure, maxRetries: 1 });
    const attempts = [0, 0, 0, 0, 0, 0];
    await study.optimize(
      ({ number }) => {
        attempts[number] = (attempts[number] ?? 0) + 1;
        return (failures[number] ?? (() => 1))();
      },
      { trials: 6, failuresInARow: Infinity, trialTimeoutMs: 500 },
    );
    return { attempts, trials: await study.trials() };
  };

  const kept = await run(undefined);
  expect(kept.attempts).toEqual([1, 1, 1, 1, 1, 1]);
  expect(kept.trials.map(({ state, failure }) => failure ?? state)).toEqual([
    "nan",
    "throw",
    "timeout",
    "out-of-memory",
    "out-of-memory",
    "completed",
  ]);
  expect(kept.trials[2]?.reason).toContain("took longer than 500 ms");

  const again = await run("retry");
  expect(again.attempts).toEqual([2, 2, 2, 2, 2, 1]);
  expect(again.trials.slice(0, 5).every(({ state, retries }) => state === "failed" && retries === 1)).toBe(true);

  const mixed = await run({ nan: "impute-worst", throw: "fail", timeout: "retry" });
  expect(mixed.attempts).toEqual([1, 1, 2, 1, 1, 1]);
  expect(mixed.trials.map(({ imputed }) => imputed ?? false)).toEqual([true, false, false, false, false, false]);
  // @ts-expect-error no such policy
  await expect(openStudy({ ...options, onFailure: "ignore" })).rejects.toThrow(RangeError);
});

test("a second chance that goes well counts once, with nothing left of the failure", async () => {
  await using study = await openStudy({ ...options, onFailure: "retry" });
  let calls = 0;
  const summary = await study.optimize(
    () => {
      calls += 1;
      if (calls % 2 === 1) throw new Error("flaky");
      return calls;
    },
    { trials: 3 },
  );
  expect(summary).toMatchObject({ stopped: "trials", completed: 3, failed: 0 });
  expect(calls).toBe(6);
  expect((await study.trials())[0]).toMatchObject({ state: "completed", retries: 1, attempts: 2 });
  expect((await study.trials())[0]).not.toHaveProperty("reason");
});

test("samplers see imputed trials with the worst value known, and others' failures not at all", async () => {
  const seen: (number | undefined)[][] = [];
  const watching: Sampler = {
    name: "watching",
    suggest(given, context, random) {
      seen.push(context.trials.map(({ state, value }) => (state === "completed" ? value : undefined)));
      return randomSampler().suggest(given, context, random);
    },
  };
  await using study = await openStudy({ ...options, sampler: watching, onFailure: { throw: "impute-worst" } });
  const values = [3, undefined, 7, Number.NaN, 5];
  await study.optimize(
    ({ number }) => {
      const value = values[number];
      if (value === undefined) throw new Error("no");
      return value;
    },
    { trials: 5 },
  );
  expect(seen).toEqual([[], [3], [3, 3], [3, 7, 7], [3, 7, 7, undefined]]);
});

test("HT-22: with 30 % random failures the best is within 5 % of the fault-free median, whatever the policy", async () => {
  const bestOf = async (seed: number, rate: number, onFailure: OnFailure): Promise<number> => {
    await using study = await openStudy({ ...options, seed, sampler: tpeSampler(), pruner: false, onFailure });
    const chance = createRandom(1_000 + seed);
    await study.optimize(
      ({ params }) => {
        if (chance.next() < rate) throw new Error("bad luck");
        return 0.1 + (params.x ** 2 + params.y ** 2) / 50;
      },
      { trials: 60, failuresInARow: Infinity },
    );
    return (await study.best()).value;
  };
  const medianOf = async (rate: number, onFailure: OnFailure): Promise<number> => {
    const bests: number[] = [];
    for (let seed = 0; seed < 7; seed += 1) bests.push(await bestOf(seed, rate, onFailure));
    return bests.toSorted((a, b) => a - b)[3] as number;
  };
  const faultFree = await medianOf(0, "fail");
  for (const policy of ["fail", "retry", "impute-worst"] as const)
    expect(await medianOf(0.3, policy)).toBeLessThanOrEqual(1.05 * faultFree);
}, 300_000);
