/** The types that SageMaker Model Monitor tells apart. `Unknown`: no value was met, or bytes or lists. */
export type ConstraintType = "Integral" | "Fractional" | "String" | "Unknown";

/** How constraints are checked: `monitoring_config` of Model Monitor. */
export interface MonitoringConfig {
  /** False: `checkConstraints` finds nothing. */
  readonly evaluate: boolean;
  /** Kept for Model Monitor, which then writes CloudWatch metrics; no meaning here. */
  readonly emitMetrics: boolean;
  /** Least share of the values that must be of the inferred type, in [0, 1]: `datatype_check_threshold`. */
  readonly typeThreshold: number;
  /** Least share of the values that must be in the domain, in [0, 1]: `domain_content_threshold`. */
  readonly domainThreshold: number;
  /** False: distributions are not compared. */
  readonly compareDistributions: boolean;
  /** Largest `distributionDistance` from the baseline, in [0, 1]. */
  readonly driftThreshold: number;
  readonly driftMethod: "Simple" | "Robust";
  /** As `driftThreshold`, for text. Absent: the same. With `ChiSquared`: the smallest p-value that is no drift. */
  readonly categoricalDriftThreshold?: number | undefined;
  /** `ChiSquared`: goodness of fit to the shares of the baseline. Absent: `LInfinity`. */
  readonly categoricalDriftMethod?: "LInfinity" | "ChiSquared" | undefined;
}

/** What a column must satisfy. */
export interface ColumnConstraint {
  readonly name: string;
  readonly inferredType: ConstraintType;
  /** Least share of the rows that have a value, in [0, 1]; absent where nothing is asked. */
  readonly completeness?: number | undefined;
  /** Numbers must be 0 or more. */
  readonly nonNegative?: boolean | undefined;
  /** The values there may be. */
  readonly domain?: readonly string[] | undefined;
  /** What holds for this column in place of the table's config. */
  readonly overrides?: Partial<MonitoringConfig> | undefined;
}

/** What a table must satisfy. JSON-safe; `toSageMakerConstraints` writes it as Model Monitor's `constraints.json`. */
export interface Constraints {
  readonly columns: readonly ColumnConstraint[];
  readonly monitoring: MonitoringConfig;
}

/** What Model Monitor's own baseline jobs write. */
export const defaultMonitoring: MonitoringConfig = {
  evaluate: true,
  emitMetrics: true,
  typeThreshold: 1,
  domainThreshold: 1,
  compareDistributions: true,
  driftThreshold: 0.1,
  driftMethod: "Robust",
};

/** The violation kinds of Model Monitor, in the order in which they are checked. */
export const constraintCheckTypes = [
  "missing_column_check",
  "data_type_check",
  "completeness_check",
  "baseline_drift_check",
  "categorical_values_check",
  "extra_column_check",
] as const;

export type ConstraintCheckType = (typeof constraintCheckTypes)[number];

/** One constraint that a table does not satisfy. */
export interface ConstraintViolation {
  readonly column: string;
  readonly check: ConstraintCheckType;
  readonly description: string;
  /** What was measured: a share, a distance or a p-value, in [0, 1]. Absent for columns that are missing or extra. */
  readonly observed?: number | undefined;
  /** What it was held against. */
  readonly threshold?: number | undefined;
}

/** JSON-safe; `toSageMakerViolations` writes it as Model Monitor's `constraint_violations.json`. */
export interface ConstraintReport {
  readonly formatVersion: 1;
  readonly violations: readonly ConstraintViolation[];
}
