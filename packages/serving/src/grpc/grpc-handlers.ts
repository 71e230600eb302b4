import { type Clock, systemClock } from "@millwright/contracts";
import { type ClientCertificate, identityOf } from "../auth/authenticate.ts";
import type { ServerFace } from "../protocols/open-inference.ts";
import type { Caller } from "../protocols/open-inference-models.ts";
import type { GrpcCall, GrpcCallback, GrpcLibrary, GrpcUnaryCall } from "./grpc-library.ts";
import { grpcStatusOf } from "./grpc-status.ts";
import { type MessageShape, decode, encode } from "./wire.ts";

/** What the handlers of calls share. */
export interface GrpcSite {
  readonly face: ServerFace;
  readonly grpc: Pick<GrpcLibrary, "Metadata">;
  /** Tells how long a deadline is away. */
  readonly clock: Clock;
  /** Whether nobody need say who they are. */
  readonly open?: boolean | undefined;
}

export interface GrpcCaller extends Caller {
  readonly signal: AbortSignal;
  /** How long the caller waits, milliseconds from now. */
  readonly deadlineMs?: number | undefined;
}

/** Who calls: the metadata stand for headers; when the caller is gone the signal aborts. */
export function callerOf(call: GrpcCall, clock: Clock = systemClock): GrpcCaller {
  const controller = new AbortController();
  call.on("cancelled", () => controller.abort());
  const headers = Object.fromEntries(
    Object.entries(call.metadata.getMap()).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
  const deadlineMs = Number(call.getDeadline()) - clock.nowMs();
  const deadline = Number.isFinite(deadlineMs) ? { deadlineMs: Math.max(0, deadlineMs) } : {};
  return { headers, signal: controller.signal, ...deadline };
}

/** The caller with who it is, where the server asks. Throws what its `authenticate` throws. */
export async function identified(
  { face: { authenticate }, open = false }: GrpcSite,
  caller: GrpcCaller,
  call: GrpcCall,
  message: Uint8Array,
): Promise<GrpcCaller> {
  if (authenticate === undefined || open) return caller;
  const { headers, signal } = caller;
  const certificate = (): ClientCertificate | undefined => call.getAuthContext?.().sslPeerCertificate;
  const body = async (): Promise<Uint8Array> => message;
  const request = { method: "POST", target: call.getPath(), headers, certificate, body, signal };
  return { ...caller, identity: await identityOf(authenticate, request) };
}

/** A handler of calls with one request and one answer. */
export const unary =
  <Asked, Answered>(
    site: GrpcSite,
    [asked, answered]: readonly [MessageShape<Asked>, MessageShape<Answered>],
    handle: (message: Asked, caller: GrpcCaller) => Partial<Answered> | Promise<Partial<Answered>>,
  ) =>
  (call: GrpcUnaryCall, callback: GrpcCallback): void => {
    const caller = callerOf(call, site.clock);
    const answer = async (): Promise<Uint8Array> => {
      const known = await identified(site, caller, call, call.request);
      return encode(answered, await handle(decode(asked, call.request), known));
    };
    answer().then(
      (bytes) => callback(null, bytes),
      (error: unknown) => callback(grpcStatusOf(site.grpc, error, caller.signal)),
    );
  };
