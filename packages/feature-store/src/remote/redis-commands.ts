/** What is used of a client of the package `ioredis`, to one server or to a cluster. */
export interface IoRedisClient {
  callBuffer(...args: [command: string, ...args: (string | Buffer | number)[]]): Promise<unknown>;
}

/** What is used of a client of the package `redis`. */
export interface NodeRedisClient {
  sendCommand(args: readonly (string | Buffer)[], options?: NodeRedisOptions): Promise<unknown>;
}

/** What is used of a cluster of the package `redis`. */
export interface NodeRedisCluster {
  sendCommand(
    firstKey: string | Buffer | undefined,
    isReadonly: boolean | undefined,
    args: (string | Buffer)[],
    options?: NodeRedisOptions,
  ): Promise<unknown>;
  readonly masters: readonly unknown[];
}

interface NodeRedisOptions {
  readonly typeMapping?: { readonly 36?: typeof Buffer };
}

export type RedisClient = IoRedisClient | NodeRedisClient | NodeRedisCluster;

/** Any of the clients, spoken to alike. */
export interface RedisCommands {
  /** @param key What decides which server of a cluster is asked. @returns the reply, with texts as bytes and nothing as null. */
  send(key: string, isReadonly: boolean, command: readonly (string | Buffer)[]): Promise<unknown>;
  /** A section of what the server says of itself; undefined where it may not be asked. */
  serverInformation(section: string): Promise<string | undefined>;
}

/** Texts as bytes: 36 is `$`, the mark of a text in Redis's protocol. */
const BYTES: NodeRedisOptions = { typeMapping: { 36: Buffer } };

/** Throws a `TypeError` where the client is none of those known. */
export function connectRedis(client: RedisClient): RedisCommands {
  const send = senderOf(client);
  return {
    send,
    async serverInformation(section) {
      try {
        return String(await send("", true, ["INFO", section]));
      } catch {
        return undefined;
      }
    },
  };
}

function senderOf(client: RedisClient): RedisCommands["send"] {
  if ("callBuffer" in client) {
    return async (_, __, [command, ...values]) => await client.callBuffer(command as string, ...values);
  }
  if (!("sendCommand" in client)) {
    throw new TypeError(
      "The client is neither one of ioredis nor one of redis: it has no `callBuffer` and no `sendCommand`.",
    );
  }
  if ("masters" in client) {
    return async (key, isReadonly, command) =>
      await client.sendCommand(key === "" ? undefined : key, isReadonly, [...command], BYTES);
  }
  return async (_, __, command) => await client.sendCommand(command, BYTES);
}
