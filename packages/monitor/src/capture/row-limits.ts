import type { AlertRule } from "../alerts/alert-rule.ts";
import { ruleInvalid } from "../errors.ts";
import type { RowsOptions } from "../monitor-options.ts";
import { mostRows } from "./window.ts";

const isLimit = (value: number): boolean => Number.isSafeInteger(value) && value >= 1 && value <= mostRows;

/**
 * How many rows of a window of an endpoint are kept: the most that the options or a rule ask for. Throws a RangeError for the options, `MONITOR_RULE_INVALID` for a rule
 * that asks for too many.
 */
export function rowLimits(options: RowsOptions | undefined, rules: readonly AlertRule[]): (endpoint: string) => number {
  const { perWindow = 200, endpoints } = options ?? {};
  if (!isLimit(perWindow))
    throw new RangeError(`rows.perWindow must be a whole number from 1 to ${mostRows}, not ${perWindow}.`);
  const asked = new Map<string, number>();
  for (const { name, rows } of rules) {
    if (rows === undefined) continue;
    if (!isLimit(rows.perWindow))
      throw ruleInvalid(
        name,
        `rows of a window must be a whole number from 1 to ${mostRows} at most, not ${rows.perWindow}`,
      );
    asked.set(rows.endpoint, Math.max(asked.get(rows.endpoint) ?? 0, rows.perWindow));
  }
  const all = options === undefined ? 0 : perWindow;
  return (endpoint) =>
    Math.max(asked.get(endpoint) ?? 0, endpoints === undefined || endpoints.includes(endpoint) ? all : 0);
}
