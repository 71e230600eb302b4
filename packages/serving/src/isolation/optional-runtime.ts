import type { CallOptions, ModelRuntime } from "@millwright/contracts";
import { abortable, isMillwrightError } from "@millwright/contracts";
import { runtimeAbsent } from "./isolation-errors.ts";

/** A runtime of a library that may be missing. */
export interface OptionalRuntime extends ModelRuntime {
  /** Opens it, and tells what hinders: for a report at start, instead of the first load's failure. */
  availability(options?: CallOptions): Promise<RuntimeAvailability>;
}

export interface RuntimeAvailability {
  readonly formats: readonly string[];
  readonly available: boolean;
  /** What opening it said. */
  readonly problem?: string | undefined;
}

/**
 * A runtime that is opened when its first model is loaded: `optionalRuntime(["onnx"], async () => onnxRuntime(await import("onnxruntime-node")))`. Where
 * its library is absent nothing fails but the loading of its models, with `SERVING_RUNTIME_ABSENT`; the next load tries again.
 */
export function optionalRuntime(
  formats: readonly string[],
  open: () => ModelRuntime | Promise<ModelRuntime>,
): OptionalRuntime {
  if (!Array.isArray(formats) || formats.length === 0 || !formats.every((format) => typeof format === "string"))
    throw new TypeError("formats must be a list of formats, such as ['onnx'].");
  if (typeof open !== "function") throw new TypeError("open must be a function that makes the runtime.");
  let opening: Promise<ModelRuntime> | undefined;
  const opened = async (): Promise<ModelRuntime> => {
    opening ??= Promise.resolve().then(open);
    try {
      const runtime = await opening;
      if (typeof runtime?.load === "function") return runtime;
      throw new TypeError("what it gives is no runtime");
    } catch (error) {
      opening = undefined;
      throw isMillwrightError(error) ? error : runtimeAbsent(formats, error);
    }
  };
  return {
    formats: [...formats],
    async load(directory, manifest, { signal } = {}) {
      signal?.throwIfAborted();
      const runtime = await abortable(opened(), signal);
      return runtime.load(directory, manifest, { signal });
    },
    async availability({ signal } = {}) {
      try {
        await abortable(opened(), signal);
        return { formats, available: true };
      } catch (error) {
        signal?.throwIfAborted();
        const cause = (error as Error).cause ?? error;
        return { formats, available: false, problem: cause instanceof Error ? cause.message : String(cause) };
      }
    },
  };
}
