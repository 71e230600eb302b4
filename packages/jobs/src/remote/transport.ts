import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";

/** What is trusted and shown in TLS, as Node's `https` takes it. */
export interface TlsOptions {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
}

export interface TransportRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

export interface TransportResponse {
  readonly status: number;
  /** Left early, it frees the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Sends one HTTP request. Rejects where no answer comes, and with the signal's reason. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;

/** Node's own client. Its `fetch` is none: it always sends what browsers send, and Ray refuses to be written to by browsers. */
export const createTransport =
  ({ ca, cert, key }: TlsOptions = {}): Transport =>
  ({ url, method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const tls = url.startsWith("https:");
      const trust = {
        ...(ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
      };
      const length =
        body === undefined
          ? method === "GET"
            ? {}
            : { "content-length": "0" }
          : { "content-length": String(Buffer.byteLength(body)) };
      const options = { method, headers: { ...headers, ...length }, signal, ...(tls ? trust : {}) };
      const sent = (tls ? requestHttps : requestHttp)(url, options, (response) =>
        resolve({ status: response.statusCode ?? 0, body: response }),
      );
      sent.on("error", (error) => reject(signal.aborted ? (signal.reason as Error) : error));
      sent.end(body);
    });
