import type { CallOptions, JsonObject } from "@millwright/contracts";
import type { Registry } from "../registry.ts";
import type { DescribedVersion } from "./version-records.ts";

/** What a gate stands before: moving an alias, entering a stage, approving. */
export type GateKind = "alias" | "stage" | "approval";

/** What a gate may look at. */
export interface GateContext {
  readonly kind: GateKind;
  /** The alias or the stage; `approved` for an approval. */
  readonly target: string;
  readonly candidate: DescribedVersion;
  /** What the alias means now; before a stage or an approval what `champion` means; undefined where that is nothing, or the candidate itself. */
  readonly champion: DescribedVersion | undefined;
  /** Who wants through; undefined where nobody said. */
  readonly by: string | undefined;
  readonly registry: GateReader;
  readonly signal: AbortSignal | undefined;
}

/** The part of the registry that gates read. */
export type GateReader = Pick<
  Registry,
  "version" | "run" | "series" | "resolve" | "approvals" | "baselines" | "missingEvidence" | "materials"
>;

export interface GateVerdict {
  readonly passed: boolean;
  /** One sentence that says what was found. */
  readonly reason: string;
  /** Numbers behind it. */
  readonly evidence?: JsonObject | undefined;
}

/** A condition in code; one that throws is closed. It reads and changes nothing: what it let through is refused where anything it read has changed since. */
export interface Gate {
  readonly name: string;
  check(context: GateContext): Promise<GateVerdict> | GateVerdict;
}

/** Which gates stand where. What is not named has none. */
export interface GatePolicy {
  /** By alias. */
  readonly alias?: Readonly<Record<string, readonly Gate[]>> | undefined;
  /** By stage. */
  readonly stage?: Readonly<Record<string, readonly Gate[]>> | undefined;
  readonly approval?: readonly Gate[] | undefined;
}

export interface GateResult extends GateVerdict {
  readonly gate: string;
}

export interface GateReport {
  readonly passed: boolean;
  readonly results: readonly GateResult[];
  /** Why it was gone through although it was closed. */
  readonly breakGlass?: string | undefined;
}

export interface BreakGlass {
  /** Goes through closed gates; the reason is kept in the event. At least 10 characters. */
  readonly breakGlass?: string | undefined;
}

/** Asks gates without going through. */
export interface GateCheck {
  /** What the gates before an alias, a stage or an approval say of a version now. Throws `PORT_MODEL_UNKNOWN`. */
  checkGates(
    kind: GateKind,
    target: string,
    name: string,
    version: number,
    options?: CallOptions & { readonly by?: string | undefined },
  ): Promise<GateReport>;
}
