import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { createHttp } from "../src/remote/http.ts";
import { createTransport, type Transport } from "../src/remote/transport.ts";

test("answers that time may mend are JOBS_CLUSTER_UNREACHABLE, others that are no success JOBS_CLUSTER_REFUSED", async () => {
  const codeOf = async (transport: Transport): Promise<unknown> => {
    const http = createHttp({ what: "A server", url: "http://a", headers: undefined, timeoutMs: 50, transport });
    return http.json("/b").then(
      (value) => value,
      (error: { readonly code: string }) => error.code,
    );
  };
  const answering =
    (status: number, text: string): Transport =>
    async () => ({ status, body: Readable.from([Buffer.from(text)]) });
  const silent: Transport = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  expect(await codeOf(answering(200, '{"a":1}'))).toEqual({ a: 1 });
  expect(await codeOf(answering(404, "none"))).toBe(undefined);
  for (const status of [408, 425, 429, 500, 502, 503])
    expect(await codeOf(answering(status, ""))).toBe("JOBS_CLUSTER_UNREACHABLE");
  for (const status of [301, 400, 401, 403, 409, 422])
    expect(await codeOf(answering(status, ""))).toBe("JOBS_CLUSTER_REFUSED");
  expect(await codeOf(answering(200, "<html>"))).toBe("JOBS_CLUSTER_UNREACHABLE");
  expect(await codeOf(silent)).toBe("JOBS_CLUSTER_UNREACHABLE");
  expect(await codeOf(createTransport())).toBe("JOBS_CLUSTER_UNREACHABLE");
});
