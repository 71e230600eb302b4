import { definitionInvalid } from "../errors.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Throws `FEATURE_STORE_DEFINITION_INVALID` where a name is not fit for a folder. */
export function checkName(what: string, name: string): void {
  if (!NAME.test(name)) {
    throw definitionInvalid(`${what} "${name}"`, "the name is not fit for a folder", "Use letters, digits, _ and -.");
  }
}
