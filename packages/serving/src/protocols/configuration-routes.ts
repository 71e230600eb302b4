import type { HttpAnswer, HttpRequest, HttpRoute } from "../http/http-message.ts";
import { json, jsonObjectOf } from "../http/http-message.ts";
import { bodyInvalid } from "../errors.ts";
import type { Reconfigurable, ReconfigureOptions, ServerConfiguration } from "../reload/configuration.ts";
import type { ServerFace } from "./open-inference.ts";

/** What the authorizer is asked for: `server:configuration` to read, `server:reconfigure` to change. */
const actions = { read: "server:configuration", change: "server:reconfigure" } as const;

type Face = Pick<ServerFace, "authorizeServer" | "principalOf">;

/** Reads and changes the configuration of a server; versions are entity tags, so that `If-Match` keeps two from overwriting each other. */
export function configurationRoutes(face: Face, server: Reconfigurable): readonly HttpRoute[] {
  const guarded =
    (action: string, handle: (request: HttpRequest) => Promise<HttpAnswer>): HttpRoute["handle"] =>
    async (request) => {
      await face.authorizeServer(action, request, request);
      return handle(request);
    };
  const path = "/configuration";
  const body = { "application/json": { type: "object" } };
  return [
    {
      method: "GET",
      path,
      describe: () => ({ summary: "The configuration that is served, with its version." }),
      handle: guarded(actions.read, async () => answer(server.configuration)),
    },
    {
      method: "GET",
      path: `${path}/versions`,
      describe: () => ({ summary: "Configurations that were applied, the newest first." }),
      handle: guarded(actions.read, async (request) =>
        json(await server.configurations({ limit: limitOf(queryOf(request).get("limit")), signal: request.signal })),
      ),
    },
    {
      method: "PUT",
      path,
      describe: () => ({
        summary: "Applies a configuration: { endpoints, defaultEndpoint, reason }; ?dryRun=true only checks it.",
        body,
      }),
      handle: guarded(actions.change, (request) => apply(face, server, request)),
    },
    {
      method: "POST",
      path: `${path}/rollback`,
      describe: () => ({ summary: "Applies an earlier version again: { to, reason }.", body }),
      handle: guarded(actions.change, (request) => rollBack(face, server, request)),
    },
  ];
}

async function apply(face: Face, server: Reconfigurable, request: HttpRequest): Promise<HttpAnswer> {
  const { reason, ...configuration } = jsonObjectOf(request.body);
  // What it is not is told by the server, with all its problems.
  const asked = configuration as unknown as ServerConfiguration;
  return answer(await server.reconfigure(asked, optionsOf(face, request, reason)));
}

async function rollBack(face: Face, server: Reconfigurable, request: HttpRequest): Promise<HttpAnswer> {
  const { to, reason } = request.body.length === 0 ? {} : jsonObjectOf(request.body);
  if (to !== undefined && !Number.isInteger(to)) throw bodyInvalid("`to` is no number of a version");
  const options = optionsOf(face, request, reason);
  return answer(await server.rollbackConfiguration({ ...options, ...(to === undefined ? {} : { to: to as number }) }));
}

function optionsOf(face: Face, request: HttpRequest, reason: unknown): ReconfigureOptions {
  const by = face.principalOf(request);
  const ifNumber = numberOf(request.headers["if-match"]);
  return {
    signal: request.signal,
    dryRun: queryOf(request).get("dryRun") === "true",
    ...(by === undefined ? {} : { by }),
    ...(typeof reason === "string" ? { reason } : {}),
    ...(ifNumber === undefined ? {} : { ifNumber }),
  };
}

const answer = (body: { readonly number: number }): HttpAnswer => json(body, 200, { etag: `"${body.number}"` });

const queryOf = ({ target }: HttpRequest): URLSearchParams => new URL(target, "http://server").searchParams;

const limitOf = (text: string | null): number => {
  const limit = Math.trunc(Number(text ?? 100));
  return limit >= 1 && limit <= 1000 ? limit : 100;
};

/** The version of an entity tag; one that is none matches nothing. */
function numberOf(tag: string | undefined): number | undefined {
  if (tag === undefined || tag.trim() === "*") return undefined;
  const digits = /^(?:W\/)?"(\d+)"$/.exec(tag.trim())?.[1];
  return digits === undefined ? -1 : Number(digits);
}
