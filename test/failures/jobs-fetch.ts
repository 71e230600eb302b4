import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { digestOf } from "../../packages/contracts/dist/index.js";
import * as jobs from "../../packages/jobs/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const here = fileURLToPath(import.meta.url);

/** A fetcher, and a server of one file for it. */
export async function openFetching(folder: string): Promise<AsyncDisposable & { readonly subjects: Subjects }> {
  const server = createServer(({ url }, response) => {
    if (url === "/file") response.end("file");
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { directory: `${folder}/cache`, parallel: 2, retries: 0, stallMs: 1_000 };
  const fetcher = jobs.createFetcher(options);
  const subjects: Subjects = {
    createFetcher: well(jobs.createFetcher, () => [options], {
      JOBS_SPEC_INVALID: () => jobs.createFetcher({ directory: "" }),
    }),
    ...methods("createFetcher()", () => fetcher, {
      fetch: [
        () => [{ url: `${address}/file`, digest: digestOf("file") }, { signal }],
        {
          JOBS_FETCH_REFUSED: () => fetcher.fetch({ url: `${address}/missing` }),
          JOBS_FETCH_FAILED: () => fetcher.fetch({ url: "http://127.0.0.1:1/" }),
          JOBS_SPEC_INVALID: () => fetcher.fetch({ url: "file:///a" }),
        },
        20,
      ],
    }),
    describeFile: well(
      jobs.describeFile,
      () => [here, { partBytes: 1_000, signal }],
      { JOBS_SPEC_INVALID: () => jobs.describeFile(here, { partBytes: 0 }) },
      20,
    ),
  };
  return {
    subjects,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
