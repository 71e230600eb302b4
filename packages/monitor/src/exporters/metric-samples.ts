import type { Labels, Meter } from "@millwright/contracts";
import { distributionDistance, type ColumnProfile, type Profile } from "@millwright/data";
import { dataQualityChecks, type DataQualityReport } from "../data-quality/data-quality.ts";

/** One measured value of a feature, named as Model Monitor names its CloudWatch metrics. */
export interface MetricSample {
  /** `feature_baseline_drift_distance`, `feature_non_null_distance`, `feature_data_distance`. */
  readonly name: string;
  readonly kind: "baseline_drift" | "non_null" | "data";
  readonly feature: string;
  /** Of `data`: the mean of the values. */
  readonly value: number;
  /** Of `data`: what CloudWatch makes Min, Max, Sum, SampleCount and Average of. */
  readonly statistics?:
    | { readonly count: number; readonly sum: number; readonly min: number; readonly max: number }
    | undefined;
}

/**
 * What Model Monitor emits of each feature: `feature_non_null_NAME` (the share of rows with a value), `feature_baseline_drift_NAME` (the distance of `distributionDistance`, where the baseline has
 * the column with values of its kind) and, of numbers, `feature_data_NAME`. Pure; what is no finite number is left out.
 */
export function featureMetrics(current: Profile, baseline?: Profile): readonly MetricSample[] {
  return Object.entries(current.columns).flatMap(([feature, column]): readonly MetricSample[] => {
    const before =
      baseline !== undefined && Object.hasOwn(baseline.columns, feature) ? baseline.columns[feature] : undefined;
    const rows = column.count + column.missing;
    const drift = before === undefined ? Number.NaN : driftOf(before, column);
    const { moments } = column;
    const sample = (kind: MetricSample["kind"], value: number): MetricSample => ({
      name: `feature_${kind}_${feature}`,
      kind,
      feature,
      value,
    });
    return [
      ...(rows === 0 ? [] : [sample("non_null", column.count / rows)]),
      ...(Number.isFinite(drift) ? [sample("baseline_drift", drift)] : []),
      ...(moments === undefined || moments.count === 0 || !Number.isFinite(moments.mean * moments.count)
        ? []
        : [
            {
              ...sample("data", moments.mean),
              statistics: {
                count: moments.count,
                sum: moments.mean * moments.count,
                min: moments.min,
                max: moments.max,
              },
            },
          ]),
    ];
  });
}

function driftOf(before: ColumnProfile, now: ColumnProfile): number {
  const areTexts = before.frequent !== undefined && now.frequent !== undefined;
  const areNumbers = before.quantiles !== undefined && now.quantiles !== undefined;
  return areTexts || areNumbers ? distributionDistance(before, now) : Number.NaN;
}

/** Sets gauges to the samples, and to the issues of data quality by check: for Prometheus and for OTLP, with features and checks as labels. */
export function recordMetrics(
  meter: Meter,
  samples: readonly MetricSample[],
  {
    labels = {},
    quality,
  }: { readonly labels?: Labels | undefined; readonly quality?: DataQualityReport | undefined } = {},
): void {
  const labelNames = [...Object.keys(labels), "feature"];
  const gauges = {
    baseline_drift: meter.gauge("millwright_monitor_feature_baseline_drift", {
      help: "Distance of a feature's distribution from the baseline's, 0 to 1.",
      labelNames,
    }),
    non_null: meter.gauge("millwright_monitor_feature_non_null", {
      help: "Share of a feature's rows that have a value.",
      labelNames,
    }),
    data: meter.gauge("millwright_monitor_feature_mean", { help: "Mean of a feature's numbers.", labelNames }),
  };
  for (const { kind, feature, value } of samples) gauges[kind].set(value, { ...labels, feature });
  if (quality === undefined) return;
  const issues = meter.gauge("millwright_monitor_data_quality_issues", {
    help: "Issues of data quality by check.",
    labelNames: [...Object.keys(labels), "check"],
  });
  const counts = new Map<string, number>();
  for (const { check } of quality.issues) counts.set(check, (counts.get(check) ?? 0) + 1);
  // What is no longer found must not stand at its last count.
  for (const check of dataQualityChecks) issues.set(counts.get(check) ?? 0, { ...labels, check });
}
