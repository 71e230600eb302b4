import type { Random } from "@millwright/contracts";
import { type Mixture, createMixture } from "./parzen.ts";
import type { AxisTable } from "./parzen-axes.ts";
import type { ParameterGroup } from "./tpe-groups.ts";
import type { TpeRules } from "./tpe-profile.ts";

/** Steps of the search tried from one point. */
const REFINED_AT_ONCE = 8;

/** A point of one group's columns, with the densities there. */
export interface Candidate {
  readonly row: Float64Array;
  readonly logGood: number;
  readonly logBad: number;
}

/** What the trials say of one group of parameters. */
export interface GroupModel {
  readonly group: ParameterGroup;
  /** Drawn from the good trials' mixture, and scored. */
  draw(count: number, random: Random): readonly Candidate[];
  /** Better ones near `start`, step by step; not for groups with more than numbers and choices to vary. */
  refine(start: Candidate, steps: number, random: Random): Candidate;
}

/** @param below Rows of the good trials, oldest first; those without the group's parameters are left out. */
export function createGroupModel(
  group: ParameterGroup,
  below: readonly Float64Array[],
  above: readonly Float64Array[],
  table: AxisTable,
  rules: TpeRules,
): GroupModel {
  const has = (row: Float64Array): boolean =>
    table.isComplete(row) || group.every(({ start }) => !Number.isNaN(row[start] as number));
  const goodRows = below.filter(has);
  const badRows = above.filter(has);
  const axes = group.flatMap((parameter) => parameter.axes);
  const goodWeights = rules.equalGood ? new Float64Array(goodRows.length).fill(1) : rules.weights(goodRows.length);
  const good = createMixture(axes, goodRows, goodWeights, table, { ...rules, width: rules.goodWidth });
  const bad = createMixture(axes, badRows, rules.weights(badRows.length), table, rules);
  return {
    group,
    draw(count, random) {
      const rows = Array.from({ length: count }, () => {
        const row = new Float64Array(table.columns);
        good.sample(random, row);
        for (const parameter of group) parameter.repair?.(row, random);
        return row;
      });
      return score(rows, good, bad);
    },
    refine: (start, steps, random) => refine(group, start, steps, good, bad, random),
  };
}

function score(rows: readonly Float64Array[], good: Mixture, bad: Mixture): readonly Candidate[] {
  const logGood = good.logDensities(rows);
  const logBad = bad.logDensities(rows);
  return rows.map((row, index) => ({
    row,
    logGood: logGood[index] as number,
    logBad: logBad[index] as number,
  }));
}

export const logRatio = ({ logGood, logBad }: Candidate): number => logGood - logBad;

/** The first with the highest ratio of the densities. */
export function bestCandidate(candidates: readonly Candidate[]): Candidate {
  let best = candidates[0] as Candidate;
  for (const candidate of candidates) if (logRatio(candidate) > logRatio(best)) best = candidate;
  return best;
}

/** Batches of random steps of falling size, from a tenth to a hundredth of the range, the best kept where the ratio grows. */
function refine(
  group: ParameterGroup,
  start: Candidate,
  steps: number,
  good: Mixture,
  bad: Mixture,
  random: Random,
): Candidate {
  const axes = group.flatMap((parameter) => parameter.axes).filter(({ kind }) => kind !== "permutation");
  const numeric = axes.filter(({ kind }) => kind !== "categorical");
  if (numeric.length === 0) return start;
  let best = start;
  for (let step = 0; step < steps; step += 1) {
    const size = 0.1 ** (1 + step / steps);
    const rows = Array.from({ length: REFINED_AT_ONCE }, () => {
      const row = Float64Array.from(best.row);
      for (const axis of numeric) {
        const x = (row[axis.column] as number) + size * random.normal();
        row[axis.column] = axis.snap(Math.min(1, Math.max(0, x)));
      }
      return row;
    });
    const moved = bestCandidate(score(rows, good, bad));
    if (logRatio(moved) > logRatio(best)) best = moved;
  }
  return best;
}
