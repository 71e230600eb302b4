import { unauthenticated } from "./auth-errors.ts";
import type { Authenticate, ClientCertificate, Identity } from "./authenticate.ts";

export interface MutualTlsOptions {
  /** Who a certificate is. Default: its URI (SPIFFE), else its common name. */
  readonly identityOf?: ((certificate: ClientCertificate) => Identity | undefined) | undefined;
}

/**
 * Knows callers by the certificates that TLS has verified: the server listens with `requestCert` and its own `ca`. A certificate that was not verified is
 * none. For hosts that run on Node's sockets.
 */
export function mutualTls({ identityOf = identityOfCertificate }: MutualTlsOptions = {}): Authenticate {
  return (request) => {
    const certificate = request.certificate();
    if (certificate === undefined) return undefined;
    const identity = identityOf(certificate);
    if (identity === undefined) throw unauthenticated("its certificate names nobody");
    return identity;
  };
}

function identityOfCertificate({
  subject,
  subjectaltname = "",
  fingerprint256,
}: ClientCertificate): Identity | undefined {
  const uri = /(?:^|, )URI:([^,\s"]+)/.exec(subjectaltname)?.[1];
  const name = typeof subject.CN === "string" ? subject.CN : undefined;
  const principal = uri ?? name;
  return principal === undefined ? undefined : { principal, attributes: { certificate: fingerprint256 } };
}
