import { type CallOptions, type JsonObject, canonicalJson, isMillwrightError } from "@millwright/contracts";
import type { Endpoint, EndpointOptions, Route } from "../engine/endpoint.ts";
import type { ModelSlot } from "../engine/model-slot.ts";
import type { Stage } from "../engine/stage.ts";
import type { ServingProblem } from "../errors.ts";
import { variantsText } from "../rollout/variant-weights.ts";
import type { EndpointConfiguration, Part, ServerParts } from "./configuration.ts";
import { isPart } from "./configuration-document.ts";
import { pointer } from "./differences.ts";

/** An endpoint as it is configured, with what its parts became. */
export interface MadeEndpoint {
  readonly configuration: EndpointConfiguration;
  readonly options: EndpointOptions;
}

/** An endpoint that could serve: its models are loaded, its stages open. */
export interface PreparedEndpoint extends MadeEndpoint {
  readonly name: string;
  readonly before: Endpoint | undefined;
  readonly next: Endpoint;
  readonly routes: readonly Route[];
  /** Slots that were opened for it. */
  readonly opened: readonly ModelSlot[];
}

const featuresText = ({ featureService, readFeaturesAs, onFeatureMismatch }: EndpointConfiguration): string =>
  canonicalJson({ featureService, readFeaturesAs, onFeatureMismatch });

const partText = ({ part, options = {} }: Part): string => canonicalJson([part, options]);

/** What a failure says of itself; words of what is not of the house are told too, since whoever configures is told. */
export const reasonOf = (error: unknown): Pick<ServingProblem, "problem" | "code"> => ({
  problem: (error instanceof Error ? error.message : String(error)).replace(/\.$/, ""),
  ...(isMillwrightError(error) ? { code: error.code } : {}),
});

const named = <Made>(
  makers: Readonly<Record<string, (options: JsonObject, site: { readonly endpoint: string }) => Made>> | undefined,
  { part, options = {} }: Part,
  endpoint: string,
): Made => {
  const make = makers === undefined || !Object.hasOwn(makers, part) ? undefined : makers[part];
  if (make === undefined)
    throw new RangeError(`The endpoint "${endpoint}" names the part "${part}", and there is none.`);
  return make(options, { endpoint });
};

/** Makes the parts of an endpoint, but for those that it had before with the same options. Throws what makes them throws. */
export function makeEndpoint(
  name: string,
  configuration: EndpointConfiguration,
  parts: ServerParts,
  before?: MadeEndpoint,
): MadeEndpoint {
  const { stages: askedStages, models: askedModels, ...plain } = configuration;
  const same = before !== undefined && featuresText(before.configuration) === featuresText(configuration);
  const left = new Map(
    (same ? (before.configuration.stages ?? []) : []).flatMap((stage, at): [Stage, string][] => {
      const made = before?.options.stages?.[at];
      return made !== undefined && isPart(stage) ? [[made, partText(stage)]] : [];
    }),
  );
  const stageOf = (asked: Stage | Part): Stage => {
    if (!isPart(asked)) return asked;
    const text = partText(asked);
    const found = [...left].find(([, each]) => each === text)?.[0];
    if (found === undefined) return named(parts.stages, asked, name);
    left.delete(found);
    return found;
  };
  const modelsOf = (): EndpointOptions["models"] => {
    if (askedModels === undefined || !isPart(askedModels)) return askedModels;
    const kept = same ? before.configuration.models : undefined;
    if (kept !== undefined && isPart(kept) && partText(kept) === partText(askedModels)) return before?.options.models;
    return named(parts.catalogs, askedModels, name);
  };
  const models = modelsOf();
  return {
    configuration,
    options: {
      ...plain,
      ...(models === undefined ? {} : { models }),
      ...(askedStages === undefined ? {} : { stages: askedStages.map(stageOf) }),
    },
  };
}

/** Whether two configurations of an endpoint come to the same, objects and all. */
export function sameEndpoint(left: MadeEndpoint, right: MadeEndpoint): boolean {
  const plain = ({ options: { models: _models, stages: _stages, ...rest } }: MadeEndpoint): string =>
    canonicalJson(rest);
  const [stages, others] = [left.options.stages ?? [], right.options.stages ?? []];
  return (
    plain(left) === plain(right) &&
    left.options.models === right.options.models &&
    stages.length === others.length &&
    stages.every((stage, at) => stage === others[at])
  );
}

export interface PrepareOptions extends CallOptions {
  readonly create: (name: string, options: EndpointOptions, before: Endpoint | undefined) => Endpoint;
  /** Whether stages are opened too. */
  readonly stages: boolean;
}

/**
 * Loads the models of an endpoint that it has not yet, and opens its stages.
 * @param problems Takes what fails.
 */
export async function prepareEndpoint(
  name: string,
  made: MadeEndpoint,
  was: { readonly endpoint: Endpoint; readonly made: MadeEndpoint } | undefined,
  problems: ServingProblem[],
  { create, stages, signal }: PrepareOptions,
): Promise<PreparedEndpoint> {
  const { variants } = made.configuration;
  const next = create(name, made.options, was?.endpoint);
  const opened: ModelSlot[] = [];
  const routes: Route[] = [];
  const path = `/endpoints${pointer(name)}`;
  const shared = was !== undefined && featuresText(was.made.configuration) === featuresText(made.configuration);
  const steady = was !== undefined && variantsText(was.made.configuration.variants) === variantsText(variants);
  for (const [variant, { model, weight }] of Object.entries(variants)) {
    const before = was?.endpoint.routes.find((route) => route.name === variant);
    if (shared && before !== undefined && was.made.configuration.variants[variant]?.model === model) {
      // Weights that were set while it served hold until the configuration names others.
      routes.push({ name: variant, weight: steady ? before.weight : weight, slot: before.slot });
      continue;
    }
    try {
      const slot = await next.openSlot(model, signal);
      opened.push(slot);
      routes.push({ name: variant, weight, slot });
    } catch (error) {
      problems.push({ path: `${path}/variants${pointer(variant)}/model`, ...reasonOf(error) });
    }
  }
  if (stages)
    await next.openStages().catch((error: unknown) => {
      problems.push({ path, ...reasonOf(error) });
    });
  return { ...made, name, before: was?.endpoint, next, routes, opened };
}

/** Closes what was opened for endpoints that come to nothing. */
export async function discard(prepared: readonly PreparedEndpoint[]): Promise<void> {
  await Promise.all(
    prepared.map(async ({ next, before, opened }) => {
      await Promise.all(opened.map((slot) => slot.close()));
      await next.closeStages(before);
    }),
  );
}
