import type { ClientCertificate } from "../auth/authenticate.ts";

/** The part of `@grpc/grpc-js` that is used: pass the module itself. */
export interface GrpcLibrary {
  readonly Server: new (options?: Readonly<Record<string, number>>) => GrpcServerLike;
  readonly ServerCredentials: { createInsecure(): unknown };
  readonly Metadata: new () => GrpcMetadataLike;
}

export interface GrpcServerLike {
  addService(definition: object, implementation: object): void;
  bindAsync(address: string, credentials: unknown, callback: (error: Error | null, port: number) => void): void;
  tryShutdown(callback: (error?: Error) => void): void;
  forceShutdown(): void;
}

export interface GrpcMetadataLike {
  set(name: string, value: string): void;
  getMap(): Readonly<Record<string, unknown>>;
}

/** What a handler is given of a call, whatever its kind. */
export interface GrpcCall {
  readonly metadata: Pick<GrpcMetadataLike, "getMap">;
  readonly cancelled: boolean;
  getDeadline(): Date | number;
  /** With the client's certificate, where the server's credentials ask for one and TLS verified it. */
  getAuthContext?(): { readonly sslPeerCertificate?: ClientCertificate | undefined };
  /** `/inference.GRPCInferenceService/ModelInfer`. */
  getPath(): string;
  on(event: "cancelled", listener: () => void): unknown;
}

export interface GrpcUnaryCall extends GrpcCall {
  readonly request: Uint8Array;
}

export interface GrpcStreamCall extends GrpcCall {
  write(bytes: Uint8Array): boolean;
  end(): void;
  once(event: "drain" | "cancelled", listener: () => void): unknown;
}

export interface GrpcDuplexCall extends GrpcStreamCall {
  on(event: "cancelled" | "end" | "error", listener: () => void): unknown;
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface GrpcStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: GrpcMetadataLike;
}

export type GrpcCallback = (error: GrpcStatus | null, bytes?: Uint8Array) => void;

/** A service as `addService` of a gRPC server takes it: messages are bytes there, read and written by its handlers. */
export interface GrpcService {
  readonly definition: Readonly<Record<string, GrpcMethod>>;
  readonly implementation: Readonly<Record<string, (...given: never[]) => void>>;
}

export interface GrpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly originalName: string;
  readonly requestSerialize: (bytes: Uint8Array) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Uint8Array;
  readonly responseSerialize: (bytes: Uint8Array) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Uint8Array;
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const grpcMethod = (service: string, name: string, streams: "none" | "out" | "both" = "none"): GrpcMethod => ({
  path: `/${service}/${name}`,
  originalName: name,
  requestStream: streams === "both",
  responseStream: streams !== "none",
  requestSerialize: asBuffer,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: asBuffer,
  responseDeserialize: (bytes) => bytes,
});
