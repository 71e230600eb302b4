import type { ModelCatalog, ModelCatalogOptions } from "./catalog-options.ts";
import { Catalog } from "./model-catalog.ts";

/** Made before the server, opened and closed by it: the models of one endpoint. Throws a `RangeError` for options out of range. */
export function createModelCatalog(options: ModelCatalogOptions): ModelCatalog {
  const catalog = new Catalog(options);
  const models: ModelCatalog = {
    load: (target, given) => catalog.load(target, given),
    unload: (target, given) => catalog.unload(target, given),
    pin: (target, given) => catalog.pin(target, given),
    warm: (target, given) => catalog.warm(target, given),
    unpin: (target) => catalog.unpin(target),
    models: () => catalog.models(),
    model: (target) => catalog.model(target),
    stats: () => catalog.stats(),
  };
  catalogs.set(models, catalog);
  return models;
}

/** What the server sees of a catalog that its users do not. */
const catalogs = new WeakMap<ModelCatalog, Catalog>();

/** Throws a `RangeError` for what `createModelCatalog` did not make. */
export function catalogOf(models: ModelCatalog): Catalog {
  const catalog = catalogs.get(models);
  if (catalog === undefined) throw new RangeError("`models` of an endpoint is nothing that createModelCatalog made.");
  return catalog;
}
