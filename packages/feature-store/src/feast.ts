import { type Logger, silentLogger } from "@millwright/contracts";
import type { FeatureView } from "./definition/definition.ts";
import { unknownView } from "./errors.ts";
import { createFeastMaterializer } from "./feast/materialize.ts";
import { getOnlineFeatures } from "./feast/online-features.ts";
import { feastErrorAnswer } from "./feast/refusal.ts";
import { vectorRoutes } from "./feast/vector-search.ts";
import { pushRows, writeToOnlineStore } from "./feast/write.ts";
import type { FeatureStore } from "./feature-store.ts";
import { accessCheck } from "./http/access.ts";
import { type FaceSetting, type FeatureFaceOptions, faceSetting } from "./http/face-options.ts";
import type { FastifyFacePlugin } from "./http/fastify-app.ts";
import { fastifyFace } from "./http/fastify-face.ts";
import type { HttpRoute } from "./http/message.ts";
import { objectSchema } from "./http/schemas.ts";

export { type FeastDefinitions, type UnmappedFeastObject, definitionsOfFeastRegistry } from "./feast/registry.ts";

export interface FeastRoutesOptions extends FeatureFaceOptions {
  /** The views that rows pushed to a source go to, by the source's name. Default: each view is a source of its own name. */
  readonly pushSources?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Versions of views: a reference to another one is refused. Default: a reference may name any version, and gets the view as it is. */
  readonly viewVersions?: Readonly<Record<string, number>> | undefined;
  /** Told of materializations in the background that failed. Default: nobody is. */
  readonly logger?: Logger | undefined;
}

/**
 * Answers as Feast's feature server does, from a store of ours, as a Fastify plugin: `await app.register(feastRoutes(store, { services }))`.
 * Feast's clients use it with `online_store: { type: remote, path: <address> }`. The store is not closed by it; materializations in the
 * background are stopped when the application closes.
 * Throws `FEATURE_STORE_VIEW_UNKNOWN` where a push source names a view of no service; a RangeError for limits below 1.
 */
export function feastRoutes(
  store: Pick<FeatureStore, "ingest" | "materialize" | "push" | "read">,
  options: FeastRoutesOptions,
): FastifyFacePlugin {
  const { logger = silentLogger } = options;
  const common = faceSetting(options);
  const check = accessCheck(options);
  const versions = options.viewVersions ?? {};
  const writing = { ...common, pushSources: pushSourcesOf(common, options) };
  const materializer = createFeastMaterializer(store, common, check, (view, error) =>
    logger.error({ view, error }, "A materialization in the background failed."),
  );
  const post = (path: keyof typeof bodies, summary: string, handle: HttpRoute["handle"]): HttpRoute => ({
    method: "POST",
    path,
    schema: { operationId: path.slice(1), summary, tags: ["feast"], body: bodies[path] },
    handle,
  });
  const routes: readonly HttpRoute[] = [
    post("/get-online-features", "Features of entities, column by column.", (request) =>
      getOnlineFeatures(store, request, { ...common, versions }, check),
    ),
    post("/push", "Takes rows for the views of a push source.", (request) => pushRows(store, request, writing, check)),
    post("/write-to-online-store", "Takes rows for a view.", (request) =>
      writeToOnlineStore(store, request, writing, check),
    ),
    post("/materialize", "Loads online rows from the history.", (request) => materializer.answer(request, "whole")),
    post("/materialize-incremental", "Loads online rows from the history.", (request) =>
      materializer.answer(request, "incremental"),
    ),
    ...vectorRoutes({ ...common, versions }, check),
    {
      method: "GET",
      path: "/health",
      schema: { operationId: "health", summary: "Whether the store is served.", tags: ["feast"] },
      handle: () => ({ status: 200, contentType: "application/json", body: "" }),
    },
  ];
  return fastifyFace(routes, {
    maxBodyBytes: common.maxBodyBytes,
    errorAnswer: feastErrorAnswer,
    close: () => materializer.close(),
  });
}

const text = { type: "string" };
const columns = { type: "object", additionalProperties: { type: "array" } };
const views = { anyOf: [{ type: "array", items: text }, { type: "null" }] };

/** What the routes take, for OpenAPI. */
const bodies = {
  "/get-online-features": objectSchema(
    {
      entities: columns,
      features: { type: "array", items: text },
      feature_service: text,
      full_feature_names: { type: "boolean", default: false },
    },
    ["entities"],
  ),
  "/push": objectSchema(
    { push_source_name: text, df: columns, to: { enum: ["online", "offline", "online_and_offline"] } },
    ["push_source_name", "df"],
  ),
  "/write-to-online-store": objectSchema({ feature_view_name: text, df: columns }),
  "/materialize": objectSchema({ start_ts: text, end_ts: text, feature_views: views }, []),
  "/materialize-incremental": objectSchema({ end_ts: text, feature_views: views }, ["end_ts"]),
};

function pushSourcesOf(
  { views }: FaceSetting,
  { pushSources }: FeastRoutesOptions,
): ReadonlyMap<string, readonly FeatureView[]> {
  const named: Readonly<Record<string, readonly string[]>> =
    pushSources ?? Object.fromEntries([...views.keys()].map((name) => [name, [name]]));
  return new Map(
    Object.entries(named).map(([source, names]) => [
      source,
      names.map((name) => {
        const view = views.get(name);
        if (view === undefined) throw unknownView(name, [...views.keys()]);
        return view;
      }),
    ]),
  );
}
