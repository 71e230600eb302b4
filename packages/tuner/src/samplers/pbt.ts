import type { Random } from "@millwright/contracts";
import { type ExploreOptions, explore } from "../evolution/explore.ts";
import { rankTrials } from "../evolution/rank.ts";
import type { Space } from "../space.ts";
import { drawParams } from "../space-constraints.ts";
import type { Explanation, Sampler, SuggestContext, Suggestion, Trial } from "../trial.ts";

export interface PbtOptions {
  /** Members, from 2. Default: 8. */
  readonly population?: number | undefined;
  /** Part of the members that take over from others, and part that are taken over, above 0 and at most a half. Default: 0.25. */
  readonly quantile?: number | undefined;
  /** A number taken over is multiplied by one of these, all above 0. Default: 0.8 and 1.2. */
  readonly factors?: readonly number[] | undefined;
  /** How often a parameter is drawn anew instead, from 0 to 1. Default: 0.25. */
  readonly resampleProbability?: number | undefined;
  /** Parameters that cannot change while a model trains, such as its size: a member that takes over from another has that one's. Default: none. */
  readonly fixed?: readonly string[] | undefined;
}

/**
 * Population based training: Jaderberg et al., arXiv 1711.09846. Each trial is one stretch of one member's training: the objective goes on from `trial.checkpoint`,
 * trains for an interval of its choice, reports a checkpoint of its own and returns the value it has reached. The member's next trial goes on from there with
 * the same parameters; but a member among the worst quarter goes on from the checkpoint of one among the best quarter, with that one's parameters perturbed.
 * Explanations tell the lineage: see `lineageOf`. Checkpoints must be kept while later trials may go on from them. Use it with `pruner: false`; several members
 * may train side by side.
 */
export function pbtSampler(options: PbtOptions = {}): Sampler {
  checkOptions(options);
  const { population = 8, quantile = 0.25, factors = [0.8, 1.2], resampleProbability = 0.25, fixed = [] } = options;
  const exploring = { factors, resample: resampleProbability, kept: new Set(fixed) };
  return {
    name: "pbt",
    suggest(space, context, random) {
      const members = membersOf(context.trials);
      const member = nextMember(members, population);
      const newest = members.get(member)?.at(-1);
      if (newest === undefined) return beginning(space, context, member, random);
      const last = lastsOf(members, population);
      const ranked = rankTrials(last, context);
      const rank = ranked.indexOf(newest);
      const cut = Math.max(1, Math.floor(quantile * population));
      const isLast = rank >= Math.max(cut, ranked.length - cut);
      const stays = newest.state === "completed" && (!isLast || ranked.length < population);
      if (stays) return goOn(newest, { member, rank, of: ranked.length });
      const donors = ranked.slice(0, cut).filter((trial) => trial !== newest && trial.state === "completed");
      const donor = donors[random.integer(Math.max(1, donors.length))];
      // A member that fails while there is nobody to take over from begins anew.
      if (donor === undefined) return beginning(space, context, member, random, newest);
      const own = { member, rank, of: ranked.length };
      return takeOver(space, newest, donor, own, { ...exploring, constraints: context.constraints ?? [] }, random);
    },
  };
}

function checkOptions({
  population = 8,
  quantile = 0.25,
  factors = [0.8, 1.2],
  resampleProbability = 0.25,
  fixed = [],
}: PbtOptions): void {
  if (!Number.isSafeInteger(population) || population < 2)
    throw new RangeError(`population is ${String(population)}; it must be a whole number from 2.`);
  if (!(typeof quantile === "number" && quantile > 0 && quantile <= 0.5))
    throw new RangeError(`quantile is ${String(quantile)}; it must be above 0 and at most 0.5.`);
  if (!Array.isArray(factors) || factors.length === 0 || !factors.every((factor) => factor > 0 && factor < Infinity))
    throw new RangeError("factors must be a list of numbers above 0.");
  if (!(typeof resampleProbability === "number" && resampleProbability >= 0 && resampleProbability <= 1))
    throw new RangeError(`resampleProbability is ${String(resampleProbability)}; it must be from 0 to 1.`);
  if (!Array.isArray(fixed) || !fixed.every((name) => typeof name === "string"))
    throw new TypeError("fixed must be a list of parameters' names.");
}

/** Each member's trials, oldest first. */
function membersOf(trials: readonly Trial[]): ReadonlyMap<number, readonly Trial[]> {
  const members = new Map<number, Trial[]>();
  for (const trial of trials) {
    const { sampler, member } = trial.explanation;
    if (sampler !== "pbt" || typeof member !== "number") continue;
    const own = members.get(member);
    if (own === undefined) members.set(member, [trial]);
    else own.push(trial);
  }
  return members;
}

const isOver = ({ state }: Trial): boolean => state === "completed" || state === "pruned" || state === "failed";

/** The one that has trained least of those that do not train now; where all do, one more. */
function nextMember(members: ReadonlyMap<number, readonly Trial[]>, population: number): number {
  const free = Array.from({ length: population }, (_, member) => member).filter((member) => {
    const newest = members.get(member)?.at(-1);
    return newest === undefined || isOver(newest);
  });
  const roundsOf = (member: number): number => members.get(member)?.length ?? 0;
  const [least] = free.sort((a, b) => roundsOf(a) - roundsOf(b) || a - b);
  if (least !== undefined) return least;
  let extra = population;
  while (members.has(extra) && !isOver(members.get(extra)?.at(-1) as Trial)) extra += 1;
  return extra;
}

/** The newest trial that is over, of each member. */
function lastsOf(members: ReadonlyMap<number, readonly Trial[]>, population: number): readonly Trial[] {
  return [...members.entries()]
    .filter(([member]) => member < population)
    .flatMap(([, trials]) => trials.findLast(isOver) ?? []);
}

interface Place {
  readonly member: number;
  /** Among the newest results of all members, from 0. */
  readonly rank: number;
  readonly of: number;
}

const roundOf = ({ explanation }: Trial): number => Number(explanation["round"] ?? 0);

function beginning(
  space: Space,
  { constraints }: SuggestContext,
  member: number,
  random: Random,
  before?: Trial,
): Suggestion {
  const explanation: Explanation = {
    sampler: "pbt",
    action: "begin",
    member,
    round: before === undefined ? 0 : roundOf(before) + 1,
  };
  return { params: drawParams(space, random, constraints), explanation };
}

function goOn(newest: Trial, place: Place): Suggestion {
  return {
    params: newest.params,
    explanation: { sampler: "pbt", action: "continue", ...place, round: roundOf(newest) + 1, parent: newest.number },
    checkpoint: newest.checkpoint,
  };
}

function takeOver(
  space: Space,
  newest: Trial,
  donor: Trial,
  place: Place,
  options: ExploreOptions,
  random: Random,
): Suggestion {
  return {
    params: explore(space, donor.params, options, random),
    explanation: {
      sampler: "pbt",
      action: "exploit",
      ...place,
      round: roundOf(newest) + 1,
      parent: donor.number,
      donor: Number(donor.explanation["member"]),
      replaced: newest.number,
    },
    checkpoint: donor.checkpoint,
  };
}

/**
 * The trials whose training a trial's model went through, the first begun from nothing, the last the trial itself: their parameters in this order are the
 * schedule it was trained with. Of a trial that went on from no other, it alone. Throws RangeError for a trial that is not there.
 */
export function lineageOf(trials: readonly Trial[], number: number): readonly Trial[] {
  const byNumber = new Map(trials.map((trial) => [trial.number, trial]));
  const lineage: Trial[] = [];
  for (let next: unknown = number; typeof next === "number";) {
    const trial: Trial | undefined = byNumber.get(next);
    if (trial === undefined) throw new RangeError(`There is no trial ${next} among the ${trials.length} trials.`);
    lineage.unshift(trial);
    const { parent } = trial.explanation;
    // Parents are older: a record that says otherwise would never end.
    next = typeof parent === "number" && parent < trial.number ? parent : undefined;
  }
  return lineage;
}
