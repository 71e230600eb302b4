import { featureServiceUnknown, isMillwrightError } from "@millwright/contracts";
import { unknownView } from "./errors.ts";
import type { FeatureStore } from "./feature-store.ts";
import { accessCheck, type CheckAccess } from "./http/access.ts";
import { toldOf } from "./http/errors.ts";
import { type FaceSetting, type FeatureFaceOptions, faceSetting } from "./http/face-options.ts";
import type { FastifyFacePlugin } from "./http/fastify-app.ts";
import { fastifyFace } from "./http/fastify-face.ts";
import { type HttpAnswer, type HttpRoute, json } from "./http/message.ts";
import { readRoute } from "./http/read-route.ts";
import { descriptionSchema, listSchema, objectSchema, routeSchema, viewSchema } from "./http/schemas.ts";
import { httpStatusOf } from "./http/status.ts";
import { writeRoutes } from "./http/write-routes.ts";
import { sourceSchema } from "./definition/source-columns.ts";

export type { FeatureAction } from "./http/access.ts";
export type { FeatureFaceOptions } from "./http/face-options.ts";
export type { FastifyApp, FastifyFacePlugin } from "./http/fastify-app.ts";
export { httpStatusOf } from "./http/status.ts";

/**
 * The store over HTTP, as a Fastify plugin: `await app.register(featureStoreRoutes(store, { services }), { prefix: "/features" })`.
 * Reads and pushes take JSON and Arrow IPC streams, reads answer with either, as `Accept` asks. The store is not closed by it.
 * Throws a RangeError for limits below 1.
 */
export function featureStoreRoutes(
  store: Pick<FeatureStore, "materialize" | "push" | "read">,
  options: FeatureFaceOptions,
): FastifyFacePlugin {
  const setting = faceSetting(options);
  const check = accessCheck(options);
  const routes = [
    ...descriptionRoutes(setting, check),
    ...[...setting.services.values()].map((service) => readRoute(store, service, setting, check)),
    ...[...setting.views.values()].flatMap((view) => writeRoutes(store, view, setting, check)),
    ...unknownRoutes(setting),
  ];
  return fastifyFace(routes, { maxBodyBytes: setting.maxBodyBytes, errorAnswer });
}

/** `{ "error": text, "code": code }`. What is not of the house is not told. */
function errorAnswer(error: unknown): HttpAnswer {
  const status = httpStatusOf(error);
  if (!isMillwrightError(error)) return json({ error: "The feature store failed to answer." }, status);
  return json({ error: toldOf(error), code: error.code }, status);
}

function descriptionRoutes({ services, views }: FaceSetting, check: CheckAccess): readonly HttpRoute[] {
  const described = [...services.values()].map(({ name, digest, entityKeys, requestInputs, features }) => ({
    name,
    digest,
    entityKeys,
    requestInputs,
    features,
  }));
  const shownViews = [...views.values()].map((view) => ({
    name: view.name,
    entity: view.entity.name,
    eventTime: view.eventTime,
    columns: sourceSchema(view),
  }));
  const lists = {
    services: objectSchema({ services: listSchema(descriptionSchema) }),
    views: objectSchema({ views: listSchema(viewSchema) }),
  };
  return [
    {
      method: "GET",
      path: "/health",
      schema: routeSchema("health", "Whether the store is served.", objectSchema({ status: { const: "ok" } })),
      handle: () => json({ status: "ok" }),
    },
    {
      method: "GET",
      path: "/services",
      schema: routeSchema("list-services", "The feature services.", lists.services),
      handle: async (request) => {
        await check(request, "features:describe", "feature-service/*");
        return json({ services: described });
      },
    },
    {
      method: "GET",
      path: "/views",
      schema: routeSchema("list-views", "The feature views, with the columns that their rows have.", lists.views),
      handle: async (request) => {
        await check(request, "features:describe", "feature-view/*");
        return json({ views: shownViews });
      },
    },
    ...described.map((service): HttpRoute => ({
      method: "GET",
      path: `/services/${service.name}`,
      schema: routeSchema(`describe-${service.name}`, `The service "${service.name}".`, descriptionSchema),
      handle: async (request) => {
        await check(request, "features:describe", `feature-service/${service.name}`);
        return json(service);
      },
    })),
  ];
}

/** Answers for names that nobody defined. */
function unknownRoutes({ services, views }: FaceSetting): readonly HttpRoute[] {
  const hidden = { hide: true };
  const service = (method: HttpRoute["method"], path: string): HttpRoute => ({
    method,
    path: `/services/:name${path}`,
    schema: hidden,
    handle: ({ params }) => {
      throw featureServiceUnknown(params["name"] ?? "", [...services.keys()]);
    },
  });
  const view = (path: string): HttpRoute => ({
    method: "POST",
    path: `/views/:name${path}`,
    schema: hidden,
    handle: ({ params }) => {
      throw unknownView(params["name"] ?? "", [...views.keys()]);
    },
  });
  return [service("GET", ""), service("POST", "/read"), view("/push"), view("/materialize")];
}
