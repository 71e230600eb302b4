export { type ApiKey, type ApiKeysOptions, apiKeys, hashApiKey } from "./auth/api-keys.ts";
export {
  type Authenticate,
  type AuthenticationRequest,
  type ClientCertificate,
  type Identity,
  firstOf,
} from "./auth/authenticate.ts";
export { type BearerTokensOptions, type JoseLibrary, type TokenClaims, bearerTokens } from "./auth/bearer-tokens.ts";
export { type MutualTlsOptions, mutualTls } from "./auth/mutual-tls.ts";
export { type LimitRequestsOptions, type Quota, limitRequests } from "./auth/quotas.ts";
export { scopeAuthorizer } from "./auth/scope-authorizer.ts";
export { type SigV4Options, type SigningCredentials, sigV4 } from "./auth/sig-v4.ts";
