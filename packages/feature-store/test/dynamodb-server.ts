import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { DynamoDB } from "@aws-sdk/client-dynamodb";
import { freePort } from "./free-port.ts";

/** AWS's own DynamoDB for one machine: a folder with the jars of `com.amazonaws:DynamoDBLocal` and what they need. */
const named = process.env["MILLWRIGHT_DYNAMODB"] ?? "";
const folder = named === "" ? "" : resolve(named);

export const hasDynamoDb: boolean = folder !== "" && existsSync(folder) && spawnSync("java", ["-version"]).status === 0;
export const dynamoDbMissing: string =
  "there is no DynamoDB Local: name the folder of its jars in MILLWRIGHT_DYNAMODB, and install Java 17 or newer";

/** A server in memory, and what speaks to it. */
export interface DynamoDbServer extends AsyncDisposable {
  readonly port: number;
}

export async function startDynamoDb(): Promise<DynamoDbServer> {
  const port = await freePort();
  const given = ["-cp", join(folder, "*"), "com.amazonaws.services.dynamodbv2.local.main.ServerRunner"];
  const native = `-Djava.library.path=${folder}`;
  // It writes a file of its own to where it runs.
  const home = await mkdtemp(join(tmpdir(), "millwright-dynamodb-"));
  const server = spawn("java", [native, "-Xmx512m", ...given, "-inMemory", "-port", String(port)], {
    stdio: "ignore",
    cwd: home,
  });
  const client = connectDynamoDb(port);
  for (let attempt = 0; ; attempt++) {
    try {
      await client.listTables({});
      break;
    } catch (error) {
      if (server.exitCode !== null || attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  client.destroy();
  return {
    port,
    async [Symbol.asyncDispose]() {
      const ended = once(server, "exit");
      server.kill("SIGTERM");
      await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
}

export const connectDynamoDb = (port: number, settings: { readonly maxAttempts?: number } = {}): DynamoDB =>
  new DynamoDB({
    endpoint: `http://127.0.0.1:${port}`,
    region: "eu-central-1",
    credentials: { accessKeyId: "none", secretAccessKey: "none" },
    ...settings,
  });

/** A call on its way to the server. */
export interface PassingCall {
  readonly operation: string;
  readonly body: Record<string, unknown>;
  /** Sends it, or another one in its place. @returns the answer's status and body. */
  forward(body?: Record<string, unknown>): Promise<readonly [number, Record<string, unknown>]>;
}

/** What the caller gets: an answer, or none, for a connection that breaks. */
export type Meddling = (call: PassingCall) => Promise<readonly [number, Record<string, unknown>] | undefined>;

/** A server between a client and DynamoDB that does to calls what throttling and networks do. */
export async function startBetween(port: number, meddle: Meddling): Promise<DynamoDbServer> {
  const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>;
    const operation = String(incoming.headers["x-amz-target"]).split(".")[1]!;
    const forward: PassingCall["forward"] = (other = body) => forwardTo(port, incoming, other);
    const said = await meddle({ operation, body, forward });
    if (said === undefined) return void incoming.socket.destroy();
    outgoing.writeHead(said[0], { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(said[1]));
  };
  const server = createServer((incoming, outgoing) => void answer(incoming, outgoing));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as { readonly port: number }).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function forwardTo(
  port: number,
  { headers: given }: IncomingMessage,
  body: Record<string, unknown>,
): Promise<readonly [number, Record<string, unknown>]> {
  const text = JSON.stringify(body);
  const headers = { ...given, "content-length": String(Buffer.byteLength(text)) };
  const sending = request({ host: "127.0.0.1", port, method: "POST", path: "/", headers }).end(text);
  const [reply] = (await once(sending, "response")) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of reply) parts.push(part as Buffer);
  return [reply.statusCode!, JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>];
}
