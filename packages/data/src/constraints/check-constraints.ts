import type { Dataset } from "@millwright/contracts";
import { columnOf } from "../batch.ts";
import { distributionDistance } from "../distribution-distance.ts";
import type { ColumnProfile, Profile } from "../profile.ts";
import { chiSquaredProbability } from "./categorical-drift.ts";
import { type ColumnMeasure, createColumnCheck } from "./column-check.ts";
import type {
  ColumnConstraint,
  ConstraintReport,
  Constraints,
  ConstraintViolation,
  MonitoringConfig,
} from "./constraints.ts";

export interface CheckConstraintsOptions {
  /** What distributions are compared with. Without it, drift is not checked. */
  readonly baseline?: Profile | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a dataset once and says which constraints it does not satisfy: column by column in the order of the constraints, then the columns that nothing is known of.
 * The kinds are those of Model Monitor. A negative number where none may be is a `data_type_check`, since Model Monitor documents no kind for it.
 * An integer fits a fractional column, anything fits a string column, and a text column fits as far as its texts write numbers.
 */
export async function checkConstraints(
  dataset: Dataset,
  constraints: Constraints,
  { baseline, signal }: CheckConstraintsOptions = {},
): Promise<ConstraintReport> {
  const types = new Map(dataset.schema.map(({ name, type }) => [name, type] as const));
  const asked = constraints.columns.filter((constraint) => configOf(constraints, constraint).evaluate);
  const checks = asked.flatMap((constraint) => {
    const type = types.get(constraint.name);
    return type === undefined ? [] : [{ name: constraint.name, check: createColumnCheck(constraint, type) }];
  });
  if (checks.length > 0) {
    for await (const batch of dataset.batches({ columns: checks.map(({ name }) => name), signal }))
      for (const { name, check } of checks) check.update(columnOf(batch, name));
  }
  const measures = new Map(checks.map(({ name, check }) => [name, check.measure()] as const));
  const sizes = `Columns in the dataset: ${types.size}, in the constraints: ${constraints.columns.length}.`;
  const violations = asked.flatMap((constraint): readonly ConstraintViolation[] => {
    const measure = measures.get(constraint.name);
    if (measure === undefined) return [missingColumn(constraint.name, sizes)];
    const reference = Object.hasOwn(baseline?.columns ?? {}, constraint.name)
      ? baseline?.columns[constraint.name]
      : undefined;
    return checkColumn(constraint, configOf(constraints, constraint), measure, reference);
  });
  const known = new Set(constraints.columns.map(({ name }) => name));
  const extra = constraints.monitoring.evaluate ? [...types.keys()].filter((name) => !known.has(name)) : [];
  return { formatVersion: 1, violations: [...violations, ...extra.map((name) => extraColumn(name, sizes))] };
}

const configOf = ({ monitoring }: Constraints, { overrides }: ColumnConstraint): MonitoringConfig => ({
  ...monitoring,
  ...overrides,
});

const missingColumn = (column: string, sizes: string): ConstraintViolation => ({
  column,
  check: "missing_column_check",
  description: `The column is missing in the dataset. ${sizes}`,
});

const extraColumn = (column: string, sizes: string): ConstraintViolation => ({
  column,
  check: "extra_column_check",
  description: `The column is not in the constraints. ${sizes}`,
});

function checkColumn(
  constraint: ColumnConstraint,
  config: MonitoringConfig,
  measure: ColumnMeasure,
  reference: ColumnProfile | undefined,
): readonly ConstraintViolation[] {
  return [
    ...checkType(constraint, config, measure),
    ...checkCompleteness(constraint, measure),
    ...checkDrift(constraint, config, measure, reference),
    ...checkDomain(constraint, config, measure),
  ];
}

const shareOf = (part: number, whole: number): number => (whole === 0 ? 1 : part / whole);

/** As Model Monitor writes shares: 100.0%, 99.71751412429379%. */
function percent(share: number): string {
  const value = share * 100;
  return `${Number.isInteger(value) ? value.toFixed(1) : value}%`;
}

function checkType(
  { name, inferredType, nonNegative }: ColumnConstraint,
  { typeThreshold }: MonitoringConfig,
  { count, fitting, negative }: ColumnMeasure,
): readonly ConstraintViolation[] {
  const violations: ConstraintViolation[] = [];
  const observed = shareOf(fitting, count);
  const found = { column: name, check: "data_type_check" } as const;
  if (observed < typeThreshold)
    violations.push({
      ...found,
      description: `Data type match requirement is not met. Expected data type: ${inferredType}, Expected match: ${percent(typeThreshold)}. Observed: Only ${percent(observed)} of data is ${inferredType}.`,
      observed,
      threshold: typeThreshold,
    });
  const positive = shareOf(count - negative, count);
  if (nonNegative === true && positive < typeThreshold)
    violations.push({
      ...found,
      description: `Non-negative requirement is not met. Expected match: ${percent(typeThreshold)}. Observed: Only ${percent(positive)} of data is non-negative.`,
      observed: positive,
      threshold: typeThreshold,
    });
  return violations;
}

function checkCompleteness(
  { name, completeness }: ColumnConstraint,
  { count, rows }: ColumnMeasure,
): readonly ConstraintViolation[] {
  const observed = shareOf(count, rows);
  if (completeness === undefined || observed >= completeness) return [];
  const description = `Completeness requirement is not met. Expected completeness: ${percent(completeness)}. Observed: ${percent(observed)} of the rows have a value.`;
  return [{ column: name, check: "completeness_check", description, observed, threshold: completeness }];
}

function checkDomain(
  { name, domain }: ColumnConstraint,
  { domainThreshold }: MonitoringConfig,
  { count, known }: ColumnMeasure,
): readonly ConstraintViolation[] {
  const observed = shareOf(known, count);
  if (domain === undefined || observed >= domainThreshold) return [];
  const description = `Domain requirement is not met. Expected match: ${percent(domainThreshold)}. Observed: Only ${percent(observed)} of the values are among the ${domain.length} of the baseline.`;
  return [{ column: name, check: "categorical_values_check", description, observed, threshold: domainThreshold }];
}

function checkDrift(
  { name }: ColumnConstraint,
  config: MonitoringConfig,
  { profile }: ColumnMeasure,
  reference: ColumnProfile | undefined,
): readonly ConstraintViolation[] {
  if (!config.compareDistributions || reference === undefined || profile === undefined) return [];
  const found = { column: name, check: "baseline_drift_check" } as const;
  const { driftThreshold, driftMethod } = config;
  const isCategorical = profile.frequent !== undefined;
  if (isCategorical ? reference.frequent === undefined : reference.quantiles === undefined) return [];
  const threshold = isCategorical ? (config.categoricalDriftThreshold ?? driftThreshold) : driftThreshold;
  if (isCategorical && config.categoricalDriftMethod === "ChiSquared" && reference.frequent && profile.frequent) {
    const observed = chiSquaredProbability(reference.frequent, profile.frequent);
    if (!(observed < threshold)) return [];
    const description = `Chi-squared probability ${observed} of the baseline's distribution falls below threshold: ${threshold}`;
    return [{ ...found, description, observed, threshold }];
  }
  const observed = distributionDistance(reference, profile, { method: driftMethod });
  if (!(observed > threshold)) return [];
  const description = `Baseline drift distance: ${observed} exceeds threshold: ${threshold}`;
  return [{ ...found, description, observed, threshold }];
}
