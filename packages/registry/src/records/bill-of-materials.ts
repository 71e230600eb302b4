import { type CallOptions, type JsonObject, digestOf } from "@millwright/contracts";
import type { DescribedVersion } from "../models/version-records.ts";
import type { Registry } from "../registry.ts";
import { isLicenseExpression } from "./licenses.ts";
import type { KeptMaterials, PackageDependency } from "./materials.ts";

/** CycloneDX's JSON: `bomFormat`, `specVersion` 1.6, `metadata`, `components`, `dependencies`. */
export type BillOfMaterials = JsonObject;

export interface BillsOfMaterials {
  /**
   * The software bill of materials of a version in CycloneDX 1.6: the model with its license, files, metrics and datasets, and its dependencies with theirs. The same records give the same
   * bill. Throws `PORT_MODEL_UNKNOWN`.
   * @see https://cyclonedx.org/docs/1.6/json/
   */
  billOfMaterials(ref: string, options?: CallOptions): Promise<BillOfMaterials>;
}

/** @param reader Asked only when a bill is: it may be the registry that is being made. */
export function createBillsOfMaterials(reader: () => Pick<Registry, "version" | "materials">): BillsOfMaterials {
  return {
    async billOfMaterials(ref, { signal } = {}) {
      signal?.throwIfAborted();
      const version = await reader().version(ref, { signal });
      const materials = await reader().materials(version.name, version.version, { signal });
      return billOf(version, materials);
    },
  };
}

function billOf(version: DescribedVersion, materials: KeptMaterials | undefined): BillOfMaterials {
  const { name, manifest } = version;
  const model = `model:${name}/${version.version}`;
  const datasets = datasetsOf(version, materials);
  const files = manifest.files.map(({ path, digest }) => ({
    type: "file",
    "bom-ref": `file:${path}`,
    name: path,
    hashes: [sha256(digest)],
  }));
  const libraries = (materials?.dependencies ?? []).map(libraryOf);
  const parts = [...files, ...datasets, ...libraries].map((part) => part["bom-ref"]);
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(version.createdTimeMs).toISOString(),
      component: {
        type: "machine-learning-model",
        "bom-ref": model,
        name,
        version: String(version.version),
        ...(version.description === undefined ? {} : { description: version.description }),
        hashes: [sha256(version.digest)],
        ...licensesOf(materials?.license),
        modelCard: modelCardOf(version, datasets),
        properties: [{ name: "millwright:format", value: manifest.format }],
      },
    },
    components: [...files, ...datasets, ...libraries],
    dependencies: [{ ref: model, dependsOn: parts }],
  } satisfies JsonObject;
  // Of its content: whoever makes it from the same records makes the same.
  return { ...bill, serialNumber: uuidOf(JSON.stringify(bill)) };
}

/** @param digest `sha256:` and hexadecimal. */
const sha256 = (digest: string) => ({ alg: "SHA-256", content: digest.slice("sha256:".length) });

function datasetsOf({ manifest }: DescribedVersion, materials: KeptMaterials | undefined) {
  const terms = new Map((materials?.dataTerms ?? []).map((each) => [each.dataset, each]));
  const roles = new Set([...Object.keys(manifest.provenance.datasets), ...terms.keys()]);
  return [...roles].toSorted().map((role) => {
    const digest = manifest.provenance.datasets[role];
    const said = terms.get(role);
    return {
      type: "data",
      "bom-ref": `data:${role}`,
      name: role,
      ...(digest === undefined ? {} : { hashes: [sha256(digest)] }),
      ...licensesOf(said?.license),
      data: [{ type: "dataset", name: role }],
      ...(said?.terms === undefined ? {} : { properties: [{ name: "millwright:data-terms", value: said.terms }] }),
    };
  });
}

function libraryOf({ purl, name, version, license, integrity }: PackageDependency) {
  const full = `${purl}@${encodeURIComponent(version)}`;
  return {
    type: "library",
    "bom-ref": full,
    name,
    version,
    purl: full,
    ...licensesOf(license),
    ...hashesOf(integrity),
  };
}

/** An SPDX expression, or in words what is none. */
function licensesOf(license: string | undefined) {
  if (license === undefined) return {};
  return { licenses: [isLicenseExpression(license) ? { expression: license } : { license: { name: license } }] };
}

const algorithms: Readonly<Record<string, string>> = {
  sha1: "SHA-1",
  sha256: "SHA-256",
  sha384: "SHA-384",
  sha512: "SHA-512",
};

/** Hashes of subresource integrity; those of other kinds are left out. */
function hashesOf(integrity = "") {
  const hashes = integrity.split(/\s+/).flatMap((each) => {
    const [, kind = "", content = ""] = /^(sha\d+)-([A-Za-z0-9+/]+=*)$/.exec(each) ?? [];
    const alg = algorithms[kind];
    return alg === undefined ? [] : [{ alg, content: Buffer.from(content, "base64").toString("hex") }];
  });
  return hashes.length === 0 ? {} : { hashes };
}

function modelCardOf({ manifest }: DescribedVersion, datasets: readonly { readonly "bom-ref": string }[]) {
  const { inputs, outputs } = manifest.signature;
  const formats = (tensors: typeof inputs) =>
    Object.entries(tensors).map(([name, tensor]) => ({ format: `${name}: ${JSON.stringify(tensor)}` }));
  const metrics = Object.entries(manifest.provenance.metrics).map(([type, value]) => ({ type, value: String(value) }));
  return {
    modelParameters: {
      datasets: datasets.map((each) => ({ ref: each["bom-ref"] })),
      inputs: formats(inputs),
      outputs: formats(outputs),
    },
    ...(metrics.length === 0 ? {} : { quantitativeAnalysis: { performanceMetrics: metrics } }),
  };
}

/** A UUID of version 8, of the text's SHA-256. @see https://www.rfc-editor.org/rfc/rfc9562#section-5.8 */
function uuidOf(text: string): string {
  const hex = digestOf(text).slice("sha256:".length);
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return `urn:uuid:${[...parts, hex.slice(20, 32)].join("-")}`;
}
