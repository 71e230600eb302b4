import { createHmac } from "node:crypto";
import { type JsonValue, type Redactor, canonicalJson } from "@millwright/contracts";
import type { TokenVault } from "./token-vault.ts";

/**
 * What becomes of a value: `keep` it; `drop` it (null); `mask` it (`[redacted]`); `hash` it (HMAC-SHA-256 with the key: equal values stay equal, in all fields); `tokenize`
 * it by the vault, which can turn it back; or the bucket of a number, from the first bound that is above it: `{ buckets: [18, 65] }` gives `[18, 65)`.
 */
export type RedactionRule = "keep" | "drop" | "mask" | "hash" | "tokenize" | { readonly buckets: readonly number[] };

export interface RedactorOptions {
  /** The class of a field by its name, or its rule. */
  readonly fields: Readonly<Record<string, string | { readonly buckets: readonly number[] }>>;
  /** The rule of each class: `{ pii: "hash", age: { buckets: [18, 65] } }`. Default: the rules' own names. */
  readonly classes?: Readonly<Record<string, RedactionRule>> | undefined;
  /** What becomes of fields that nobody named. Default: `mask`. */
  readonly otherwise?: RedactionRule | undefined;
  /** Of `hash`: at least 16 bytes, kept secret, or hashes can be found out by trying values. */
  readonly key?: Uint8Array | undefined;
  /** Of `tokenize`. */
  readonly vault?: TokenVault | undefined;
}

const plainRules = ["keep", "drop", "mask", "hash", "tokenize"] as const;
const masked = "[redacted]";

/**
 * A redactor by classes of fields. Lists and objects are redacted value by value. Throws RangeError for a class without a rule, a rule that lacks its key or vault, bounds that do
 * not grow.
 */
export function createRedactor({ fields, classes = {}, otherwise = "mask", key, vault }: RedactorOptions): Redactor {
  const rules = new Map<string, RedactionRule>();
  for (const [name, given] of Object.entries(fields)) {
    const rule = typeof given === "string" && Object.hasOwn(classes, given) ? classes[given] : given;
    rules.set(name, checkedRule(name, rule, { key, vault }));
  }
  const rest = checkedRule("otherwise", otherwise, { key, vault });
  return { redact: (name, value) => redacted(name, value, { rule: rules.get(name) ?? rest, key, vault }) };
}

interface Means {
  readonly key: Uint8Array | undefined;
  readonly vault: TokenVault | undefined;
}

function checkedRule(name: string, rule: unknown, { key, vault }: Means): RedactionRule {
  if (typeof rule === "object" && rule !== null && "buckets" in rule) {
    const { buckets } = rule;
    const grows =
      Array.isArray(buckets) &&
      buckets.length > 0 &&
      buckets.every(
        (each, at) => Number.isFinite(each) && (at === 0 || (each as number) > (buckets[at - 1] as number)),
      );
    if (!grows) throw new RangeError(`The buckets of "${name}" are not numbers that grow.`);
    return { buckets: [...(buckets as readonly number[])] };
  }
  const known = plainRules.find((each) => each === rule);
  if (known === undefined)
    throw new RangeError(`"${name}" is of a class that has no rule. Rules: ${plainRules.join(", ")}, { buckets }.`);
  if (known === "hash" && !(key instanceof Uint8Array && key.length >= 16))
    throw new RangeError(`"${name}" is hashed: give a \`key\` of at least 16 bytes.`);
  if (known === "tokenize" && typeof vault?.tokenize !== "function")
    throw new RangeError(`"${name}" is tokenized: give a \`vault\`.`);
  return known;
}

function redacted(name: string, value: JsonValue, how: Means & { readonly rule: RedactionRule }): JsonValue {
  const { rule, key, vault } = how;
  if (rule === "keep" || value === null) return value;
  if (rule === "drop") return null;
  if (Array.isArray(value)) return value.map((each: JsonValue) => redacted(name, each, how));
  if (typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([field, each]) => [field, redacted(name, each, how)]));
  if (rule === "mask") return masked;
  if (rule === "hash")
    return `hmac:${createHmac("sha256", key as Uint8Array)
      .update(canonicalJson(value))
      .digest("base64url")}`;
  if (rule === "tokenize") return (vault as TokenVault).tokenize(name, value);
  return bucketOf(value, rule.buckets);
}

/** Half-open: a bound belongs to the bucket that it begins. What is no number is masked. */
function bucketOf(value: JsonValue, buckets: readonly number[]): string {
  const number =
    typeof value === "number" || (typeof value === "string" && value.trim() !== "") ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) return masked;
  const above = buckets.findIndex((bound) => number < bound);
  const from = above === -1 ? buckets.at(-1) : buckets[above - 1];
  const to = above === -1 ? undefined : buckets[above];
  return `${from === undefined ? "(-inf" : `[${from}`}, ${to ?? "inf"})`;
}
