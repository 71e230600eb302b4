import type { MountedRoute } from "./answering.ts";
import { methodUnsupported, routeUnknown } from "../errors.ts";

/** A route that was found, and what stands in the path for its names. */
export interface FoundRoute {
  readonly route: MountedRoute;
  readonly params: Readonly<Record<string, string>>;
}

interface Compiled {
  readonly route: MountedRoute;
  readonly names: readonly string[];
  readonly pattern: RegExp;
}

/** Finds routes by method and path for the hosts that have no router. */
export interface RouteTable {
  /** A path that is nobody's is `undefined`; HEAD is answered as GET. Throws `SERVING_METHOD_UNSUPPORTED`. */
  find(method: string, path: string): FoundRoute | undefined;
}

const plain = /[.*+?^${}()|[\]\\]/g;

/** `:name`, `:name(pattern)` and `::` as in the paths of Fastify. */
function compile(route: MountedRoute): Compiled {
  const names: string[] = [];
  const source = route.path
    .split(/(::|:[A-Za-z_]\w*(?:\([^)]*\))?)/)
    .map((part) => {
      if (part === "::") return ":";
      const named = /^:([A-Za-z_]\w*)(?:\(\^?([^)]*)\))?$/.exec(part);
      if (named === null) return part.replace(plain, "\\$&");
      names.push(named[1] ?? "");
      return `(${named[2] ?? "[^/]+"})`;
    })
    .join("");
  return { route, names, pattern: new RegExp(`^${source}$`) };
}

export function createRouteTable(routes: readonly MountedRoute[]): RouteTable {
  const compiled = routes.map(compile);
  const exact = new Map(
    compiled.filter(({ names }) => names.length === 0).map(({ route }) => [`${route.method} ${route.path}`, route]),
  );
  return {
    find(asked, given) {
      const method = asked === "HEAD" ? "GET" : asked;
      const path = given.length > 1 && given.endsWith("/") ? given.slice(0, -1) : given;
      const route = exact.get(`${method} ${path}`);
      if (route !== undefined) return { route, params: {} };
      const others: string[] = [];
      let fewest = Number.POSITIVE_INFINITY;
      for (const each of compiled) {
        const values = each.pattern.exec(path);
        // What names less of the path knows it better, whatever its method.
        if (values === null || each.names.length > fewest) continue;
        if (each.route.method !== method) {
          others.push(each.route.method);
          fewest = Math.min(fewest, each.names.length);
          continue;
        }
        const params = each.names.map((name, at) => [name, decoded(values[at + 1] ?? "")] as const);
        return { route: each.route, params: Object.fromEntries(params) };
      }
      if (others.length > 0) throw methodUnsupported(asked, given, [...new Set(others)]);
      return undefined;
    },
  };
}

/** The route, or what says that there is none. Throws `SERVING_ROUTE_UNKNOWN`, `SERVING_METHOD_UNSUPPORTED`. */
export function findRoute(table: RouteTable, method: string, path: string): FoundRoute {
  const found = table.find(method, path);
  if (found === undefined) throw routeUnknown(method, path);
  return found;
}

/** A part of a path that is not well encoded stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
