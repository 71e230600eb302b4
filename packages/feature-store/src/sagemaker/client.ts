import { createBackoff } from "../remote/backoff.ts";
import { awsFailure, type AwsFailure } from "../remote/dynamodb-client.ts";
import { onlineRefused, onlineUnreachable } from "../keyed/keyed-errors.ts";

/** A feature of a record, as SageMaker has it: all values are texts. */
export interface SageMakerValue {
  FeatureName: string | undefined;
  ValueAsString?: string | undefined;
}

export interface SageMakerCallOptions {
  readonly abortSignal?: AbortSignal;
}

interface Identifiers {
  readonly FeatureGroupName: string | undefined;
  readonly RecordIdentifiersValueAsString: string[] | undefined;
  readonly FeatureNames?: string[];
}

type Stores = ("OnlineStore" | "OfflineStore")[];

/** What is used of a `SageMakerFeatureStoreRuntime` of `@aws-sdk/client-sagemaker-featurestore-runtime`. */
export interface SageMakerClient {
  batchGetRecord(
    input: { readonly Identifiers: Identifiers[]; readonly ExpirationTimeResponse: "Enabled" },
    options?: SageMakerCallOptions,
  ): Promise<{
    readonly Records?: readonly FoundRecord[] | undefined;
    readonly Errors?: readonly RecordError[] | undefined;
    readonly UnprocessedIdentifiers?:
      | readonly { readonly RecordIdentifiersValueAsString: string[] | undefined }[]
      | undefined;
  }>;
  putRecord(
    input: {
      readonly FeatureGroupName: string;
      readonly Record: SageMakerValue[];
      readonly TargetStores?: Stores;
      readonly TtlDuration?: { readonly Unit: "Seconds"; readonly Value: number };
    },
    options?: SageMakerCallOptions,
  ): Promise<unknown>;
  deleteRecord(
    input: {
      readonly FeatureGroupName: string;
      readonly RecordIdentifierValueAsString: string;
      readonly EventTime: string;
      readonly TargetStores?: Stores;
      readonly DeletionMode?: "SoftDelete" | "HardDelete";
    },
    options?: SageMakerCallOptions,
  ): Promise<unknown>;
}

export interface FoundRecord {
  readonly RecordIdentifierValueAsString: string | undefined;
  readonly Record:
    | readonly { readonly FeatureName: string | undefined; readonly ValueAsString?: string | undefined }[]
    | undefined;
  readonly ExpiresAt?: string | undefined;
}

interface RecordError {
  readonly RecordIdentifierValueAsString: string | undefined;
  readonly ErrorCode: string | undefined;
  readonly ErrorMessage: string | undefined;
}

export interface SageMakerGroup {
  readonly client: SageMakerClient;
  readonly name: string;
  readonly maxRetryMs: number;
}

/** Records of a call at most, as SageMaker has it. */
const CALL_RECORDS = 100;

const placeOf = (name: string): string => `the SageMaker feature group "${name}"`;

/** Makes a call, again where the service is busy or fails for a moment. */
export async function calling<Result>(
  { name, maxRetryMs }: SageMakerGroup,
  signal: AbortSignal | undefined,
  call: (options: SageMakerCallOptions) => Promise<Result>,
): Promise<Result> {
  const waiting = createBackoff(maxRetryMs, signal);
  for (;;) {
    try {
      return await call(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      const { name: code = "", $metadata: { httpStatusCode: status } = {} } = error as AwsFailure;
      const isMomentary = status === 429 || (status !== undefined && status >= 500) || /Throttl/.test(code);
      if (!isMomentary || !(await waiting())) throw awsFailure(placeOf(name), error);
    }
  }
}

/** The records of these identifiers, each given once, that are there. What the service leaves over is asked for again. */
export async function getRecords(
  group: SageMakerGroup,
  identifiers: readonly string[],
  { features, signal }: { readonly features: readonly string[]; readonly signal: AbortSignal | undefined },
): Promise<Map<string, FoundRecord>> {
  const found = new Map<string, FoundRecord>();
  const calls: Promise<void>[] = [];
  for (let at = 0; at < identifiers.length; at += CALL_RECORDS) {
    calls.push(getSome(group, identifiers.slice(at, at + CALL_RECORDS), found, { features, signal }));
  }
  await Promise.all(calls);
  return found;
}

async function getSome(
  group: SageMakerGroup,
  identifiers: readonly string[],
  found: Map<string, FoundRecord>,
  { features, signal }: { readonly features: readonly string[]; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const waiting = createBackoff(group.maxRetryMs, signal);
  let asked = [...identifiers];
  for (;;) {
    const input = {
      Identifiers: [
        { FeatureGroupName: group.name, RecordIdentifiersValueAsString: asked, FeatureNames: [...features] },
      ],
      ExpirationTimeResponse: "Enabled" as const,
    };
    const {
      Records = [],
      Errors = [],
      UnprocessedIdentifiers = [],
    } = await calling(group, signal, (options) => group.client.batchGetRecord(input, options));
    for (const record of Records) found.set(record.RecordIdentifierValueAsString ?? "", record);
    const left = UnprocessedIdentifiers.flatMap(({ RecordIdentifiersValueAsString: ids = [] }) => ids);
    for (const { RecordIdentifierValueAsString: id, ErrorCode: code = "", ErrorMessage: said = "" } of Errors) {
      if (!/InternalFailure|ServiceUnavailable|Throttl/.test(code)) {
        throw onlineRefused(placeOf(group.name), `${code} for the record "${id}": ${said}`);
      }
      if (id !== undefined) left.push(id);
    }
    if (left.length === 0) return;
    asked = left;
    if (!(await waiting())) throw onlineUnreachable(placeOf(group.name), `${left.length} records stay unprocessed`);
  }
}
