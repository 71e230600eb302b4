import { createRandom, type JobHistoryEntry, type Random } from "@millwright/contracts";
import {
  costsOf,
  estimateBatch,
  estimateDeployment,
  estimateTraining,
  estimateTuning,
  halvingShare,
} from "@millwright/jobs";
import { expect, test } from "vitest";

const hourMs = 3_600_000;
const perHour = { usd: 4 };

const near = (estimated: number | undefined, actual: number): void => {
  expect(Math.abs((estimated ?? Number.NaN) / actual - 1), `${estimated} of ${actual}`).toBeLessThan(0.2);
};

/** A run of some 2 hours: some attempts crash and lose what they did, some are interrupted and keep it. */
function simulateRun(random: Random, scale = 1): readonly JobHistoryEntry[] {
  const history: JobHistoryEntry[] = [{ state: "pending", timeMs: 0 }];
  let nowMs = 0;
  let leftMs = 2 * hourMs * scale * Math.exp(0.15 * random.normal());
  for (;;) {
    history.push({ state: "starting", timeMs: nowMs }, { state: "training", timeMs: nowMs });
    const chance = random.next();
    if (chance > 0.3) {
      history.push({ state: "completed", timeMs: nowMs + leftMs });
      return history;
    }
    const part = leftMs * random.next();
    nowMs += part;
    const cause = chance < 0.15 ? "crashed" : "interrupted";
    if (cause === "interrupted") leftMs -= part;
    history.push({ state: "interrupted", timeMs: nowMs, cause, category: "transient" });
    nowMs += 60_000;
  }
}

const costOf = (histories: readonly (readonly JobHistoryEntry[])[]): number =>
  costsOf(histories.map((history) => ({ history, perHour }))).total["usd"] ?? Number.NaN;

test("CO-5: a training estimated from earlier runs costs within a fifth of that, with what its failures lose", () => {
  const random = createRandom(5);
  const earlier = Array.from({ length: 40 }, () => simulateRun(random));
  const { cost, range } = estimateTraining({ run: { histories: earlier }, perHour });
  const coming = Array.from({ length: 300 }, () => simulateRun(random));
  near(cost["usd"], costOf(coming) / coming.length);
  const single = coming.map((history) => costOf([history]));
  const within = single.filter((usd) => usd >= (range.low["usd"] ?? 0) && usd <= (range.high["usd"] ?? 0)).length;
  expect(within / single.length).toBeGreaterThan(0.7);
  // Half as many epochs on spot machines.
  const half = estimateTraining({ run: { histories: earlier }, perHour, scale: 0.5, priceRatio: 0.3 });
  const halves = Array.from({ length: 300 }, () => simulateRun(random, 0.5));
  near(half.cost["usd"], (costOf(halves) / halves.length) * 0.3);
});

test("CO-5: a training estimated from a dry run costs within a fifth of that", () => {
  const random = createRandom(6);
  const stepMs = (): number => 12 * Math.exp(0.3 * random.normal());
  const steps = 20_000;
  // What `trainer.dryRun` says: the steps of the run at the mean of those it took.
  const tried = Array.from({ length: 50 }, stepMs).reduce((sum, ms) => sum + ms, 0) / 50;
  const { cost } = estimateTraining({ run: { timeMs: 3_000 + tried * steps }, perHour });
  let actualMs = 3_000;
  for (let step = 0; step < steps; step += 1) actualMs += stepMs();
  near(cost["usd"], (actualMs / hourMs) * 4);
});

test("CO-5: a study of pruned trials costs within a fifth of its estimate, by halving and from an earlier study", () => {
  const random = createRandom(7);
  const fullMs = (): number => hourMs * Math.exp(0.2 * random.normal());
  // Three rungs: a third of the trials goes on from each.
  const study = (trials: number): readonly { readonly share: number; readonly fullMs: number }[] => {
    const values = Array.from({ length: trials }, () => random.next());
    const ranks = values.map((value) => values.filter((other) => other < value).length / trials);
    return ranks.map((rank) => ({ share: rank < 1 / 9 ? 1 : rank < 1 / 3 ? 2 / 3 : 1 / 3, fullMs: fullMs() }));
  };
  const usdOf = (done: ReturnType<typeof study>): number =>
    done.reduce((sum, { share, fullMs: ms }) => sum + (share * ms * 4) / hourMs, 0);
  const plan = { run: { timeMs: fullMs() }, perHour, trials: 60, parallelism: 4 };
  // One dry run is one draw; what it says of the mean is its own business.
  const run = { timeMs: hourMs * Math.exp(0.02) };
  near(estimateTuning({ ...plan, run, shares: [halvingShare(3, 3)] }).cost["usd"], usdOf(study(60)));
  const earlier = study(40);
  const told = estimateTuning({ ...plan, run, shares: earlier.map(({ share }) => share) });
  near(told.cost["usd"], usdOf(study(60)));
  expect(told.machineMs / 4).toBeLessThan(told.timeMs);
});

test("CO-5: a batch costs within a fifth of its estimate, with machines that are lost", () => {
  const random = createRandom(8);
  const rows = 2_000_000;
  const machines = 5;
  let machineMs = 0;
  for (let machine = 0; machine < machines; machine += 1) {
    machineMs += 20_000 + 5_000 * random.next();
    for (let chunk = 0; chunk < rows / machines / 1_000; chunk += 1) {
      const took = (1_000 / 900) * 1_000 * Math.exp(0.25 * random.normal() - 0.03);
      machineMs += random.next() < 0.05 ? 2 * took : took;
    }
  }
  const plan = { rows, rowsPerSecond: 900, startMs: 22_000, machines, lostShare: 0.05, perHour };
  near(estimateBatch(plan).cost["usd"], (machineMs / hourMs) * 4);
});

test("CO-5: a deployment that scales with its load costs within a fifth of its estimate", () => {
  const random = createRandom(9);
  const daily = Array.from({ length: 24 }, (_, hour) => 40 + 35 * Math.sin(((hour - 8) * Math.PI) / 12));
  // A week, minute by minute: a scaler that follows the load up at once, and down after ten quiet minutes.
  let machines = 1;
  let quiet = 0;
  let machineMinutes = 0;
  for (let minute = 0; minute < 7 * 24 * 60; minute += 1) {
    const rate = (daily[Math.floor(minute / 60) % 24] ?? 0) * (1 + 0.1 * random.normal());
    const wanted = Math.max(1, Math.ceil(rate / (20 * 0.7)));
    quiet = wanted < machines ? quiet + 1 : 0;
    if (wanted > machines || quiet >= 10) machines = wanted;
    machineMinutes += machines;
  }
  const plan = { hours: 7 * 24, requestsPerSecond: daily, capacityPerSecond: 20, perHour };
  near(estimateDeployment(plan).cost["usd"], (machineMinutes / 60) * 4);
  const flat = estimateDeployment({
    hours: 10.5,
    requestsPerSecond: [0],
    capacityPerSecond: 1,
    minMachines: 2,
    perHour,
  });
  expect(flat.cost["usd"]).toBeCloseTo(84, 10);
});

test("plans that cannot be are refused by name", () => {
  const run = { timeMs: 1 };
  for (const [call, field] of [
    [() => estimateTraining({ run, perHour: { usd: -1 } }), "perHour.usd"],
    [() => estimateTraining({ run: { histories: [] }, perHour }), "run.histories"],
    [() => estimateTraining({ run: { timeMs: Number.NaN }, perHour }), "run.timeMs"],
    [() => estimateTuning({ run, perHour, trials: 3, parallelism: 0 }), "parallelism"],
    [() => estimateTuning({ run, perHour, trials: 3, shares: [] }), "shares"],
    [() => halvingShare(0, 3), "rungs"],
    [() => halvingShare(3, 1), "reduction"],
    [() => estimateBatch({ rows: 1, rowsPerSecond: 0, perHour }), "rowsPerSecond"],
    [() => estimateDeployment({ hours: 1, requestsPerSecond: [], capacityPerSecond: 1, perHour }), "requestsPerSecond"],
    [
      () => estimateDeployment({ hours: 1, requestsPerSecond: [1], capacityPerSecond: 1, maxMachines: 0, perHour }),
      "maxMachines",
    ],
  ] as const) {
    expect(call).toThrow(RangeError);
    expect(call).toThrow(field);
  }
});
