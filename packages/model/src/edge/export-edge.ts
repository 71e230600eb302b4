import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import {
  type CallOptions,
  type Clock,
  type Digest,
  type ResolvedModel,
  canonicalJson,
  digestOf,
} from "@millwright/contracts";
import { edgeTooLarge, goldenMismatch } from "../errors.ts";
import type { EdgeEnvelope } from "../portable/edge-trust.ts";
import { createSignature } from "../trust/sign-model.ts";
import type { KeyMaterial, SigningService } from "../trust/keys.ts";
import { type EdgeModelContents, readEdgeContents } from "./edge-contents.ts";
import { joinModules } from "./join-modules.ts";
import { openEdgeContents } from "./open-contents.ts";
import { edgeTypings } from "./typings.ts";

export interface EdgeOptions extends CallOptions {
  /** Of the files, before their extensions. Default: the model's name, with `-` for what not every system allows. */
  readonly name?: string | undefined;
  /** In the module, as base64, or in a file beside it, which `load` fetches. Default: `"embedded"`. */
  readonly weights?: "beside" | "embedded" | undefined;
  /** Signs the contents, for `load({ keys })`. Default: they are not signed. */
  readonly key?: KeyMaterial | SigningService | undefined;
  readonly keyId?: string | undefined;
  /** Of a key in encrypted PEM. */
  readonly passphrase?: string | undefined;
  /** Most bytes that the module and its weights may have together. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /** For the time of the signature. Default: `systemClock`. */
  readonly clock?: Clock | undefined;
}

export interface EdgeSizes {
  /** The module and the weights beside it. */
  readonly bytes: number;
  /** The same as a web server sends it. */
  readonly gzipBytes: number;
  /** Of these, what every model of the format has. */
  readonly codeBytes: number;
  readonly weightBytes: number;
}

export interface EdgeExport {
  /** `<name>.mjs`, `<name>.d.mts`, and `<name>.bin` where the weights are beside. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Of the model's contents, which the module checks. */
  readonly digest: Digest;
  /** Of the module's text, for the attribute `integrity` of a `<script>`. */
  readonly integrity: string;
  readonly sizes: EdgeSizes;
}

/**
 * Writes a package of the format `dense`, `trees` or `linear`, with its transforms and calibration, as an ES module that needs nothing but ECMAScript: for
 * browsers, workers, Deno, Node and edge runtimes. The package is one that was verified. Its golden requests are asked first.
 * Throws `MODEL_EDGE_UNSUPPORTED`, `MODEL_EDGE_TOO_LARGE`, `MODEL_GOLDEN_MISMATCH`, `MODEL_KEY_INVALID`, `PORT_MODEL_CORRUPT`.
 */
export async function exportEdge(
  resolved: Pick<ResolvedModel, "digest" | "directory" | "manifest">,
  options: EdgeOptions = {},
): Promise<EdgeExport> {
  const { signal, maxBytes = Infinity, weights: place = "embedded" } = options;
  signal?.throwIfAborted();
  if (!(maxBytes > 0)) throw new RangeError(`maxBytes must be more than 0, not ${String(maxBytes)}.`);
  if (!["beside", "embedded"].includes(place))
    throw new RangeError(`weights is "embedded" or "beside", not ${String(place)}.`);
  const name = fileName(options.name ?? resolved.manifest.name);
  const contents = await readEdgeContents(resolved, signal);
  const { problem } = openEdgeContents(contents).selfTest();
  if (problem !== undefined) throw goldenMismatch(resolved.manifest.name, problem);
  const { spec, weights } = contents;
  const specText = canonicalJson(spec);
  const digest = digestOf(Buffer.concat([Buffer.from(`${specText}\n`), weights]));
  const code = await joinModules(new URL("../portable/", import.meta.url), entriesOf(contents), signal);
  const envelopes = await envelopesOf(resolved, digest, options);
  const text = moduleText({
    contents,
    specText,
    digest,
    envelopes,
    code,
    file: place === "beside" ? `${name}.bin` : undefined,
  });
  const files = {
    [`${name}.mjs`]: text,
    [`${name}.d.mts`]: edgeTypings(spec),
    ...(place === "beside" ? { [`${name}.bin`]: weights } : {}),
  };
  const sent = [Buffer.from(text), ...(place === "beside" ? [weights] : [])];
  const sizes: EdgeSizes = {
    bytes: sent.reduce((sum, part) => sum + part.length, 0),
    gzipBytes: sent.reduce((sum, part) => sum + gzipSync(part).length, 0),
    codeBytes: Buffer.byteLength(code),
    weightBytes: weights.length,
  };
  if (sizes.bytes > maxBytes) throw edgeTooLarge(resolved.manifest.name, sizes, maxBytes);
  const integrity = `sha384-${createHash("sha384").update(text).digest("base64")}`;
  return { files, digest, integrity, sizes };
}

/** A name of files that every system, and every URL, takes as it is. */
const fileName = (name: string): string => name.replace(/[^\w.-]+/g, "-").replace(/^[.-]+/, "") || "model";

async function envelopesOf(
  { manifest }: Pick<ResolvedModel, "manifest">,
  digest: Digest,
  { key, keyId, passphrase, clock, signal }: EdgeOptions,
): Promise<readonly EdgeEnvelope[]> {
  if (key === undefined) return [];
  return [await createSignature({ digest, manifest }, { key, keyId, passphrase, clock, signal })];
}

const kernels = { dense: "edge-dense.js", trees: "edge-trees.js", linear: "edge-linear.js" } as const;
const openers = { dense: "openEdgeDense", trees: "openEdgeTrees", linear: "openEdgeLinear" } as const;
type EdgeFormat = keyof typeof kernels;

const entriesOf = ({ spec, transforms, calibration }: EdgeModelContents): readonly string[] => [
  "edge-module.js",
  kernels[spec.format as EdgeFormat],
  ...(transforms === undefined ? [] : ["row-transforms.js"]),
  ...(calibration === undefined ? [] : ["../calibrate.js"]),
];

interface ModuleText {
  readonly contents: EdgeModelContents;
  readonly specText: string;
  readonly digest: Digest;
  readonly envelopes: readonly EdgeEnvelope[];
  readonly code: string;
  /** Of the weights; absent where they are embedded. */
  readonly file: string | undefined;
}

function moduleText({ contents, specText, digest, envelopes, code, file }: ModuleText): string {
  const { spec, transforms, calibration, weights } = contents;
  const parts = [
    `kernel: ${openers[spec.format as EdgeFormat]}(spec.parts.model, numbers, spec.signature)`,
    ...(transforms === undefined ? [] : ["transforms: createRowTransforms(spec.parts.transforms)"]),
    ...(calibration === undefined ? [] : ["finish: (data, width) => calibrate(spec.parts.calibration, data, width)"]),
  ];
  const stored = file === undefined ? { base64: Buffer.from(weights).toString("base64") } : { url: file };
  return `// ${JSON.stringify(spec.name)}, ${spec.format}, ${spec.digest}: written by @millwright/model.
${code}const edgeModule = createEdgeModule(
 { spec: ${literal(specText)}, digest: ${literal(digest.replace("sha256:", ""))}, envelopes: JSON.parse(${literal(JSON.stringify(envelopes))}), weights: JSON.parse(${literal(JSON.stringify(stored))}) },
 (spec, numbers) => createEdgeModel({ manifest: spec, ${parts.join(", ")} }),
 ${file === undefined ? '""' : "import.meta.url"},
);
export const { manifest, predict, predictMany, predictTensors, selfTest, load } = edgeModule;
export { EdgeError };
`;
}

/** A text as JavaScript writes it, that ends no script of a page either. */
const literal = (text: string): string =>
  `'${text.replace(/[\\']/g, "\\$&").replaceAll("<", "\\x3c").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")}'`;
