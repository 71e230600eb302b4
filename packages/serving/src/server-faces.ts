import type { FastifyPluginAsync } from "fastify";
import { catalogOf } from "./catalog/create-model-catalog.ts";
import type { Endpoint, EndpointOptions } from "./engine/endpoint.ts";
import { type AnsweringSite, answering } from "./http/answering.ts";
import { fastifyPlugin } from "./http/fastify-face.ts";
import { type NodeHandler, nodeHandler } from "./http/node-face.ts";
import { webHandler } from "./http/web-face.ts";
import { configurationRoutes } from "./protocols/configuration-routes.ts";
import { invocationRoutes } from "./protocols/invocations.ts";
import { multiModelRoutes } from "./protocols/multi-model.ts";
import { type ServerFace, openInferenceRoutes } from "./protocols/open-inference.ts";
import { openApiRoute } from "./protocols/openapi.ts";
import { tensorflowRoutes } from "./protocols/tensorflow.ts";
import type { Reconfigurable } from "./reload/configuration.ts";
import type { ModelServerOptions } from "./server-options.ts";
import { metricsRoutes } from "./telemetry/metrics-route.ts";

/** The routes of a server, as its hosts mount them. */
export interface Faces {
  readonly fastify: FastifyPluginAsync;
  readonly node: NodeHandler;
  readonly handle: (request: Request) => Promise<Response>;
}

export interface FacesSetting {
  readonly face: ServerFace;
  readonly site: AnsweringSite;
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** The catalog of the default endpoint as it is opened. */
  readonly models: EndpointOptions["models"];
  readonly configuration: Reconfigurable;
}

export function createFaces(options: ModelServerOptions, setting: FacesSetting): Faces {
  const { face, site, endpoints, models, configuration } = setting;
  const { maxBodyBytes = 16 * 1024 * 1024, bodyTimeoutMs = 60_000, authenticate, exchanges, metrics } = options;
  const { containerApi } = models === undefined ? {} : catalogOf(models).options;
  const described = [
    ...openInferenceRoutes(face),
    ...tensorflowRoutes(face),
    ...invocationRoutes(face),
    ...(containerApi === true ? multiModelRoutes(face, face.defaultEndpoint) : []),
    ...metricsRoutes(metrics),
    ...(options.configurationRoutes === true ? configurationRoutes(face, configuration) : []),
  ];
  const openApi = openApiRoute(described, { face, endpoints, authenticates: authenticate !== undefined });
  const limits = { maxBodyBytes, bodyTimeoutMs, authenticate, exchanges };
  const routes = [...described, openApi].map((route) => answering(route, limits, site));
  return { fastify: fastifyPlugin(routes), node: nodeHandler(routes), handle: webHandler(routes) };
}
