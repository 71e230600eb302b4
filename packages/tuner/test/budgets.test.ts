import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate, setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  type Amount,
  type Random,
  createBudget,
  createManualClock,
  createRandom,
  hasCode,
} from "@millwright/contracts";
import { budgetContract } from "@millwright/contracts/testing";
import { openSqlite } from "@millwright/storage";
import {
  type Objective,
  type TrialCost,
  float,
  int,
  medianPruner,
  openStudy,
  randomSampler,
  tpeSampler,
} from "@millwright/tuner";
import { replayStudy } from "@millwright/tuner/insight";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-budgets-"));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

const space = { size: int(1, 64, { log: true }), x: float(0, 1) };
type Space = typeof space;

/** The price table: what a step of a trial costs, give or take 30 %. */
const priceOf = (size: number): number => 0.02 * size;
const wholeCost =
  (factor: number): TrialCost =>
  (params) => ({ usd: factor * 6 * priceOf(params["size"] as number) });

interface Simulation {
  readonly limit: number;
  readonly spent: number;
  readonly largestStep: number;
  readonly stopped: string;
  /** What the study counts. */
  readonly counted: number;
  readonly unfinished: number;
}

/** Trials of one to eight steps that fail, are pruned and stop at any of them. What is spent is counted by what spends it. */
async function simulate(seed: number): Promise<Simulation> {
  const random = createRandom(seed);
  const limit = 3 + 20 * random.next();
  const told = { spent: 0, largest: 0 };
  const chance = random.fork("pruner");
  const pruner = {
    name: "at random",
    judge: () =>
      (chance.next() < 0.05 ? { prune: true, reason: "chance", explanation: {} } : { prune: false }) as never,
  };
  const kinds: readonly (TrialCost | undefined)[] = [undefined, wholeCost(1), wholeCost(0.3), { usd: 2 }, wholeCost(3)];
  const outside = random.integer(3) === 0 ? createBudget({ usd: limit }) : undefined;
  const trialCost = kinds[outside === undefined ? random.integer(5) : 1 + random.integer(4)];
  await using study = await openStudy({
    name: `simulation ${seed}`,
    space,
    direction: "minimize",
    seed,
    sampler: randomSampler(),
    pruner,
    trialCost,
    budget: outside ?? { usd: limit },
  });
  const objective: Objective<Space> = (trial) => runSteps(trial, random.fork(trial.number), told);
  const settings = { trials: 16, parallelism: 1 + random.integer(6), failuresInARow: Infinity };
  const { stopped } = await study.optimize(objective, settings);
  const trials = await study.trials();
  const counted = trials.reduce((sum, { cost }) => sum + (cost?.["usd"] ?? 0), 0);
  const unfinished = trials.filter(({ state, reserved }) => state === "running" || reserved !== undefined).length;
  return { limit, spent: told.spent, largestStep: told.largest, stopped, counted, unfinished };
}

async function runSteps(
  { params, report, signal }: Parameters<Objective<Space>>[0],
  random: Random,
  told: { spent: number; largest: number },
): Promise<number> {
  const steps = 2 + random.integer(5);
  for (let step = 0; step < steps; step += 1) {
    signal.throwIfAborted();
    const usd = priceOf(params.size) * (0.7 + 0.6 * random.next());
    if (step > 0 && random.next() < 0.02) throw new Error("out of luck, and nothing was spent on it");
    told.spent += usd;
    told.largest = Math.max(told.largest, usd);
    if (random.integer(3) === 0) await setImmediate();
    if (step > 0 && random.next() < 0.02) throw new Error("out of luck");
    if ((await report(step, params.x, { cost: { usd } })) !== "continue") return params.x;
  }
  return params.x;
}

test(
  "HT-10: in 1,000 random simulations with a price table the spending never passes the budget",
  { timeout: 600_000 },
  async () => {
    const over: unknown[] = [];
    const stops = new Map<string, number>();
    let used = 0;
    let ended = 0;
    for (let seed = 0; seed < 1_000; seed += 1) {
      const made = await simulate(seed);
      stops.set(made.stopped, (stops.get(made.stopped) ?? 0) + 1);
      // By no more than one step of one trial is what is asked for; it is by nothing.
      if (made.spent > made.limit) over.push({ seed, ...made });
      expect(made.unfinished).toBe(0);
      if (made.stopped === "budget") {
        used += made.spent / made.limit;
        ended += 1;
      }
    }
    expect(over).toEqual([]);
    // Budgets are used, not merely kept: what is set aside comes back.
    expect(ended).toBeGreaterThan(300);
    expect(used / ended).toBeGreaterThan(0.5);
  },
);

const wait = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
};

test("HT-10: a trial begins only where what it is expected to cost is left, and what it does not spend comes back", async () => {
  await using study = await openStudy({
    name: "refunds",
    space,
    direction: "minimize",
    pruner: false,
    budget: { usd: 10, joules: 1_000 },
    trialCost: { usd: 4, joules: 100 },
  });
  const [first, second] = [await study.ask(), await study.ask()];
  expect((await study.trials()).map(({ reserved }) => reserved)).toEqual([
    { usd: 4, joules: 100 },
    { usd: 4, joules: 100 },
  ]);
  await expect(study.ask()).rejects.toSatisfy(
    (error) => hasCode(error, "PORT_BUDGET_EXHAUSTED") && error.message.includes("usd"),
  );
  await first.report(0, 1, { cost: { usd: 0.5, joules: 10 } });
  await study.tell(first.number, { state: "completed", value: 1, cost: { usd: 1.5 } });
  await study.tell(second.number, { state: "failed", reason: "at once" });
  const trials = await study.trials();
  expect(trials.map(({ cost, reserved }) => ({ cost, reserved }))).toEqual([
    { cost: { usd: 1.5, joules: 10 }, reserved: undefined },
    { cost: undefined, reserved: undefined },
  ]);
  await study.ask();
  await study.ask();
  await expect(study.ask()).rejects.toSatisfy((error) => hasCode(error, "PORT_BUDGET_EXHAUSTED"));
});

test("HT-10: time costs by the second, and a trial is stopped in the middle of a step when the last of the money is spent", async () => {
  const clock = createManualClock();
  await using study = await openStudy({
    name: "seconds",
    space,
    direction: "minimize",
    pruner: false,
    clock,
    budget: { usd: 1 },
    trialCost: { usd: 0.3 },
    costPerSecond: { usd: 0.1, joules: 50 },
  });
  const stoppedMs: number[] = [];
  const running = study.optimize(
    async ({ signal, report }) => {
      await report(0, 1, { checkpoint: "begun" });
      await clock.sleep(60_000, { signal }).finally(() => stoppedMs.push(clock.monotonicMs()));
      return 0;
    },
    { trials: 2, parallelism: 2 },
  );
  for (let at = 0; at < 8_000; at += 50) {
    await clock.advance(50);
    await wait();
  }
  expect(await running).toMatchObject({ stopped: "budget", completed: 0, failed: 0 });
  const trials = await study.trials();
  const usd = trials.reduce((sum, { cost }) => sum + (cost?.["usd"] ?? 0), 0);
  // To the tenth of a second that the clock of this test stands still at a time.
  expect(usd).toBeGreaterThan(0.97);
  expect(usd).toBeLessThanOrEqual(1 + 2 * 0.01);
  expect(trials.map(({ state, checkpoint }) => ({ state, checkpoint }))).toEqual(
    Array.from({ length: 2 }, () => ({ state: "waiting", checkpoint: "begun" })),
  );
  expect(trials.every(({ cost }) => Math.abs((cost?.["joules"] ?? 0) - 500 * (cost?.["usd"] ?? 0)) < 1e-6)).toBe(true);
});

test("HT-10: a raised budget lets the trials go on that were stopped, from their checkpoints", async () => {
  await using database = await openSqlite(join(folder, "raised.db"));
  const run = async (usd: number) => {
    await using study = await openStudy({
      name: "raised",
      space,
      direction: "minimize",
      pruner: false,
      database,
      budget: { usd },
      trialCost: { usd: 1 },
    });
    const summary = await study.optimize(
      async ({ report, checkpoint, params }) => {
        for (let step = checkpoint === undefined ? 0 : Number(checkpoint) + 1; step < 4; step += 1)
          if ((await report(step, params.x, { checkpoint: String(step), cost: { usd: 1 } })) !== "continue") break;
        return params.x;
      },
      { trials: 2 },
    );
    return { summary, trials: await study.trials() };
  };
  const small = await run(2.5);
  expect(small.summary).toMatchObject({ stopped: "budget", completed: 0 });
  expect(small.trials[0]).toMatchObject({ state: "waiting", checkpoint: "0", cost: { usd: 1 } });
  const raised = await run(20);
  expect(raised.summary).toMatchObject({ stopped: "trials", completed: 2 });
  expect(raised.trials.map(({ cost }) => cost)).toEqual([{ usd: 4 }, { usd: 4 }]);
});

test("HT-10: processes that are killed and begun again keep to one budget together", { timeout: 600_000 }, async () => {
  const path = join(folder, "killed.db");
  const fixture = fileURLToPath(new URL("fixtures/spending-worker.mjs", import.meta.url));
  const begin = () =>
    spawn(process.execPath, [fixture, path, `${path}.spent`], { stdio: ["ignore", "ignore", "inherit"] });
  const first = [begin(), begin()];
  await pause(1_500);
  first[0]?.kill("SIGKILL");
  for (const worker of first) if (worker.exitCode === null && worker.signalCode === null) await once(worker, "exit");
  const last = begin();
  await once(last, "exit");
  const steps = (await readFile(`${path}.spent`, "utf8")).trim().split("\n").map(Number);
  const spent = steps.reduce((sum, step) => sum + step, 0);
  expect(spent).toBeLessThanOrEqual(30);
  expect(spent).toBeGreaterThan(15);
  await using database = await openSqlite(path);
  await using study = await openStudy({
    name: "spending",
    space: { size: int(1, 8) },
    direction: "minimize",
    database,
  });
  const trials = await study.trials();
  const counted = trials.reduce((sum, { cost }) => sum + (cost?.["usd"] ?? 0), 0);
  // The step that the killed one was in is counted too: as twice the greatest at most.
  expect(counted).toBeGreaterThanOrEqual(spent - 1e-9);
  expect(counted).toBeLessThanOrEqual(30 + 1e-9);
});

describe.each(budgetContract)("what a trial may spend within the study's budget: $name", ({ run }) => {
  test("holds", async () => {
    const limits: Amount = { usd: 10, trials: 3 };
    await using study = await openStudy({
      name: "port",
      space,
      direction: "minimize",
      budget: limits,
      trialCost: limits,
    });
    const { budget } = await study.ask();
    if (budget === undefined) throw new Error("The trial has no budget.");
    await run(budget);
  });
});

test("a study that spends is replayed like any other", async () => {
  const [sampler, pruner, name] = [tpeSampler(), medianPruner(), "replayed"];
  await using study = await openStudy({ name, space, direction: "minimize", sampler, pruner, budget: { usd: 9 } });
  await study.optimize(
    async ({ params, report }) => {
      for (let step = 0; step < 3; step += 1)
        if ((await report(step, params.x, { cost: { usd: 0.1 } })) !== "continue") break;
      return params.x;
    },
    { trials: 20 },
  );
  expect(await study.trials()).toContainEqual(expect.objectContaining({ state: "pruned" }));
  const replay = replayStudy({ name, history: await study.history() }, { sampler, pruner, plannedTrials: 20 });
  expect(replay).toMatchObject({ same: true });
});
