import fastify, {
  type FastifyInstance,
  type InjectOptions,
  type LightMyRequestResponse,
  type RouteOptions,
} from "fastify";
import { type FeatureFaceOptions, featureStoreRoutes } from "../src/fastify.ts";
import { type FaceStore, openFaceStore, services } from "./face-store.ts";

export interface Face extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly face: FaceStore;
  readonly routes: readonly RouteOptions[];
  post(url: string, body: unknown, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
}

/** The store of `openFaceStore` under `/features` of an application. */
export async function openFace(options: Partial<FeatureFaceOptions> = {}): Promise<Face> {
  const face = await openFaceStore();
  const app = fastify();
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  await app.register(featureStoreRoutes(face.store, { services, clock: face.clock, ...options }), {
    prefix: "/features",
  });
  return {
    app,
    face,
    routes,
    post: (url, body, headers = {}) => {
      const isBytes = body instanceof Uint8Array;
      const payload = isBytes ? Buffer.from(body) : typeof body === "string" ? body : JSON.stringify(body);
      const type: Record<string, string> = isBytes ? {} : { "content-type": "application/json" };
      return app.inject({ method: "POST", url, payload, headers: { ...type, ...headers } } as InjectOptions);
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await face[Symbol.asyncDispose]();
    },
  };
}

export const arrow: Record<string, string> = { "content-type": "application/vnd.apache.arrow.stream" };
