import type { EntityReference, MillwrightEvent } from "@millwright/contracts";

/** Kinds of lineage's entities: those that events name, and what lineage itself makes of events. */
export type LineageKind = EntityReference["kind"] | "action" | "experiment" | "column";

/** A thing of lineage, by what identifies it for ever. An action's id is that of its event. */
export interface LineageReference {
  readonly kind: LineageKind;
  readonly id: string;
  /** What people call it, such as `late/3`. */
  readonly name?: string | undefined;
}

/** What identifies an entity. */
export type LineageEntity = Pick<LineageReference, "kind" | "id">;

/** SageMaker's types of lineage entities; its trial components are runs here. */
export type LineageType = "artifact" | "action" | "context" | "run";

/**
 * SageMaker's types of associations, from a source to a destination. `ContributedTo`: the source had a part in the destination; `AssociatedWith`: they have to
 * do with each other; `DerivedFrom`: the destination is another form of the source; `Produced`: the source generated the destination; `SameAs`: both are one thing.
 * @see https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddAssociation.html
 */
export type LineageAssociation = "ContributedTo" | "AssociatedWith" | "DerivedFrom" | "Produced" | "SameAs";

const types: Readonly<Record<LineageKind, LineageType>> = {
  dataset: "artifact",
  model: "artifact",
  artifact: "artifact",
  code: "artifact",
  column: "artifact",
  "feature-view": "artifact",
  "feature-service": "artifact",
  run: "run",
  trial: "run",
  job: "action",
  action: "action",
  study: "context",
  endpoint: "context",
  experiment: "context",
};

/** Of a kind that a newer release writes: an artifact. */
export const typeOf = ({ kind }: LineageEntity): LineageType => types[kind] ?? "artifact";

/** What an event says of two entities. */
export interface Statement {
  readonly made: LineageReference;
  readonly from: LineageReference;
  readonly association: LineageAssociation;
}

const forms = new Set<LineageKind>(["dataset", "artifact", "feature-view", "feature-service"]);

/** What kind of association it is that `made` was made from `from`. */
export function associationOf(made: LineageEntity, from: LineageEntity): LineageAssociation {
  if (typeOf(made) === "run" || typeOf(made) === "action") return "ContributedTo";
  if (typeOf(from) === "run" || typeOf(from) === "action" || from.kind === "study") return "Produced";
  const isForm = typeOf(from) === "artifact" && from.kind !== "code";
  return isForm && (made.kind === from.kind || forms.has(made.kind)) ? "DerivedFrom" : "ContributedTo";
}

/** An event with what is said of it at another place: one that tells what another registry's log, or somebody who speaks OpenLineage, said. */
export type SaidEvent = Pick<MillwrightEvent, "type" | "subject" | "time" | "data"> & { readonly id: string };

/** What an event says of lineage: itself, or else what it passes on. */
export function saidBy(event: SaidEvent): SaidEvent {
  const told = event.data["told"];
  if (event.type !== "job.lineage-received" || typeof told !== "object" || told === null) return event;
  return told as SaidEvent;
}

/**
 * Everything an event says. What is made from nothing was made by the event itself, as an action; a decision on a model is an action about it;
 * a run has to do with its experiment.
 */
export function statementsOf({ id, type, data }: Pick<SaidEvent, "id" | "type" | "data">): Statement[] {
  const { made = [], from = [] } = data;
  if (Array.isArray(data["statements"])) return (data["statements"] as readonly unknown[]).filter(isStatement);
  const action: LineageReference = { kind: "action", id, name: type };
  const statements: Statement[] = [];
  for (const each of made) {
    for (const source of from) statements.push({ made: each, from: source, association: associationOf(each, source) });
    if (from.length === 0 && each.kind !== "run")
      statements.push({ made: each, from: action, association: "Produced" });
    if (each.kind === "run" && typeof data["experiment"] === "string") {
      const experiment: LineageReference = { kind: "experiment", id: data["experiment"] };
      statements.push({ made: each, from: experiment, association: "AssociatedWith" });
    } else if (each.kind === "run" && from.length === 0)
      statements.push({ made: each, from: action, association: "Produced" });
  }
  if (made.length === 0 && type.startsWith("model.") && typeof data["digest"] === "string") {
    const model: LineageReference = { kind: "model", id: data["digest"], ...nameOf(data) };
    statements.push({ made: model, from: action, association: "AssociatedWith" });
  }
  for (const pair of Array.isArray(data["sameAs"]) ? (data["sameAs"] as readonly unknown[]) : []) {
    const [one, other] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (isReference(one) && isReference(other)) statements.push({ made: other, from: one, association: "SameAs" });
  }
  return statements;
}

function nameOf({ name, version }: MillwrightEvent["data"]): { readonly name?: string } {
  return typeof name === "string" && typeof version === "number" ? { name: `${name}/${version}` } : {};
}

const isStatement = (value: unknown): value is Statement =>
  typeof value === "object" &&
  value !== null &&
  isReference((value as Statement).made) &&
  isReference((value as Statement).from) &&
  typeof (value as Statement).association === "string";

const isReference = (value: unknown): value is LineageReference =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as LineageReference).id === "string" &&
  Object.hasOwn(types, (value as LineageReference).kind);
