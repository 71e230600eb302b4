import { type CallOptions, type JsonObject, hasCode } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { Actors } from "../actors.ts";
import { emitAbout, newestEvent } from "../causes.ts";
import { gateClosed } from "../errors.ts";
import { type GateFacts, createGateFacts } from "./gate-facts.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { BreakGlass, GateCheck, GateKind, GatePolicy, GateReader, GateReport, GateResult } from "./gates.ts";
import type { DescribedVersion } from "./version-records.ts";

export interface GateSubject extends BreakGlass {
  readonly name: string;
  readonly version: number;
  readonly by?: string | undefined;
}

/** A way through gates, as long as what they read stays as it is. */
export interface Passage extends Pick<GateFacts, "assertUnchanged"> {
  /** What an event tells of it. */
  readonly told: JsonObject;
}

/** Stands before what is guarded. */
export interface GateKeeper extends GateCheck {
  /** Whether there is a gate. */
  guards(kind: GateKind, target: string): boolean;
  /**
   * Lets the subject through, or throws `REGISTRY_GATE_CLOSED` and keeps the refusal as an event. What is done then has to look in its own transaction
   * whether the passage still holds. @returns undefined where there is no gate.
   */
  pass(kind: GateKind, target: string, subject: GateSubject, options?: CallOptions): Promise<Passage | undefined>;
}

const shortestReason = 10;

/** @param reader Asked only when a gate is: it may be the registry that is being made. */
export function createGateKeeper(
  database: Database<RegistryTables>,
  policy: GatePolicy,
  actors: Actors,
  reader: () => GateReader,
): GateKeeper {
  const guards = (kind: GateKind, target: string): boolean => gatesOf(policy, kind, target).length > 0;
  return {
    guards,
    async checkGates(kind, target, name, version, { by, signal } = {}) {
      signal?.throwIfAborted();
      return askGates(policy, reader(), { kind, target, name, version, by: actors.asking(by), signal });
    },
    async pass(kind, target, subject, { signal } = {}) {
      if (!guards(kind, target)) return undefined;
      const facts = createGateFacts(database.read, reader());
      const { name, version, by, breakGlass } = subject;
      const report = await askGates(policy, facts.reader, { kind, target, name, version, by, signal });
      const { assertUnchanged } = facts;
      if (report.passed) return { told: toJson(report), assertUnchanged };
      if (breakGlass === undefined || breakGlass.trim().length < shortestReason) {
        const error = gateClosed(`${subject.name}/${subject.version}`, kind, target, report.results);
        await emitRefusal(database, kind, target, subject, report);
        throw error;
      }
      return { told: toJson({ ...report, breakGlass }), assertUnchanged };
    },
  };
}

function gatesOf(policy: GatePolicy, kind: GateKind, target: string) {
  if (kind === "approval") return policy.approval ?? [];
  const byTarget = kind === "alias" ? policy.alias : policy.stage;
  return byTarget !== undefined && Object.hasOwn(byTarget, target) ? (byTarget[target] ?? []) : [];
}

interface Question {
  readonly kind: GateKind;
  readonly target: string;
  readonly name: string;
  readonly version: number;
  readonly by: string | undefined;
  readonly signal: AbortSignal | undefined;
}

async function askGates(policy: GatePolicy, registry: GateReader, question: Question): Promise<GateReport> {
  const { kind, target, name, version, by, signal } = question;
  const candidate = await registry.version(`${name}/${version}`, { signal });
  const champion = await championOf(registry, name, kind === "alias" ? target : "champion", version, signal);
  const context = { kind, target, candidate, champion, by, registry, signal };
  const results: GateResult[] = [];
  for (const gate of gatesOf(policy, kind, target)) {
    try {
      results.push({ gate: gate.name, ...(await gate.check(context)) });
    } catch (error) {
      signal?.throwIfAborted();
      const problem = error instanceof Error ? error.message : String(error);
      results.push({ gate: gate.name, passed: false, reason: `The check failed: ${problem}` });
    }
  }
  return { passed: results.every(({ passed }) => passed), results };
}

async function championOf(
  registry: GateReader,
  name: string,
  alias: string,
  version: number,
  signal: AbortSignal | undefined,
): Promise<DescribedVersion | undefined> {
  try {
    const champion = await registry.version(`${name}@${alias}`, { signal });
    return champion.version === version ? undefined : champion;
  } catch (error) {
    if (hasCode(error, "PORT_MODEL_UNKNOWN")) return undefined;
    throw error;
  }
}

async function emitRefusal(
  database: Database<RegistryTables>,
  kind: GateKind,
  target: string,
  { name, version, by }: GateSubject,
  report: GateReport,
): Promise<void> {
  const subject = `${name}/${version}`;
  await database.write(async (scope) => {
    const data = { name, version, kind, target, gates: toJson(report), ...(by === undefined ? {} : { by }) };
    await emitAbout(scope, subject, {
      type: "model.gate-refused",
      causationid: await newestEvent(scope, subject),
      data,
    });
  });
}

/** Without the absent. */
const toJson = (report: GateReport): JsonObject => JSON.parse(JSON.stringify(report)) as JsonObject;
