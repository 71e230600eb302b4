import { posix } from "node:path";
import type { Observation, Problem } from "./observation.ts";

/** Packages whose classes a Keras model may name. */
const kerasModules = /^(?:keras|tf_keras|tensorflow|keras_[a-z]+|builtins)(?:\.|$)/;
const kerasBuiltins = new Set(["list", "dict", "tuple", "int", "float", "str", "bool"]);

/** Layers of Keras and TensorFlow.js that are code, and the files of weights that it names. */
export function scanJson(value: unknown): Observation {
  const problems: Problem[] = [];
  const names: string[] = [];
  const visit = (item: unknown, depth: number): void => {
    if (typeof item !== "object" || item === null || depth > 200) return;
    if (Array.isArray(item)) {
      for (const each of item as readonly unknown[]) visit(each, depth + 1);
      return;
    }
    const record = item as Readonly<Record<string, unknown>>;
    const problem = lambdaProblem(record);
    if (problem !== undefined && problems.length < 20) problems.push({ rule: "lambda", problem });
    const paths = record["paths"];
    if (Array.isArray(paths) && Array.isArray(record["weights"]))
      names.push(
        ...paths.filter((path): path is string => typeof path === "string").map((path) => posix.normalize(path)),
      );
    for (const each of Object.values(record)) visit(each, depth + 1);
  };
  visit(value, 0);
  return { kind: "json", problems, names };
}

function lambdaProblem(record: Readonly<Record<string, unknown>>): string | undefined {
  const { class_name: className, module } = record as { readonly class_name?: unknown; readonly module?: unknown };
  if (typeof className !== "string") return undefined;
  if (/^(?:Lambda|__lambda__|.*>Lambda)$/.test(className))
    return `has a layer of the class ${className}, which is code`;
  if (typeof module !== "string" || !("config" in record)) return undefined;
  if (!kerasModules.test(module) || (module === "builtins" && !kerasBuiltins.has(className)))
    return `names the class ${JSON.stringify(`${module}.${className}`)}, which Keras would import`;
  return undefined;
}
