import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import {
  type Authorizer,
  type JsonValue,
  type Logger,
  allowAll,
  hasCode,
  isMillwrightError,
  silentLogger,
} from "@millwright/contracts";
import { type MlflowFacePlugin, fastifyFace } from "../mlflow/fastify-face.ts";
import { type MlflowAnswer, type MlflowRequest, bytesOf, json } from "../mlflow/message.ts";
import { MlflowRefusal } from "../mlflow/refusal.ts";
import { answerWeb } from "../mlflow/web-face.ts";
import type { Registry } from "../registry.ts";

export interface LineageServerOptions {
  readonly registry: Pick<Registry, "receiveLineage">;
  /**
   * Who has this bearer token (`OPENLINEAGE_API_KEY` of a client); undefined: nobody, and the request is refused. Asked without a token too. The name goes to the authorizer and into the
   * events. Default: tokens are not looked at, and nobody is known.
   */
  readonly authenticate?: ((token: string | undefined) => string | undefined | Promise<string | undefined>) | undefined;
  /** Asked for `registry:write` on `lineage/*`. Default: everybody may. */
  readonly authorizer?: Authorizer | undefined;
  /** Longest body of a request, unpacked. Default: 16 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Told of requests that could not be answered. Default: nobody is. */
  readonly logger?: Logger | undefined;
}

/** A registry as clients of OpenLineage speak to it. */
export interface LineageServer {
  /** As a Fastify plugin: `await app.register(server.fastify)`; with a prefix, that is part of the clients' `OPENLINEAGE_URL`. */
  readonly fastify: MlflowFacePlugin;
  /** Answers a request of the web platform's own kind. @param prefix What stands before the face's paths. Default: nothing. */
  handle(request: Request, options?: { readonly prefix?: string | undefined }): Promise<Response>;
}

const path = "/api/v1/lineage";

/**
 * Takes lineage from clients of OpenLineage, such as those of Airflow, Spark and dbt: `POST /api/v1/lineage` with one event (201), `POST /api/v1/lineage/batch` with a list (200, with what
 * was refused of it). Bodies may be packed with gzip. An event is kept before it is answered. Throws a RangeError for a limit below 1.
 */
export function createLineageServer(options: LineageServerOptions): LineageServer {
  const { maxBodyBytes = 16_777_216, logger = silentLogger } = options;
  if (!(maxBodyBytes >= 1)) throw new RangeError(`\`maxBodyBytes\` is ${maxBodyBytes}; it is 1 or more.`);
  const answer = async (request: MlflowRequest): Promise<MlflowAnswer> => {
    try {
      return await answerTo(request, options, maxBodyBytes);
    } catch (error) {
      const given = refusalOf(error);
      if (given.status >= 500 && !request.signal.aborted)
        logger.error({ error }, "Lineage that a client sent could not be kept.");
      return given;
    }
  };
  return {
    fastify: fastifyFace(answer, {
      url: `${path}*`,
      refusal: (isOurs, message) => ({ error: isOurs ? "The registry failed to answer." : message }),
    }),
    handle: (request, { prefix = "" } = {}) => answerWeb(answer, request, prefix),
  };
}

/** A request that is answered with a status and a reason. */
class LineageRefusal extends Error {
  override readonly name = "LineageRefusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function answerTo(
  request: MlflowRequest,
  options: LineageServerOptions,
  maxBodyBytes: number,
): Promise<MlflowAnswer> {
  const { signal } = request;
  const [asked = ""] = request.url.split("?");
  const place = asked.replace(/\/+$/, "");
  if (place !== path && place !== `${path}/batch`) throw new LineageRefusal(404, "Lineage is sent to api/v1/lineage.");
  if (request.method !== "POST") throw new LineageRefusal(405, "Lineage is sent with POST.");
  const by = await senderOf(request, options);
  const value = await valueOf(request, maxBodyBytes);
  if (place === path) {
    if (Array.isArray(value)) throw new LineageRefusal(400, "A list of events is sent to api/v1/lineage/batch.");
    await options.registry.receiveLineage(value, { by, signal });
    return json({}, 201);
  }
  if (!Array.isArray(value)) throw new LineageRefusal(400, "A batch is a list of events.");
  return json(await takeBatch(value, options.registry, { by, signal }));
}

async function senderOf(
  { headers, signal }: MlflowRequest,
  { authenticate, authorizer = allowAll }: LineageServerOptions,
): Promise<string | undefined> {
  const token = /^bearer +(\S+)$/i.exec(headers["authorization"]?.trim() ?? "")?.[1];
  const by = await authenticate?.(token);
  if (authenticate !== undefined && by === undefined)
    throw new LineageRefusal(401, "Nobody has this token: set OPENLINEAGE_API_KEY.");
  const request = { principal: by, action: "registry:write", resource: "lineage/*" };
  const decision = await authorizer.decide(request, { signal });
  if (!decision.allowed) throw new LineageRefusal(403, `Lineage may not be written: ${decision.reason}.`);
  return by;
}

const unpack = promisify(gunzip);
const decoder = new TextDecoder("utf-8", { fatal: true });

async function valueOf({ headers, body }: MlflowRequest, maxBodyBytes: number): Promise<unknown> {
  const encoding = headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  if (encoding !== "gzip" && encoding !== "identity")
    throw new LineageRefusal(415, `The body is packed with ${encoding.slice(0, 40)}; gzip is understood.`);
  const tooLarge = new LineageRefusal(413, `The body has more than ${maxBodyBytes} bytes.`);
  const sent = await bytesOf(body, maxBodyBytes).catch((error: unknown) => {
    throw error instanceof MlflowRefusal ? tooLarge : error;
  });
  const bytes =
    encoding === "identity"
      ? sent
      : await unpack(sent, { maxOutputLength: maxBodyBytes }).catch((error: unknown) => {
          const isTooLarge = error instanceof RangeError;
          throw isTooLarge ? tooLarge : new LineageRefusal(400, "The body cannot be unpacked.");
        });
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new LineageRefusal(400, "The body is no JSON.");
  }
}

interface RefusedEvent {
  readonly index: number;
  readonly reason: string;
  readonly retriable: boolean;
}

/** Each event for itself, as the protocol has it: one that is wrong does not keep the others back. */
async function takeBatch(
  events: readonly unknown[],
  registry: LineageServerOptions["registry"],
  sender: { readonly by: string | undefined; readonly signal: AbortSignal },
): Promise<JsonValue> {
  try {
    await registry.receiveLineage(events, sender);
    return reportOf(events.length, []);
  } catch (error) {
    if (!hasCode(error, "REGISTRY_OPENLINEAGE_INVALID")) throw error;
  }
  const refused: RefusedEvent[] = [];
  for (const [index, event] of events.entries()) {
    try {
      await registry.receiveLineage([event], sender);
    } catch (error) {
      if (!hasCode(error, "REGISTRY_OPENLINEAGE_INVALID")) throw error;
      refused.push({ index, reason: error.message, retriable: false });
    }
  }
  return reportOf(events.length, refused);
}

const reportOf = (received: number, refused: readonly RefusedEvent[]): JsonValue => ({
  status: refused.length === 0 ? "success" : "partial_success",
  summary: {
    received,
    successful: received - refused.length,
    failed: refused.length,
    retriable: 0,
    non_retriable: refused.length,
  },
  failed_events: refused.map((each) => ({ ...each })),
});

function refusalOf(error: unknown): MlflowAnswer {
  if (error instanceof LineageRefusal) return json({ error: error.message }, error.status);
  if (hasCode(error, "REGISTRY_OPENLINEAGE_INVALID")) return json({ error: error.message, code: error.code }, 400);
  const retryable = isMillwrightError(error) && error.retryable;
  return json(
    { error: retryable ? "The registry cannot answer now; try again." : "The registry failed to answer." },
    retryable ? 503 : 500,
  );
}
