import * as container from "../../packages/serving/dist/container.js";
import * as model from "../../packages/model/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const example = { contentType: "application/json", body: '{"instances":[[1,2]]}' };

/** What `@millwright/serving/container` exports; `folder` has the package late/1. */
export async function containers(
  folder: string,
): Promise<{ readonly subjects: Subjects; readonly close: () => Promise<void> }> {
  const options = { runtimes: [model.denseRuntime()], modelDirectory: `${folder}/late/1`, host: "127.0.0.1", port: 0 };
  const opened: container.ServingContainer[] = [];
  const open = async (...given: Parameters<typeof container.serveContainer>): Promise<string> => {
    const one = await container.serveContainer(...given);
    opened.push(one);
    return one.address;
  };
  const first = await container.serveContainer(options);
  await first.ready;
  opened.push(first);
  const { port } = new URL(first.address);
  return {
    subjects: {
      serveContainer: well(
        open,
        () => [options],
        { SERVING_PORT_BUSY: () => open({ ...options, port: Number(port) }) },
        10,
      ),
      checkContainer: well(container.checkContainer, () => [{ url: first.address, example }, { startMs: 100 }], {}, 0),
      ...methods("serveContainer()", () => first, { stop: [() => [{ signal: new AbortController().signal }], {}, 0] }),
    },
    async close() {
      for (const one of opened) await one.stop();
    },
  };
}
