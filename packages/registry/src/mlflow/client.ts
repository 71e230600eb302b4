import { join } from "node:path";
import {
  type ArtifactStore,
  type CallOptions,
  type Clock,
  type IdSource,
  type Logger,
  type ModelRegistry,
  type ModelSource,
  type Random,
  type RunTracker,
  closed,
  createIdSource,
  createRandom,
  hashSeed,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import { openDirectoryArtifactStore } from "@millwright/storage";
import { createPackageStore } from "../models/package-store.ts";
import type { RunImport } from "../tracking/run-entries.ts";
import { type MlflowFetch, createMlflowHttp } from "./client-http.ts";
import { createMlflowImport } from "./client-import.ts";
import { createMlflowModels } from "./client-models.ts";
import { createMlflowRuns } from "./client-runs.ts";
import { createMlflowSource } from "./client-source.ts";

export interface MlflowTrackerOptions extends CallOptions {
  /** The tracking URI of the server: `http://mlflow:5000`, with its prefix if it has one. */
  readonly url: string;
  /** A local folder for models that are resolved and for bytes on their way; what lies there may be deleted while nothing is open. */
  readonly directory: string;
  /** Where bytes are kept on their way. For `sync`, that of the offline tracker spares a copy. Default: in `directory`. */
  readonly artifacts?: ArtifactStore | undefined;
  /** Sent as a bearer token. Default: none. */
  readonly token?: string | undefined;
  /** For MLflow's own login. Default: none. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly fetch?: MlflowFetch | undefined;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  readonly random?: Random | undefined;
  readonly logger?: Logger | undefined;
  /** How often a call is tried again that found no answer, or 408, 429, 500, 502, 503 or 504. Default: 7. */
  readonly retries?: number | undefined;
  /** Longest wait for one answer, milliseconds. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
  /** Longest that one call is tried, and so that a program which ends waits for a server that is gone, milliseconds. Default: 120,000. */
  readonly giveUpMs?: number | undefined;
  /** Longest that something logged waits in memory, milliseconds. Default: 500. */
  readonly flushMs?: number | undefined;
  /** How often `watch` looks for a moved alias, milliseconds. Default: 5,000. */
  readonly pollMs?: number | undefined;
  /** Where runs are made that hold packages registered without a run. Default: `millwright-packages`. */
  readonly packageExperiment?: string | undefined;
}

/**
 * An MLflow server as a tracker of runs, a registry and a source of models, and a target of `sync`. Disposing sends what was logged; a run that
 * was not ended stays `RUNNING`. MLflow has no compare-and-set: `ifVersion` holds among the calls of this object, and another process may move an
 * alias in between; nor does it keep two processes from registering one package twice.
 */
export interface MlflowTracker extends Required<RunTracker>, ModelRegistry, ModelSource, RunImport, AsyncDisposable {
  /** Bytes on their way; `sync` puts artifacts here. */
  readonly artifacts: ArtifactStore;
}

/** Opens a client of an MLflow server (2.x or 3.x); nothing is sent before the first call. */
export async function openMlflowTracker(options: MlflowTrackerOptions): Promise<MlflowTracker> {
  const { directory, clock = systemClock, logger = silentLogger, flushMs = 500, pollMs = 5000, signal } = options;
  const { retries = 7, timeoutMs = 30_000, giveUpMs = 120_000, packageExperiment = "millwright-packages" } = options;
  const url = serverUrl(options.url);
  for (const [name, value, least] of [
    ["retries", retries, 0],
    ["timeoutMs", timeoutMs, 1],
    ["giveUpMs", giveUpMs, 1],
    ["flushMs", flushMs, 0],
    ["pollMs", pollMs, 1],
  ] as const)
    if (!(Number.isFinite(value) && value >= least))
      throw new RangeError(`${name} is ${value}, not at least ${least}.`);
  const ids = options.ids ?? createIdSource(clock);
  const artifacts =
    options.artifacts ?? (await openDirectoryArtifactStore(join(directory, "artifacts"), { clock, ids, signal }));
  const http = createMlflowHttp({
    url,
    fetch: options.fetch ?? (fetch as MlflowFetch),
    authorization: authorizationOf(options),
    clock,
    random: options.random ?? createRandom(hashSeed(ids.next())),
    logger,
    retries,
    timeoutMs,
    giveUpMs,
  });
  let isClosed = false;
  const assertOpen = (): void => {
    if (isClosed) throw closed("The MLflow tracker");
  };
  const scope = { url, http, artifacts, clock, ids, logger, flushMs, assertOpen };
  const packages = createPackageStore(artifacts, join(directory, "packages"));
  const { flushAll, ...runs } = createMlflowRuns(scope);
  return {
    artifacts,
    ...runs,
    ...createMlflowImport(scope),
    ...createMlflowModels(scope, packageExperiment),
    ...createMlflowSource(scope, packages, pollMs),
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await flushAll();
    },
  };
}

function serverUrl(url: string): string {
  const parsed = typeof url === "string" && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol))
    throw new TypeError(`${JSON.stringify(url)} is not the http or https address of an MLflow server.`);
  if (parsed.username !== "" || parsed.password !== "")
    throw new TypeError("Give username and password as options, not in the address: addresses are logged.");
  return url.replace(/\/+$/, "");
}

function authorizationOf({ token, username, password }: MlflowTrackerOptions): string | undefined {
  if (username !== undefined) return `Basic ${Buffer.from(`${username}:${password ?? ""}`, "utf8").toString("base64")}`;
  return token === undefined ? undefined : `Bearer ${token}`;
}
