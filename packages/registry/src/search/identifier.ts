import { queryInvalid } from "../errors.ts";
import type { AttributeRule, EntityName, SearchGrammar } from "./grammar.ts";
import { unquote } from "./query-tokens.ts";

export interface Identifier {
  readonly entity: EntityName;
  /** As it was written, without quotes. */
  readonly key: string;
  /** Of an attribute. */
  readonly rule?: AttributeRule | undefined;
}

const datasetKeys: readonly string[] = ["name", "digest", "context"];

/** `metrics.loss`, tags."a b", `start_time`: what stands before the first dot is the entity, an attribute where there is none. */
export function parseIdentifier(raw: string, grammar: SearchGrammar, use: "filter" | "order"): Identifier {
  const dot = raw[0] === '"' ? -1 : dotOf(raw);
  const word = dot < 0 ? "attribute" : (unquote(raw.slice(0, dot), "`") ?? raw.slice(0, dot));
  const key = unquoteKey(raw.slice(dot + 1));
  const entity = Object.hasOwn(grammar.entities, word) ? grammar.entities[word] : undefined;
  if (entity === undefined || key === "") {
    const known = Object.keys(grammar.entities);
    const names =
      grammar.language === "mlflow" && known.includes("dataset")
        ? "['metric', 'parameter', 'tag', 'attribute', 'dataset']"
        : `(${known.map((each) => `'${each}'`).join(", ")})`;
    throw queryInvalid(`Invalid entity type '${key === "" ? raw : word}'. Valid values are ${names}`);
  }
  if (entity === "dataset" && !datasetKeys.includes(key)) throw keyInvalid("dataset", key, datasetKeys);
  if (entity !== "attribute") return { entity, key };
  const rule = Object.hasOwn(grammar.attributes, key) ? grammar.attributes[key] : undefined;
  if (rule !== undefined && (rule.only === undefined || rule.only === use)) return { entity, key, rule };
  const usable = Object.entries(grammar.attributes).filter(([, { only }]) => only === undefined || only === use);
  throw keyInvalid(
    "attribute",
    key,
    usable.map(([name]) => name),
  );
}

/** Where the first dot outside backticks stands; −1 where there is none. */
function dotOf(raw: string): number {
  const end = raw[0] === "`" ? raw.indexOf("`", 1) : 0;
  return end < 0 ? -1 : raw.indexOf(".", end);
}

function unquoteKey(key: string): string {
  return unquote(key, '"`') ?? key;
}

const keyInvalid = (what: string, key: string, valid: readonly string[]) =>
  queryInvalid(
    `Invalid ${what} key '${key}' specified. Valid keys are '{${valid.map((each) => `'${each}'`).join(", ")}}'`,
  );
