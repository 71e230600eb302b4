import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type Clock, systemClock } from "@millwright/contracts";
import { unauthenticated } from "./auth-errors.ts";
import type { Authenticate, AuthenticationRequest, Identity } from "./authenticate.ts";

/** What the holder of an access key signs with. */
export interface SigningCredentials extends Identity {
  readonly secretAccessKey: string;
  /** Of temporary credentials: what `X-Amz-Security-Token` must be. */
  readonly sessionToken?: string | undefined;
}

export interface SigV4Options {
  /** `undefined` for keys that nobody holds. */
  readonly credentialsOf: (
    accessKeyId: string,
  ) => SigningCredentials | undefined | Promise<SigningCredentials | undefined>;
  readonly region: string;
  /** Default: `"sagemaker"`, as clients of SageMaker's runtime sign. */
  readonly service?: string | undefined;
  /** How old or early a signature may be, milliseconds. Default: 300,000. */
  readonly maxSkewMs?: number | undefined;
  /** Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

interface Signed {
  readonly accessKeyId: string;
  readonly date: string;
  readonly scope: string;
  readonly names: readonly string[];
  readonly signature: string;
}

/**
 * Knows callers by AWS Signature Version 4 in `Authorization` (AWS General Reference, "Create a signed AWS API request"): SDKs of AWS call this server with the
 * credentials that you issue. The body is signed too, and read for it. Presigned URLs are not read.
 */
export function sigV4(options: SigV4Options): Authenticate {
  const { credentialsOf, region, service = "sagemaker", maxSkewMs = 300_000, clock = systemClock } = options;
  return async (request) => {
    const { headers } = request;
    const authorization = headers["authorization"];
    if (authorization?.startsWith("AWS4-HMAC-SHA256") !== true) return undefined;
    const signed = read(authorization);
    const moment = headers["x-amz-date"] ?? "";
    if (signed.scope !== `${signed.date}/${region}/${service}/aws4_request`)
      throw unauthenticated(`its signature is not for ${region}/${service}`);
    const skewMs = Math.abs(clock.nowMs() - timeOf(moment));
    if (!(skewMs <= maxSkewMs) || !moment.startsWith(signed.date))
      throw unauthenticated("its signature has expired or is not dated");
    for (const name of ["host", "x-amz-date"])
      if (!signed.names.includes(name)) throw unauthenticated(`its signature leaves out ${name}`);
    const credentials = await credentialsOf(signed.accessKeyId);
    // Who guesses access keys learns nothing from the time that a wrong one takes.
    const expected = signatureOf(
      credentials?.secretAccessKey ?? "",
      signed,
      moment,
      await canonical(request, signed.names),
    );
    const given = Buffer.from(signed.signature, "hex");
    const fits = given.length === expected.length && timingSafeEqual(given, expected);
    if (credentials === undefined || !fits) throw unauthenticated("its signature does not hold");
    const { secretAccessKey: _, sessionToken, ...identity } = credentials;
    if (sessionToken !== undefined && !sameText(sessionToken, headers["x-amz-security-token"] ?? ""))
      throw unauthenticated("its security token does not hold");
    return identity;
  };
}

function read(authorization: string): Signed {
  const part = (name: string): string => new RegExp(`[ ,]${name}=([^, ]+)`).exec(authorization)?.[1] ?? "";
  const [accessKeyId = "", date = "", ...rest] = part("Credential").split("/");
  const signature = part("Signature");
  const names = part("SignedHeaders").split(";");
  if (accessKeyId === "" || !/^\d{8}$/.test(date) || !/^[0-9a-f]{64}$/.test(signature))
    throw unauthenticated("its signature cannot be read");
  return { accessKeyId, date, scope: [date, ...rest].join("/"), names, signature };
}

/** `20261126T060000Z`. NaN for what is no time. */
function timeOf(moment: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(moment)?.slice(1).map(Number);
  if (parts === undefined) return Number.NaN;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

async function canonical(request: AuthenticationRequest, names: readonly string[]): Promise<string> {
  const { method, target, headers } = request;
  const [path = "/", query = ""] = target.split(/\?(.*)/s);
  const pairs = query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => pair.split(/=(.*)/s).map((each) => encode(decode(each))))
    .map(([name = "", value = ""]) => [name, value] as const)
    .toSorted(([left, one], [right, other]) => (left < right || (left === right && one < other) ? -1 : 1));
  const bodyHash = createHash("sha256")
    .update(await request.body())
    .digest("hex");
  const claimed = headers["x-amz-content-sha256"];
  if (claimed !== undefined && claimed !== bodyHash) throw unauthenticated("its body is not the one that was signed");
  return [
    method,
    // What stands in the path is encoded once more, as for all services but S3.
    path.split("/").map(encode).join("/"),
    pairs.map(([name, value]) => `${name}=${value}`).join("&"),
    ...names.map((name) => `${name}:${(headers[name] ?? "").trim().replace(/ +/g, " ")}`),
    "",
    names.join(";"),
    bodyHash,
  ].join("\n");
}

function signatureOf(secret: string, { scope }: Signed, moment: string, request: string): Buffer {
  const key = scope.split("/").reduce<string | Buffer>((sum, part) => hmac(sum, part), `AWS4${secret}`);
  const hash = createHash("sha256").update(request).digest("hex");
  return hmac(key, `AWS4-HMAC-SHA256\n${moment}\n${scope}\n${hash}`);
}

const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();

const sameText = (left: string, right: string): boolean => {
  const [one, other] = [left, right].map((text) => createHash("sha256").update(text).digest()) as [Buffer, Buffer];
  return timingSafeEqual(one, other);
};
