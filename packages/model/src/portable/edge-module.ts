import { bytesOfBase64, sha256Hex, utf8Bytes } from "./bytes.ts";
import { moduleCorrupt } from "./edge-error.ts";
import { type EdgeManifest, type EdgeModel, assertPassed } from "./edge-model.ts";
import { type EdgeEnvelope, type EdgePublicKey, checkSignatures } from "./edge-trust.ts";
import { type Numbers, type StoredNumbers, readNumbers } from "./numbers.ts";

/** What a module has in it, beside the code. */
export interface EdgeContents {
  /** `EdgeSpec` as JSON: what the digest is of. */
  readonly spec: string;
  /** SHA-256 of the spec, a newline, and the weights. */
  readonly digest: string;
  readonly envelopes: readonly EdgeEnvelope[];
  /** The weights in base64, or where they are: a URL relative to the module. */
  readonly weights: { readonly base64: string } | { readonly url: string };
}

export interface EdgeSpec extends EdgeManifest {
  readonly formatVersion: 1;
  readonly numbers: readonly StoredNumbers[];
  readonly parts: object;
}

export interface EdgeLoadOptions {
  /** The weights of a module that has them beside it, or where they are. Default: fetched from beside the module. */
  readonly weights?: Uint8Array | ArrayBuffer | string | undefined;
  /** Public keys, one of which must have signed the model. Default: signatures are not looked at. */
  readonly keys?: readonly EdgePublicKey[] | undefined;
  /** Whether the golden requests are asked first. Default: true. */
  readonly selfTest?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type OpenEdgeModel = (spec: EdgeSpec, numbers: Readonly<Record<string, Numbers>>) => EdgeModel;

export interface EdgeModule extends EdgeModel {
  readonly manifest: EdgeManifest;
  load(options?: EdgeLoadOptions): Promise<EdgeModel>;
}

/** The functions of a module. Its contents are checked against their digest once, when they are first used. */
export function createEdgeModule(contents: EdgeContents, open: OpenEdgeModel, moduleUrl: string): EdgeModule {
  const spec = JSON.parse(contents.spec) as EdgeSpec;
  const { name, format, digest, signature, columns, classes, golden } = spec;
  let opened: EdgeModel | undefined;
  const openWith = (weights: Uint8Array): EdgeModel => {
    const actual = sha256Hex([utf8Bytes(`${contents.spec}\n`), weights]);
    if (actual !== contents.digest)
      throw moduleCorrupt(`its contents have the digest ${actual}, not ${contents.digest}`);
    return (opened = open(spec, readNumbers(spec.numbers, weights)));
  };
  const use = (): EdgeModel => {
    if (opened !== undefined) return opened;
    if ("base64" in contents.weights) return openWith(bytesOfBase64(contents.weights.base64));
    throw moduleCorrupt("its weights are a file of their own, which was not loaded: call `await load()` first");
  };
  return {
    manifest: { name, format, digest, signature, columns, classes, golden },
    predict: (row) => use().predict(row),
    predictMany: (rows) => use().predictMany(rows),
    predictTensors: (inputs) => use().predictTensors(inputs),
    selfTest: () => use().selfTest(),
    async load({ weights, keys, selfTest = true, signal } = {}) {
      signal?.throwIfAborted();
      const model =
        weights === undefined && "base64" in contents.weights
          ? use()
          : openWith(await weightsFrom(weights ?? urlBeside(contents, moduleUrl), signal));
      if (keys !== undefined) await checkSignatures(contents.envelopes, contents.digest, keys);
      signal?.throwIfAborted();
      if (selfTest) assertPassed(model.selfTest());
      return model;
    },
  };
}

interface Web {
  readonly URL: new (url: string, base: string) => { readonly href: string };
  fetch(
    url: string,
    options: { readonly signal: AbortSignal | null },
  ): Promise<{ readonly ok: boolean; readonly status: number; arrayBuffer(): Promise<ArrayBuffer> }>;
}

const urlBeside = ({ weights }: EdgeContents, moduleUrl: string): string =>
  new (globalThis as unknown as Web).URL("url" in weights ? weights.url : "", moduleUrl).href;

async function weightsFrom(
  given: Uint8Array | ArrayBuffer | string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (typeof given !== "string") return ArrayBuffer.isView(given) ? given : new Uint8Array(given);
  const answer = await (globalThis as unknown as Web)
    .fetch(given, { signal: signal ?? null })
    .catch((error: unknown) => {
      signal?.throwIfAborted();
      throw moduleCorrupt(`its weights cannot be fetched from ${given}`, error);
    });
  if (!answer.ok) throw moduleCorrupt(`its weights cannot be fetched from ${given}: the status is ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}
