import {
  bucketsOf,
  type ColumnConstraint,
  type ColumnProfile,
  distributionDistance,
  type MonitoringConfig,
  mostFrequent,
} from "@millwright/data";
import { shown, shownPercent } from "../alerts/alert-rule.ts";
import { wilsonInterval } from "../statistics/count-tests.ts";
import type { DataQualityIssue, DataQualityLimits } from "./data-quality.ts";

type Optional = "maxFeatureAgeMs" | "requests";

/** Limits with all that has a default. */
export type Limits = {
  readonly [Name in Exclude<keyof DataQualityLimits, Optional>]-?: NonNullable<DataQualityLimits[Name]>;
} & Pick<DataQualityLimits, Optional>;

/** A column of the baseline as it was, as it should be and as it is. */
export interface ColumnCase {
  readonly name: string;
  readonly baseline: ColumnProfile | undefined;
  readonly constraint: ColumnConstraint;
  readonly config: MonitoringConfig;
  readonly current: ColumnProfile;
  readonly limits: Limits;
}

/** @returns whether the share is surely over the limit. */
const isOver = (hits: number, total: number, limit: number): boolean =>
  total > 0 && hits / total > limit && wilsonInterval(hits, total)[0] > limit;

const isText = ({ type }: ColumnProfile): boolean => type === "utf8" || type === "dictionary";

/** What of a column is wrong; of the type alone where that is. */
export function columnIssues(each: ColumnCase): readonly DataQualityIssue[] {
  const type = typeIssue(each);
  if (type !== undefined) return [type, ...missingIssue(each)];
  return [
    ...missingIssue(each),
    ...notFiniteIssue(each),
    ...rangeIssue(each),
    ...negativeIssue(each),
    ...unseenIssue(each),
    ...driftIssue(each),
  ];
}

function typeIssue({ name, baseline, constraint, config, current }: ColumnCase): DataQualityIssue | undefined {
  if (current.count === 0) return undefined;
  const { inferredType } = constraint;
  const issue = (observed: number, found: string): DataQualityIssue => ({
    check: "type",
    column: name,
    description: `The column is ${found}, where ${baseline?.type ?? inferredType} was the baseline's type.`,
    observed,
    threshold: config.typeThreshold,
  });
  if (inferredType === "Integral" || inferredType === "Fractional") {
    if (current.quantiles === undefined || isTimeOrBool(current)) return issue(0, current.type);
    if (inferredType === "Fractional") return undefined;
    const fractions = surelyFractional(current);
    const share = 1 - fractions / current.count;
    return share < config.typeThreshold ? issue(share, "of fractions") : undefined;
  }
  if (inferredType !== "String" || baseline === undefined) return undefined;
  const alike = isText(current) ? isText(baseline) : current.type === baseline.type;
  return alike ? undefined : issue(0, current.type);
}

const isTimeOrBool = ({ type }: ColumnProfile): boolean => type === "date" || type === "timestamp" || type === "bool";

/** Numbers in buckets that hold no whole number. */
function surelyFractional({ type, quantiles }: ColumnProfile): number {
  if (quantiles === undefined || (type !== "float32" && type !== "float64")) return 0;
  return bucketsOf(quantiles).reduce((sum, { low, high, count }) => sum + (Math.floor(high) < low ? count : 0), 0);
}

function missingIssue({ name, baseline, constraint, current, limits }: ColumnCase): readonly DataQualityIssue[] {
  const rows = current.count + current.missing;
  const completeness =
    constraint.completeness ??
    (baseline === undefined ? undefined : baseline.count / Math.max(1, baseline.count + baseline.missing));
  if (completeness === undefined || rows < limits.minimumRows) return [];
  const threshold = Math.min(1, 1 - completeness + limits.missingShare);
  if (!isOver(current.missing, rows, threshold)) return [];
  const observed = current.missing / rows;
  const description = `${shownPercent(observed)} of the values are missing; allowed ${shownPercent(threshold)}.`;
  return [{ check: "missing", column: name, description, observed, threshold }];
}

function notFiniteIssue({ name, baseline, current, limits }: ColumnCase): readonly DataQualityIssue[] {
  if (current.count < limits.minimumRows) return [];
  const before = baseline === undefined || baseline.count === 0 ? 0 : baseline.nonFinite / baseline.count;
  const threshold = Math.max(limits.notFiniteShare, before);
  if (!isOver(current.nonFinite, current.count, threshold)) return [];
  const observed = current.nonFinite / current.count;
  const description = `${shownPercent(observed)} of the numbers are NaN or infinite; allowed ${shownPercent(threshold)}.`;
  return [{ check: "not-finite", column: name, description, observed, threshold }];
}

function rangeIssue({ name, baseline, constraint, current, limits }: ColumnCase): readonly DataQualityIssue[] {
  const { moments } = baseline ?? {};
  const sketch = current.quantiles;
  if (constraint.inferredType === "String" || moments === undefined || sketch === undefined) return [];
  if (moments.count === 0 || sketch.count < limits.minimumRows) return [];
  const margin = (moments.max - moments.min) * limits.rangeMargin;
  const [least, most] = [moments.min - margin, moments.max + margin];
  // Only buckets that lie outside as a whole are surely outside.
  const outside = bucketsOf(sketch).reduce(
    (sum, { low, high, count }) => sum + (high < least || low > most ? count : 0),
    0,
  );
  if (!isOver(outside, sketch.count, limits.outOfRangeShare)) return [];
  const observed = outside / sketch.count;
  const description = `${shownPercent(observed)} of the numbers are outside the range of the baseline; allowed ${shownPercent(limits.outOfRangeShare)}.`;
  return [{ check: "range", column: name, description, observed, threshold: limits.outOfRangeShare }];
}

function negativeIssue({ name, constraint, config, current, limits }: ColumnCase): readonly DataQualityIssue[] {
  const sketch = current.quantiles;
  if (constraint.nonNegative !== true || sketch === undefined || sketch.count < limits.minimumRows) return [];
  const negative = bucketsOf(sketch).reduce((sum, { high, count }) => sum + (high < 0 ? count : 0), 0);
  if (!isOver(negative, sketch.count, 1 - config.typeThreshold)) return [];
  const observed = 1 - negative / sketch.count;
  const description = `${shownPercent(1 - observed)} of the numbers are negative, where none was in the baseline.`;
  return [{ check: "type", column: name, description, observed, threshold: config.typeThreshold }];
}

function unseenIssue({ name, constraint, current, limits }: ColumnCase): readonly DataQualityIssue[] {
  const { domain } = constraint;
  const { frequent } = current;
  if (domain === undefined || frequent === undefined || frequent.total < limits.minimumRows) return [];
  const known = new Set(domain);
  // A text's count falls short by `error` at most: what is beyond that for each text of the domain is surely unseen.
  const met = domain.reduce((sum, text) => sum + (frequent.counts.get(text) ?? 0) + frequent.error, 0);
  const unseen = Math.max(0, frequent.total - met);
  if (!isOver(unseen, frequent.total, limits.unseenShare)) return [];
  const named = mostFrequent(frequent)
    .filter(([text, count]) => !known.has(text) && count >= limits.minimumCategoryRows)
    .slice(0, 3)
    .map(([text]) => JSON.stringify(text));
  const observed = unseen / frequent.total;
  const such = named.length === 0 ? "" : `, such as ${named.join(", ")}`;
  const description = `${shownPercent(observed)} of the values are not among the ${domain.length} of the baseline${such}; allowed ${shownPercent(limits.unseenShare)}.`;
  return [{ check: "unseen-category", column: name, description, observed, threshold: limits.unseenShare }];
}

function driftIssue({ name, baseline, config, current, limits }: ColumnCase): readonly DataQualityIssue[] {
  if (!limits.drift || !config.compareDistributions || baseline === undefined) return [];
  const comparable =
    (baseline.frequent !== undefined && current.frequent !== undefined) ||
    (baseline.quantiles !== undefined && current.quantiles !== undefined);
  if (!comparable || Math.min(baseline.count, current.count) < limits.minimumRows) return [];
  const threshold =
    baseline.frequent === undefined
      ? config.driftThreshold
      : (config.categoricalDriftThreshold ?? config.driftThreshold);
  const observed = distributionDistance(baseline, current, { method: config.driftMethod });
  if (!(observed > threshold)) return [];
  const description = `The distribution is ${shown(observed)} away from the baseline's; allowed ${threshold}.`;
  return [{ check: "drift", column: name, description, observed, threshold }];
}
