import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type JsonObject, type ModelSignature, modelCorrupt } from "@millwright/contracts";
import type { BentoMlOptions } from "../clients/bentoml-client.ts";
import type { MillwrightServerOptions } from "../clients/millwright-server.ts";
import type { OpenAiOptions } from "../clients/openai-client.ts";
import type { OpenInferenceOptions } from "../clients/open-inference-client.ts";
import type { SageMakerOptions } from "../clients/sagemaker-client.ts";
import { signatureOfManifest } from "../clients/signature-reading.ts";
import type { KserveV1Options, TensorFlowServingOptions } from "../clients/tensorflow-client.ts";

type Plain<Options> = Omit<Options, "headers" | "fetch" | "client">;

/** Where a remote model is, and how it is asked. It holds neither credentials nor code: those are the runtime's. */
export type RemoteTarget =
  | (Plain<MillwrightServerOptions> & { readonly protocol: "millwright" })
  | (Plain<OpenInferenceOptions> & { readonly protocol: "open-inference" })
  | (Plain<TensorFlowServingOptions> & { readonly protocol: "tensorflow" })
  | (Plain<KserveV1Options> & { readonly protocol: "kserve-v1" })
  | (Plain<BentoMlOptions> & { readonly protocol: "bentoml" })
  | (Plain<OpenAiOptions> & { readonly protocol: "openai" })
  | (Plain<SageMakerOptions> & { readonly protocol: "sagemaker" });

export const remoteFormat = "remote";
const fileName = "remote.json";

const protocols = ["millwright", "open-inference", "tensorflow", "kserve-v1", "bentoml", "openai", "sagemaker"];

export interface RemoteModelFiles {
  /** `remote.json`: what `packModel` takes. */
  readonly files: { readonly "remote.json": Uint8Array };
  readonly signature: ModelSignature;
}

/**
 * The file of a package of the format `remote`: `packModel(directory, { name, format: "remote", ...writeRemoteModel(target, signature), golden })`. Another
 * target, or another signature, is another package with another digest, which rolls out as every model does.
 * Throws `TypeError` for a target that could not be read again, `SERVING_CLIENT_SIGNATURE_INVALID`.
 */
export function writeRemoteModel(target: RemoteTarget, signature: ModelSignature): RemoteModelFiles {
  const problem = targetProblem(target);
  if (problem !== undefined) throw new TypeError(`The target cannot be used: ${problem}.`);
  const json = JSON.stringify({ formatVersion: 1, ...target }, undefined, 2);
  return {
    files: { "remote.json": new TextEncoder().encode(`${json}\n`) },
    signature: signatureOfManifest("the remote model", signature),
  };
}

export interface RemotePackage {
  readonly target: RemoteTarget;
  readonly sizeBytes: number;
}

/** Throws `PORT_MODEL_CORRUPT`. */
export async function readRemotePackage(directory: string, signal: AbortSignal | undefined): Promise<RemotePackage> {
  let text: string;
  let value: unknown;
  try {
    text = await readFile(join(directory, fileName), { encoding: "utf8", signal });
    value = JSON.parse(text);
  } catch (error) {
    signal?.throwIfAborted();
    throw modelCorrupt(directory, `its ${fileName} cannot be read`, error);
  }
  const { formatVersion, ...target } = (value ?? {}) as JsonObject;
  if (formatVersion !== 1)
    throw modelCorrupt(
      directory,
      `its ${fileName} has the format version ${JSON.stringify(formatVersion)}; this release reads 1`,
    );
  const problem = targetProblem(target);
  if (problem !== undefined) throw modelCorrupt(directory, `its ${fileName} cannot be used: ${problem}`);
  return { target: target as never, sizeBytes: text.length };
}

function targetProblem(target: unknown): string | undefined {
  if (target === null || typeof target !== "object" || Array.isArray(target)) return "it is no object";
  const { protocol, url } = target as Readonly<Record<string, unknown>>;
  if (!protocols.includes(String(protocol)))
    return `its protocol is ${JSON.stringify(protocol)}, and one of ${protocols.join(", ")} is known`;
  const secret = ["headers", "fetch", "client"].find((name) => Object.hasOwn(target, name));
  if (secret !== undefined) return `\`${secret}\` belongs to the runtime, not to the package`;
  if (protocol === "sagemaker") return undefined;
  if (typeof url !== "string" || !URL.canParse(url)) return "it has no url";
  const { username, password } = new URL(url);
  return username === "" && password === "" ? undefined : "its url has a password, which is the runtime's to know";
}
