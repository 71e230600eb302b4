import type { ServerFace } from "./open-inference.ts";
import { type Caller, type Place, type TensorMetadata, modelMetadata } from "./open-inference-models.ts";

/** Triton's names of element types, by those of the protocol; their numbers in its messages are their places. */
export const configTypes = [
  "INVALID",
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "STRING",
  "BF16",
] as const;

export interface ConfigTensor {
  readonly name: string;
  /** `TYPE_FP32`. */
  readonly data_type: string;
  /** Without that of the batch, where there is one; −1 is any size. */
  readonly dims: readonly number[];
  /** Where a row is one value, which has no sizes: Triton writes that as one of size 1 that is taken away. */
  readonly reshape?: { readonly shape: readonly number[] } | undefined;
}

/** What Triton's `ModelConfig` says of a model, as far as it is so here. */
export interface ModelConfiguration {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly version_policy: { readonly specific: { readonly versions: readonly number[] } };
  /** 0 where requests are not put together. */
  readonly max_batch_size: number;
  readonly input: readonly ConfigTensor[];
  readonly output: readonly ConfigTensor[];
  /** There where requests are put together. Batches wait for no one. */
  readonly dynamic_batching?: { readonly max_queue_delay_microseconds: number } | undefined;
}

/** The model configuration extension of the protocol. Throws what `modelMetadata` throws. */
export async function modelConfiguration(face: ServerFace, place: Place, caller: Caller): Promise<ModelConfiguration> {
  const { name, platform, inputs, outputs, versions = [] } = await modelMetadata(face, place, caller);
  const tensors = [...inputs, ...outputs];
  const batched = tensors.length > 0 && tensors.every(({ shape }) => shape[0] === -1);
  const tensor = ({ name: called, datatype, shape }: TensorMetadata): ConfigTensor => {
    const dims = batched ? shape.slice(1) : shape;
    const type = { name: called, data_type: `TYPE_${datatype === "BYTES" ? "STRING" : datatype}` };
    return dims.length === 0 ? { ...type, dims: [1], reshape: { shape: [] } } : { ...type, dims };
  };
  return {
    name,
    platform,
    backend: "millwright",
    version_policy: { specific: { versions: versions.map(Number).filter(Number.isSafeInteger) } },
    max_batch_size: batched ? place.endpoint.limits.maxBatchRows : 0,
    input: inputs.map(tensor),
    output: outputs.map(tensor),
    ...(batched ? { dynamic_batching: { max_queue_delay_microseconds: 0 } } : {}),
  };
}
