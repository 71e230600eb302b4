import type { Feature } from "../features/feature-table.ts";
import { intersection, type RowSet, rowSet, sumOver } from "./row-set.ts";
import { conditionsOf, meets, type SliceCondition } from "./slice-condition.ts";

/** Conditions that all hold, on the half that is searched. */
export interface Candidate {
  readonly conditions: readonly SliceCondition[];
  readonly set: RowSet;
  /** By how many standard errors the mean loss is above that of as many rows drawn at random. */
  readonly z: number;
}

export interface SearchOptions {
  readonly maxConditions: number;
  /** Fewest rows of a slice in the half that is searched. */
  readonly minimumRows: number;
  readonly beamWidth: number;
  readonly bins: number;
}

/** A further condition must raise z by this much: without a cause, the best of many refinements always raises it a little. */
const leastGain = 1;
/**
 * The worst slice by beam search, where there is one: the worst of one condition, each with one more, and so on. z is that of a mean of rows drawn without replacement, so that it is fair to slices of all sizes.
 * @param columns As `readFeatures` gives them, of the half that is searched.
 */
export function searchSlice(
  features: readonly Feature[],
  columns: readonly Float64Array[],
  losses: Float64Array,
  options: SearchOptions,
): Candidate | undefined {
  const scored = scorer(losses);
  const single = features.flatMap((feature, index) =>
    conditionsOf(feature, columns[index]!, options.bins).map((condition) => {
      const holds = meets(condition, feature);
      return candidateOf(
        [condition],
        rowSet(losses.length, (row) => holds(columns[index]![row]!)),
        scored,
      );
    }),
  );
  const usable = single.filter(({ set }) => set.count >= options.minimumRows && set.count < losses.length);
  const found = [...usable];
  let beam = best(usable, options.beamWidth);
  for (let depth = 2; depth <= options.maxConditions && beam.length > 0; depth += 1) {
    const next = new Map<string, Candidate>();
    for (const parent of beam) {
      for (const { conditions, set } of usable) {
        const [condition] = conditions as [SliceCondition];
        if (parent.conditions.some(({ column }) => column === condition.column)) continue;
        const both = intersection(parent.set, set);
        if (both.count < options.minimumRows) continue;
        const child = candidateOf([...parent.conditions, condition], both, scored);
        if (child.z >= parent.z + leastGain) next.set(keyOf(child), child);
      }
    }
    beam = best([...next.values()], options.beamWidth);
    found.push(...beam);
  }
  const [worst] = best(found, 1);
  return worst === undefined ? undefined : simplified(worst, single, scored);
}

/** Without the conditions that raise z by less than a further one must: one may have come first, and been made idle by those after it. */
function simplified(candidate: Candidate, single: readonly Candidate[], score: (set: RowSet) => number): Candidate {
  if (candidate.conditions.length === 1) return candidate;
  const setOf = new Map(single.map(({ conditions, set }) => [conditions[0], set]));
  const shorter = candidate.conditions.map((dropped) => {
    const conditions = candidate.conditions.filter((each) => each !== dropped);
    return candidateOf(conditions, conditions.map((each) => setOf.get(each)!).reduce(intersection), score);
  });
  const [simpler] = best(shorter, 1);
  return simpler !== undefined && simpler.z > candidate.z - leastGain ? simplified(simpler, single, score) : candidate;
}

const keyOf = ({ conditions }: Candidate): string =>
  conditions
    .map((each) => JSON.stringify(each))
    .sort()
    .join();

const candidateOf = (
  conditions: readonly SliceCondition[],
  set: RowSet,
  score: (set: RowSet) => number,
): Candidate => ({
  conditions,
  set,
  z: score(set),
});

function scorer(losses: Float64Array): (set: RowSet) => number {
  const rows = losses.length;
  const mean = losses.reduce((sum, each) => sum + each, 0) / rows;
  const variance = losses.reduce((sum, each) => sum + (each - mean) ** 2, 0) / rows;
  return (set) => {
    const { count } = set;
    if (count === 0 || count === rows || variance === 0) return 0;
    const error = Math.sqrt((variance / count) * ((rows - count) / (rows - 1)));
    return (sumOver(set, losses) / count - mean) / error;
  };
}

const best = (candidates: readonly Candidate[], width: number): Candidate[] =>
  [...candidates].sort((a, b) => b.z - a.z || a.conditions.length - b.conditions.length).slice(0, width);
