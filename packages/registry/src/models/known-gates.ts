import type { CallOptions } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";
import type { Gate, GatePolicy } from "./gates.ts";

/** Where a gate stands, and what it is called. */
type KnownGate = RegistryTables["registry_gates"];

/** Keeps which gates the registry has, so that whoever opens it without their code knows that they are missing. */
export async function keepPolicy(
  database: Database<RegistryTables>,
  policy: GatePolicy,
  { signal }: CallOptions,
): Promise<void> {
  const now = [...gatesIn(policy)];
  // Every process that opens the registry comes by: only one with other gates has something to write.
  if (keyOf(now) === keyOf(await knownGates(database.read))) return;
  await database.write(
    async ({ sql }) => {
      await sql.deleteFrom("registry_gates").execute();
      if (now.length > 0) await sql.insertInto("registry_gates").values(now).execute();
    },
    { signal },
  );
}

/** The gates of whoever opened the registry with gates last. */
export const knownGates = (read: Database<RegistryTables>["read"]): Promise<KnownGate[]> =>
  read.selectFrom("registry_gates").selectAll().orderBy("kind").orderBy("target").orderBy("position").execute();

/** The policy with a closed gate for each of `known` that it has not: what was not loaded lets nobody through. */
export function withMissing(policy: GatePolicy, known: readonly KnownGate[], remedy: string): GatePolicy {
  const missing = known.filter(
    ({ kind, target, name }) => !gatesAt(policy, kind, target).some((gate) => gate.name === name),
  );
  const closed = missing.map(({ kind, target, name }) => {
    const gate: Gate = { name, check: () => ({ passed: false, reason: `It was not loaded: ${remedy}.` }) };
    return { kind, target, gate };
  });
  const at = (kind: string, target?: string): readonly Gate[] =>
    closed.filter((each) => each.kind === kind && (target ?? each.target) === each.target).map(({ gate }) => gate);
  const byTarget = (kind: "alias" | "stage"): Record<string, readonly Gate[]> => {
    const given = policy[kind] ?? {};
    const targets = new Set([
      ...Object.keys(given),
      ...closed.filter((each) => each.kind === kind).map((each) => each.target),
    ]);
    return Object.fromEntries(
      [...targets].map((target) => [target, [...gatesAt(policy, kind, target), ...at(kind, target)]]),
    );
  };
  return {
    alias: byTarget("alias"),
    stage: byTarget("stage"),
    approval: [...(policy.approval ?? []), ...at("approval")],
  };
}

function gatesAt(policy: GatePolicy, kind: string, target: string): readonly Gate[] {
  if (kind === "approval") return policy.approval ?? [];
  const byTarget = (kind === "alias" ? policy.alias : policy.stage) ?? {};
  return Object.hasOwn(byTarget, target) ? (byTarget[target] ?? []) : [];
}

function* gatesIn(policy: GatePolicy): Generator<KnownGate> {
  for (const kind of ["alias", "stage"] as const)
    for (const [target, gates] of Object.entries(policy[kind] ?? {}))
      for (const [position, { name }] of gates.entries()) yield { kind, target, position, name };
  for (const [position, { name }] of (policy.approval ?? []).entries())
    yield { kind: "approval", target: "approved", position, name };
}

const keyOf = (gates: readonly KnownGate[]): string =>
  gates
    .map(({ kind, target, position, name }) => JSON.stringify([kind, target, position, name]))
    .toSorted()
    .join("\n");
