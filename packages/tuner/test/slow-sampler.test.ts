import { systemClock } from "@millwright/contracts";
import { type Sampler, categorical, float, openStudy, randomSampler } from "@millwright/tuner";
import { replayStudy } from "@millwright/tuner/insight";
import { expect, test } from "vitest";
import { openMemoryStudyJournal } from "../src/drivers/memory.ts";
import type { StudyJournal } from "../src/journal.ts";
import { createStudyEngine } from "../src/study-engine.ts";

test("a sampler that is slower than others report is kept to after three suggestions, and its trial says what that was made from", async () => {
  const memory = openMemoryStudyJournal();
  let calls = 0;
  const slow: Sampler = {
    name: "slow",
    suggest: (_space, { trials }) => {
      calls += 1;
      // Depends on all that was reported so far.
      const told = trials.flatMap(({ intermediates }) => intermediates).length;
      return { params: { x: told / 1_000 }, explanation: { sampler: "slow" } };
    },
  };
  const open = (journal: StudyJournal, worker: string, sampler: Sampler) =>
    createStudyEngine({
      name: "races",
      space: { x: float(0, 1) },
      dynamic: false,
      directions: ["minimize"],
      constraints: [],
      journal,
      lease: { isDead: async () => false, [Symbol.asyncDispose]: async () => {} },
      clock: systemClock,
      worker,
      seed: 1,
      sampler,
      pruner: undefined,
      duplicates: "allow",
      noise: undefined,
      stopWhen: {},
      onFailure: undefined,
      maxRetries: 0,
      maxAttempts: 3,
      budget: undefined,
    } as Parameters<typeof createStudyEngine>[0]);
  const other = await open(memory, "other", randomSampler());
  const begun = await other.begin({});
  if (!("trial" in begun)) throw new Error("a trial begins");
  let step = 0;
  // Before each of the first appends of a new trial the other worker is quicker.
  const raced: StudyJournal = {
    read: (...args) => memory.read(...args),
    async append(study, position, writes, options) {
      if (step < 5 && writes.some(({ entry }) => entry.kind === "trial"))
        await other.report(begun.trial.number, { step: (step += 1), value: 1, checkpoint: undefined });
      return memory.append(study, position, writes, options);
    },
  };
  const engine = await open(raced, "slow", slow);
  const chosen = await engine.begin({});
  expect(chosen).toMatchObject({ trial: { number: 1, params: { x: 0.002 } } });
  expect(calls).toBe(3);
  const history = await engine.history();
  // The header, the other's trial and two reports of five.
  expect(history.find((entry) => entry.kind === "trial" && entry.number === 1)).toMatchObject({ suggestedAfter: 5 });
  expect(replayStudy({ name: "races", history }, { sampler: slow }).suggestions[1]).toMatchObject({ same: true });
});

test("what is evaluated again for noise is never pruned, and counts together in the best", async () => {
  const values = [1.5, 1, 9, 9, 9, 9];
  await using study = await openStudy({
    name: "again",
    space: { c: categorical(["a", "b"]) },
    direction: "minimize",
    sampler: {
      name: "given",
      suggest: (_space, { trials }) => ({ params: { c: trials.length === 0 ? "a" : "b" }, explanation: {} }),
    },
    pruner: { name: "strict", judge: () => ({ prune: true, reason: "always", explanation: {} }) },
    duplicates: "re-evaluate-for-noise",
  });
  await study.optimize(
    async ({ number, report }) => {
      if (number > 1) expect(await report(0, 100)).toBe("continue");
      return values[number] as number;
    },
    { trials: 6, failuresInARow: 1 },
  );
  // The least single value is one of b, whose mean is worse, and so is its bound.
  expect(await study.best()).toMatchObject({ number: 0, value: 1.5, evaluations: 1 });
});
