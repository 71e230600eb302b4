import { SageMakerFeatureStoreRuntime } from "@aws-sdk/client-sagemaker-featurestore-runtime";
import { createManualClock } from "@millwright/contracts";
import { Redis } from "ioredis";
import pg from "pg";
import { describe, expect } from "vitest";
import { openDynamoDbOnlineStore } from "../src/drivers/dynamodb.ts";
import { openPostgresOnlineStore } from "../src/drivers/postgres.ts";
import { openRedisOnlineStore } from "../src/drivers/redis.ts";
import { openSageMakerFeatureStore } from "../src/drivers/sagemaker.ts";
import { ADAPTER_NOW_MS, adapterRows, adapterServices } from "../src/testing/index.ts";
import { type Abilities, allAbilities, holding, storeAdapter, testAdapter } from "./adapter-suite.ts";
import { connectDynamoDb, dynamoDbMissing, hasDynamoDb, startDynamoDb } from "./dynamodb-server.ts";
import { hasPostgres, postgresMissing, startPostgres } from "./postgres-server.ts";
import { awsModelsMissing, hasAwsModels, startSageMaker } from "./sagemaker-server.ts";
import { hasRedisServer, redisMissing, startRedisServer } from "./redis-server.ts";

const isRequired = process.env["CI"] === "true";
/** Why an adapter is skipped; in continuous integration none may be. */
const reasonFor = (isThere: boolean, missing: string): string | undefined => {
  if (!isThere && isRequired) throw new Error(missing);
  return isThere ? undefined : missing;
};

describe("redis", () => {
  const open = () =>
    storeAdapter(async () => {
      const server = await startRedisServer();
      const client = new Redis(server.port);
      const close = async (): Promise<void> => {
        await client.quit();
        await server[Symbol.asyncDispose]();
      };
      return { online: await openRedisOnlineStore(client, { buckets: 4 }), close };
    });
  testAdapter("Redis", open, reasonFor(hasRedisServer(), redisMissing));
});

describe("postgres", () => {
  const open = () =>
    storeAdapter(async () => {
      const server = await startPostgres("fsync = off");
      const pool = new pg.Pool({ host: "127.0.0.1", port: server.port, user: "millwright", database: "postgres" });
      // Connections that the server ends with itself.
      pool.on("error", () => {});
      const close = async (): Promise<void> => {
        await pool.end();
        await server[Symbol.asyncDispose]();
      };
      return { online: await openPostgresOnlineStore(pool), close };
    });
  testAdapter("PostgreSQL", open, reasonFor(hasPostgres, postgresMissing));
});

describe("dynamodb", () => {
  const open = () =>
    storeAdapter(async () => {
      const server = await startDynamoDb();
      const client = connectDynamoDb(server.port);
      const close = async (): Promise<void> => {
        client.destroy();
        await server[Symbol.asyncDispose]();
      };
      return { online: await openDynamoDbOnlineStore(client), close };
    });
  testAdapter("DynamoDB", open, reasonFor(hasDynamoDb, dynamoDbMissing));
});

const ofSageMaker: Abilities = {
  ...allAbilities,
  delete: "SageMaker does not answer with what was deleted",
  unsigned64: "SageMaker's Integral has a sign",
  notFinite: "SageMaker does not say that its Fractional takes what is not finite",
  emptyText: "SageMaker takes no empty record identifiers",
  zeroCharacters: "SageMaker does not say that its texts take U+0000",
};

describe("sagemaker", () => {
  const open = async () => {
    const clock = createManualClock(ADAPTER_NOW_MS);
    const groups = {
      kinds: { identifier: "name", eventTime: "at" },
      lives: { identifier: "name", eventTime: "at" },
      numbered: { identifier: "id", eventTime: "at" },
      pairs_of_keys: { identifier: "record_id", eventTime: "at" },
    };
    const server = await startSageMaker(groups, clock);
    const client = new SageMakerFeatureStoreRuntime({
      endpoint: server.url,
      region: "eu-central-1",
      credentials: { accessKeyId: "none", secretAccessKey: "none" },
    });
    const places = { pairs: { name: "pairs_of_keys" } };
    const source = openSageMakerFeatureStore({ client, services: adapterServices, groups: places, clock });
    for (const [view, rows] of Object.entries(adapterRows(holding(ofSageMaker)))) await source.put(view, rows);
    return {
      source,
      abilities: ofSageMaker,
      put: async (view: string, rows: Parameters<typeof source.put>[1]) => {
        await source.put(view, rows);
      },
      async [Symbol.asyncDispose]() {
        client.destroy();
        await server[Symbol.asyncDispose]();
        expect(server.problems).toEqual([]);
      },
    };
  };
  testAdapter("SageMaker's protocol, by botocore's model of it", open, reasonFor(hasAwsModels, awsModelsMissing));
});
