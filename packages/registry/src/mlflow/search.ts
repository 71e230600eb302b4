import { sql } from "@millwright/storage";
import type { Fragment } from "../search/comparison-sql.ts";
import type { Comparison, Condition } from "../search/filter.ts";
import { type SearchGrammar, mlflowExperiments, mlflowModels, mlflowRuns, mlflowVersions } from "../search/grammar.ts";
import { type ParsedSearch, parseSearch } from "../search/search-options.ts";
import { readSearchPage } from "../search/search-page.ts";
import type { SearchSource } from "../search/search-source.ts";
import type { RunRow } from "../tracking/run-rows.ts";
import { type SearchView, runSource } from "../tracking/run-source.ts";
import { type ExperimentRow, experimentAnswers, experimentNumbers } from "./experiments.ts";
import type { Fields } from "./fields.ts";
import { searchLoggedModels } from "./logged-model-search.ts";
import { listed } from "./page-token.ts";
import { invalid, shown } from "./refusal.ts";
import { modelResource } from "./model-writes.ts";
import type { MlflowRoute, MlflowScope } from "./route.ts";
import { runAnswers } from "./run-answers.ts";
import { experimentSource, modelSource, versionSource } from "./search-sources.ts";
import { pageSize } from "./validation.ts";
import { type ModelRow, type VersionRow, modelAnswers, versionAnswers } from "./version-answers.ts";

const page = { filter: "text", max_results: "integer", order_by: "texts", page_token: "text" } as const;
/** Most records that one answer has, whatever was asked for: the rest comes in pages. */
const mostRecords = 50_000;

export function searchRoutes(scope: MlflowScope): readonly MlflowRoute[] {
  const experiments = {
    path: "/experiments/search",
    summary: "Experiments that fulfil a filter.",
    fields: { ...page, view_type: "text" },
    action: "read",
    resource: () => "experiment/*",
    answer: ({ fields }) => searchExperiments(scope, fields),
  } satisfies Omit<MlflowRoute, "method">;
  return [
    { ...experiments, method: "POST" },
    { ...experiments, method: "GET" },
    {
      method: "POST",
      path: "/runs/search",
      summary: "Runs that fulfil a filter.",
      fields: { ...page, "experiment_ids!": "texts", run_view_type: "text" },
      action: "read",
      resource: () => "run/*",
      answer: ({ fields }) => searchRuns(scope, fields),
    },
    {
      method: "GET",
      path: "/registered-models/search",
      summary: "Models that fulfil a filter.",
      fields: page,
      action: "read",
      resource: modelResource,
      answer: ({ fields }) => searchModels(scope, fields),
    },
    {
      method: "GET",
      path: "/model-versions/search",
      summary: "Versions that fulfil a filter.",
      fields: page,
      action: "read",
      resource: modelResource,
      answer: ({ fields }) => searchVersions(scope, fields),
    },
    {
      method: "POST",
      path: "/logged-models/search",
      summary: "Logged models that fulfil a filter.",
      fields: { ...page, "experiment_ids!": "texts", order_by: "orders", datasets: "datasets" },
      action: "read",
      resource: () => "logged-model/*",
      answer: ({ fields }) => searchLoggedModels(scope, fields),
    },
  ];
}

const views: Readonly<Record<string, SearchView>> = { ACTIVE_ONLY: "active", DELETED_ONLY: "deleted", ALL: "all" };

function viewOf(text: string | undefined): SearchView {
  const view = Object.hasOwn(views, text ?? "ACTIVE_ONLY") ? views[text ?? "ACTIVE_ONLY"] : undefined;
  if (view === undefined) throw invalid(`Invalid value ${shown(text)} for parameter 'view_type' supplied.`);
  return view;
}

/** What a request asks for, understood. Throws `REGISTRY_QUERY_INVALID` and the like. */
function parsed(
  fields: Fields,
  grammar: SearchGrammar,
  most: { readonly byDefault: number; readonly most: number },
  query: readonly (string | number)[],
): ParsedSearch {
  const size = pageSize(fields.optionalInteger("max_results"), most.byDefault, most.most);
  return parseSearch(
    {
      filter: fields.optionalText("filter"),
      orderBy: fields.texts("order_by"),
      limit: Math.min(size, mostRecords),
      pageToken: fields.optionalText("page_token") || undefined,
    },
    grammar,
    query,
  );
}

async function pageOf<Row extends object>(
  { database: { read, dialect } }: MlflowScope,
  source: SearchSource,
  search: ParsedSearch,
): Promise<{ readonly rows: readonly Row[]; readonly next: object }> {
  const found = await readSearchPage<Row>(read, dialect, source, search);
  const token = search.tokenOf(found);
  return { rows: found.rows, next: token === undefined ? {} : { next_page_token: token } };
}

async function searchExperiments(scope: MlflowScope, fields: Fields): Promise<object> {
  const view = viewOf(fields.optionalText("view_type"));
  const search = parsed(fields, mlflowExperiments, { byDefault: 1000, most: mostRecords }, ["experiments", view]);
  const { rows, next } = await pageOf<ExperimentRow>(scope, experimentSource(view), search);
  return { ...listed("experiments", await experimentAnswers(scope.database.read, rows)), ...next };
}

async function searchRuns(scope: MlflowScope, fields: Fields): Promise<object> {
  const view = viewOf(fields.optionalText("run_view_type"));
  const experiments = experimentNumbers(fields);
  const query = ["runs", view, ...experiments];
  const search = parsed(fields, mlflowRuns, { byDefault: 1000, most: mostRecords }, query);
  const { rows, next } = await pageOf<RunRow>(scope, runSource({ view, experiments, language: "mlflow" }), search);
  return { ...listed("runs", await runAnswers(scope.database.read, rows)), ...next };
}

async function searchModels(scope: MlflowScope, fields: Fields): Promise<object> {
  const search = parsed(fields, mlflowModels, { byDefault: 100, most: 1000 }, ["models"]);
  const { condition, where } = withoutPrompts(search.condition, sql`registry_models.name`);
  const { rows, next } = await pageOf<ModelRow>(scope, modelSource(where), { ...search, condition });
  return { ...listed("registered_models", await modelAnswers(scope.database.read, rows)), ...next };
}

async function searchVersions(scope: MlflowScope, fields: Fields): Promise<object> {
  const search = parsed(fields, mlflowVersions, { byDefault: mostRecords, most: 200_000 }, ["versions"]);
  const { condition, where } = withoutPrompts(search.condition, sql`registry_versions.model`);
  const { rows, next } = await pageOf<VersionRow>(scope, versionSource(where), { ...search, condition });
  return { ...listed("model_versions", await versionAnswers(scope.database.read, rows)), ...next };
}

const promptTag = "mlflow.prompt.is_prompt";

/** Clients ask for models that are no prompts by a tag that models have not: without it, a model is none. */
function withoutPrompts(
  condition: Condition | undefined,
  model: Fragment,
): { readonly condition: Condition | undefined; readonly where: readonly Fragment[] } {
  const all: readonly Condition[] =
    condition === undefined ? [] : condition.kind === "and" ? condition.conditions : [condition];
  const isNoPrompt = (each: Condition): each is Comparison =>
    each.kind === "comparison" &&
    each.entity === "tag" &&
    each.key === promptTag &&
    ((each.operator === "!=" && each.value === "true") || (each.operator === "=" && each.value === "false"));
  if (!all.some(isNoPrompt)) return { condition, where: [] };
  const [first, ...rest] = all.filter((each) => !isNoPrompt(each));
  const none = sql`not exists (select 1 from registry_model_own_tags as prompts where prompts.model = ${model} and prompts.name = ${promptTag} and prompts.value = 'true')`;
  return { condition: first === undefined ? undefined : { kind: "and", conditions: [first, ...rest] }, where: [none] };
}
