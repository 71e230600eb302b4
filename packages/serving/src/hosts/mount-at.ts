/** What answers a web request: `server.handle`. */
export type WebHandler = (request: Request) => Promise<Response>;

/**
 * The handler under a prefix of paths, for hosts that do not take it away themselves, as route handlers of Next:
 * `export const { GET, POST } = routeHandlers(server.handle, { prefix: "/api/ml" })`.
 */
export function mountAt(prefix: string, handle: WebHandler): WebHandler {
  const base = checkPrefix(prefix);
  return (request) => {
    const url = new URL(request.url);
    if (url.pathname === base || url.pathname.startsWith(`${base}/`))
      url.pathname = url.pathname.slice(base.length) || "/";
    return handle(new Request(url, request));
  };
}

/** The prefix without a slash at its end. Throws a `RangeError` where it does not begin with one. */
export function checkPrefix(prefix: string): string {
  const base = prefix.replace(/\/+$/, "");
  if (base !== "" && !base.startsWith("/")) throw new RangeError(`The prefix "${prefix}" does not begin with "/".`);
  return base;
}

export interface RouteHandlersOptions {
  /** The path under which the routes stand, `/api/ml` for `app/api/ml/[...path]/route.ts`. */
  readonly prefix: string;
}

/** What a route handler of Next exports. */
export interface RouteHandlers {
  readonly GET: (request: Request) => Promise<Response>;
  readonly HEAD: (request: Request) => Promise<Response>;
  readonly POST: (request: Request) => Promise<Response>;
  readonly PUT: (request: Request) => Promise<Response>;
  readonly DELETE: (request: Request) => Promise<Response>;
}

/** The routes as Next takes them, one function for each method. */
export function routeHandlers(handle: WebHandler, { prefix }: RouteHandlersOptions): RouteHandlers {
  const mounted = mountAt(prefix, handle);
  // Next passes the parameters of its own route as a second argument.
  const answer = (request: Request): Promise<Response> => mounted(request);
  return { GET: answer, HEAD: answer, POST: answer, PUT: answer, DELETE: answer };
}
