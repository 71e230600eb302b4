import { type Digest, type ModelManifest, type ResolvedModel, canonicalJson } from "@millwright/contracts";

/** An in-toto statement, version 1, about one model package (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md). */
export interface ProvenanceStatement {
  readonly _type: typeof statementType;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof provenanceType;
  /** SLSA provenance, version 1 (https://slsa.dev/spec/v1.0/provenance). */
  readonly predicate: Readonly<Record<string, unknown>>;
}

export const statementType = "https://in-toto.io/Statement/v1";
export const provenanceType = "https://slsa.dev/provenance/v1";

export interface StatementOptions {
  /** URI of what made the package. */
  readonly builder: string;
  readonly signedTimeMs: number;
}

/** What is signed about a package: its digest, and what its manifest says it was made from. */
export function statementOf(
  { digest, manifest }: Pick<ResolvedModel, "digest" | "manifest">,
  { builder, signedTimeMs }: StatementOptions,
): ProvenanceStatement {
  const { provenance } = manifest;
  return {
    _type: statementType,
    subject: [{ name: manifest.name, digest: { sha256: hexOf(digest) } }],
    predicateType: provenanceType,
    predicate: {
      buildDefinition: {
        buildType: "https://www.npmjs.com/package/@millwright/model#package-v1",
        externalParameters: {
          name: manifest.name,
          format: manifest.format,
          hyperparameters: provenance.hyperparameters,
        },
        internalParameters: {
          environment: provenance.environment,
          ...(provenance.seed === undefined ? {} : { seed: provenance.seed }),
        },
        resolvedDependencies: dependenciesOf(manifest),
      },
      runDetails: {
        builder: { id: builder },
        metadata: {
          ...(provenance.runId === undefined ? {} : { invocationId: provenance.runId }),
          finishedOn: isoTime(provenance.createdTimeMs),
        },
      },
      // SLSA's place for what it does not define: a field with the vendor before it.
      millwright_signedOn: isoTime(signedTimeMs),
    },
  };
}

function dependenciesOf({ provenance, featureService }: ModelManifest): readonly object[] {
  const dependency = (name: string, digest: Digest): object => ({ name, digest: { sha256: hexOf(digest) } });
  return [
    ...Object.entries(provenance.datasets).map(([role, digest]) => dependency(`dataset:${role}`, digest)),
    ...(provenance.code === undefined ? [] : [dependency("code", provenance.code)]),
    ...(featureService === undefined
      ? []
      : [dependency(`feature-service:${featureService.name}`, featureService.digest)]),
  ];
}

export const statementBytes = (statement: ProvenanceStatement): Uint8Array => Buffer.from(canonicalJson(statement));

/** The statement in signed bytes, or what keeps it from speaking of the package with that digest. */
export function readStatement(
  payload: Uint8Array,
  digest: Digest,
): { signedOn?: string | undefined } | { problem: string } {
  let statement: unknown;
  try {
    statement = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return { problem: "its statement is no JSON" };
  }
  const { _type, predicateType, subject, predicate } = (statement ?? {}) as Partial<
    Record<keyof ProvenanceStatement, unknown>
  >;
  if (_type !== statementType) return { problem: `its statement is not of the type ${statementType}` };
  if (predicateType !== provenanceType) return { problem: `what it states is not ${provenanceType}` };
  const subjects: readonly unknown[] = Array.isArray(subject) ? (subject as readonly unknown[]) : [];
  const isOurs = subjects.some(
    (each) => (each as { digest?: { sha256?: unknown } } | null)?.digest?.sha256 === hexOf(digest),
  );
  if (!isOurs) return { problem: `it is about other bytes than those of the digest ${digest}` };
  const signedOn = (predicate as { millwright_signedOn?: unknown } | null | undefined)?.millwright_signedOn;
  return typeof signedOn === "string" ? { signedOn } : {};
}

const hexOf = (digest: Digest): string => digest.replace(/^sha256:/, "");

const isoTime = (timeMs: number): string => new Date(timeMs).toISOString();
