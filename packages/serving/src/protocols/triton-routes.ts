import { type HttpRequest, type HttpRoute, json } from "../http/http-message.ts";
import { modelConfiguration } from "./model-configuration.ts";
import { modelNameOf, modelPaths } from "./model-paths.ts";
import { statisticsOf } from "./model-statistics.ts";
import { placeOf } from "./open-inference-models.ts";
import type { ServerFace } from "./open-inference.ts";
import { objectSchema } from "./signature-schemas.ts";

/** Triton's extensions of the protocol that tell of models: their configuration and their statistics. */
export function tritonRoutes(face: ServerFace): readonly HttpRoute[] {
  const get = (
    path: string,
    [summary, members]: readonly [string, Readonly<Record<string, string>>],
    tell: (request: HttpRequest) => Promise<object>,
  ): HttpRoute => ({
    method: "GET",
    path,
    describe: () => ({ summary, answer: { "application/json": objectSchema(members) } }),
    handle: async (request) => json(await tell(request)),
  });
  const stats = ["What the model has done since it was loaded.", { model_stats: "array" }] as const;
  const config = ["How the model is served.", { name: "string", input: "array", output: "array" }] as const;
  const place = ({ params }: HttpRequest): ReturnType<typeof placeOf> =>
    placeOf(face, modelNameOf(params), params["version"]);
  return [
    get("/v2/models/stats", stats, async (request) => ({ model_stats: await statisticsOf(face, undefined, request) })),
    ...modelPaths("/v2/models")
      .flatMap((path) => [path, `${path}/versions/:version`])
      .flatMap((path) => [
        get(`${path}/config`, config, (request) => modelConfiguration(face, place(request), request)),
        get(`${path}/stats`, stats, async (request) => ({
          model_stats: await statisticsOf(face, place(request), request),
        })),
      ]),
  ];
}
