import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";
import type { GrpcListener } from "../src/grpc.ts";

// Read and written by another library than the package's own.
export const proto = new protobuf.Root().loadSync(
  fileURLToPath(new URL("./fixtures/open_inference.proto", import.meta.url)),
  {
    keepCase: true,
  },
);
export const typeOf = (name: string): protobuf.Type => proto.lookupType(`inference.${name}`);
export const plain = {
  longs: String,
  bytes: Buffer,
  defaults: true,
  arrays: true,
  objects: true,
  oneofs: true,
} as const;

export type Message = Readonly<Record<string, unknown>>;

export const oip = "/inference.GRPCInferenceService";
export const row = [0.5, -1, 2, 0.25];
export const raw = (values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
export const features = { name: "features", datatype: "FP32", shape: [1, 4] };
export const late: Message = { model_name: "late", inputs: [features], raw_input_contents: [raw(row)] };

export interface Asked {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly deadline?: number;
  /** Is handed the call. */
  readonly during?: (call: grpc.ClientUnaryCall) => void;
}

export function client(listener: GrpcListener, options: grpc.ChannelOptions = {}) {
  const connection = new grpc.Client(listener.address, grpc.credentials.createInsecure(), options);
  const metadataOf = (given: Asked["metadata"] = {}): grpc.Metadata => {
    const metadata = new grpc.Metadata();
    for (const [name, value] of Object.entries(given)) metadata.set(name, value);
    return metadata;
  };
  const ask = (
    path: string,
    [request, response]: readonly [string, string],
    message: Message | Buffer = {},
    { metadata, deadline, during }: Asked = {},
  ): Promise<Message> =>
    new Promise((resolve, reject) => {
      const call = connection.makeUnaryRequest(
        path,
        (value: Message | Buffer) =>
          Buffer.isBuffer(value)
            ? value
            : Buffer.from(typeOf(request).encode(typeOf(request).fromObject(value)).finish()),
        (bytes) => typeOf(response).toObject(typeOf(response).decode(bytes), plain) as Message,
        message,
        metadataOf(metadata),
        deadline === undefined ? {} : { deadline },
        (error, value) => (error === null ? resolve(value as Message) : reject(error)),
      );
      during?.(call);
    });
  const infer = (message: Message | Buffer, asked?: Asked): Promise<Message> =>
    ask(`${oip}/ModelInfer`, ["InferRequest", "InferResponse"], message, asked);
  return { connection, ask, infer, [Symbol.dispose]: () => connection.close() };
}

export const floats = (bytes: unknown): readonly number[] => {
  const buffer = bytes as Buffer;
  return Array.from({ length: buffer.length / 4 }, (_, at) => buffer.readFloatLE(at * 4));
};
