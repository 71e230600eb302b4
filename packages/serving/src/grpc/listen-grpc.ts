import { type CallOptions, type Clock, abortable, systemClock } from "@millwright/contracts";
import { portBusy } from "../errors.ts";
import type { ModelServer } from "../model-server.ts";
import { faceOf } from "../protocols/faces.ts";
import type { GrpcLibrary, GrpcServerLike, GrpcService } from "./grpc-library.ts";
import { healthService } from "./health-service.ts";
import { inferenceService } from "./inference-service.ts";

export interface GrpcServicesOptions {
  /** The module `@grpc/grpc-js`. */
  readonly grpc: Pick<GrpcLibrary, "Metadata">;
  /** Tells how far away deadlines are, which gRPC gives as times. Default: the machine's own. */
  readonly clock?: Clock | undefined;
}

/**
 * The services `inference.GRPCInferenceService` and `grpc.health.v1.Health` of a model server, for a gRPC server of your own:
 * `for (const { definition, implementation } of grpcServices(server, { grpc })) yours.addService(definition, implementation)`.
 * Throws a `TypeError` for what `openModelServer` did not open.
 */
export function grpcServices(
  server: ModelServer,
  { grpc, clock = systemClock }: GrpcServicesOptions,
): readonly GrpcService[] {
  const site = { face: faceOf(server), grpc, clock };
  if (typeof grpc?.Metadata !== "function") throw new TypeError("grpc must be the module @grpc/grpc-js.");
  return [inferenceService(site), healthService(site)];
}

export interface GrpcListenOptions extends CallOptions, Omit<GrpcServicesOptions, "grpc"> {
  /** The module `@grpc/grpc-js`. */
  readonly grpc: GrpcLibrary;
  /** 0 takes a free one; Triton's is 8001. */
  readonly port: number;
  /** Default: `127.0.0.1`. */
  readonly host?: string | undefined;
  /** What `ServerCredentials` of the library makes. Default: none, in plain text. */
  readonly credentials?: unknown;
  /** Most bytes of a request. Default: `maxBodyBytes` of the server, where the library itself has 4 MiB. */
  readonly maxMessageBytes?: number | undefined;
}

export interface GrpcListener extends AsyncDisposable {
  readonly port: number;
  /** `127.0.0.1:8001`. */
  readonly address: string;
  /** Takes no new calls and waits for those under way; on abort they are ended. */
  close(options?: CallOptions): Promise<void>;
}

/** Lets a model server answer over gRPC. Drain it, then close the listener. Throws `SERVING_PORT_BUSY`. */
export async function listenGrpc(server: ModelServer, options: GrpcListenOptions): Promise<GrpcListener> {
  const { grpc, port, host = "127.0.0.1", maxMessageBytes = faceOf(server).maxBodyBytes, signal } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new RangeError(`port is ${port}; it must be from 0 to 65,535.`);
  if (!Number.isInteger(maxMessageBytes) || maxMessageBytes < 1)
    throw new RangeError(`maxMessageBytes is ${maxMessageBytes}; it must be a whole number of at least 1.`);
  if (typeof grpc?.Server !== "function") throw new TypeError("grpc must be the module @grpc/grpc-js.");
  signal?.throwIfAborted();
  const services = grpcServices(server, options);
  const listening = new grpc.Server({
    "grpc.max_receive_message_length": maxMessageBytes,
    "grpc.max_send_message_length": -1,
  });
  for (const { definition, implementation } of services) listening.addService(definition, implementation);
  const credentials = options.credentials ?? grpc.ServerCredentials.createInsecure();
  const bound = await bind(listening, { host, port, credentials });
  const close = ({ signal: ending }: CallOptions = {}): Promise<void> => shutdown(listening, ending);
  return { port: bound, address: `${host}:${bound}`, close, [Symbol.asyncDispose]: () => close() };
}

function bind(
  server: GrpcServerLike,
  { host, port, credentials }: { readonly host: string; readonly port: number; readonly credentials: unknown },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host.includes(":") ? `[${host}]` : host}:${port}`, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error.message.includes("EADDRINUSE") ? portBusy(host, port, error) : error);
    });
  });
}

async function shutdown(server: GrpcServerLike, signal: AbortSignal | undefined): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.tryShutdown(() => resolve());
  });
  try {
    await abortable(closed, signal);
  } catch (error) {
    server.forceShutdown();
    throw error;
  }
}
