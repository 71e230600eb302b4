/** What a router finds. */
export interface Found<Route> {
  readonly route: Route;
  /** Segments that stand for `:name`, decoded; `:path` is the rest of the path as it was sent. */
  readonly params: Readonly<Record<string, string>>;
}

interface Routable {
  readonly method: string;
  readonly path: string;
}

/** @returns undefined where no route has the path and method. */
export type FindRoute<Route> = (method: string, path: string) => Found<Route> | undefined;

/** Routes by their fixed paths first, then those with names in them, in the order given. */
export function createRouter<Route extends Routable>(routes: readonly Route[]): FindRoute<Route> {
  const fixed = new Map<string, Route>();
  const named: { readonly route: Route; readonly pattern: RegExp }[] = [];
  for (const route of routes) {
    if (route.path.includes(":")) named.push({ route, pattern: patternOf(route.path) });
    else fixed.set(`${route.method} ${route.path}`, route);
  }
  return (method, path) => {
    const plain = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
    const route = fixed.get(`${method} ${plain}`);
    if (route !== undefined) return { route, params: {} };
    for (const each of named) {
      if (each.route.method !== method) continue;
      const match = each.pattern.exec(path);
      const params = match === null ? undefined : decodedParams(match.groups ?? {});
      if (params !== undefined) return { route: each.route, params };
    }
    return undefined;
  };
}

const patternOf = (path: string): RegExp =>
  new RegExp(
    `^${path.replaceAll(/[.]/g, "\\.").replaceAll(/:(\w+)/g, (_, name: string) => (name === "path" ? "(?<path>.+)" : `(?<${name}>[^/]+)`))}$`,
    "s",
  );

function decodedParams(groups: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, name === "path" ? value : decodeURIComponent(value)]),
    );
  } catch {
    return undefined;
  }
}
