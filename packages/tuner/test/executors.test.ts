import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TrialHandle, type TrialVerdict, hasCode } from "@millwright/contracts";
import { openJobs } from "@millwright/jobs";
import { type DisposableObjective, float, jobObjective, openStudy, workerObjective } from "@millwright/tuner";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const module = new URL("fixtures/objective.mjs", import.meta.url);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-executors-"));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Told {
  readonly trial: TrialHandle<unknown>;
  readonly steps: number[];
  readonly stop: AbortController;
}

let trials = 0;
function trialOf(params: Readonly<Record<string, string | number>>, verdict: TrialVerdict = "continue"): Told {
  const steps: number[] = [];
  const stop = new AbortController();
  trials += 1;
  const trial: TrialHandle<unknown> = {
    id: `executors/${trials}`,
    number: trials,
    params,
    signal: stop.signal,
    report: async (step) => {
      steps.push(step);
      return step === 2 ? verdict : "continue";
    },
  };
  return { trial, steps, stop };
}

interface Executor {
  readonly objective: DisposableObjective;
}

const openThreads = async (): Promise<Executor> => ({
  objective: workerObjective(module, { threads: 2, graceMs: 200 }),
});

async function openProcesses(): Promise<Executor> {
  const launcher = await openJobs({ directory: join(folder, "jobs") });
  const objective = jobObjective(module, { launcher, limits: { graceMs: 400 } });
  return { objective: Object.assign(objective, { [Symbol.asyncDispose]: () => launcher[Symbol.asyncDispose]() }) };
}

describe.each([
  ["threads", openThreads],
  ["child processes", openProcesses],
] as const)("HT-21: trials in %s", (kind, open) => {
  test(
    "report and are judged, go on from their checkpoint where they crashed, and fail with what they threw",
    { timeout: 600_000 },
    async () => {
      const { objective } = await open();
      await using _objective = objective;
      const plain = trialOf({ x: 2 });
      expect(await objective(plain.trial)).toBe(2);
      expect(plain.steps).toEqual([0, 1, 2, 3]);
      expect(await objective(trialOf({ x: 2, trouble: "infinite" }).trial)).toBe(Number.NEGATIVE_INFINITY);
      const pruned = trialOf({ x: 1 }, "prune");
      expect(await objective(pruned.trial)).toBeNaN();
      expect(pruned.steps).toEqual([0, 1, 2]);
      const crashing = trialOf({ x: 3, trouble: "crash", file: join(folder, `${kind}.crashed`) });
      expect(await objective(crashing.trial)).toBe(3);
      expect(crashing.steps).toEqual([0, 1, 2, 3]);
      await expect(objective(trialOf({ x: 4, trouble: "throw" }).trial)).rejects.toSatisfy(
        (error) => hasCode(error, "TUNER_OBJECTIVE_FAILED") && error.message.includes("x is 4"),
      );
      const codeOf = (trouble: string): Promise<unknown> =>
        objective(trialOf({ x: 4, trouble }).trial).catch((error: unknown) => (error as { code?: string }).code);
      expect(await codeOf("always crash")).toBe("TUNER_OBJECTIVE_CRASHED");
      // A process tells what it was that nobody caught; a thread only ends of it.
      expect(await codeOf("uncaught")).toMatch(/^TUNER_OBJECTIVE_(CRASHED|FAILED)$/);
    },
  );

  test(
    "end when their signal aborts, also those that do not listen, and others go on",
    { timeout: 600_000 },
    async () => {
      const { objective } = await open();
      await using _objective = objective;
      for (const trouble of ["wait", "deaf"]) {
        const { trial, stop } = trialOf({ x: 1, trouble });
        const running = objective(trial);
        setTimeout(() => stop.abort(new Error("enough")), 600);
        await expect(running).rejects.toThrow("enough");
      }
      expect(await objective(trialOf({ x: 5 }).trial)).toBe(5);
    },
  );
});

test("HT-21: a study runs its trials in threads, several at a time", { timeout: 600_000 }, async () => {
  await using objective = workerObjective(module, { threads: 3 });
  await using study = await openStudy({
    name: "threads",
    space: { x: float(0, 1) },
    direction: "minimize",
    pruner: false,
  });
  await study.optimize(objective, { trials: 12, parallelism: 6 });
  const made = await study.trials();
  expect(made.map(({ state }) => state)).toEqual(Array.from({ length: 12 }, () => "completed"));
  expect(made.every(({ value, params, intermediates }) => value === params["x"] && intermediates.length === 4)).toBe(
    true,
  );
});
