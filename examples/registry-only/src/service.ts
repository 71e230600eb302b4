import { denseRuntime } from "@millwright/model";
import type { Registry } from "@millwright/registry";

export interface DeliveryService extends AsyncDisposable {
  /** @returns minutes, and the version that said so. */
  answer(kilometres: number): Promise<{ readonly minutes: number; readonly version: number }>;
}

/** Answers with whatever `champion` means, and follows it while it moves. */
export async function openDeliveryService(registry: Registry): Promise<DeliveryService> {
  const stop = new AbortController();
  const runtime = denseRuntime();
  const load = async (model: Awaited<ReturnType<Registry["resolve"]>>) => ({
    version: model.version ?? 0,
    loaded: await runtime.load(model.directory, model.manifest),
  });
  let current = await load(await registry.resolve("delivery@champion"));
  const following = (async () => {
    for await (const model of registry.watch("delivery@champion", { signal: stop.signal })) {
      if (model.version !== current.version) current = await load(model);
    }
  })();
  return {
    async answer(kilometres) {
      const { loaded, version } = current;
      const inputs = { features: { dtype: "float32", shape: [1, 1], data: Float32Array.of(kilometres) } } as const;
      const outputs = await loaded.predict(inputs);
      return { minutes: Number(Object.values(outputs)[0]?.data[0]), version };
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await following;
      await current.loaded.dispose();
    },
  };
}
