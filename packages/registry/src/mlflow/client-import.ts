import type { CallOptions, JsonValue, RunId } from "@millwright/contracts";
import { runDeleted } from "../errors.ts";
import { checkLabel } from "../names.ts";
import { listIn, textIn, textOr } from "./client-answers.ts";
import type {
  ImportConflict,
  ImportOptions,
  ImportReport,
  PlacedEntry,
  RunImport,
  RunStart,
} from "../tracking/run-entries.ts";
import { artifactFolder, uploadArtifact } from "./client-artifacts.ts";
import { logParams } from "./client-batch.ts";
import { type MlflowRun, createRun, ensureExperiment, getRun, post, runWithTag } from "./client-calls.ts";
import { type MlflowScopeOfClient, endRun, statusNames, tagsOf } from "./client-runs.ts";
import { type MlflowMetric, mlflowMetric, mlflowParams, mlflowTags } from "./client-values.ts";

/** The id a run was logged under before it came to MLflow, which gives ids of its own. */
const originTag = "millwright.run";
const positionTag = (source: string): string => `millwright.position.${source}`;
const pairsAtOnce = 100;
const metricsAtOnce = 1000;

/** Runs of journals become MLflow's. How far each journal came is a tag of its run. */
export function createMlflowImport(scope: MlflowScopeOfClient): RunImport {
  return {
    async importRun(source, start, entries, options = {}) {
      const { signal } = options;
      signal?.throwIfAborted();
      scope.assertOpen();
      checkLabel("a journal", source);
      const run = await ensureRun(scope, start, { signal });
      if (run.isDeleted) throw runDeleted(start.id);
      const position = positionOf(run, source);
      const missing = entries.filter((placed) => placed.position > position);
      const conflicts = await writeEntries(scope, run, source, start, missing, options);
      return { imported: missing.length, known: entries.length - missing.length, conflicts } satisfies ImportReport;
    },
    async importedPosition(source, id, { signal } = {}) {
      signal?.throwIfAborted();
      scope.assertOpen();
      const run = await findRun(scope, id, { signal });
      return run === undefined ? 0 : positionOf(run, source);
    },
  };
}

const positionOf = ({ tags }: MlflowRun, source: string): number => Number(tags.get(positionTag(source)) ?? 0);

async function ensureRun(scope: MlflowScopeOfClient, start: RunStart, options: CallOptions): Promise<MlflowRun> {
  const { http } = scope;
  const { name, by: user, startedMs } = start;
  checkLabel("an experiment", start.experiment);
  const experimentId = await ensureExperiment(http, start.experiment, options);
  const key = { key: originTag, value: start.id };
  const there = await found(scope, experimentId, start.id, options);
  if (there !== undefined) return there;
  const parent =
    start.parentRunId === undefined ? undefined : await found(scope, experimentId, start.parentRunId, options);
  const parentRunId = (parent?.id as RunId | undefined) ?? start.parentRunId;
  const tags = mlflowTags(tagsOf({ ...start, parentRunId }));
  return createRun(http, { experimentId, name, user, startedMs, tags, key }, options);
}

/** The run of the experiment that a journal's run became. */
const found = (
  { http }: MlflowScopeOfClient,
  experimentId: string,
  id: RunId,
  options: CallOptions,
): Promise<MlflowRun | undefined> =>
  http.attempts("runs/search", () => runWithTag(http, experimentId, { key: originTag, value: id }, options), options);

/** The run in whatever experiment. */
async function findRun(scope: MlflowScopeOfClient, id: RunId, options: CallOptions): Promise<MlflowRun | undefined> {
  const { http } = scope;
  let page: string | undefined;
  do {
    const answer = await post(
      http,
      "experiments/search",
      { max_results: 1000, view_type: "ALL", page_token: page },
      options,
    );
    for (const experiment of listIn(answer, "experiments")) {
      const run = await found(scope, textIn(experiment, "experiment_id"), id, options);
      if (run !== undefined) return run;
    }
    page = textOr(answer, "next_page_token", "") || undefined;
  } while (page !== undefined);
  return undefined;
}

/** Writes the entries in their order; the position is told last, so that an interruption leads to the same writes again, which change nothing. */
async function writeEntries(
  scope: MlflowScopeOfClient,
  run: MlflowRun,
  source: string,
  start: RunStart,
  missing: readonly PlacedEntry[],
  options: ImportOptions,
): Promise<readonly ImportConflict[]> {
  const { http, artifacts, url } = scope;
  const { signal } = options;
  const last = missing.at(-1);
  if (last === undefined) return [];
  const conflicts: ImportConflict[] = [];
  const params = new Map<string, { readonly text: string; readonly value: JsonValue }>();
  const metrics: MlflowMetric[] = [];
  for (const { entry } of missing) {
    if (entry.kind !== "log") continue;
    for (const { key, value: text } of mlflowParams(entry.params ?? {}))
      params.set(key, { text, value: entry.params?.[key] ?? null });
    for (const point of entry.metrics ?? []) metrics.push(mlflowMetric(point, start.startedMs));
  }
  conflicts.push(...(await writeParams(scope, run, start.id, params, { signal })));
  for (let from = 0; from < metrics.length; from += metricsAtOnce)
    await post(
      http,
      "runs/log-batch",
      { run_id: run.id, metrics: metrics.slice(from, from + metricsAtOnce) },
      { signal },
    );
  for (const { entry } of missing)
    if (entry.kind === "artifact")
      await uploadArtifact(http, artifactFolder(run.artifactUri, url), entry.path, artifacts, entry, { signal });
  const status = await writeStatus(scope, run, start.id, missing, { signal });
  if (status !== undefined) conflicts.push(status);
  const tag = { key: positionTag(source), value: String(last.position) };
  await post(http, "runs/set-tag", { run_id: run.id, ...tag }, { signal });
  return conflicts;
}

type Texts = ReadonlyMap<string, { readonly text: string; readonly value: JsonValue }>;

/** MLflow never changes a param: the run's own value stays, whatever is preferred. */
async function writeParams(
  { http }: MlflowScopeOfClient,
  run: MlflowRun,
  id: RunId,
  params: Texts,
  options: CallOptions,
): Promise<readonly ImportConflict[]> {
  const lost: string[] = [];
  const texts = [...params].map(([name, { text }]) => [name, text] as const);
  for (let from = 0; from < texts.length; from += pairsAtOnce)
    lost.push(...(await logParams(http, run.id, new Map(texts.slice(from, from + pairsAtOnce)), options)));
  if (lost.length === 0) return [];
  const stored = (await getRun(http, run.id, options))?.params;
  return lost.map((name) => ({
    run: id,
    kind: "param",
    name,
    stored: stored?.get(name) ?? "",
    given: params.get(name)?.value ?? null,
  }));
}

/** What the entries leave the run as. @returns the conflict where it had ended otherwise. */
async function writeStatus(
  { http }: MlflowScopeOfClient,
  run: MlflowRun,
  id: RunId,
  missing: readonly PlacedEntry[],
  options: CallOptions,
): Promise<ImportConflict | undefined> {
  const changes = missing.map(({ entry }) => entry).filter((entry) => entry.kind === "end" || entry.kind === "resume");
  const last = changes.at(-1);
  if (last === undefined) return undefined;
  if (last.kind === "resume") {
    if (run.status !== "RUNNING") await post(http, "runs/update", { run_id: run.id, status: "RUNNING" }, options);
    return undefined;
  }
  const wasResumed = changes.some(({ kind }) => kind === "resume");
  const given = statusNames[last.status];
  if (run.status === "RUNNING" || run.status === "SCHEDULED" || wasResumed || run.status === given) {
    await endRun(http, run.id, last.status, last.endedMs, options);
    return undefined;
  }
  return { run: id, kind: "status", name: "", stored: run.status.toLowerCase(), given: last.status };
}
