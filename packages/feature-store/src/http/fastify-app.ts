/** What is used of a request of Fastify 5. */
export interface FastifyFaceRequest {
  readonly body?: unknown;
  readonly headers: { readonly "content-encoding"?: string | undefined };
  readonly params: unknown;
  readonly query: unknown;
  readonly log: { error(error: unknown): void };
}

/** What is used of a reply of Fastify 5. */
export interface FastifyFaceReply {
  code(status: number): this;
  header(name: string, value: string): this;
  send(body?: unknown): this;
  hijack(): this;
  readonly raw: { once(event: "close", listener: () => void): unknown; readonly writableFinished: boolean };
}

/** What is used of a Fastify 5 application, so that nobody installs Fastify who does not serve with it. */
export interface FastifyApp {
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    contentType: string,
    options: { readonly parseAs: "buffer"; readonly bodyLimit: number },
    parser: (request: never, body: Uint8Array, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
  setErrorHandler(handler: (error: unknown, request: FastifyFaceRequest, reply: FastifyFaceReply) => unknown): unknown;
  addHook(name: "onClose", hook: () => Promise<void>): unknown;
  route(options: {
    readonly method: "GET" | "POST";
    readonly url: string;
    readonly schema: object;
    readonly bodyLimit: number;
    readonly validatorCompiler: () => () => boolean;
    readonly serializerCompiler: () => (answer: unknown) => string;
    readonly handler: (request: FastifyFaceRequest, reply: FastifyFaceReply) => Promise<unknown>;
  }): unknown;
}

/** A plugin for `app.register(plugin, { prefix })` of Fastify 5. */
export type FastifyFacePlugin = (app: FastifyApp, options: object) => Promise<void>;
