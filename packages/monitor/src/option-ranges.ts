import { checkComparison } from "./deployments/compare-deployment.ts";
import { ruleInvalid } from "./errors.ts";
import type { MonitorOptions } from "./monitor-options.ts";

const hourMs = 3_600_000;

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
const isLength = (value: number): boolean => value > 0 && Number.isFinite(value);

/**
 * What a monitor cannot work by, told when it is opened: a number out of its range, a policy for no rule. Throws RangeError, `MONITOR_RULE_INVALID`.
 */
export function checkRanges(options: MonitorOptions, ruleNames: ReadonlySet<string>): void {
  checkWindows(options);
  checkComparison(options.deployments);
  const { maxQueue = 1, maxWaitingForLabels, maxRememberedLabels, maxLookedUpLabels, maxHeldLabels } = options;
  if (!(Number.isSafeInteger(maxQueue) && maxQueue >= 1))
    throw new RangeError(`maxQueue must be a whole number from 1, not ${maxQueue}.`);
  const counts = { maxWaitingForLabels, maxRememberedLabels, maxLookedUpLabels, maxHeldLabels };
  for (const [name, value] of Object.entries(counts))
    if (value !== undefined && !isCount(value))
      throw new RangeError(`${name} must be a whole number from 0, not ${value}.`);
  const { sampleShare = 1 } = options;
  if (!(sampleShare >= 0 && sampleShare <= 1))
    throw new RangeError(`sampleShare must be in [0, 1], not ${sampleShare}.`);
  for (const name of Object.keys(options.alerting?.policies ?? {}))
    if (!ruleNames.has(name)) throw ruleInvalid(name, "it has a policy, and no rule or objective has the name");
}

function checkWindows({
  windowMs = 60_000,
  retainMs = windowMs,
  holdMs = 0,
  holdLabelsMs = 0,
  evaluateEveryMs = 1,
}: MonitorOptions): void {
  // Old windows are merged by the hour that holds them: others would lie in two, and lose the labels that come late.
  if (!(isLength(windowMs) && Number.isInteger(hourMs / windowMs)))
    throw new RangeError(`windowMs must be an hour or a whole part of one, not ${windowMs}.`);
  if (!(isLength(retainMs) && retainMs >= windowMs))
    throw new RangeError(`retainMs must be at least a window of ${windowMs} ms, not ${retainMs}.`);
  for (const [name, value] of Object.entries({ holdMs, holdLabelsMs }))
    if (!(value >= 0)) throw new RangeError(`${name} must be a number of milliseconds of at least 0, not ${value}.`);
  if (!isLength(evaluateEveryMs))
    throw new RangeError(`evaluateEveryMs must be a number of milliseconds over 0, not ${evaluateEveryMs}.`);
}

/** Throws a RangeError for more good events than there were. */
export function checkedEvents(good: number, total: number): readonly [good: number, total: number] {
  if (!(good >= 0 && good <= total)) throw new RangeError(`Of ${total} events ${good} cannot be good.`);
  return [good, total];
}

/** Throws a RangeError for what is no time. */
export function checkedTime(nowMs: number): number {
  if (!Number.isFinite(nowMs)) throw new RangeError(`nowMs must be a time, not ${nowMs}.`);
  return nowMs;
}

/** Begin of the window that ends at a time. Throws a RangeError for a length that is not over 0, and for what is no time. */
export function beginOf(windowMs: number, nowMs: number): number {
  if (!(windowMs > 0) || Number.isNaN(nowMs))
    throw new RangeError(`No window of ${windowMs} ms ends at ${nowMs}; a length is over 0.`);
  return nowMs - windowMs;
}
