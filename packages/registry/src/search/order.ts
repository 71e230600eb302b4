import { queryInvalid } from "../errors.ts";
import type { EntityName, SearchGrammar } from "./grammar.ts";
import { parseIdentifier } from "./identifier.ts";
import { tokenize } from "./query-tokens.ts";

/** One field that records are ordered by. Records without it come last and NaN just before them, whatever the direction. */
export interface OrderTerm {
  readonly entity: EntityName;
  /** Of an attribute: the grammar's field. */
  readonly key: string;
  readonly isDescending: boolean;
}

const mostTerms = 10;

/** `["metrics.loss", "start_time DESC"]`. Throws `REGISTRY_QUERY_INVALID`. */
export function parseOrder(orderBy: readonly string[], grammar: SearchGrammar): readonly OrderTerm[] {
  if (!Array.isArray(orderBy)) throw new TypeError("An order is a list of texts.");
  if (orderBy.length > mostTerms) throw queryInvalid(`Records are ordered by at most ${mostTerms} fields.`);
  const terms = Array.from(orderBy, (clause) => parseTerm(clause, grammar));
  const names = new Set(terms.map(({ entity, key }) => JSON.stringify([entity, key])));
  if (names.size < terms.length) {
    const list = orderBy.map((clause) => `'${clause}'`).join(", ");
    throw queryInvalid(`\`order_by\` contains duplicate fields: [${list}]`);
  }
  return terms;
}

function parseTerm(clause: string, grammar: SearchGrammar): OrderTerm {
  const [field, direction, ...rest] = tokenize(clause);
  if (field === undefined || field.kind !== "name" || rest.length > 0)
    throw queryInvalid(`Invalid order_by clause '${clause}'. Could not be parsed.`);
  const word = direction?.raw.toUpperCase() ?? "ASC";
  if (word !== "ASC" && word !== "DESC") throw queryInvalid(`Invalid ordering key in order_by clause '${clause}'.`);
  const { entity, key, rule } = parseIdentifier(field.raw, grammar, "order");
  if (entity === "dataset") throw queryInvalid(`Invalid order_by entity type '${entity}'`);
  return { entity, key: rule?.field ?? key, isDescending: word === "DESC" };
}
