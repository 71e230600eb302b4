import type { JsonObject, JsonValue } from "@millwright/contracts";
import type { ModelCatalog } from "../catalog/catalog-options.ts";
import type { Stage } from "../engine/stage.ts";
import type { EndpointConfiguration, Part, ServerConfiguration } from "./configuration.ts";

export const isPart = (value: Stage | ModelCatalog | Part): value is Part =>
  typeof (value as Partial<Part>).part === "string";

/** A configuration as data, and why a process that starts could not make it of that. */
export interface ConfigurationDocument {
  readonly document: JsonObject;
  readonly unrestorable: string | undefined;
}

/** Objects stand in it by their names alone. */
export function documentOf({ endpoints, defaultEndpoint }: ServerConfiguration): ConfigurationDocument {
  const objects: string[] = [];
  const written = Object.entries(endpoints).map(([name, configuration]) => {
    const told = (what: string): void => void objects.push(`${what} of "${name}"`);
    return [name, endpointDocument(configuration, told)] as const;
  });
  return {
    document: {
      endpoints: Object.fromEntries(written),
      ...(defaultEndpoint === undefined ? {} : { defaultEndpoint }),
    },
    unrestorable: objects.length === 0 ? undefined : `${objects.join(", ")}: an object, and no part that can be named`,
  };
}

function endpointDocument(
  { models, stages, ...plain }: EndpointConfiguration,
  object: (what: string) => void,
): JsonObject {
  const data = JSON.parse(JSON.stringify(plain)) as JsonObject;
  const partOf = ({ part, options }: Part): JsonObject => ({ part, ...(options === undefined ? {} : { options }) });
  const stage = (each: Stage | Part): JsonValue => {
    if (isPart(each)) return partOf(each);
    object(`the stage "${each.name}"`);
    return { stage: each.name };
  };
  const catalog = (each: ModelCatalog | Part): JsonValue => {
    if (isPart(each)) return partOf(each);
    object("the catalog");
    return { catalog: true };
  };
  return {
    ...data,
    ...(models === undefined ? {} : { models: catalog(models) }),
    ...(stages === undefined || stages.length === 0 ? {} : { stages: stages.map(stage) }),
  };
}
