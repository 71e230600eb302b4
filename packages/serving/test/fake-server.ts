import { once } from "node:events";
import { type IncomingHttpHeaders, createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface TakenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Breaks the connection off in the middle of the answer. */
  readonly broken?: boolean;
}

export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly TakenRequest[];
  /** Connections that were ever made. */
  connections(): number;
  /** Requests whose client went away before they were answered. */
  abandoned(): number;
}

/** Before every path. */
const base = "/of/this/test";

/** A server whose answers are given by the test; it keeps what it was asked, to the byte. */
export async function openFakeServer(
  answer: (request: TakenRequest, index: number) => FakeAnswer | Promise<FakeAnswer>,
): Promise<FakeServer> {
  const requests: TakenRequest[] = [];
  let connections = 0;
  let abandoned = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    response.on("close", () => {
      if (!response.writableFinished) abandoned += 1;
    });
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      // Somebody else's client, of a server that had this port before.
      if (!url.startsWith(`${base}/`)) {
        response.writeHead(404).end();
        return;
      }
      const taken = { method, path: url.slice(base.length), headers, body: Buffer.concat(chunks) };
      requests.push(taken);
      void Promise.resolve(answer(taken, requests.length - 1)).then(({ status = 200, headers: told, body, broken }) => {
        response.writeHead(status, { ...told, ...(broken === true ? { "content-length": "1000" } : {}) });
        if (broken === true) response.write(body ?? "", () => response.destroy());
        else response.end(body);
      });
    });
  });
  server.on("connection", () => {
    connections += 1;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`,
    requests,
    connections: () => connections,
    abandoned: () => abandoned,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
