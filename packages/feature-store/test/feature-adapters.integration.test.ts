import { Redis } from "ioredis";
import pg from "pg";
import { describe } from "vitest";
import { openDynamoDbOnlineStore } from "../src/drivers/dynamodb.ts";
import { openPostgresOnlineStore } from "../src/drivers/postgres.ts";
import { openRedisOnlineStore } from "../src/drivers/redis.ts";
import { storeAdapter, testAdapter } from "./adapter-suite.ts";
import { connectDynamoDb, dynamoDbMissing, hasDynamoDb, startDynamoDb } from "./dynamodb-server.ts";
import { hasPostgres, postgresMissing, startPostgres } from "./postgres-server.ts";
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
