import { join } from "node:path";
import { DatabaseSync } from "@photostructure/sqlite";
import { Redis } from "ioredis";
import { open } from "lmdb";
import { type TestContext, test } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openRedisOnlineStore } from "../src/drivers/redis.ts";
import { openSqliteOnlineStore } from "../src/drivers/sqlite.ts";
import type { KeyedOnlineStore } from "../src/index.ts";
import { hasRedisServer, startRedisServer } from "./redis-server.ts";

export const KEYED_KINDS = ["lmdb", "sqlite", "redis"] as const;
export type KeyedKind = (typeof KEYED_KINDS)[number];

/** A store's file or server, which any number of connections share. */
export interface SharedPlace extends AsyncDisposable {
  /** What a program of `fixtures/` is given to open it as well: a folder or a port. */
  readonly place: string;
  open(): Promise<{ readonly online: KeyedOnlineStore; close(): Promise<void> }>;
}

const missing = "there is no Redis: install redis-server, and name it in MILLWRIGHT_REDIS where it is not on the PATH";

/** A test of each keyed store that many processes can share. Redis is left out where there is no server. */
export function testKeyed(
  title: string,
  run: (kind: KeyedKind, context: TestContext) => Promise<void>,
  timeoutMs?: number,
): void {
  for (const kind of KEYED_KINDS) {
    test(
      `${title} (${kind})`,
      async (context) => {
        const isMissing = kind === "redis" && !hasRedisServer();
        if (isMissing && process.env["CI"] === "true") throw new Error(missing);
        context.skip(isMissing, missing);
        await run(kind, context);
      },
      timeoutMs,
    );
  }
}

export async function openPlace(kind: KeyedKind, directory: string): Promise<SharedPlace> {
  if (kind !== "redis") {
    return {
      place: directory,
      open: async () => (kind === "lmdb" ? openLmdb(directory) : openSqlite(directory)),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const server = await startRedisServer();
  return {
    place: String(server.port),
    async open() {
      const client = new Redis(server.port);
      return { online: await openRedisOnlineStore(client), close: async () => void (await client.quit()) };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function openLmdb(directory: string): { readonly online: KeyedOnlineStore; close(): Promise<void> } {
  const root = open({ path: join(directory, "online.lmdb"), overlappingSync: false });
  return { online: openLmdbOnlineStore(root, { flush: "system" }), close: () => root.close() };
}

function openSqlite(directory: string): { readonly online: KeyedOnlineStore; close(): Promise<void> } {
  const connection = new DatabaseSync(join(directory, "online.db"));
  return { online: openSqliteOnlineStore(connection, { flush: "system" }), close: async () => connection.close() };
}
