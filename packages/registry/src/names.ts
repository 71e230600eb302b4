import { nameInvalid } from "./errors.ts";

const modelName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const aliasName = /^[A-Za-z][A-Za-z0-9._-]{0,127}$/;
const plainText = "1 to 128 letters, digits, dots, dashes and underscores";
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
const unsuitable = /[\u0000-\u001f\u007f]|\p{Surrogate}/u;
const longestLabel = 500;

/** Throws `REGISTRY_NAME_INVALID` unless `name` can stand before the `/` or `@` of a reference. */
export function checkModelName(name: string): void {
  if (typeof name === "string" && modelName.test(name)) return;
  throw nameInvalid("a model", name, `Use ${plainText}, beginning with a letter or digit.`);
}

/** Throws `REGISTRY_NAME_INVALID` unless `alias` can stand after the `@` of a reference. */
export function checkAlias(alias: string): void {
  if (typeof alias === "string" && aliasName.test(alias)) return;
  throw nameInvalid("an alias", alias, `Use ${plainText}, beginning with a letter.`);
}

/** Throws `REGISTRY_NAME_INVALID` unless `label` is a text that every store keeps as it is: of a metric, a parameter, an experiment. */
export function checkLabel(what: string, label: string): void {
  if (typeof label === "string" && label !== "" && label.length <= longestLabel && !unsuitable.test(label)) return;
  throw nameInvalid(what, label, `Use 1 to ${longestLabel} characters without control characters.`);
}
