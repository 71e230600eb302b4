/** `parameters.explain`: whether, or which rows are to be explained. */
export function explainOf(parameters: unknown): boolean | string | undefined {
  if (typeof parameters !== "object" || parameters === null || !Object.hasOwn(parameters, "explain")) return undefined;
  const { explain } = parameters as { readonly explain: unknown };
  return typeof explain === "boolean" || typeof explain === "string" ? explain : undefined;
}
