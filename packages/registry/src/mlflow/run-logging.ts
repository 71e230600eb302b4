import type { Statement } from "@millwright/storage";
import { paramTexts } from "../tracking/param-texts.ts";
import type { KeyValue } from "./fields.ts";
import { type MlflowPoint, metricStatements, pointOf } from "./metric-writes.ts";
import { invalid } from "./refusal.ts";
import type { MlflowRoute, MlflowScope } from "./route.ts";
import { activeRun, writeToActiveRun } from "./run-answers.ts";
import { tagStatements } from "./run-tags.ts";
import { runId, runResource } from "./run-fields.ts";
import { checkParam, checkTag, lastOfEach } from "./validation.ts";

/** What one request logs to a run. */
interface Logged {
  readonly metrics?: readonly MlflowPoint[];
  readonly params?: readonly KeyValue[];
  readonly tags?: readonly KeyValue[];
}

export function runLoggingRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const run = { "run_id!": "text", run_uuid: "text" } as const;
  return [
    {
      method: "POST",
      path: "/runs/log-metric",
      summary: "Logs a point of a metric.",
      fields: {
        ...run,
        "key!": "text",
        "value!": "double",
        "timestamp!": "integer",
        step: "integer",
        model_id: "text",
        dataset_name: "text",
        dataset_digest: "text",
      },
      action: "write",
      resource: runResource,
      answer: ({ fields, signal }) => log(scope, runId(fields), { metrics: [pointOf(fields)] }, signal),
    },
    {
      method: "POST",
      path: "/runs/log-parameter",
      summary: "Logs a param; its value never changes.",
      fields: { ...run, "key!": "text", "value!": "text" },
      action: "write",
      resource: runResource,
      answer({ fields, signal }) {
        const param = { key: fields.present("key"), value: fields.present("value") };
        checkParam(param);
        return log(scope, runId(fields), { params: [param] }, signal);
      },
    },
    {
      method: "POST",
      path: "/runs/log-batch",
      summary: "Logs metrics, params and tags: all or none.",
      fields: { "run_id!": "text", metrics: "metrics", params: "pairs", tags: "pairs" },
      action: "write",
      resource: runResource,
      answer: ({ fields, signal }) =>
        log(
          scope,
          runId(fields),
          batchOf(fields.objects("metrics").map(pointOf), fields.pairs("params"), fields.pairs("tags")),
          signal,
        ),
    },
  ];
}

/** Throws a refusal for more than a batch may have. */
function batchOf(metrics: readonly MlflowPoint[], params: readonly KeyValue[], tags: readonly KeyValue[]): Logged {
  const most = { metrics: 1000, params: 100, tags: 100 };
  for (const [what, items] of Object.entries({ metrics, params, tags })) {
    const limit = most[what as keyof typeof most];
    if (items.length > limit)
      throw invalid(
        `A batch logging request can contain at most ${limit} ${what}. Got ${items.length} ${what}. Please split up ${what} across multiple requests and try again.`,
      );
  }
  const total = metrics.length + params.length + tags.length;
  if (total > 1000)
    throw invalid(`A batch logging request can contain at most 1000 metrics, params and tags in total. Got ${total}.`);
  for (const param of params) checkParam(param);
  for (const tag of tags) checkTag(tag);
  const twice = params.find(({ key }, index) => params.findIndex((other) => other.key === key) !== index);
  if (twice !== undefined)
    throw invalid(
      `Duplicate parameter keys have been submitted: ['${twice.key}']. Please ensure the request contains only one param value per param key.`,
    );
  return { metrics, params, tags: lastOfEach(tags) };
}

const insertParam =
  "insert into registry_params (run, name, value, text, number) values (?, ?, ?, ?, ?) on conflict (run, name) do nothing";

function paramStatements(run: string, params: readonly KeyValue[]): readonly Statement[] {
  if (params.length === 0) return [];
  const rows = params.map(({ key, value }) => {
    const json = JSON.stringify(value);
    return [run, key, json, value, paramTexts(json).number];
  });
  return [{ sql: insertParam, rows }];
}

async function log(
  { database }: MlflowScope,
  run: string,
  { metrics = [], params = [], tags = [] }: Logged,
  signal: AbortSignal,
): Promise<object> {
  const [{ id }, ofMetrics] = await Promise.all([
    activeRun(database.read, run),
    metricStatements(database.read, run, metrics),
  ]);
  await assertUnchanged(database.read, id, params);
  const ofParams = paramStatements(id, params);
  const statements = [...ofParams, ...ofMetrics, ...tagStatements(id, tags)];
  if (statements.length === 0) return {};
  const { results } = await writeToActiveRun(database, id, statements, signal);
  // Somebody else may have logged one of them since it was looked for.
  if (ofParams.length > 0 && results[0]?.changes !== params.length) await assertUnchanged(database.read, id, params);
  return {};
}

/** Throws a refusal where a param has another value already. */
async function assertUnchanged(
  read: MlflowScope["database"]["read"],
  run: string,
  params: readonly KeyValue[],
): Promise<void> {
  if (params.length === 0) return;
  const rows = await read
    .selectFrom("registry_params")
    .select(["name", "text"])
    .where("run", "=", run)
    .where(
      "name",
      "in",
      params.map(({ key }) => key),
    )
    .execute();
  const known = new Map(rows.map(({ name, text }) => [name, text]));
  for (const { key, value } of params) {
    const old = known.get(key);
    if (old !== undefined && old !== value)
      throw invalid(
        `Changing param values is not allowed. Param with key='${key}' was already logged with value='${old}' for run ID='${run}'. Attempted logging new value '${value}'.`,
      );
  }
}
