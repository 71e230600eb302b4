import type { CallOptions } from "@millwright/contracts";
import { experimentDeleted } from "../errors.ts";
import { api, integerIn, jsonBody, listIn, objectIn, pairsIn, queried, textIn, textOr } from "./client-answers.ts";
import type { MlflowHttp } from "./client-http.ts";
import type { KeyValue } from "./fields.ts";
import type { JsonRecord } from "./message.ts";

/** A run as MLflow has it. */
export interface MlflowRun {
  readonly id: string;
  readonly experimentId: string;
  readonly status: string;
  readonly isDeleted: boolean;
  readonly artifactUri: string;
  readonly params: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
}

export function runOf(run: JsonRecord): MlflowRun {
  const info = objectIn(run, "info");
  const data = (run["data"] ?? {}) as JsonRecord;
  return {
    id: textIn(info, "run_id"),
    experimentId: textIn(info, "experiment_id"),
    status: textOr(info, "status", "RUNNING"),
    isDeleted: info["lifecycle_stage"] === "deleted",
    artifactUri: textOr(info, "artifact_uri", ""),
    params: pairsIn(data, "params"),
    tags: pairsIn(data, "tags"),
  };
}

/** A call that must give something. */
export async function post(
  http: MlflowHttp,
  path: string,
  body: unknown,
  { signal }: CallOptions,
): Promise<JsonRecord> {
  return (await http.json({ what: path, method: "POST", path: `${api}${path}`, body: jsonBody(body), signal })) ?? {};
}

const missing = ["RESOURCE_DOES_NOT_EXIST"] as const;

/** @returns undefined where there is none. */
export async function getRun(http: MlflowHttp, id: string, { signal }: CallOptions): Promise<MlflowRun | undefined> {
  const answer = await http.json({
    what: "runs/get",
    method: "GET",
    path: queried("runs/get", { run_id: id }),
    expected: [...missing, "INVALID_PARAMETER_VALUE"],
    signal,
  });
  return answer === undefined ? undefined : runOf(objectIn(answer, "run"));
}

/** The id of the experiment of that name, which is made where there is none. Throws `REGISTRY_EXPERIMENT_DELETED`. */
export async function ensureExperiment(http: MlflowHttp, name: string, { signal }: CallOptions): Promise<string> {
  const found = async (): Promise<string | undefined> => {
    const answer = await http.json({
      what: "experiments/get-by-name",
      method: "GET",
      path: queried("experiments/get-by-name", { experiment_name: name }),
      expected: missing,
      signal,
    });
    if (answer === undefined) return undefined;
    const experiment = objectIn(answer, "experiment");
    if (experiment["lifecycle_stage"] === "deleted") throw experimentDeleted(name);
    return textIn(experiment, "experiment_id");
  };
  const there = await found();
  if (there !== undefined) return there;
  const made = await http.json({
    what: "experiments/create",
    method: "POST",
    path: `${api}experiments/create`,
    body: jsonBody({ name }),
    // Somebody else was quicker, or the answer to an earlier attempt was lost.
    expected: ["RESOURCE_ALREADY_EXISTS"],
    signal,
  });
  return made === undefined
    ? ((await found()) ?? ensureExperiment(http, name, { signal }))
    : textIn(made, "experiment_id");
}

export interface MlflowRunStart {
  readonly experimentId: string;
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly startedMs: number;
  readonly tags: readonly KeyValue[];
  /** A tag that no other run has: by it a run is found whose answer was lost. */
  readonly key: KeyValue;
}

/** Makes a run, once, however often the answer is lost. */
export function createRun(http: MlflowHttp, start: MlflowRunStart, { signal }: CallOptions): Promise<MlflowRun> {
  const { experimentId, name, user, startedMs, tags, key } = start;
  return http.attempts(
    "runs/create",
    async (isRetry) => {
      const found = isRetry ? await runWithTag(http, experimentId, key, { signal }) : undefined;
      if (found !== undefined) return found;
      const answer = await http.jsonOnce({
        what: "runs/create",
        method: "POST",
        path: `${api}runs/create`,
        body: jsonBody({
          experiment_id: experimentId,
          run_name: name,
          user_id: user,
          start_time: startedMs,
          tags: [...tags, key],
        }),
        signal,
      });
      return runOf(objectIn(answer ?? {}, "run"));
    },
    { signal },
  );
}

/** The run of the experiment that has the tag, deleted or not, in one attempt. @param tag Made by us: its value has no quotes. */
export async function runWithTag(
  http: MlflowHttp,
  experimentId: string,
  { key, value }: KeyValue,
  { signal }: CallOptions,
): Promise<MlflowRun | undefined> {
  const answer = await http.jsonOnce({
    what: "runs/search",
    method: "POST",
    path: `${api}runs/search`,
    body: jsonBody({
      experiment_ids: [experimentId],
      filter: `tags.\`${key}\` = '${value}'`,
      run_view_type: "ALL",
      order_by: ["attributes.start_time ASC"],
      max_results: 1,
    }),
    signal,
  });
  const [run] = listIn(answer ?? {}, "runs");
  return run === undefined ? undefined : runOf(run);
}

export interface MlflowVersion {
  readonly name: string;
  readonly version: number;
  readonly source: string;
  readonly runId: string | undefined;
  readonly createdMs: number;
  readonly tags: ReadonlyMap<string, string>;
}

export const versionOf = (answer: JsonRecord): MlflowVersion => ({
  name: textIn(answer, "name"),
  version: integerIn(answer, "version"),
  source: textOr(answer, "source", ""),
  runId: textOr(answer, "run_id", undefined) || undefined,
  createdMs: integerIn(answer, "creation_timestamp"),
  tags: pairsIn(answer, "tags"),
});
