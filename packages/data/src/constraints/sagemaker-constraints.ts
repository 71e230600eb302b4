import type { JsonObject, JsonValue } from "@millwright/contracts";
import { modelMonitorInvalid } from "../errors.ts";
import { createJsonReader, type JsonReader } from "../json-reader.ts";
import { type ColumnConstraint, type Constraints, defaultMonitoring, type MonitoringConfig } from "./constraints.ts";

/** @returns a reader of one of Model Monitor's files, whose complaints name it. Throws `DATA_MODEL_MONITOR_INVALID` for another version than 0. */
export function readModelMonitorFile(json: unknown, file: string, isVersioned: boolean): JsonReader {
  const reader = createJsonReader(json, "", (path, problem) =>
    modelMonitorInvalid(file, path === "" ? "the whole" : path, problem),
  );
  const version = reader.object()["version"];
  if (isVersioned && version !== 0) reader.field("version").fail(`must be 0, not ${JSON.stringify(version)}`);
  return reader;
}

export const isPresent = (reader: JsonReader, name: string): boolean => reader.object()[name] !== undefined;

/** @returns Model Monitor's `constraints.json`. */
export function toSageMakerConstraints({ columns, monitoring }: Constraints): JsonObject {
  return { version: 0, features: columns.map(featureOf), monitoring_config: configToJson(monitoring) };
}

function featureOf({ name, inferredType, completeness, nonNegative, domain, overrides }: ColumnConstraint): JsonObject {
  return {
    name,
    inferred_type: inferredType,
    ...(completeness === undefined ? {} : { completeness }),
    ...(nonNegative === undefined ? {} : { num_constraints: { is_non_negative: nonNegative } }),
    ...(domain === undefined ? {} : { string_constraints: { domains: domain } }),
    ...(overrides === undefined ? {} : { monitoringConfigOverrides: configToJson(overrides) }),
  };
}

const switchOf = (value: boolean): string => (value ? "Enabled" : "Disabled");

function configToJson(config: Partial<MonitoringConfig>): JsonObject {
  const distribution = defined({
    perform_comparison: config.compareDistributions === undefined ? undefined : switchOf(config.compareDistributions),
    comparison_threshold: config.driftThreshold,
    comparison_method: config.driftMethod,
    categorical_comparison_threshold: config.categoricalDriftThreshold,
    categorical_drift_method: config.categoricalDriftMethod,
  });
  return defined({
    evaluate_constraints: config.evaluate === undefined ? undefined : switchOf(config.evaluate),
    emit_metrics: config.emitMetrics === undefined ? undefined : switchOf(config.emitMetrics),
    datatype_check_threshold: config.typeThreshold,
    domain_content_threshold: config.domainThreshold,
    distribution_constraints: Object.keys(distribution).length === 0 ? undefined : distribution,
  });
}

function defined(values: Readonly<Record<string, JsonValue | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

/**
 * Reads Model Monitor's `constraints.json`. What it leaves out of `monitoring_config` is as Model Monitor's baseline jobs write it; fields it does not document are
 * left aside. Throws `DATA_MODEL_MONITOR_INVALID`, which names the path.
 */
export function parseSageMakerConstraints(json: unknown): Constraints {
  const reader = readModelMonitorFile(json, "constraints.json", true);
  const names = new Set<string>();
  const columns = reader
    .field("features")
    .items()
    .map((feature) => {
      const name = feature.field("name").string();
      if (names.has(name)) feature.field("name").fail(`must be unique: ${JSON.stringify(name)} stands twice`);
      names.add(name);
      return parseFeature(feature, name);
    });
  const config = isPresent(reader, "monitoring_config") ? parseConfig(reader.field("monitoring_config")) : {};
  return { columns, monitoring: { ...defaultMonitoring, ...config } };
}

function parseFeature(feature: JsonReader, name: string): ColumnConstraint {
  return {
    name,
    inferredType: feature.field("inferred_type").oneOf(["Integral", "Fractional", "String", "Unknown"]),
    ...optional<ColumnConstraint>(feature, "completeness", (field) => ({ completeness: shareIn(field) })),
    ...optional<ColumnConstraint>(feature, "num_constraints", (field) =>
      optional<ColumnConstraint>(field, "is_non_negative", (each) => ({ nonNegative: each.boolean() })),
    ),
    ...optional<ColumnConstraint>(feature, "string_constraints", (field) =>
      optional<ColumnConstraint>(field, "domains", (each) => ({ domain: each.items().map((value) => value.string()) })),
    ),
    ...optional<ColumnConstraint>(feature, "monitoringConfigOverrides", (field) => ({ overrides: parseConfig(field) })),
  };
}

function optional<Whole extends object>(
  reader: JsonReader,
  name: string,
  parse: (field: JsonReader) => Partial<Whole>,
): Partial<Whole> {
  return isPresent(reader, name) ? parse(reader.field(name)) : {};
}

function parseConfig(reader: JsonReader): Partial<MonitoringConfig> {
  return {
    ...optional<MonitoringConfig>(reader, "evaluate_constraints", (field) => ({ evaluate: isEnabled(field) })),
    ...optional<MonitoringConfig>(reader, "emit_metrics", (field) => ({ emitMetrics: isEnabled(field) })),
    ...optional<MonitoringConfig>(reader, "datatype_check_threshold", (field) => ({ typeThreshold: shareIn(field) })),
    ...optional<MonitoringConfig>(reader, "domain_content_threshold", (field) => ({ domainThreshold: shareIn(field) })),
    ...optional<MonitoringConfig>(reader, "distribution_constraints", (field) => ({
      ...optional<MonitoringConfig>(field, "perform_comparison", (each) => ({ compareDistributions: isEnabled(each) })),
      ...optional<MonitoringConfig>(field, "comparison_threshold", (each) => ({ driftThreshold: shareIn(each) })),
      ...optional<MonitoringConfig>(field, "comparison_method", (each) => ({
        driftMethod: each.oneOf(["Simple", "Robust"]),
      })),
      ...optional<MonitoringConfig>(field, "categorical_comparison_threshold", (each) => ({
        categoricalDriftThreshold: shareIn(each),
      })),
      ...optional<MonitoringConfig>(field, "categorical_drift_method", (each) => ({
        categoricalDriftMethod: each.oneOf<"LInfinity" | "ChiSquared">(["LInfinity", "ChiSquared"]),
      })),
    })),
  };
}

const isEnabled = (reader: JsonReader): boolean => reader.oneOf(["Enabled", "Disabled"]) === "Enabled";

function shareIn(reader: JsonReader): number {
  const share = reader.number();
  return share >= 0 && share <= 1 ? share : reader.fail(`must be in [0, 1], not ${share}`);
}
