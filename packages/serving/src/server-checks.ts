import { catalogOf } from "./catalog/create-model-catalog.ts";
import type { ModelServerOptions } from "./model-server.ts";
import { isPart } from "./reload/configuration-document.ts";

/** Throws a `RangeError` for options that cannot be. */
export function checkOptions(options: ModelServerOptions): void {
  const { endpoints, defaultEndpoint, features, featuresAs } = options;
  checkStartup(options);
  const { budgetMs = 1 } = options.warmUp ?? {};
  if (!(budgetMs > 0)) throw new RangeError(`budgetMs of warmUp is ${budgetMs}, and must be over 0.`);
  if (options.configurationRoutes === true && options.authorizer === undefined)
    throw new RangeError("configurationRoutes needs an `authorizer`, which says who may change what is served.");
  const names = Object.keys(endpoints);
  if (names.length === 0) throw new RangeError("A model server needs at least one endpoint.");
  if (defaultEndpoint !== undefined && !names.includes(defaultEndpoint)) {
    throw new RangeError(`defaultEndpoint "${defaultEndpoint}" is none of ${names.join(", ")}.`);
  }
  for (const [name, { variants, maxBatchRows = 1, maxQueueRows = 1, readFeaturesAs, models }] of Object.entries(
    endpoints,
  )) {
    if (readFeaturesAs !== undefined) {
      // What is mistyped must not come to mean that all is seen.
      if (
        readFeaturesAs !== "caller" &&
        !(typeof readFeaturesAs.principal === "string" && readFeaturesAs.principal !== "")
      )
        throw new RangeError(`readFeaturesAs of the endpoint "${name}" is neither { principal: text } nor "caller".`);
      if (features === undefined || featuresAs === undefined)
        throw new RangeError(`The endpoint "${name}" says readFeaturesAs: give \`features\` and \`featuresAs\`.`);
    }
    const weights = Object.values(variants).map(({ weight }) => weight);
    if (models !== undefined && !isPart(models)) catalogOf(models);
    const some = weights.some((weight) => weight > 0) || (models !== undefined && weights.length === 0);
    if (!weights.every((weight) => weight >= 0 && Number.isFinite(weight)) || !some) {
      throw new RangeError(`The weights of the endpoint "${name}" must be finite, at least 0, and one of them more.`);
    }
    if (Object.hasOwn(variants, "candidate"))
      throw new RangeError(`The variant "candidate" of "${name}" is the name of deployments.`);
    if (!(maxBatchRows >= 1) || !(maxQueueRows >= 1))
      throw new RangeError(`The limits of rows of "${name}" must be 1 or more.`);
  }
}

function checkStartup({ startup = "wait", onLoadFailure = "fail", loadRetryMs = 1 }: ModelServerOptions): void {
  if (startup !== "wait" && startup !== "background")
    throw new RangeError('startup is neither "wait" nor "background".');
  if (onLoadFailure !== "fail" && onLoadFailure !== "degrade")
    throw new RangeError('onLoadFailure is neither "fail" nor "degrade".');
  if (!(loadRetryMs > 0) || !Number.isFinite(loadRetryMs))
    throw new RangeError("loadRetryMs must be a finite number of milliseconds over 0.");
}
