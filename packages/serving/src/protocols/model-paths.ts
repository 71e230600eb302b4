/** How many parts, between slashes, the name of a model may have where it comes unencoded. */
const parts = ["model", "model2", "model3"] as const;

/**
 * The model of a protocol in a path. Names of catalogs have slashes, which most clients do not encode; a path then has a part for each. What the protocol itself
 * has in that place comes first: a model whose name ends like that must be encoded.
 * @param pattern What each part must match, as the router has it.
 * @returns the path of names in one part first: the others are the same route again.
 */
export const modelPaths = (root: string, pattern = ""): readonly string[] =>
  parts.map((_, last) => [root, ...parts.slice(0, last + 1).map((name) => `:${name}${pattern}`)].join("/"));

/** Whether it is the path of names in several parts, which documents need not name. */
export const isLongPath = (path: string): boolean => path.includes(`:${parts[1]}`);

/** The name in a path of `modelPaths`. */
export const modelNameOf = (params: Readonly<Record<string, string>>): string =>
  parts.flatMap((name) => params[name] ?? []).join("/");
