import fastify, { type FastifyInstance } from "fastify";
import { feastRoutes, type FeastRoutesOptions } from "../src/feast.ts";
import { type FaceStore, openFaceStore, services } from "./face-store.ts";

export interface Server extends AsyncDisposable {
  readonly face: FaceStore;
  readonly app: FastifyInstance;
  /** Status and parsed body; a body that is JSON in a JSON string is parsed twice, as Feast's client does. */
  post(url: string, body: unknown): Promise<readonly [number, unknown]>;
  text(url: string, body: string): Promise<string>;
}

/** The store of `openFaceStore` behind Feast's API. */
export async function openServer(
  options: Partial<FeastRoutesOptions> = {},
  store?: (face: FaceStore) => FaceStore["store"],
): Promise<Server> {
  const face = await openFaceStore();
  const app = fastify();
  await app.register(feastRoutes(store?.(face) ?? face.store, { services, clock: face.clock, ...options }));
  const send = (url: string, payload: string) => app.inject({ method: "POST", url, payload });
  return {
    face,
    app,
    text: async (url, body) => (await send(url, body)).body,
    post: async (url, body) => {
      const answer = await send(url, typeof body === "string" ? body : JSON.stringify(body));
      let said: unknown = answer.body === "" ? "" : JSON.parse(answer.body);
      if (typeof said === "string" && said.startsWith("{")) said = JSON.parse(said);
      return [answer.statusCode, said];
    },
    async [Symbol.asyncDispose]() {
      await app.close();
      await face[Symbol.asyncDispose]();
    },
  };
}
