import { createManualClock } from "@millwright/contracts";
import { type StopWhen, type StudySummary, float, openStudy, randomSampler } from "@millwright/tuner";
import { expect, test } from "vitest";

/** Runs trials that give these values until the study stops; what comes after the last is a failure of the test. */
async function script(
  stopWhen: StopWhen,
  values: readonly (number | undefined)[],
  direction: "minimize" | "maximize" = "minimize",
): Promise<StudySummary & { readonly ran: number }> {
  await using study = await openStudy({
    name: "scripted",
    space: { x: float(0, 1) },
    direction,
    sampler: randomSampler(),
    stopWhen,
  });
  let ran = 0;
  const summary = await study.optimize(
    ({ number }) => {
      ran += 1;
      const value = values[number];
      if (value === undefined) throw new Error(`trial ${number} fails`);
      return value;
    },
    { trials: values.length + 10, failuresInARow: Infinity },
  );
  return { ...summary, ran };
}

test("HT-15: scripted sequences stop at the exact trial, each with its reason", async () => {
  const same = Array.from<number>({ length: 60 }).fill(1);
  const trials = await script({ maxTrials: 4 }, same);
  expect(trials).toMatchObject({ stopped: "trials", ran: 4 });

  // The best comes third; the fourth, fifth and sixth do not improve it, an equal one included.
  const stuck = await script({ maxNotImproving: 3 }, [5, 4, 3, 4, 3, 9, 1]);
  expect(stuck).toMatchObject({
    stopped: "not-improving",
    ran: 6,
    reason: "3 trials in a row did not improve on 3.",
  });
  // A failed trial says nothing about improvement, and an improvement begins the count anew.
  expect(await script({ maxNotImproving: 2 }, [5, 6, undefined, 4, 7, 8, 1])).toMatchObject({ ran: 6, failed: 1 });
  expect(await script({ maxNotImproving: 2 }, [5, 6, 7, 8], "maximize")).toMatchObject({ stopped: "trials" });

  const target = await script({ targetObjective: 0.25 }, [3, 1, 0.25, 0.1]);
  expect(target).toMatchObject({ stopped: "target", ran: 3, reason: "Trial 2 gave 0.25; the target is 0.25." });
  expect(await script({ targetObjective: 0.9 }, [0.1, 0.95, 0.99], "maximize")).toMatchObject({ ran: 2 });

  // 29 = ⌈ln 0.05 / ln 0.9⌉ trials without 1 % of improvement over 100: 99.5 is less than that, 98.9 more.
  const flat = await script({ completeOnConvergence: true }, [100, 99.5, ...same.map(() => 100)]);
  expect(flat).toMatchObject({ stopped: "convergence", ran: 30 });
  const later = await script({ completeOnConvergence: true }, [100, 99.5, 98.9, ...same.map(() => 100)]);
  expect(later).toMatchObject({ stopped: "convergence", ran: 32 });
  const sure = await script({ completeOnConvergence: { chance: 0.5, confidence: 0.9 } }, same);
  expect(sure).toMatchObject({ stopped: "convergence", ran: 5 });
});

test("HT-15: running time counts while trials run, over restarts, and its limit ends the study", async () => {
  const clock = createManualClock();
  const options = {
    name: "timed",
    space: { x: float(0, 1) },
    direction: "minimize",
    clock,
    sampler: randomSampler(),
  } as const;
  await using study = await openStudy({ ...options, stopWhen: { maxRuntimeMs: 10_000 } });
  const work = async (): Promise<number> => {
    await clock.advance(3_000);
    return 1;
  };
  await study.optimize(work, { trials: 2 });
  // What passes between two calls is nobody's running time.
  await clock.advance(1_000_000);
  const summary = await study.optimize(
    async (trial) => {
      await clock.advance(3_000);
      return trial.signal.aborted ? Number.NaN : 1;
    },
    { trials: 10 },
  );
  expect(summary).toMatchObject({ stopped: "runtime", completed: 3 });
  expect((await study.optimize(work, { trials: 10 })).stopped).toBe("runtime");
});

test("HT-15: criteria hold for those who ask and tell, and may be widened afterwards", async () => {
  const values = [3, 2, 2, 2];
  await using study = await openStudy({
    name: "asked",
    space: { x: float(0, 1) },
    direction: "minimize",
    stopWhen: { maxNotImproving: 2 },
  });
  for (const value of values) {
    const { number } = await study.ask();
    await study.tell(number, { state: "completed", value });
  }
  await expect(study.ask()).rejects.toMatchObject({ code: "TUNER_STUDY_EXHAUSTED", message: /2 trials in a row/ });
  expect(await study.optimize(() => 1, { trials: 9, stopWhen: {} })).toMatchObject({ completed: 9 });
});

test("criteria that nothing can keep to are refused", async () => {
  const open = (stopWhen: unknown, directions: readonly ("minimize" | "maximize")[] = ["minimize"]) =>
    openStudy({ name: "x", space: { x: float(0, 1) }, directions, stopWhen: stopWhen as StopWhen });
  await expect(open({ maxTrials: -1 })).rejects.toThrow("stopWhen.maxTrials is -1");
  await expect(open({ maxNotImproving: 0 })).rejects.toThrow("stopWhen.maxNotImproving is 0");
  await expect(open({ targetObjective: Number.NaN })).rejects.toThrow(RangeError);
  await expect(open({ completeOnConvergence: { chance: 1 } })).rejects.toThrow("chance is 1");
  await expect(open(7)).rejects.toThrow(TypeError);
  await expect(open({ targetObjective: 1 }, ["minimize", "maximize"])).rejects.toThrow("one objective");
});
