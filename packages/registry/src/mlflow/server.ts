import {
  type ArtifactStore,
  type Clock,
  type IdSource,
  type Logger,
  createIdSource,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Registry } from "../registry.ts";
import { type RegistryTables, migrations } from "../tables/tables.ts";
import { type MlflowAccessOptions, createAccess } from "./access.ts";
import { ensureDefault } from "./experiments.ts";
import { type MlflowFacePlugin, fastifyFace } from "./fastify-face.ts";
import { fieldsOf, queryFields } from "./fields.ts";
import { type MlflowAnswer, type MlflowRequest, bytesOf, errorAnswer, json, jsonObjectOf, text } from "./message.ts";
import { openApiOf } from "./open-api.ts";
import { MlflowRefusal, shown } from "./refusal.ts";
import type { MlflowBytesRoute, MlflowRoute, MlflowScope } from "./route.ts";
import { createRouter } from "./router.ts";
import { bytesRoutesOf, routesOf } from "./routes.ts";
import { answerWeb } from "./web-face.ts";

export interface MlflowServerOptions extends MlflowAccessOptions {
  /** Asked to move aliases, open gates and delete versions. */
  readonly registry: Pick<Registry, "checkGates" | "deleteVersion" | "setAlias">;
  /** The database of the registry; yours to close. */
  readonly database: Database;
  /** Where the bytes of artifacts are kept: that of the registry. */
  readonly artifacts: ArtifactStore;
  readonly clock?: Clock | undefined;
  readonly ids?: IdSource | undefined;
  /** Told of requests that could not be answered. Default: nobody is. */
  readonly logger?: Logger | undefined;
  /** Longest body of a request that is no file. Default: 16 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Largest file that is taken. Default: any. */
  readonly maxArtifactBytes?: number | undefined;
}

/** A registry as MLflow's clients speak to it. */
export interface MlflowServer {
  /** As a Fastify plugin: `await app.register(server.fastify)`; with a prefix, that is part of the clients' tracking URI. */
  readonly fastify: MlflowFacePlugin;
  /** The OpenAPI 3.1 document of the routes. */
  readonly openApi: Readonly<Record<string, unknown>>;
  /** Answers a request of the web platform's own kind. @param prefix What stands before the face's paths. Default: nothing. */
  handle(request: Request, options?: { readonly prefix?: string | undefined }): Promise<Response>;
}

/**
 * Answers MLflow's REST calls from a registry, so that unmodified clients of MLflow 2 and 3 use it as their tracking and registry server:
 * `mlflow.set_tracking_uri("http://localhost:5000")`. Whatever they write is there for Millwright's own clients, and the other way about.
 * Throws a RangeError for limits below 1.
 */
export function createMlflowServer(options: MlflowServerOptions): MlflowServer {
  const { clock = systemClock, logger = silentLogger, maxBodyBytes = 16_777_216 } = options;
  const maxArtifactBytes = options.maxArtifactBytes ?? Number.POSITIVE_INFINITY;
  for (const [name, limit] of Object.entries({ maxBodyBytes, maxArtifactBytes }))
    if (!(limit >= 1)) throw new RangeError(`\`${name}\` is ${limit}; it is 1 or more.`);
  const scope: MlflowScope = {
    registry: options.registry,
    database: options.database.typed<RegistryTables>(),
    artifacts: options.artifacts,
    clock,
    ids: options.ids ?? createIdSource(clock),
  };
  const routes = routesOf(scope);
  const bytesRoutes = bytesRoutesOf(scope, maxArtifactBytes);
  const answer = createAnswering(scope, { routes, bytesRoutes, options, maxBodyBytes, logger });
  return {
    fastify: fastifyFace(answer),
    openApi: openApiOf(routes, bytesRoutes),
    handle: (request, { prefix = "" } = {}) => answerWeb(answer, request, prefix),
  };
}

interface Answering {
  readonly routes: readonly MlflowRoute[];
  readonly bytesRoutes: readonly MlflowBytesRoute[];
  readonly options: MlflowServerOptions;
  readonly maxBodyBytes: number;
  readonly logger: Logger;
}

export type Answer = (request: MlflowRequest) => Promise<MlflowAnswer>;

const bases = ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"];

/** Answers every request; never throws. */
function createAnswering(
  scope: MlflowScope,
  { routes, bytesRoutes, options, maxBodyBytes, logger }: Answering,
): Answer {
  const access = createAccess(options);
  const find = createRouter(routes);
  const findBytes = createRouter(bytesRoutes);
  let ready: Promise<void> | undefined;
  const prepare = (): Promise<void> => {
    ready ??= opened(scope).catch((error: unknown) => {
      // The next request tries again.
      ready = undefined;
      throw error;
    });
    return ready;
  };
  const answerTo = async (request: MlflowRequest): Promise<MlflowAnswer> => {
    const [path, query] = split(request.url);
    const plain = plainAnswer(request.method, path);
    if (plain !== undefined) return plain;
    const base = bases.find((each) => path.startsWith(`${each}/`));
    const found = base === undefined ? undefined : find(request.method, path.slice(base.length));
    const bytes = found === undefined ? findBytes(request.method, path.replace(/^\/ajax-api\//, "/api/")) : undefined;
    if (found === undefined && bytes === undefined)
      throw new MlflowRefusal("ENDPOINT_NOT_FOUND", `No route is ${request.method} ${shown(path)}.`);
    await prepare();
    const principal = await access.principal(request.headers);
    if (bytes !== undefined) {
      const rest = bytes.params["path"] ?? "";
      const { action } = bytes.route;
      await access.check(principal, `registry:${action}`, `artifact/${rest === "" ? "*" : rest}`, request.signal);
      access.actor(principal, action);
      return bytes.route.answer(request, rest, query);
    }
    const { route, params } = found as NonNullable<typeof found>;
    const fields =
      route.method === "GET" ? queryFields(query) : fieldsOf(jsonObjectOf(await bytesOf(request.body, maxBodyBytes)));
    await access.check(principal, `registry:${route.action}`, route.resource({ fields, params }), request.signal);
    const by = access.actor(principal, route.action);
    return json(await route.answer({ fields, params, by, signal: request.signal }));
  };
  return async (request) => {
    try {
      return await answerTo(request);
    } catch (error) {
      const answer = errorAnswer(error);
      if (answer.status >= 500 && !(error instanceof MlflowRefusal) && !request.signal.aborted)
        logger.error({ error, method: request.method }, "A request of an MLflow client could not be answered.");
      return answer;
    }
  };
}

async function opened(scope: MlflowScope): Promise<void> {
  await scope.database.migrate("registry", migrations);
  await ensureDefault(scope);
}

function split(url: string): readonly [path: string, query: string] {
  const mark = url.indexOf("?");
  return mark === -1 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)];
}

/** What tells that a server is there. The version is the newest protocol spoken. */
function plainAnswer(method: string, path: string): MlflowAnswer | undefined {
  if (method !== "GET") return undefined;
  if (path === "/health") return text("OK");
  return path === "/version" ? text("3.17.0") : undefined;
}
