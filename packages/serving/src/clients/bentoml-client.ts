import { type HttpProtocolOptions, httpSite, pathOf } from "./http-asking.ts";
import { checkName, evidenceOfHeaders } from "./open-inference-client.ts";
import type { ClientProtocol } from "./protocol.ts";
import { nestedText } from "./tensor-values.ts";
import { jsonHeaders, ofColumns, readJson } from "./tensorflow-client.ts";

export interface BentoMlOptions extends HttpProtocolOptions {
  /** The API of the service, by its path. Default: `predict`. */
  readonly route?: string | undefined;
}

/** A service of BentoML 1.2 or later: inputs are the API's parameters by name; it returns the one output, or outputs by name. */
export function bentoMl(options: BentoMlOptions): ClientProtocol {
  const { route = "predict" } = options;
  checkName("route", route);
  const site = httpSite(options);
  const path = `/${pathOf(route.replace(/^\/+/, ""))}`;
  const where = `${route} at ${site.shown}`;
  return {
    where,
    async infer(call, { signal } = {}) {
      const members = Object.entries(call.inputs).map(
        ([name, tensor]) => `${JSON.stringify(name)}:${nestedText(name, tensor)}`,
      );
      const question = { path, body: `{${members.join(",")}}`, headers: jsonHeaders(call) };
      const { bytes, headers } = await site.ask(where, question, signal);
      const { outputs: specs } = call.signature;
      const told = evidenceOfHeaders(headers);
      return {
        outputs: ofColumns(where, specs, readJson(where, specs, bytes)),
        evidence: { ...told, requestId: headers.get("x-bentoml-request-id") ?? told.requestId },
      };
    },
    ready: ({ signal } = {}) => site.answers("/readyz", signal),
  };
}
