import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createHash } from "node:crypto";
import { createRandom, hashSeed, type Random } from "@millwright/contracts";

/** What the server does wrong, each with its share of the answers. */
export interface Faults {
  readonly seed?: number;
  /** The connection breaks somewhere in the answer. */
  readonly drop?: number;
  /** Nothing more comes from somewhere in the answer on. */
  readonly stall?: number;
  /** A byte of the answer is another. */
  readonly corrupt?: number;
  /** It says that the file is longer, or gives other bytes than it was asked for. */
  readonly lie?: number;
  /** It answers 503. */
  readonly busy?: number;
  /** Whether it gives parts. Default: true. */
  readonly ranges?: boolean;
  /** Whether it gives the digest of each answer. */
  readonly contentDigest?: boolean;
  /** It takes requests, and never answers. */
  readonly silent?: boolean;
  readonly delayMs?: number;
}

export type FaultKind = "drop" | "stall" | "corrupt" | "lie" | "busy";

export interface FlakyServer {
  faults: Faults;
  readonly faultsMade: Record<FaultKind, number>;
  /** Bytes of bodies that were handed to the network. */
  readonly sentBytes: number;
  put(name: string, content: Buffer): void;
  url(name: string): string;
  close(): Promise<void>;
}

export function contentOf(name: string, size: number): Buffer {
  const random = createRandom(hashSeed(name));
  return Buffer.from(Uint32Array.from({ length: Math.ceil(size / 4) }, () => random.integer(2 ** 32)).buffer).subarray(
    0,
    size,
  );
}

/** A real server on a port of this machine, whose faults come in an order that the seed decides. */
export async function openFlakyServer(faults: Faults): Promise<FlakyServer> {
  const files = new Map<string, Buffer>();
  const made: Record<FaultKind, number> = { drop: 0, stall: 0, corrupt: 0, lie: 0, busy: 0 };
  const random = createRandom(faults.seed ?? 0);
  let sentBytes = 0;
  const state = { faults };
  const server = createServer((request, response) => {
    void answer({
      request,
      response,
      content: files.get((request.url ?? "/").slice(1)),
      faults: state.faults,
      random,
      made,
      sent: (bytes) => (sentBytes += bytes),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    get faults() {
      return state.faults;
    },
    set faults(changed) {
      state.faults = changed;
    },
    faultsMade: made,
    get sentBytes() {
      return sentBytes;
    },
    put: (name, content) => void files.set(name, content),
    url: (name) => `http://127.0.0.1:${port}/${name}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly content: Buffer | undefined;
  readonly faults: Faults;
  readonly random: Random;
  readonly made: Record<FaultKind, number>;
  readonly sent: (bytes: number) => void;
}

/** One fault at most for an answer. */
function faultOf({ faults, random, made }: Asked): FaultKind | undefined {
  // Each that there may be comes once, whatever chance has.
  const first = (["busy", "drop", "stall", "corrupt", "lie"] as const).find(
    (kind) => (faults[kind] ?? 0) > 0 && made[kind] === 0,
  );
  if (first !== undefined && random.integer(2) === 0) {
    made[first] += 1;
    return first;
  }
  let at = random.next();
  for (const kind of ["busy", "drop", "stall", "corrupt", "lie"] as const) {
    at -= faults[kind] ?? 0;
    if (at >= 0) continue;
    made[kind] += 1;
    return kind;
  }
  return undefined;
}

async function answer(asked: Asked): Promise<void> {
  const { request, response, content, faults, random, sent } = asked;
  if (content === undefined) return void response.writeHead(404).end();
  if (faults.silent === true) return;
  const fault = faultOf(asked);
  if (fault === "busy") return void response.writeHead(503, { "retry-after": "0" }).end();
  const etag = `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`;
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const ifRange = request.headers["if-range"];
  const ranged = faults.ranges !== false && range !== null && (ifRange === undefined || ifRange === etag);
  const start = ranged ? Number(range[1]) : 0;
  if (ranged && start >= content.length)
    return void response.writeHead(416, { "content-range": `bytes */${content.length}`, etag }).end();
  const end = ranged ? Math.min(content.length, Number(range[2]) + 1) : content.length;
  const body = Buffer.from(content.subarray(start, end));
  const headers: Record<string, string> = { etag };
  if (faults.contentDigest === true)
    headers["content-digest"] = `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
  const lie = fault === "lie" ? random.integer(2) : -1;
  if (ranged)
    headers["content-range"] =
      `bytes ${start + (lie === 0 ? 1 : 0)}-${end - 1}/${content.length + (lie === 1 ? 7 : 0)}`;
  headers["content-length"] = String(body.length);
  if (fault === "corrupt" && body.length > 0) body[random.integer(body.length)]! ^= 0x40;
  await new Promise((resolve) => setTimeout(resolve, faults.delayMs ?? 0));
  response.writeHead(ranged ? 206 : 200, headers);
  const cut = fault === "drop" || fault === "stall" ? random.integer(body.length + 1) : body.length;
  sent(cut);
  if (cut === body.length && fault === undefined) return void response.end(body);
  response.write(body.subarray(0, cut), () => {
    if (fault === "drop") request.socket.destroy();
    else if (fault !== "stall") response.end(body.subarray(cut));
  });
}
