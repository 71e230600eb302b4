import type { AxisTable, ParameterAxes } from "./parzen-axes.ts";

/** Parameters that one mixture is fitted to. */
export type ParameterGroup = readonly ParameterAxes[];

/** `independent`: each parameter alone. `joint`: those that every finished trial has, together. `group`: all that were always seen together. */
export type Grouping = "independent" | "joint" | "group";

/**
 * The space's parameters in groups; those of one value are in none.
 * @param rows Of the finished trials.
 */
export function parameterGroups(table: AxisTable, rows: readonly Float64Array[], grouping: Grouping): ParameterGroup[] {
  const parameters = table.parameters.filter(({ width }) => width > 0);
  if (grouping === "independent" || rows.length === 0) return parameters.map((parameter) => [parameter]);
  const patterns = presencePatterns(table, parameters, rows);
  if (grouping === "group") return seenTogether(parameters, patterns);
  const everywhere = parameters.filter((_, index) => patterns.every((pattern) => pattern[index] === "1"));
  const others = parameters.filter((parameter) => !everywhere.includes(parameter));
  return [...(everywhere.length === 0 ? [] : [everywhere]), ...others.map((parameter) => [parameter])];
}

/** Which parameters the trials had, as texts of 0 and 1, each pattern once. */
function presencePatterns(
  table: AxisTable,
  parameters: readonly ParameterAxes[],
  rows: readonly Float64Array[],
): readonly string[] {
  const partial = rows.filter((row) => !table.isComplete(row));
  const patterns = new Set<string>(partial.length < rows.length ? ["1".repeat(parameters.length)] : []);
  for (const row of partial)
    patterns.add(parameters.map(({ start }) => (Number.isNaN(row[start] as number) ? "0" : "1")).join(""));
  return [...patterns];
}

/**
 * The coarsest partition in which each trial has all of a group or none: two parameters are together if the same trials had them. Never seen ones are
 * alone.
 */
function seenTogether(parameters: readonly ParameterAxes[], patterns: readonly string[]): ParameterGroup[] {
  const groups = new Map<string, ParameterAxes[]>();
  for (const [index, parameter] of parameters.entries()) {
    const seen = patterns.map((pattern) => pattern[index]).join("");
    const key = seen.includes("1") ? seen : `alone ${index}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [parameter]);
    else group.push(parameter);
  }
  return [...groups.values()];
}
