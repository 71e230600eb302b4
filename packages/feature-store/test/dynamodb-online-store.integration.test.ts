import type { DynamoDB } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, expectTypeOf, test, type TestContext } from "vitest";
import { type DynamoDbClient, openDynamoDbOnlineStore } from "../src/drivers/dynamodb.ts";
import { keyedOnlineStoreContract } from "../src/testing/index.ts";
import {
  connectDynamoDb,
  dynamoDbMissing,
  type DynamoDbServer,
  hasDynamoDb,
  type Meddling,
  startBetween,
  startDynamoDb,
} from "./dynamodb-server.ts";

if (!hasDynamoDb && process.env["CI"] === "true") throw new Error(dynamoDbMissing);

const dynamoTest = (title: string, run: (context: TestContext) => Promise<void>): void =>
  test(title, async (context) => {
    context.skip(!hasDynamoDb, dynamoDbMissing);
    await run(context);
  });

let server: DynamoDbServer;
let client: DynamoDB;
let tables = 0;
const openEmpty = (buckets?: number) => openDynamoDbOnlineStore(client, { table: `test-${tables++}`, buckets });
const textOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString();
const addOne = (_: number, current?: Uint8Array): Uint8Array => Buffer.from(String(Number(textOf(current)) + 1));

beforeAll(async () => {
  if (!hasDynamoDb) return;
  server = await startDynamoDb();
  client = connectDynamoDb(server.port);
}, 300_000);

afterAll(async () => {
  client?.destroy();
  await server?.[Symbol.asyncDispose]();
}, 300_000);

for (const buckets of [7]) {
  for (const { name, appliesTo, run } of keyedOnlineStoreContract) {
    dynamoTest(`FS-33: DynamoDB, ${buckets} buckets: ${name}`, async ({ skip }) => {
      await using store = await openEmpty(buckets);
      if (appliesTo?.(store) === false) skip("the store has not what the case is about");
      await run(store);
    });
  }
}

test("the client of AWS has what the driver declares of it", () => {
  expectTypeOf<DynamoDB>().toExtend<DynamoDbClient>();
});

/** A store whose calls pass through somebody's hands. */
async function meddled(
  meddle: Meddling,
  options: { readonly maxRetryMs?: number; readonly maxAttempts?: number } = {},
) {
  const between = await startBetween(server.port, meddle);
  const meddledClient = connectDynamoDb(between.port, { maxAttempts: options.maxAttempts ?? 1 });
  const table = `test-${tables++}`;
  const store = await openDynamoDbOnlineStore(meddledClient, { table, maxRetryMs: options.maxRetryMs });
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      meddledClient.destroy();
      await between[Symbol.asyncDispose]();
    },
  };
}

const throttled = [
  400,
  {
    __type: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    message: "The level of configured provisioned throughput for the table was exceeded.",
  },
] as const;

dynamoTest("FS-33: keys that a read leaves over are asked for again, and throttled calls are made again", async () => {
  let calls = 0;
  let leftOver = 0;
  await using through = await meddled(async ({ operation, body, forward }) => {
    if (operation !== "DescribeTable" && operation !== "CreateTable" && ++calls % 3 === 0) return throttled;
    if (operation !== "BatchGetItem") return await forward();
    const [[table, { Keys, ...rest }]] = Object.entries(
      body["RequestItems"] as Record<string, { Keys: unknown[]; ConsistentRead: boolean }>,
    ) as [[string, { Keys: unknown[]; ConsistentRead: boolean }]];
    const [first, left] = [Keys.slice(0, 30), Keys.slice(30)];
    leftOver += left.length;
    const [status, answer] = await forward({ RequestItems: { [table]: { Keys: first, ...rest } } });
    return [status, { ...answer, UnprocessedKeys: left.length === 0 ? {} : { [table]: { Keys: left, ...rest } } }];
  });
  const keys = Array.from({ length: 250 }, (_, index) => `key ${index}`);
  await through.store.update("a", keys, (index) => Buffer.from(String(index)));
  expect((await through.store.read("a", keys)).map(textOf)).toEqual(keys.map((_, index) => String(index)));
  expect(leftOver).toBeGreaterThan(100);
});

dynamoTest("FS-33: a table that throttles for longer than a call may wait is told of", async () => {
  let isThrottling = false;
  await using through = await meddled(async ({ forward }) => (isThrottling ? throttled : await forward()), {
    maxRetryMs: 200,
  });
  isThrottling = true;
  const refused = { code: "FEATURE_STORE_ONLINE_BUSY", category: "transient", retryable: true };
  await expect(through.store.read("a", ["x"])).rejects.toMatchObject(refused);
  await expect(through.store.update("a", ["x"], addOne)).rejects.toMatchObject(refused);
  const stopping = new AbortController();
  const reading = through.store.read("a", ["x"], { signal: stopping.signal });
  stopping.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
});

dynamoTest("FS-33: a write whose answer is lost is made again by AWS's client and counts once", async () => {
  let lost = 0;
  await using through = await meddled(
    async ({ operation, forward }) => {
      const answer = await forward();
      if (operation !== "PutItem" || lost++ % 2 === 1) return answer;
      return undefined;
    },
    { maxAttempts: 3 },
  );
  for (let count = 0; count < 5; count++) await through.store.update("a", ["x"], addOne);
  expect(textOf((await through.store.read("a", ["x"]))[0])).toBe("5");
  expect(lost).toBe(10);
});

dynamoTest("FS-33: entries beyond an item's 400 KB are whole, whoever writes and reads them at once", async () => {
  await using store = await openEmpty(3);
  const filled = (size: number, value: number) => Buffer.alloc(size, value);
  const sizes = [379_999, 380_000, 380_001, 900_000, 3_800_000];
  await store.update("sizes", sizes.map(String), (index) => filled(sizes[index]!, index));
  const found = await store.read("sizes", sizes.map(String));
  expect(found.map((bytes, index) => filled(sizes[index]!, index).equals(bytes!))).toEqual(sizes.map(() => true));
  const listed: string[] = [];
  for await (const page of store.scan("sizes")) listed.push(...page.map(({ key, bytes }) => `${key} ${bytes.length}`));
  expect(listed.toSorted()).toEqual(sizes.map((size) => `${size} ${size}`).toSorted());
  // Growing, shrinking and deleting at once: a reader sees one of them, never a mixture.
  let isWriting = true;
  const writing = (async () => {
    for (let count = 1; count <= 11; count++) {
      const size = [900_000, 100, 1_500_000, 0][count % 4]!;
      await store.update("a", ["x"], () => (size === 0 ? null : filled(size, count)));
    }
    isWriting = false;
  })();
  const sums = new Set<number>();
  while (isWriting) {
    const [bytes] = await store.read("a", ["x"]);
    if (bytes !== undefined && new Set(bytes).size !== 1) throw new Error("a torn entry was read");
    sums.add(bytes?.[0] ?? 0);
  }
  await writing;
  expect(sums.size).toBeGreaterThan(2);
  await expect(store.update("a", ["y"], () => filled(3_800_001, 1))).rejects.toMatchObject({
    code: "FEATURE_STORE_ENTRY_TOO_LARGE",
    category: "capacity",
  });
  expect(await store.read("a", ["x", "y"])).toEqual([undefined, undefined]);
  await expect(chunksLeft("a")).resolves.toBe(0);

  async function chunksLeft(group: string): Promise<number> {
    const { Items = [] } = await client.scan({ TableName: `test-${tables - 1}`, ProjectionExpression: "p, k" });
    return Items.filter(({ p }) => Buffer.from(p!.B!).toString("latin1", 4) === group).length;
  }
});

dynamoTest(
  "FS-33: a table that is not the store's, rights that are missing and a server that is gone are told apart",
  async () => {
    await client.createTable({
      TableName: "orders",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    });
    await expect(openDynamoDbOnlineStore(client, { table: "orders" })).rejects.toMatchObject({
      code: "FEATURE_STORE_ONLINE_REFUSED",
      message: expect.stringContaining("its keys are id") as string,
    });
    const denied = { __type: "com.amazon.coral.service#AccessDeniedException", message: "User is not authorized" };
    let answer: readonly [number, Record<string, unknown>] | undefined | "pass" = "pass";
    await using through = await meddled(async ({ forward }) => (answer === "pass" ? await forward() : answer));
    answer = [400, denied];
    await expect(through.store.read("a", ["x"])).rejects.toMatchObject({
      code: "FEATURE_STORE_ONLINE_REFUSED",
      message: expect.stringContaining("User is not authorized") as string,
    });
    answer = undefined;
    await expect(through.store.read("a", ["x"])).rejects.toMatchObject({
      code: "FEATURE_STORE_ONLINE_UNREACHABLE",
      retryable: true,
    });
  },
);

test("an object that is no client, and impossible options, are refused", async () => {
  await expect(openDynamoDbOnlineStore({} as DynamoDbClient)).rejects.toThrow("it has no `batchGetItem`");
  await expect(openDynamoDbOnlineStore({} as DynamoDbClient, { buckets: 0 })).rejects.toThrow("buckets is 0");
  await expect(openDynamoDbOnlineStore({} as DynamoDbClient, { maxRetryMs: -1 })).rejects.toThrow("maxRetryMs is -1");
});
