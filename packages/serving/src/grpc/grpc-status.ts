import { isMillwrightError } from "@millwright/contracts";
import { httpStatusOf } from "../http/http-status.ts";
import type { GrpcLibrary, GrpcStatus } from "./grpc-library.ts";

/** The codes of gRPC by the status that HTTP has for the same: https://grpc.io/docs/guides/status-codes. */
const byHttpStatus: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  405: 12,
  408: 4,
  409: 9,
  413: 8,
  415: 3,
  422: 3,
  429: 8,
  500: 13,
  501: 12,
  502: 14,
  503: 14,
  504: 4,
  507: 8,
};

const cancelled = 1;
const internal = 13;

/** Metadata travels in headers, which have their limits. */
const maxDetails = 2000;

/** How an error ends a call: by the status it has in HTTP; its own code is in the trailer `x-millwright-code`. */
export function grpcStatusOf(
  { Metadata }: Pick<GrpcLibrary, "Metadata">,
  error: unknown,
  signal: AbortSignal,
): GrpcStatus {
  const metadata = new Metadata();
  if (!isMillwrightError(error)) {
    const gone = signal.aborted;
    return {
      code: gone ? cancelled : internal,
      details: gone ? "The caller is gone." : "The server failed to answer.",
      metadata,
    };
  }
  metadata.set("x-millwright-code", error.code);
  const after = "retryAfterMs" in error && typeof error.retryAfterMs === "number" ? error.retryAfterMs : undefined;
  // By which clients that retry wait for so long.
  if (after !== undefined) metadata.set("grpc-retry-pushback-ms", String(Math.ceil(after)));
  return { code: byHttpStatus[httpStatusOf(error)] ?? internal, details: error.message.slice(0, maxDetails), metadata };
}
