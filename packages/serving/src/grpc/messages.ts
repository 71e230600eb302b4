import type { MessageShape } from "./wire.ts";

/*
 * The messages of `inference.GRPCInferenceService` and `grpc.health.v1.Health` by the names and numbers of their fields:
 * https://github.com/kserve/open-inference-protocol (specification/protocol/open_inference_grpc.proto), Triton's model repository and stream
 * extensions, https://github.com/grpc/grpc/blob/master/doc/health-checking.md.
 */

export type Empty = Readonly<Record<never, never>>;

export const empty: MessageShape<Empty> = {};

export interface InferParameter {
  readonly bool_param?: boolean | undefined;
  readonly int64_param?: bigint | undefined;
  readonly string_param?: string | undefined;
  readonly double_param?: number | undefined;
  readonly uint64_param?: bigint | undefined;
}

const inferParameter: MessageShape<InferParameter> = {
  bool_param: { id: 1, type: "bool", optional: true },
  int64_param: { id: 2, type: "int64", optional: true },
  string_param: { id: 3, type: "string", optional: true },
  double_param: { id: 4, type: "double", optional: true },
  uint64_param: { id: 5, type: "uint64", optional: true },
};

export interface TensorContents {
  readonly bool_contents: readonly boolean[];
  readonly int_contents: readonly number[];
  readonly int64_contents: readonly bigint[];
  readonly uint_contents: readonly number[];
  readonly uint64_contents: readonly bigint[];
  readonly fp32_contents: readonly number[];
  readonly fp64_contents: readonly number[];
  readonly bytes_contents: readonly Uint8Array[];
}

const contents: MessageShape<TensorContents> = {
  bool_contents: { id: 1, type: "bool", repeated: true },
  int_contents: { id: 2, type: "int32", repeated: true },
  int64_contents: { id: 3, type: "int64", repeated: true },
  uint_contents: { id: 4, type: "uint32", repeated: true },
  uint64_contents: { id: 5, type: "uint64", repeated: true },
  fp32_contents: { id: 6, type: "float", repeated: true },
  fp64_contents: { id: 7, type: "double", repeated: true },
  bytes_contents: { id: 8, type: "bytes", repeated: true },
};

export interface InferTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly bigint[];
  readonly parameters: ReadonlyMap<string, InferParameter>;
  readonly contents?: TensorContents | undefined;
}

const tensor: MessageShape<InferTensor> = {
  name: { id: 1, type: "string" },
  datatype: { id: 2, type: "string" },
  shape: { id: 3, type: "int64", repeated: true },
  parameters: { id: 4, type: inferParameter, map: true },
  contents: { id: 5, type: contents, optional: true },
};

export interface RequestedOutput {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, InferParameter>;
}

const requestedOutput: MessageShape<RequestedOutput> = {
  name: { id: 1, type: "string" },
  parameters: { id: 2, type: inferParameter, map: true },
};

export interface ModelInferRequest {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: ReadonlyMap<string, InferParameter>;
  readonly inputs: readonly InferTensor[];
  readonly outputs: readonly RequestedOutput[];
  readonly raw_input_contents: readonly Uint8Array[];
}

export const modelInferRequest: MessageShape<ModelInferRequest> = {
  model_name: { id: 1, type: "string" },
  model_version: { id: 2, type: "string" },
  id: { id: 3, type: "string" },
  parameters: { id: 4, type: inferParameter, map: true },
  inputs: { id: 5, type: tensor, repeated: true },
  outputs: { id: 6, type: requestedOutput, repeated: true },
  raw_input_contents: { id: 7, type: "bytes", repeated: true },
};

export interface ModelInferResponse {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: ReadonlyMap<string, InferParameter>;
  readonly outputs: readonly InferTensor[];
  readonly raw_output_contents: readonly Uint8Array[];
}

export const modelInferResponse: MessageShape<ModelInferResponse> = {
  model_name: { id: 1, type: "string" },
  model_version: { id: 2, type: "string" },
  id: { id: 3, type: "string" },
  parameters: { id: 4, type: inferParameter, map: true },
  outputs: { id: 5, type: tensor, repeated: true },
  raw_output_contents: { id: 6, type: "bytes", repeated: true },
};

export interface ModelStreamInferResponse {
  readonly error_message: string;
  readonly infer_response?: ModelInferResponse | undefined;
}

export const modelStreamInferResponse: MessageShape<ModelStreamInferResponse> = {
  error_message: { id: 1, type: "string" },
  infer_response: { id: 2, type: modelInferResponse, optional: true },
};

export interface Live {
  readonly live: boolean;
}

export const live: MessageShape<Live> = { live: { id: 1, type: "bool" } };
export interface Ready {
  readonly ready: boolean;
}

export const ready: MessageShape<Ready> = { ready: { id: 1, type: "bool" } };

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export const serverMetadataResponse: MessageShape<ServerMetadata> = {
  name: { id: 1, type: "string" },
  version: { id: 2, type: "string" },
  extensions: { id: 3, type: "string", repeated: true },
};

/** Of `ModelReady`, `ModelMetadata`, `ModelConfig` and `ModelStatistics`. */
export interface ModelRequest {
  readonly name: string;
  readonly version: string;
}

export const modelRequest: MessageShape<ModelRequest> = {
  name: { id: 1, type: "string" },
  version: { id: 2, type: "string" },
};

export interface TensorMetadataMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly bigint[];
}

const tensorMetadata: MessageShape<TensorMetadataMessage> = {
  name: { id: 1, type: "string" },
  datatype: { id: 2, type: "string" },
  shape: { id: 3, type: "int64", repeated: true },
};

export interface ModelMetadataMessage {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadataMessage[];
  readonly outputs: readonly TensorMetadataMessage[];
}

export const modelMetadataResponse: MessageShape<ModelMetadataMessage> = {
  name: { id: 1, type: "string" },
  versions: { id: 2, type: "string", repeated: true },
  platform: { id: 3, type: "string" },
  inputs: { id: 4, type: tensorMetadata, repeated: true },
  outputs: { id: 5, type: tensorMetadata, repeated: true },
};

export interface RepositoryIndexRequest {
  readonly repository_name: string;
  readonly ready: boolean;
}

export const repositoryIndexRequest: MessageShape<RepositoryIndexRequest> = {
  repository_name: { id: 1, type: "string" },
  ready: { id: 2, type: "bool" },
};

export interface RepositoryEntryMessage {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
}

const repositoryEntry: MessageShape<RepositoryEntryMessage> = {
  name: { id: 1, type: "string" },
  version: { id: 2, type: "string" },
  state: { id: 3, type: "string" },
  reason: { id: 4, type: "string" },
};

export interface RepositoryIndexMessage {
  readonly models: readonly RepositoryEntryMessage[];
}

export const repositoryIndexResponse: MessageShape<RepositoryIndexMessage> = {
  models: { id: 1, type: repositoryEntry, repeated: true },
};

/** Of `RepositoryModelLoad` and `RepositoryModelUnload`. */
export interface RepositoryModelRequest {
  readonly repository_name: string;
  readonly model_name: string;
}

export const repositoryModelRequest: MessageShape<RepositoryModelRequest> = {
  repository_name: { id: 1, type: "string" },
  model_name: { id: 2, type: "string" },
};

export interface HealthCheckRequest {
  readonly service: string;
}

export const healthCheckRequest: MessageShape<HealthCheckRequest> = { service: { id: 1, type: "string" } };

/** `SERVING` is 1, `NOT_SERVING` 2. */
export interface HealthCheckResponse {
  readonly status: number;
}

export const healthCheckResponse: MessageShape<HealthCheckResponse> = { status: { id: 1, type: "int32" } };
