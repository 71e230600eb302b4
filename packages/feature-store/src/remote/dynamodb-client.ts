import { FeatureStoreError } from "../errors.ts";
import { createBackoff } from "./backoff.ts";
import { onlineBusy, onlineRefused, onlineUnreachable } from "../keyed/keyed-errors.ts";

/** A value as DynamoDB takes it, of the kinds that are used. */
type GivenValue = { readonly B: Uint8Array } | { readonly N: string };
/** A value as it answers with. */
interface AnsweredValue {
  readonly B?: Uint8Array | undefined;
  readonly N?: string | undefined;
}

export type GivenItem = Record<string, GivenValue>;
export type DynamoDbItem = Record<string, AnsweredValue>;
/** Items that are asked for in one request, by table. */
export type DynamoDbKeys = Record<string, { Keys: GivenItem[]; ConsistentRead: boolean }>;

interface Condition {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeValues?: GivenItem;
  readonly ReturnValuesOnConditionCheckFailure: "ALL_OLD";
}

export interface DynamoDbPut extends Partial<Condition> {
  readonly TableName: string;
  readonly Item: GivenItem;
}

export interface DynamoDbDelete extends Partial<Condition> {
  readonly TableName: string;
  readonly Key: GivenItem;
}

export interface DynamoDbCallOptions {
  readonly abortSignal?: AbortSignal;
}

interface Description {
  readonly TableStatus?: string | undefined;
  readonly KeySchema?:
    | readonly { readonly AttributeName?: string | undefined; readonly KeyType?: string | undefined }[]
    | undefined;
  readonly AttributeDefinitions?:
    | readonly { readonly AttributeName?: string | undefined; readonly AttributeType?: string | undefined }[]
    | undefined;
}

/** What is used of a `DynamoDB` of `@aws-sdk/client-dynamodb`. */
export interface DynamoDbClient {
  batchGetItem(
    input: { readonly RequestItems: DynamoDbKeys },
    options?: DynamoDbCallOptions,
  ): Promise<{
    readonly Responses?: Record<string, DynamoDbItem[]> | undefined;
    readonly UnprocessedKeys?: Record<string, unknown> | undefined;
  }>;
  putItem(input: DynamoDbPut, options?: DynamoDbCallOptions): Promise<unknown>;
  deleteItem(input: DynamoDbDelete, options?: DynamoDbCallOptions): Promise<unknown>;
  transactWriteItems(
    input: { readonly TransactItems: { Put?: DynamoDbPut; Delete?: DynamoDbDelete }[] },
    options?: DynamoDbCallOptions,
  ): Promise<unknown>;
  query(
    input: {
      readonly TableName: string;
      readonly KeyConditionExpression: string;
      readonly ExpressionAttributeValues: GivenItem;
      readonly ConsistentRead: boolean;
      readonly ExclusiveStartKey?: GivenItem;
    },
    options?: DynamoDbCallOptions,
  ): Promise<{
    readonly Items?: DynamoDbItem[] | undefined;
    readonly LastEvaluatedKey?: DynamoDbItem | undefined;
  }>;
  describeTable(
    input: { readonly TableName: string },
    options?: DynamoDbCallOptions,
  ): Promise<{ readonly Table?: Description | undefined }>;
  createTable(
    input: {
      readonly TableName: string;
      readonly BillingMode: "PAY_PER_REQUEST";
      readonly AttributeDefinitions: { AttributeName: string; AttributeType: "B" }[];
      readonly KeySchema: { AttributeName: string; KeyType: "HASH" | "RANGE" }[];
    },
    options?: DynamoDbCallOptions,
  ): Promise<unknown>;
}

/** A table spoken to, with how long it may keep one waiting. */
export interface DynamoDbTable {
  readonly client: DynamoDbClient;
  readonly table: string;
  readonly maxRetryMs: number;
}

const BUSY = new Set([
  "ProvisionedThroughputExceededException",
  "ThrottlingException",
  "RequestLimitExceeded",
  "TransactionConflictException",
  "TransactionInProgressException",
]);

/** An error's parts that AWS's clients give it. */
export interface AwsFailure {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly Item?: DynamoDbItem;
  readonly CancellationReasons?: readonly { readonly Code?: string; readonly Item?: DynamoDbItem }[];
}

/** Whether a call that failed shall be made again a little later. */
const isBusy = ({ name = "", CancellationReasons: reasons = [] }: AwsFailure): boolean =>
  BUSY.has(name) ||
  (name === "TransactionCanceledException" &&
    reasons.every(({ Code = "None" }) => Code !== "ConditionalCheckFailed" && Code !== "ValidationError"));

/** Waits a little longer each time. Throws `FEATURE_STORE_ONLINE_BUSY` once that takes too long. */
export function createWaits(
  { table, maxRetryMs }: DynamoDbTable,
  signal: AbortSignal | undefined,
): (problem: string, cause?: unknown) => Promise<void> {
  const waiting = createBackoff(maxRetryMs, signal);
  return async (problem, cause) => {
    if (await waiting()) return;
    const remedy = "Do it again later, or give the table more capacity, or raise `maxRetryMs`.";
    throw onlineBusy(`the DynamoDB table "${table}"`, problem, remedy, cause);
  };
}

/** Makes a call until it is not throttled any more. */
export async function calling<Result>(
  at: DynamoDbTable,
  signal: AbortSignal | undefined,
  call: (options: DynamoDbCallOptions) => Promise<Result>,
): Promise<Result> {
  const waiting = createWaits(at, signal);
  for (;;) {
    try {
      return await call(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      const failure = error as AwsFailure;
      if (!isBusy(failure)) throw awsFailure(`the DynamoDB table "${at.table}"`, error);
      await waiting(failure.message ?? "it throttles", error);
    }
  }
}

/** Failures that say what stands there are passed on. */
const OUTCOMES = new Set(["ConditionalCheckFailedException", "TransactionCanceledException", "ResourceInUseException"]);

/** What an AWS service or the way to it said, as an error of ours. */
export function awsFailure(where: string, error: unknown): unknown {
  if (error instanceof FeatureStoreError) return error;
  const {
    name = "",
    message = String(error),
    code,
    $metadata: { httpStatusCode: status } = {},
  } = (error ?? {}) as AwsFailure;
  if (OUTCOMES.has(name)) return error;
  const isSilent = message === "" || /^Unknown(?:Error)?$/.test(message);
  const saying = isSilent ? `${name || "no reason"}${status === undefined ? "" : `, status ${status}`}` : message;
  if (status === 429 || /Throttl|TooManyRequests|ServiceUnavailable|SlowDown/i.test(name)) {
    return onlineBusy(where, saying, "Do it again later, or ask AWS for higher limits.", error);
  }
  if (status === undefined || status >= 500) {
    const isWire = /^E[A-Z_]+$/.test(code ?? "") || /Timeout|Network|Socket|Aborted/i.test(name);
    return isWire || status !== undefined ? onlineUnreachable(where, saying, error) : error;
  }
  return status >= 400 ? onlineRefused(where, saying, error) : error;
}
