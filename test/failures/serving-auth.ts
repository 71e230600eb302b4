import * as auth from "../../packages/serving/dist/auth.js";
import { type Subjects, well } from "./subjects.ts";

const key = "k-5f2c9b1e7a304d86b0e4";
const request: auth.AuthenticationRequest = {
  method: "POST",
  target: "/invocations",
  headers: { "x-api-key": "k-of-nobody-at-all" },
  certificate: () => undefined,
  body: async () => new Uint8Array(0),
  signal: new AbortController().signal,
};
const keys = [{ sha256: auth.hashApiKey(key), principal: "ann", quota: { requests: 1, perMs: 60_000 } }];
const jose: auth.JoseLibrary<object> = {
  createRemoteJWKSet: () => ({}),
  jwtVerify: () => Promise.reject(new TypeError("fetch failed")),
};
const tokens = { jose, jwksUrl: "http://127.0.0.1:1/jwks", issuer: "https://issuer", audience: "models" };

/** What `@millwright/serving/auth` exports. */
export function authenticators(): Subjects {
  const taken = auth.apiKeys({ keys });
  return {
    hashApiKey: well(auth.hashApiKey, () => [key]),
    apiKeys: well(auth.apiKeys, () => [{ keys, header: "x-api-key" }], {
      SERVING_UNAUTHENTICATED: () => auth.apiKeys({ keys })(request),
      SERVING_QUOTA_EXCEEDED: () => {
        const asked = { ...request, headers: { "x-api-key": key } };
        for (let at = 0; at < 2; at += 1) void taken(asked);
      },
    }),
    bearerTokens: well(auth.bearerTokens<object>, () => [tokens], {
      SERVING_AUTHORITY_UNAVAILABLE: () =>
        auth.bearerTokens(tokens)({ ...request, headers: { authorization: "Bearer x.y.z" } }),
    }),
    mutualTls: well(auth.mutualTls, () => [{}]),
    sigV4: well(auth.sigV4, () => [{ region: "eu-central-1", credentialsOf: () => undefined }]),
    firstOf: well(auth.firstOf, () => [auth.apiKeys({ keys })]),
    limitRequests: well(auth.limitRequests, () => [auth.apiKeys({ keys }), { quotaOf: () => undefined }]),
    scopeAuthorizer: well(auth.scopeAuthorizer, () => [{ "endpoint:invoke": "predict" }]),
  };
}
