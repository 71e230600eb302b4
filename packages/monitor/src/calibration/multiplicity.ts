import { parameterInvalid } from "../errors.ts";
import { benjaminiHochberg } from "../statistics/count-tests.ts";

/**
 * What is held when many columns are judged at a time. `bonferroni`: the chance of any false alarm in a window, whatever the dependence.
 * `benjamini-hochberg`: the expected share of false ones among the alarms, where columns are independent or rise together; `benjamini-yekutieli`: the same
 * whatever the dependence. `hierarchical`: groups of columns first, then the columns of the groups that have drifted: the share of false ones
 * within each of them on average (Benjamini and Bogomolov, 2014).
 */
export type Correction = "benjamini-hochberg" | "benjamini-yekutieli" | "bonferroni" | "hierarchical" | "none";

export const corrections: readonly Correction[] = [
  "none",
  "bonferroni",
  "benjamini-hochberg",
  "benjamini-yekutieli",
  "hierarchical",
];

/**
 * @param groups `hierarchical`: the group of each p-value, in the same order. Default: each is a group of its own.
 * @returns p-values to compare with α itself, in the order given. A NaN is no test, and stays. Throws `MONITOR_PARAMETER_INVALID`.
 */
export function adjustPValues(
  pValues: readonly number[],
  correction: Correction,
  groups: readonly string[] = pValues.map((_, index) => String(index)),
): number[] {
  if (!corrections.includes(correction))
    throw parameterInvalid(`correction is "${String(correction)}", and must be one of ${corrections.join(", ")}`);
  const wrong = pValues.find((pValue) => pValue < 0 || pValue > 1);
  if (wrong !== undefined) throw parameterInvalid(`a p-value is ${wrong}, and must be in [0, 1]`);
  const tested = pValues.flatMap((pValue, index) => (Number.isNaN(pValue) ? [] : [index]));
  const given = tested.map((index) => pValues[index] as number);
  const own = tested.map((index) => groups[index] ?? String(index));
  const adjusted = adjustAll(given, correction, own);
  const all = [...pValues];
  for (const [at, index] of tested.entries()) all[index] = adjusted[at] as number;
  return all;
}

function adjustAll(pValues: readonly number[], correction: Correction, groups: readonly string[]): readonly number[] {
  const atMost1 = (pValue: number): number => Math.min(1, pValue);
  if (correction === "none") return pValues;
  if (correction === "bonferroni") return pValues.map((pValue) => atMost1(pValue * pValues.length));
  if (correction === "benjamini-hochberg") return benjaminiHochberg(pValues);
  if (correction === "hierarchical") return byGroups(pValues, groups);
  // Benjamini and Yekutieli (2001), theorem 1.3: Hochberg's times the harmonic number.
  const harmonic = pValues.reduce((sum, _, index) => sum + 1 / (index + 1), 0);
  return benjaminiHochberg(pValues).map((pValue) => atMost1(pValue * harmonic));
}

/**
 * Simes's p-value of each group, adjusted over the G groups; a column of one of R groups below α is taken at α·R/G. What comes back is the least α at
 * which that happens.
 */
function byGroups(pValues: readonly number[], groups: readonly string[]): readonly number[] {
  const members = new Map<string, number[]>();
  for (const [index, group] of groups.entries()) {
    const known = members.get(group);
    if (known === undefined) members.set(group, [index]);
    else known.push(index);
  }
  const names = [...members.keys()];
  const inside = new Map(
    Array.from(members, ([name, indices]) => {
      const adjusted = benjaminiHochberg(indices.map((index) => pValues[index] as number));
      return [name, new Map(indices.map((index, at) => [index, adjusted[at] as number]))];
    }),
  );
  // The smallest p-value that Benjamini and Hochberg adjust is that of Simes (1986).
  const simes = names.map((name) => Math.min(...(inside.get(name)?.values() ?? [1])));
  const ofGroup = new Map(benjaminiHochberg(simes).map((pValue, at) => [names[at] as string, pValue]));
  const growing = [...ofGroup.values()].sort((a, b) => a - b);
  return pValues.map((_, index) => {
    const group = groups[index] as string;
    const [first, own] = [ofGroup.get(group) ?? 1, inside.get(group)?.get(index) ?? 1];
    const levels = growing.map((level, at) => Math.max(level, first, (own * names.length) / (at + 1)));
    return Math.min(1, ...levels);
  });
}
