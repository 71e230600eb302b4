import { createReadStream } from "node:fs";
import { join } from "node:path";
import {
  type ApprovalDecision,
  type ApprovalStatus,
  type CallOptions,
  type Digest,
  type ModelRegistry,
  type ModelVersion,
  type RegisterOptions,
  type ResolvedModel,
  type RunId,
  canonicalJson,
  modelCorrupt,
  modelUnknown,
  versionConflict,
} from "@millwright/contracts";
import { verifyModel } from "@millwright/model";
import { runUnknown } from "../errors.ts";
import { checkAlias, checkModelName } from "../names.ts";
import { api, jsonBody, listIn, objectIn, queried } from "./client-answers.ts";
import { artifactFolder, uploadArtifact } from "./client-artifacts.ts";
import {
  type MlflowRun,
  type MlflowVersion,
  createRun,
  ensureExperiment,
  getRun,
  post,
  versionOf,
} from "./client-calls.ts";
import { mlflowValueInvalid } from "./client-errors.ts";
import { type MlflowScopeOfClient, endRun, keyTag } from "./client-runs.ts";
import { checkMlflowKey } from "./client-values.ts";

/** The package's digest, by which it is known again and verified. */
export const digestTag = "millwright.digest";
const approvalTag = "millwright.approval";
const manifestName = "manifest.json";
const approvals: readonly ApprovalStatus[] = ["pending", "approved", "rejected"];

/** @param experiment Where the runs are made that hold packages registered without a run. */
export function createMlflowModels(scope: MlflowScopeOfClient, experiment: string): ModelRegistry {
  const inTurn = createTurns();
  return {
    async register(name, directory, options = {}) {
      options.signal?.throwIfAborted();
      scope.assertOpen();
      checkModelName(name);
      const model = await verifyModel(directory, { signal: options.signal });
      return inTurn(name, () => registerVersion(scope, experiment, name, directory, model, options));
    },
    async approve(name, version, decision, { signal } = {}) {
      signal?.throwIfAborted();
      scope.assertOpen();
      return inTurn(name, () => approveVersion(scope, name, version, decision, { signal }));
    },
    async setAlias(name, alias, version, { ifVersion, by, signal } = {}) {
      signal?.throwIfAborted();
      scope.assertOpen();
      checkModelName(name);
      checkMlflowAlias(alias);
      await inTurn(name, async () => {
        await versionAt(scope, name, version, { signal });
        if (ifVersion !== undefined) {
          const current = (await aliasVersion(scope, name, alias, { signal }))?.version ?? 0;
          if (current !== ifVersion) throw versionConflict(`${name}@${alias}`, ifVersion, current);
        }
        await post(scope.http, "registered-models/alias", { name, alias, version: String(version) }, { signal });
        if (by !== undefined) await setVersionTag(scope, name, version, `millwright.alias-by.${alias}`, by, { signal });
      });
    },
  };
}

/** Aliases of both sides: MLflow allows no dots, and keeps `latest` and `v1` for itself. Throws `REGISTRY_NAME_INVALID`, `REGISTRY_MLFLOW_VALUE_INVALID`. */
export function checkMlflowAlias(alias: string): void {
  checkAlias(alias);
  if (!/^[\w-]+$/.test(alias) || /^v\d+$/i.test(alias) || alias.toLowerCase() === "latest")
    throw mlflowValueInvalid(
      `the alias "${alias}"`,
      "it has a dot, or is latest or like v1, which MLflow keeps for itself",
    );
}

/** Runs what concerns one name one after another, within this process. */
function createTurns() {
  const last = new Map<string, Promise<unknown>>();
  return <Value>(name: string, work: () => Promise<Value>): Promise<Value> => {
    const turn = (last.get(name) ?? Promise.resolve()).then(work, work);
    last.set(name, turn);
    const forget = (): void => {
      if (last.get(name) === turn) last.delete(name);
    };
    turn.then(forget, forget);
    return turn;
  };
}

const absent = ["RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"] as const;

/** Throws `PORT_MODEL_UNKNOWN`. */
export async function versionAt(
  { http }: MlflowScopeOfClient,
  name: string,
  version: number,
  { signal }: CallOptions,
): Promise<MlflowVersion> {
  const path = queried("model-versions/get", { name, version });
  const answer = await http.json({ what: "model-versions/get", method: "GET", path, expected: absent, signal });
  if (answer === undefined) throw modelUnknown(`${name}/${version}`, []);
  return versionOf(objectIn(answer, "model_version"));
}

/** @returns undefined where the alias is not set. */
export async function aliasVersion(
  { http }: MlflowScopeOfClient,
  name: string,
  alias: string,
  { signal }: CallOptions,
): Promise<MlflowVersion | undefined> {
  const path = queried("registered-models/alias", { name, alias });
  const answer = await http.json({ what: "registered-models/alias", method: "GET", path, expected: absent, signal });
  return answer === undefined ? undefined : versionOf(objectIn(answer, "model_version"));
}

function setVersionTag(
  { http }: MlflowScopeOfClient,
  name: string,
  version: number,
  key: string,
  value: string,
  options: CallOptions,
): Promise<unknown> {
  checkMlflowKey("tag", key);
  return post(http, "model-versions/set-tag", { name, version: String(version), key, value }, options);
}

async function approveVersion(
  scope: MlflowScopeOfClient,
  name: string,
  version: number,
  { status, by, comment }: ApprovalDecision,
  options: CallOptions,
): Promise<ModelVersion> {
  if (status !== "approved" && status !== "rejected")
    throw new TypeError(`A decision is approved or rejected, not ${JSON.stringify(status)}.`);
  const found = await versionAt(scope, name, version, options);
  const digest = digestOfTags(found);
  // First: a registry of Millwright decides for itself and refuses it, and then nothing is said of who decided.
  await setVersionTag(scope, name, version, approvalTag, status, options);
  await setVersionTag(scope, name, version, `${approvalTag}-by`, by, options);
  await setVersionTag(scope, name, version, `${approvalTag}-comment`, comment ?? "", options);
  await setVersionTag(scope, name, version, `${approvalTag}-time`, String(scope.clock.nowMs()), options);
  return { ...portVersion(found, digest), approval: status };
}

/** Throws `PORT_MODEL_CORRUPT` where it was not registered through this client. */
function digestOfTags({ name, version, tags }: MlflowVersion): Digest {
  const digest = tags.get(digestTag);
  if (digest === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw modelCorrupt(`${name}/${version}`, `it has no tag ${digestTag}; resolve it to learn its digest`);
  return digest as Digest;
}

function portVersion({ name, version, runId, createdMs, tags }: MlflowVersion, digest: Digest): ModelVersion {
  const told = tags.get(approvalTag) as ApprovalStatus | undefined;
  const approval = told !== undefined && approvals.includes(told) ? told : "pending";
  return {
    name,
    version,
    digest,
    approval,
    ...(runId === undefined ? {} : { runId: runId as RunId }),
    createdTimeMs: createdMs,
  };
}

async function registerVersion(
  scope: MlflowScopeOfClient,
  experiment: string,
  name: string,
  directory: string,
  model: ResolvedModel,
  options: RegisterOptions,
): Promise<ModelVersion> {
  const { signal } = options;
  const { http, url } = scope;
  const { digest } = model;
  const known = (once: boolean): Promise<MlflowVersion | undefined> =>
    versionWith(scope, name, digest, once, { signal });
  const there = await known(false);
  if (there !== undefined) return portVersion(there, digest);
  const run = await runFor(scope, experiment, name, options);
  const path = `millwright/${digest.slice("sha256:".length)}`;
  const folder = artifactFolder(`${run.artifactUri}/${path}`, url);
  for (const file of await packageFiles(scope, directory, model, { signal }))
    await uploadArtifact(http, folder, file.path, scope.artifacts, file, { signal });
  if (options.runId === undefined) await endRun(http, run.id, "finished", scope.clock.nowMs(), { signal });
  const create = { what: "registered-models/create", method: "POST", path: `${api}registered-models/create` } as const;
  await http.json({ ...create, body: jsonBody({ name }), expected: ["RESOURCE_ALREADY_EXISTS"], signal });
  const tags = {
    ...options.tags,
    [digestTag]: digest,
    [approvalTag]: "pending",
    "millwright.registered-by": options.by,
  };
  const body = {
    name,
    source: `${run.artifactUri}/${path}`,
    run_id: run.id,
    tags: Object.entries(tags).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value }])),
  };
  return http.attempts(
    "model-versions/create",
    async (isRetry) => {
      const found = isRetry ? await known(true) : undefined;
      if (found !== undefined) return portVersion(found, digest);
      const what = "model-versions/create";
      const answer = await http.jsonOnce({ what, method: "POST", path: `${api}${what}`, body: jsonBody(body), signal });
      return portVersion(versionOf(objectIn(answer ?? {}, "model_version")), digest);
    },
    { signal },
  );
}

/** The version that is this package, the first of them. */
async function versionWith(
  { http }: MlflowScopeOfClient,
  name: string,
  digest: Digest,
  once: boolean,
  { signal }: CallOptions,
): Promise<MlflowVersion | undefined> {
  const filter = `name = '${name}' and tags.\`${digestTag}\` = '${digest}'`;
  const path = queried("model-versions/search", { filter, max_results: 100 });
  const call = { what: "model-versions/search", method: "GET", path, signal } as const;
  const answer = await (once ? http.jsonOnce(call) : http.json(call));
  const versions = listIn(answer ?? {}, "model_versions").map(versionOf);
  return versions.toSorted((a, b) => a.version - b.version)[0];
}

async function runFor(
  scope: MlflowScopeOfClient,
  experiment: string,
  name: string,
  { runId, by, signal }: RegisterOptions,
): Promise<MlflowRun> {
  const { http, ids, clock } = scope;
  if (runId !== undefined) {
    const run = await getRun(http, runId, { signal });
    if (run === undefined) throw runUnknown(runId);
    return run;
  }
  const experimentId = await ensureExperiment(http, experiment, { signal });
  const key = { key: keyTag, value: ids.next() };
  const start = { experimentId, name: `package of ${name}`, user: by, startedMs: clock.nowMs(), tags: [], key };
  return createRun(http, start, { signal });
}

/** The files of a verified package in the store, its manifest with them. */
async function packageFiles(
  { artifacts }: MlflowScopeOfClient,
  directory: string,
  { manifest }: ResolvedModel,
  { signal }: CallOptions,
) {
  const files = [];
  for (const { path, digest } of manifest.files) {
    const stored = await artifacts.put(fileBytes(join(directory, ...path.split("/"))), { signal });
    if (stored.digest !== digest) throw modelCorrupt(directory, `the file "${path}" changed while it was registered`);
    files.push({ path, ...stored });
  }
  const stored = await artifacts.put(new TextEncoder().encode(canonicalJson(manifest)), { signal });
  return [...files, { path: manifestName, ...stored }];
}

/** Opened when it is read, and not before: nobody would hear of what goes wrong. */
async function* fileBytes(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(path) as AsyncIterable<Uint8Array>;
}
