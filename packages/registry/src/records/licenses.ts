import parse from "spdx-expression-parse";

/** A node of a parsed SPDX expression. */
type Expression =
  | { readonly license: string }
  | { readonly left: Expression; readonly conjunction: "and" | "or"; readonly right: Expression };

/** What a license policy says of an expression. */
export interface LicenseVerdict {
  /** `denied`: no choice that the expression leaves is free of a denied license; `unknown`: it is no SPDX expression, or there is none. */
  readonly verdict: "allowed" | "denied" | "unknown";
  /** The licenses that decided so. */
  readonly licenses: readonly string[];
}

/** Whether a text is an SPDX license expression, such as `MIT`, `Apache-2.0 OR MIT` or `LicenseRef-internal`. */
export const isLicenseExpression = (text: string): boolean => parsed(text) !== undefined;

/**
 * Judges an SPDX expression by a deny-list. Where it leaves a choice (`OR`) one choice free of denied licenses is enough; of what must be kept together (`AND`) none may be denied.
 * An entry denies its license in every form (`GPL-3.0` denies `-only`, `-or-later` and `+`, with and without an exception); with `*` at its end, all that begin so.
 * @see https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
 */
export function judgeLicense(expression: string | undefined, deny: readonly string[]): LicenseVerdict {
  const tree = expression === undefined ? undefined : parsed(expression);
  if (tree === undefined) return { verdict: "unknown", licenses: expression === undefined ? [] : [expression] };
  const denied = deniedIn(tree, deny.map(toFamily));
  return denied === undefined
    ? { verdict: "allowed", licenses: licensesIn(tree) }
    : { verdict: "denied", licenses: denied };
}

function parsed(text: string): Expression | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** @returns what stands in the way of every choice; undefined where nothing does. */
function deniedIn(tree: Expression, deny: readonly string[]): readonly string[] | undefined {
  if ("license" in tree) return deny.some((each) => matches(tree.license, each)) ? [tree.license] : undefined;
  const [left, right] = [deniedIn(tree.left, deny), deniedIn(tree.right, deny)];
  if (tree.conjunction === "or") return left === undefined || right === undefined ? undefined : [...left, ...right];
  return left === undefined && right === undefined ? undefined : [...(left ?? []), ...(right ?? [])];
}

function licensesIn(tree: Expression): readonly string[] {
  return "license" in tree ? [tree.license] : [...licensesIn(tree.left), ...licensesIn(tree.right)];
}

/** The license without how its later versions may be taken. */
const toFamily = (id: string): string => id.replace(/(?:-only|-or-later|\+)$/, "").toLowerCase();

const matches = (license: string, denied: string): boolean =>
  denied.endsWith("*") ? toFamily(license).startsWith(denied.slice(0, -1)) : toFamily(license) === denied;
