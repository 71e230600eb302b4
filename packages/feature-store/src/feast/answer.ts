import type { Column, FeatureStatus, FeatureVectors, Field, ViewStatus } from "@millwright/contracts";
import { featureName, type FeatureView } from "../definition/definition.ts";
import { type FeatureService } from "../definition/service-definition.ts";
import { columnOfJson } from "../http/batch-body.ts";
import { shown } from "../http/errors.ts";
import { isRecord } from "../http/message.ts";
import { feastValueReaders, parsePythonTime } from "../http/value-readers.ts";
import { feastAnswerInvalid } from "./errors.ts";
import { parsePythonJson } from "./python-json.ts";
import { featuresOfService } from "./wanted.ts";

/** One feature of an answer, row by row. */
interface AnsweredFeature {
  readonly values: readonly unknown[];
  readonly statuses: readonly unknown[];
  readonly times: readonly unknown[];
}

export interface FeastAnswer {
  /** Where it came from, for messages. */
  readonly url: string;
  readonly text: string;
  /** For each row that was asked for, its row in the answer; −1 for one that was not sent. */
  readonly rowOf: readonly number[];
  readonly timeMs: number;
}

/** The vectors in an answer of a Feast server. Throws `FEATURE_STORE_FEAST_ANSWER_INVALID`. */
export function vectorsOfAnswer(service: FeatureService, answer: FeastAnswer): FeatureVectors {
  const byName = featuresOfAnswer(answer);
  const answered = new Map(
    featuresOfService(service).map((feature) => {
      const found = byName.get(feature.fullName);
      if (found === undefined) throw feastAnswerInvalid(answer.url, `it lacks the feature ${feature.fullName}`);
      return [feature.column, found] as const;
    }),
  );
  const views: Record<string, ViewStatus> = {};
  const columns: Record<string, Column> = {};
  for (const view of service.views) {
    const first = answered.get(featureName(view, view.featureNames[0]!))!;
    views[view.name] = statusOf(view, first, answer);
  }
  const owners = new Map(
    service.views.flatMap((view) => view.featureNames.map((name) => [featureName(view, name), view.name] as const)),
  );
  for (const field of service.features) {
    const owner = owners.get(field.name);
    const status = owner === undefined ? undefined : views[owner]!.status;
    columns[field.name] = columnOf(field, answered.get(field.name)!, status, answer);
  }
  return { features: { length: answer.rowOf.length, columns }, views };
}

function featuresOfAnswer({ url, text, rowOf }: FeastAnswer): ReadonlyMap<string, AnsweredFeature> {
  let answer: unknown;
  try {
    answer = parsePythonJson(text);
  } catch (error) {
    throw feastAnswerInvalid(url, "it is not JSON", error);
  }
  const metadata = isRecord(answer) ? answer["metadata"] : undefined;
  const names = isRecord(metadata) ? metadata["feature_names"] : undefined;
  const results = isRecord(answer) ? answer["results"] : undefined;
  if (!Array.isArray(names) || !Array.isArray(results) || names.length !== results.length) {
    throw feastAnswerInvalid(url, "it has no results with a feature name for each");
  }
  const rows = rowOf.reduce((most, row) => Math.max(most, row + 1), 0);
  return new Map(
    results.map((result: unknown, at): [string, AnsweredFeature] => {
      const { values, statuses, event_timestamps: times = [] } = isRecord(result) ? result : {};
      const isWhole =
        Array.isArray(values) && values.length === rows && Array.isArray(statuses) && Array.isArray(times);
      if (!isWhole) throw feastAnswerInvalid(url, `its result ${at} does not have ${rows} rows`);
      return [String(names[at]), { values, statuses, times }];
    }),
  );
}

const statuses: ReadonlyMap<unknown, FeatureStatus> = new Map([
  ["PRESENT", "present"],
  ["NULL_VALUE", "present"],
  ["NOT_FOUND", "missing"],
  ["OUTSIDE_MAX_AGE", "expired"],
]);

/** Feast's Python server does not look at the time to live when it reads: it is looked at here. */
function statusOf(view: FeatureView, feature: AnsweredFeature, { url, rowOf, timeMs }: FeastAnswer): ViewStatus {
  const ageMs = new Float64Array(rowOf.length).fill(Number.NaN);
  const status = rowOf.map((row, at): FeatureStatus => {
    if (row < 0) return "missing";
    const found = statuses.get(feature.statuses[row]);
    if (found === undefined) throw feastAnswerInvalid(url, `a row has the status ${shown(feature.statuses[row])}`);
    if (found === "missing") return found;
    const us = parsePythonTime(feature.times[row]);
    if (us !== undefined) ageMs[at] = timeMs - Number(us) / 1000;
    return view.ttlMs !== undefined && ageMs[at]! >= view.ttlMs ? "expired" : found;
  });
  return { status, ageMs };
}

function columnOf(
  field: Field,
  feature: AnsweredFeature,
  status: readonly FeatureStatus[] | undefined,
  { url, rowOf }: FeastAnswer,
): Column {
  const values = rowOf.map((row, at) =>
    row < 0 || (status !== undefined && status[at] !== "present") ? null : feature.values[row],
  );
  try {
    return columnOfJson(`The features of ${url}`, field, values, feastValueReaders);
  } catch (error) {
    throw feastAnswerInvalid(url, error instanceof Error ? error.message : String(error), error);
  }
}
