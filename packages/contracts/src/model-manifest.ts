import type { Digest } from "./ids.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { JsonTensor, ModelSignature } from "./tensor.ts";

/** One file of a model package. */
export interface ModelFile {
  /** Relative to the package directory, with `/`; never absolute, never with `..`. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: Digest;
}

/** A request with the answer the model must give, checked before it is served. */
export interface GoldenRequest {
  readonly inputs: Readonly<Record<string, JsonTensor>>;
  readonly outputs: Readonly<Record<string, JsonTensor>>;
  /** Largest absolute difference allowed for floating-point outputs. */
  readonly tolerance: number;
  /** By output, where one is allowed more or less than `tolerance`: what another runtime rounds differently. */
  readonly outputTolerances?: Readonly<Record<string, number>> | undefined;
}

/** What a model was made from, by digest. */
export interface ModelProvenance {
  /** Content digests of the datasets by role (`train`, `validation`). */
  readonly datasets: Readonly<Record<string, Digest>>;
  /** Digest of the training module's code. */
  readonly code?: Digest | undefined;
  /** Node, backend, driver and library versions. */
  readonly environment: Readonly<Record<string, string>>;
  readonly seed?: number | undefined;
  readonly hyperparameters: Readonly<Record<string, JsonValue>>;
  /** Final metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
  /** The run that made it, where one was tracked. */
  readonly runId?: string | undefined;
  /** UTC, milliseconds since the epoch. */
  readonly createdTimeMs: number;
}

/** The manifest of a model package: everything about a model but its bytes. It holds no code. */
export interface ModelManifest {
  readonly formatVersion: 1;
  readonly name: string;
  /** `tfjs-layers`, `tfjs-graph`, `onnx`, `trees`, `linear`, `dense`, … : which runtime can load it. */
  readonly format: string;
  /** Every file of the package but the manifest itself, ordered by path. */
  readonly files: readonly ModelFile[];
  readonly signature: ModelSignature;
  /** Fitted transforms from feature columns to inputs, as `@millwright/data` writes them. */
  readonly transforms?: JsonObject | undefined;
  /** The feature service that feeds it, and the digest of its definition at training. */
  readonly featureService?: { readonly name: string; readonly digest: Digest } | undefined;
  readonly golden: readonly GoldenRequest[];
  /** Profile of the training data: the drift baseline, as `@millwright/data` writes it. */
  readonly profile?: JsonObject | undefined;
  readonly provenance: ModelProvenance;
}
