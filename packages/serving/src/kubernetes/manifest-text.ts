import { kubernetesInvalid } from "./kubernetes-errors.ts";
import type { KubernetesObject } from "./spec.ts";

/** Texts that every version of YAML reads as texts without quotes. */
const bare = /^[a-zA-Z/][a-zA-Z0-9/._-]*$/;
const taken = /^(true|false|yes|no|on|off|null|y|n)$/i;

const scalar = (value: unknown): string =>
  typeof value === "string" && bare.test(value) && !taken.test(value) ? value : JSON.stringify(value);

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** The lines of a value; of lists and objects without indentation. */
function lines(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.length > 0)
    return value.flatMap((each) => lines(each).map((line, index) => `${index === 0 ? "- " : "  "}${line}`));
  if (!isObject(value) || Array.isArray(value)) return [scalar(value)];
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  if (fields.length === 0) return ["{}"];
  return fields.flatMap(([name, each]) => {
    const inner = lines(each);
    const own = isObject(each) && Object.keys(each).length > 0;
    return own ? [`${scalar(name)}:`, ...inner.map((line) => `  ${line}`)] : [`${scalar(name)}: ${inner[0]}`];
  });
}

function checkObjects(objects: readonly KubernetesObject[]): void {
  if (!Array.isArray(objects) || !objects.every((each) => isObject(each)))
    throw kubernetesInvalid("objects", "is no list of objects", "Give `objects` of `kubernetesObjects`, or a list.");
}

/** A YAML stream of the objects, for `kubectl apply -f -`. Throws `SERVING_KUBERNETES_INVALID`. */
export function kubernetesYaml(objects: readonly KubernetesObject[]): string {
  checkObjects(objects);
  return objects.map((each) => `---\n${lines(each).join("\n")}\n`).join("");
}

/** A `v1` List of the objects as JSON, for `kubectl apply -f -`. Throws `SERVING_KUBERNETES_INVALID`. */
export function kubernetesJson(objects: readonly KubernetesObject[]): string {
  checkObjects(objects);
  return `${JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, null, 2)}\n`;
}
