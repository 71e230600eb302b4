import { isMillwrightError } from "@millwright/contracts";
import type { Catalog } from "../catalog/model-catalog.ts";
import { isBelow } from "../catalog/model-loader.ts";
import { modelNotLoaded } from "../catalog/catalog-errors.ts";
import { bodyInvalid } from "../errors.ts";
import type { Endpoint } from "../engine/endpoint.ts";
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpRoute,
  errorAnswer,
  json,
  jsonObjectOf,
} from "../http/http-message.ts";
import { invoke } from "./invocations.ts";
import type { ServerFace } from "./open-inference.ts";

const defaultLimit = 100;

/**
 * The multi-model API of SageMaker's containers over the catalog of an endpoint: whoever runs the container says what is loaded, and is told 507 where
 * something must be unloaded first. Errors are `{ "code": status, "type": code, "message": text }`, as its own model servers write them.
 */
export function multiModelRoutes(face: ServerFace, endpoint: () => Endpoint): readonly HttpRoute[] {
  // Of the endpoint as it is configured now.
  const catalogNow = (): Catalog => {
    const { catalog } = endpoint();
    if (catalog === undefined) throw modelNotLoaded("any");
    return catalog;
  };
  const managed =
    (handle: (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>) =>
    async (request: HttpRequest): Promise<HttpAnswer> => {
      try {
        await face.authorize("endpoint:manage", endpoint().name, request, request);
        return await handle(request);
      } catch (error) {
        return toldAs(error);
      }
    };
  const path = "/models/:target";
  return [
    { method: "POST", path: "/models", handle: managed((request) => load(catalogNow(), request)) },
    { method: "GET", path: "/models", handle: managed((request) => list(catalogNow(), request)) },
    { method: "GET", path, handle: managed(({ params }) => json(entryOf(found(catalogNow(), params["target"])))) },
    {
      method: "DELETE",
      path,
      handle: managed(async ({ params, signal }) => {
        await catalogNow().unload(params["target"] ?? "", { signal });
        return json({ status: `The model "${params["target"]}" is unloaded.` });
      }),
    },
    {
      method: "POST",
      path: `${path}/invoke`,
      handle: async (request) => {
        try {
          const { target } = found(catalogNow(), request.params["target"]);
          return await invoke(face, endpoint(), request, target);
        } catch (error) {
          return toldAs(error);
        }
      },
    },
  ];
}

/** Throws `SERVING_MODEL_NOT_LOADED`. */
function found(catalog: Catalog, target = ""): NonNullable<ReturnType<Catalog["model"]>> {
  const model = catalog.model(target);
  if (model === undefined) throw modelNotLoaded(target);
  return model;
}

const entryOf = ({ target, ref }: ReturnType<typeof found>): object => ({ modelName: target, modelUrl: ref });

async function load(catalog: Catalog, { body, signal }: HttpRequest): Promise<HttpAnswer> {
  const { model_name: target, url } = jsonObjectOf(body);
  const { root } = catalog.options;
  if (typeof target !== "string") throw bodyInvalid("`model_name` is not a text", "Send `model_name` and `url`.");
  if (typeof url !== "string" || url === "" || (root !== undefined && !isBelow(root, url)))
    throw bodyInvalid(`\`url\` is not ${root === undefined ? "a text" : "a folder of the models"}`);
  await catalog.load(target, { ref: url, mayEvict: false, signal });
  return json({ status: `The model "${target}" is loaded.` });
}

/** By name, so that a page goes on where the one before ended whatever was loaded meanwhile. */
function list(catalog: Catalog, { target: path }: HttpRequest): HttpAnswer {
  const query = new URL(path, "http://localhost").searchParams;
  const limit = Number(query.get("limit") ?? defaultLimit);
  if (!Number.isSafeInteger(limit) || limit < 1) throw bodyInvalid("`limit` is not a whole number of at least 1");
  const after = Buffer.from(query.get("next_page_token") ?? "", "base64url").toString();
  const models = catalog
    .models()
    .filter(({ target }) => target > after)
    .toSorted((left, right) => (left.target < right.target ? -1 : 1));
  const page = models.slice(0, limit);
  const last = page.at(-1);
  const more = models.length > page.length && last !== undefined;
  const nextPageToken = more ? { nextPageToken: Buffer.from(last.target).toString("base64url") } : {};
  return json({ models: page.map(entryOf), ...nextPageToken });
}

function toldAs(error: unknown): HttpAnswer {
  const { status, headers } = errorAnswer(error);
  const known = isMillwrightError(error);
  const message = known ? error.message : "The server failed to answer.";
  return json({ code: status, type: known ? error.code : "InternalServerException", message }, status, headers);
}
