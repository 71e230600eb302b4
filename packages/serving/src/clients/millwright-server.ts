import type { HttpProtocolOptions } from "./http-asking.ts";
import { openInference } from "./open-inference-client.ts";
import type { ClientProtocol } from "./protocol.ts";

export interface MillwrightServerOptions extends HttpProtocolOptions {
  readonly endpoint: string;
  /** A version of its model. Default: what its variants' weights say. */
  readonly version?: string | undefined;
}

/**
 * A model server of this package: tensors as bytes, the deadline and the idempotency key of each request with it, and who answered from its headers.
 * Throws as `openInference`.
 */
export const millwrightServer = ({ endpoint, version, url, headers, fetch }: MillwrightServerOptions): ClientProtocol =>
  openInference({ url, headers, fetch, model: endpoint, version, encoding: "binary" });
