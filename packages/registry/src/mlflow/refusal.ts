/** The names of MLflow's errors that are answered here, with their status. */
export const statusOfCode = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  RESOURCE_ALREADY_EXISTS: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  ENDPOINT_NOT_FOUND: 404,
  RESOURCE_DOES_NOT_EXIST: 404,
  RESOURCE_CONFLICT: 409,
  INTERNAL_ERROR: 500,
  NOT_IMPLEMENTED: 501,
  TEMPORARILY_UNAVAILABLE: 503,
} as const;

export type MlflowErrorCode = keyof typeof statusOfCode;

/** A refusal as MLflow's clients read it. It never leaves the face. */
export class MlflowRefusal extends Error {
  override readonly name = "MlflowRefusal";
  readonly code: MlflowErrorCode;

  constructor(code: MlflowErrorCode, message: string) {
    super(message.length > 2000 ? `${message.slice(0, 2000)}…` : message);
    this.code = code;
  }
}

export const invalid = (message: string): MlflowRefusal => new MlflowRefusal("INVALID_PARAMETER_VALUE", message);

export const missing = (message: string): MlflowRefusal => new MlflowRefusal("RESOURCE_DOES_NOT_EXIST", message);

export const exists = (message: string): MlflowRefusal => new MlflowRefusal("RESOURCE_ALREADY_EXISTS", message);

export const noSuchRun = (id: string): MlflowRefusal => missing(`Run with id=${id} not found`);

export const noSuchExperiment = (id: string): MlflowRefusal => missing(`No Experiment with id=${id} exists`);

export const noSuchModel = (name: string): MlflowRefusal => missing(`Registered Model with name=${name} not found`);

export const noSuchVersion = (name: string, version: string | number): MlflowRefusal =>
  missing(`Model Version (name=${name}, version=${version}) not found`);

export const noSuchLoggedModel = (id: string): MlflowRefusal => missing(`Logged model with ID '${id}' not found.`);

/** A value as a message shows it: short, and never the whole of what a stranger sent. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
