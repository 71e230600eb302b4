import { sql } from "@millwright/storage";
import { type Fragment, doubleCondition } from "../search/comparison-sql.ts";
import type { Comparison, Condition } from "../search/filter.ts";
import { mlflowLoggedModels } from "../search/grammar.ts";
import { type ParsedSearch, parseSearch } from "../search/search-options.ts";
import { readSearchPage } from "../search/search-page.ts";
import type { SearchSource } from "../search/search-source.ts";
import { readMetricValue } from "../tracking/metric-value.ts";
import type { Fields } from "./fields.ts";
import { type LoggedModelRow, loggedModelAnswers } from "./logged-model-answers.ts";
import { listed, offsetOf, pageOf } from "./page-token.ts";
import { invalid, shown } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";
import { experimentNumbers } from "./experiments.ts";
import { loggedModelSource } from "./search-sources.ts";
import { pageSize } from "./validation.ts";

interface Dataset {
  readonly name: string;
  readonly digest: string | undefined;
}

/** One field that models are ordered by. */
interface Order {
  readonly field: string;
  readonly isDescending: boolean;
  /** The name, where it is a metric. */
  readonly metric: string | undefined;
  readonly dataset: Dataset | undefined;
}

export async function searchLoggedModels(scope: MlflowScope, fields: Fields): Promise<object> {
  const experiments = experimentNumbers(fields);
  const datasets = fields.objects("datasets").map((each) => ({
    name: each.text("dataset_name"),
    digest: each.optionalText("dataset_digest") || undefined,
  }));
  const orders = fields.objects("order_by").map(orderOf);
  const size = pageSize(fields.optionalInteger("max_results"), 50, 50_000);
  const pageToken = fields.optionalText("page_token") || undefined;
  const isByMetric = orders.some(({ metric }) => metric !== undefined);
  const search = parseSearch(
    {
      filter: fields.optionalText("filter"),
      orderBy: isByMetric ? [] : orders.map(({ field, isDescending }) => `${field} ${isDescending ? "DESC" : "ASC"}`),
      limit: isByMetric ? 50_000 : size,
      pageToken: isByMetric ? undefined : pageToken,
    },
    mlflowLoggedModels,
    ["logged-models", ...experiments, ...datasets.flatMap(({ name, digest }) => [name, digest ?? ""])],
  );
  const { condition, where } = withoutMetrics(search.condition, datasets);
  const source = loggedModelSource(experiments, where);
  if (isByMetric) return orderedPage(scope, source, { ...search, condition }, { orders, size, pageToken });
  const found = await readSearchPage<LoggedModelRow>(scope.database.read, scope.database.dialect, source, {
    ...search,
    condition,
  });
  const token = search.tokenOf(found);
  return {
    ...listed("models", await loggedModelAnswers(scope.database.read, found.rows)),
    ...(token === undefined ? {} : { next_page_token: token }),
  };
}

function orderOf(fields: Fields): Order {
  const field = fields.text("field_name");
  const name = fields.optionalText("dataset_name") || undefined;
  const digest = fields.optionalText("dataset_digest") || undefined;
  const metric = /^metrics?\.(?:`([^`]+)`|"([^"]+)"|(.+))$/.exec(field);
  const attribute = /^(?:attributes?\.)?(\w+)$/.exec(field)?.[1];
  if (metric === null && (attribute === undefined || !Object.hasOwn(mlflowLoggedModels.attributes, attribute)))
    throw invalid(`Invalid order by field name: ${shown(field)}. Only metrics and attributes are supported.`);
  return {
    field,
    isDescending: fields.optionalFlag("ascending") === false,
    metric: metric === null ? undefined : (metric[1] ?? metric[2] ?? metric[3]),
    dataset: name === undefined ? undefined : { name, digest },
  };
}

const ofDataset = ({ name, digest }: Dataset): Fragment =>
  digest === undefined ? sql`p.dataset = ${name}` : sql`(p.dataset = ${name} and p.dataset_digest = ${digest})`;

/** Comparisons of metrics as conditions of their own: a model has a metric of several runs and datasets, and any point may fulfil one. */
function withoutMetrics(
  condition: Condition | undefined,
  datasets: readonly Dataset[],
): { readonly condition: Condition | undefined; readonly where: readonly Fragment[] } {
  const all: readonly Condition[] =
    condition === undefined ? [] : condition.kind === "and" ? condition.conditions : [condition];
  const isMetric = (each: Condition): each is Comparison => each.kind === "comparison" && each.entity === "metric";
  const within = datasets.length === 0 ? sql`1 = 1` : sql`(${sql.join(datasets.map(ofDataset), sql` or `)})`;
  const metrics: readonly Comparison[] = all.filter(isMetric);
  const where = metrics.map(
    ({ key, operator, value }) =>
      sql`exists (select 1 from registry_logged_model_metrics as p where p.model = registry_logged_models.id and p.name = ${key} and ${within} and ${doubleCondition(sql.ref("p.value"), operator, value as number)})`,
  );
  const [first, ...rest] = all.filter((each) => !isMetric(each));
  return { condition: first === undefined ? undefined : { kind: "and", conditions: [first, ...rest] }, where };
}

/** A metric of a model is not a column of it: what was found is ordered here. */
async function orderedPage(
  { database: { read, dialect } }: MlflowScope,
  source: SearchSource,
  search: ParsedSearch,
  {
    orders,
    size,
    pageToken,
  }: { readonly orders: readonly Order[]; readonly size: number; readonly pageToken: string | undefined },
): Promise<object> {
  const offset = offsetOf(pageToken);
  const { rows } = await readSearchPage<LoggedModelRow>(read, dialect, source, search);
  const keys = await Promise.all(
    orders.map(async (order) =>
      order.metric === undefined
        ? new Map(rows.map((row) => [row.id, attributeOf(row, order.field)]))
        : lastPoints(read, rows, order.metric, order.dataset),
    ),
  );
  const sorted = rows.toSorted((a, b) => {
    for (const [index, { isDescending }] of orders.entries()) {
      const difference = compareKeys(keys[index]?.get(a.id), keys[index]?.get(b.id), isDescending);
      if (difference !== 0) return difference;
    }
    return 0;
  });
  const { page, next } = pageOf(sorted, offset, size);
  return { ...listed("models", await loggedModelAnswers(read, page)), ...next };
}

type Key = string | number | null | undefined;

/** What is not there comes last, NaN just before it, in both directions. */
function compareKeys(a: Key, b: Key, isDescending: boolean): number {
  const rank = (key: Key): number => (key === undefined || key === null ? 2 : Number.isNaN(key) ? 1 : 0);
  const ranks = rank(a) - rank(b);
  if (ranks !== 0 || rank(a) > 0) return ranks;
  const difference = (a as string | number) < (b as string | number) ? -1 : a === b ? 0 : 1;
  return isDescending ? -difference : difference;
}

function attributeOf(row: LoggedModelRow, field: string): Key {
  const name = field.replace(/^attributes?\./, "");
  switch (mlflowLoggedModels.attributes[name]?.field) {
    case "name":
      return row.name;
    case "model_id":
      return row.id;
    case "model_type":
      return row.type;
    case "status":
      return row.status;
    case "source_run_id":
      return row.source_run;
    case "creation_timestamp":
      return row.created_ms;
    default:
      return row.updated_ms;
  }
}

async function lastPoints(
  read: MlflowScope["database"]["read"],
  rows: readonly LoggedModelRow[],
  metric: string,
  dataset: Dataset | undefined,
): Promise<ReadonlyMap<string, number>> {
  const last = new Map<string, number>();
  for (let start = 0; start < rows.length; start += 500) {
    let query = read
      .selectFrom("registry_logged_model_metrics")
      .select(["model", "value", "exact"])
      .where("name", "=", metric)
      .where(
        "model",
        "in",
        rows.slice(start, start + 500).map(({ id }) => id),
      );
    if (dataset !== undefined) query = query.where("dataset", "=", dataset.name);
    if (dataset?.digest !== undefined) query = query.where("dataset_digest", "=", dataset.digest);
    for (const point of await query.orderBy("step").orderBy("time_ms").orderBy("id").execute())
      last.set(point.model, readMetricValue(point));
  }
  return last;
}
