import { type ModelConfiguration, configTypes } from "../protocols/model-configuration.ts";
import type { ModelStatisticsEntry, StatisticDuration } from "../protocols/model-statistics.ts";
import type { MessageShape } from "./wire.ts";

/*
 * The messages of Triton's model configuration and statistics extensions by the names and numbers of their fields, as far as they are written:
 * https://github.com/triton-inference-server/common/tree/main/protobuf (model_config.proto, grpc_service.proto).
 */

interface Reshape {
  readonly shape: readonly number[];
}

interface ConfigTensorMessage {
  readonly name: string;
  readonly data_type: number;
  readonly dims: readonly number[];
  readonly reshape?: Reshape | undefined;
}

const reshape: MessageShape<Reshape> = { shape: { id: 1, type: "int64", repeated: true } };

/** Inputs have a format where outputs have their sizes. */
const configTensor = (dims: number): MessageShape<ConfigTensorMessage> => ({
  name: { id: 1, type: "string" },
  data_type: { id: 2, type: "int32" },
  dims: { id: dims, type: "int64", repeated: true },
  reshape: { id: 5, type: reshape, optional: true },
});

interface Versions {
  readonly versions: readonly number[];
}

interface VersionPolicy {
  readonly specific?: Versions | undefined;
}

interface DynamicBatching {
  readonly max_queue_delay_microseconds: number;
}

interface ModelConfig extends Omit<ModelConfiguration, "input" | "output"> {
  readonly input: readonly ConfigTensorMessage[];
  readonly output: readonly ConfigTensorMessage[];
}

const versions: MessageShape<Versions> = { versions: { id: 1, type: "int64", repeated: true } };
const versionPolicy: MessageShape<VersionPolicy> = { specific: { id: 3, type: versions, optional: true } };
const dynamicBatching: MessageShape<DynamicBatching> = { max_queue_delay_microseconds: { id: 2, type: "uint64" } };

const modelConfig: MessageShape<ModelConfig> = {
  name: { id: 1, type: "string" },
  platform: { id: 2, type: "string" },
  version_policy: { id: 3, type: versionPolicy, optional: true },
  max_batch_size: { id: 4, type: "int32" },
  input: { id: 5, type: configTensor(4), repeated: true },
  output: { id: 6, type: configTensor(3), repeated: true },
  dynamic_batching: { id: 11, type: dynamicBatching, optional: true },
  backend: { id: 17, type: "string" },
};

export interface ModelConfigResponse {
  readonly config?: ModelConfig | undefined;
}

export const modelConfigResponse: MessageShape<ModelConfigResponse> = {
  config: { id: 1, type: modelConfig, optional: true },
};

/** A configuration with numbers for its element types. */
export function configMessage({ input, output, ...config }: ModelConfiguration): ModelConfigResponse {
  const tensor = ({ data_type: type, ...each }: ModelConfiguration["input"][number]): ConfigTensorMessage => ({
    ...each,
    data_type: configTypes.findIndex((name) => type === `TYPE_${name}`),
  });
  return { config: { ...config, input: input.map(tensor), output: output.map(tensor) } };
}

const statisticDuration: MessageShape<StatisticDuration> = {
  count: { id: 1, type: "uint64" },
  ns: { id: 2, type: "uint64" },
};

const inferStatistics: MessageShape<ModelStatisticsEntry["inference_stats"]> = {
  success: { id: 1, type: statisticDuration },
  fail: { id: 2, type: statisticDuration },
  queue: { id: 3, type: statisticDuration },
  compute_input: { id: 4, type: statisticDuration },
  compute_infer: { id: 5, type: statisticDuration },
  compute_output: { id: 6, type: statisticDuration },
};

const batchStatistics: MessageShape<ModelStatisticsEntry["batch_stats"][number]> = {
  batch_size: { id: 1, type: "uint64" },
  compute_infer: { id: 3, type: statisticDuration },
};

const modelStatistics: MessageShape<ModelStatisticsEntry> = {
  name: { id: 1, type: "string" },
  version: { id: 2, type: "string" },
  last_inference: { id: 3, type: "uint64" },
  inference_count: { id: 4, type: "uint64" },
  execution_count: { id: 5, type: "uint64" },
  inference_stats: { id: 6, type: inferStatistics },
  batch_stats: { id: 7, type: batchStatistics, repeated: true },
};

export interface ModelStatisticsResponse {
  readonly model_stats: readonly ModelStatisticsEntry[];
}

export const modelStatisticsResponse: MessageShape<ModelStatisticsResponse> = {
  model_stats: { id: 1, type: modelStatistics, repeated: true },
};
