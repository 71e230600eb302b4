import type { CheckAccess } from "../http/access.ts";
import type { FaceSetting } from "../http/face-options.ts";
import { type HttpAnswer, type HttpRequest, type HttpRoute, json } from "../http/message.ts";
import { objectSchema } from "../http/schemas.ts";
import { feastBody } from "./body.ts";
import { feastRefusal } from "./refusal.ts";
import { featureOfReference, featuresOfService, type WantedFeature } from "./wanted.ts";

type SearchSetting = FaceSetting & { readonly versions: Readonly<Record<string, number>> };

/**
 * The routes of Feast's server for vectors. A store of ours indexes none, and says so as Feast's own does of views without them: the list of vector stores is
 * empty, each that is asked for is not there, and a search is refused once all that it names is known.
 */
export function vectorRoutes(setting: SearchSetting, check: CheckAccess): readonly HttpRoute[] {
  const handle = (request: HttpRequest): Promise<HttpAnswer> => refuseSearch(request, setting, check);
  const search = (path: string, hide: boolean): HttpRoute => ({
    method: "POST",
    path,
    schema: { operationId: path.slice(1), summary: "Refused: no view has vectors.", tags: ["feast"], hide },
    handle,
  });
  const absent = (method: HttpRoute["method"], path: string): HttpRoute => ({
    method,
    path,
    schema: { summary: "There is no vector store.", tags: ["feast"], hide: true },
    handle: ({ params }) => {
      const id = (params["id"] ?? "").slice(0, 200);
      return json({ error: { message: `No vector store found with id '${id}'`, type: "not_found_error" } }, 404);
    },
  });
  return [
    search("/search", false),
    search("/retrieve-online-documents", true),
    {
      method: "GET",
      path: "/v1/vector_stores",
      schema: {
        operationId: "vector-stores",
        summary: "The vector stores: none.",
        tags: ["feast"],
        response: { 200: objectSchema({ object: { const: "list" }, data: { type: "array" } }) },
      },
      handle: () => json({ object: "list", data: [] }),
    },
    absent("GET", "/v1/vector_stores/:id"),
    absent("POST", "/v1/vector_stores/:id/search"),
  ];
}

/** Throws what is wrong with the request; where nothing is, that there are no vectors. */
async function refuseSearch(request: HttpRequest, setting: SearchSetting, check: CheckAccess): Promise<never> {
  const body = feastBody(request.body);
  const service = body.optionalText("feature_service");
  const references = body.texts("features") ?? [];
  body.check();
  const wanted = service === undefined ? wantedOf(references, setting) : ofService(service, setting);
  for (const each of setting.services.values()) {
    if (each.name === service || each.views.some(({ name }) => wanted.some(({ view }) => view?.name === name)))
      await check(request, "features:read", `feature-service/${each.name}`);
  }
  const names = [...new Set(wanted.flatMap(({ view }) => view?.name ?? []))].join(", ");
  throw feastRefusal(
    422,
    "FeastError",
    `No feature view of ${names} has a vector index: there is nothing to search in`,
  );
}

function wantedOf(references: readonly string[], { services, versions }: SearchSetting): readonly WantedFeature[] {
  if (references.length === 0) throw feastRefusal(422, "FeastError", "No features specified for retrieval");
  const all = [...services.values()];
  const known = all.reduce((sum, { features }) => sum + features.length, 0);
  // A stranger's list is not gone through for longer than an honest one could be.
  return references.slice(0, known + 1).map((text) => featureOfReference(text, all, versions));
}

function ofService(name: string, { services }: SearchSetting): readonly WantedFeature[] {
  const found = services.get(name);
  if (found === undefined) {
    throw feastRefusal(404, "FeatureServiceNotFoundException", `Feature service ${name} does not exist`);
  }
  return featuresOfService(found);
}
