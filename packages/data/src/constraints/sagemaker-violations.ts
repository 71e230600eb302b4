import type { JsonObject } from "@millwright/contracts";
import { constraintCheckTypes, type ConstraintReport } from "./constraints.ts";
import { readModelMonitorFile } from "./sagemaker-constraints.ts";

/** @returns Model Monitor's `constraint_violations.json`. What was measured stands in the descriptions only. */
export function toSageMakerViolations({ violations }: ConstraintReport): JsonObject {
  return {
    violations: violations.map(({ column, check, description }) => ({
      feature_name: column,
      constraint_check_type: check,
      description,
    })),
  };
}

/** Reads Model Monitor's `constraint_violations.json`. Throws `DATA_MODEL_MONITOR_INVALID`, which names the path. */
export function parseSageMakerViolations(json: unknown): ConstraintReport {
  const reader = readModelMonitorFile(json, "constraint_violations.json", false);
  const violations = reader
    .field("violations")
    .items()
    .map((each) => ({
      column: each.field("feature_name").string(),
      check: each.field("constraint_check_type").oneOf(constraintCheckTypes),
      description: each.field("description").string(),
    }));
  return { formatVersion: 1, violations };
}
