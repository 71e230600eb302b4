import { createRandom } from "@millwright/contracts";
import type { Decision } from "../decider.ts";
import { studyExhausted } from "../errors.ts";
import type { JournalEntry } from "../journal.ts";
import type { SuggestContext, Trial } from "../trial.ts";
import type { WorkerLease } from "../worker-lease.ts";
import { type EngineContext, seenBy } from "./context.ts";
import { resumeTrial } from "./promotion.ts";

export async function decideBegin(context: EngineContext, limit: number | undefined): Promise<Decision<Trial>> {
  const { state, lease, clock, worker, name, pruner } = context;
  const dead = await deadTrials(state.trials, lease);
  const seen = { ...seenBy(context), plannedTrials: limit };
  const { entries: before, next, trials: known } = resumeTrial({ pruner, seen, dead, timeMs: clock.nowMs() });
  const entries = [...before];
  const begun = state.trials.filter(({ attempts }) => attempts > 0).length;
  // A trial that goes on counts once, whoever worked on it before.
  const isNew = next === undefined || next.attempts === 0;
  if (isNew && limit !== undefined && begun >= limit) {
    const exhausted = (): never => {
      throw studyExhausted(name, limit);
    };
    // What was found of the dead is written even where nothing is left to begin.
    return entries.length === 0 ? exhausted() : { entries, result: exhausted };
  }
  const number = next?.number ?? state.trials.length;
  if (next === undefined) entries.push(suggestTrial(context, number, { ...seen, trials: known }));
  entries.push({ kind: "begin", number, worker, timeMs: clock.nowMs() });
  return { entries, result: (trials) => trials[number] as Trial };
}

/** The stream of a trial depends on the study's seed and the trial's number alone, so a restart suggests the same. */
function suggestTrial(context: EngineContext, number: number, seen: SuggestContext): JournalEntry {
  const { state, space, sampler, clock } = context;
  const random = createRandom(state.header?.seed ?? 0).fork(`trial/${number}`);
  const { params, explanation } = sampler.suggest(space, seen, random);
  return { kind: "trial", number, params, explanation, timeMs: clock.nowMs() };
}

async function deadTrials(trials: readonly Trial[], lease: WorkerLease): Promise<readonly Trial[]> {
  const running = trials.filter(({ state }) => state === "running");
  const workers = new Set(running.map(({ worker }) => worker));
  const dead = new Set<string | undefined>();
  for (const worker of workers) if (worker !== undefined && (await lease.isDead(worker))) dead.add(worker);
  return running.filter(({ worker }) => dead.has(worker));
}
