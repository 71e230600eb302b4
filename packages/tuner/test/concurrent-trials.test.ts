import { setTimeout as sleep } from "node:timers/promises";
import { float, int, openStudy, randomSampler } from "@millwright/tuner";
import { expect, test } from "vitest";

const space = { x: float(-5, 5), n: int(1, 64, { log: true }) };

/** Processor time of each turn of the event loop, milliseconds: unlike its delay, it tells nothing of what else runs on the machine. */
function watchTurns(): () => readonly number[] {
  const turns: number[] = [];
  let goesOn = true;
  let before = process.cpuUsage();
  const turn = (): void => {
    const { user, system } = process.cpuUsage(before);
    turns.push((user + system) / 1_000);
    before = process.cpuUsage();
    if (goesOn) setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    goesOn = false;
    return turns.toSorted((a, b) => a - b);
  };
}

test("HT-27: a thousand trials run at once on one event loop, none of which holds it up", async () => {
  await using study = await openStudy({
    name: "crowd",
    space,
    direction: "minimize",
    sampler: randomSampler(),
    pruner: false,
  });
  let running = 0;
  let most = 0;
  let allRun = (): void => {};
  const together = new Promise<void>((resolve) => (allRun = resolve));
  const stop = watchTurns();
  const summary = await study.optimize(
    async ({ params, report }) => {
      running += 1;
      most = Math.max(most, running);
      // Nobody ends before everybody began.
      if (running === 1_000) allRun();
      await together;
      for (let step = 0; step < 3; step += 1) {
        await report(step, params.x ** 2);
        await sleep(5);
      }
      running -= 1;
      return params.x ** 2;
    },
    { trials: 1_000, parallelism: 1_000 },
  );
  const turns = stop();
  expect(most).toBe(1_000);
  expect(summary).toMatchObject({ stopped: "trials", completed: 1_000 });
  expect((await study.trials()).every(({ intermediates }) => intermediates.length === 3)).toBe(true);
  expect(turns[Math.floor(0.99 * turns.length)]).toBeLessThan(20);
}, 600_000);

test("HT-27: an objective may give its intermediate values one by one: each is reported, and the verdict ends the iteration", async () => {
  await using study = await openStudy({ name: "iterated", space, direction: "minimize", sampler: randomSampler() });
  let closed = 0;
  const summary = await study.optimize(
    async function* (trial) {
      try {
        for (let step = 0; step < 10; step += 1) {
          await sleep(1);
          yield trial.number < 5
            ? 1 / (step + 1)
            : { step: 10 * step, value: 5 + trial.number, checkpoint: `c${step}` };
        }
        if (trial.number === 0) return { value: 0.05, attributes: { told: true } };
      } finally {
        closed += 1;
      }
    },
    { trials: 8 },
  );
  expect(summary).toMatchObject({ completed: 5, pruned: 3 });
  expect(closed).toBe(8);
  const trials = await study.trials();
  expect(trials[0]).toMatchObject({ value: 0.05, attributes: { told: true } });
  expect(trials[1]?.value).toBeCloseTo(0.1, 12);
  expect(trials[1]?.intermediates).toHaveLength(10);
  expect(trials[6]).toMatchObject({ state: "pruned", checkpoint: "c0", intermediates: [[0, 11]] });

  await using none = await openStudy({ name: "empty", space, direction: "minimize" });
  await expect(none.optimize(async function* () {}, { trials: 1, failuresInARow: 1 })).rejects.toThrow(
    "gave no intermediate value",
  );
});
