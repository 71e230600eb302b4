import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { fromIpc } from "../../../packages/data/dist/index.js";

const { Message } = createRequire(new URL("../../../packages/data/package.json", import.meta.url))("apache-arrow");

const prefixBytes = 8;
const endOfStream = Buffer.from([255, 255, 255, 255, 0, 0, 0, 0]);

/** The rows of an Arrow IPC stream: one record batch in memory at a time, in a buffer that is used again for the next, so a batch is good until the next is asked for. */
export async function* batchesOf(path) {
  const file = await open(path);
  try {
    let buffer = Buffer.alloc(1 << 20);
    let position = 0;
    const read = async (at, bytes) => {
      if (at + bytes + endOfStream.length > buffer.length) {
        const larger = Buffer.alloc((at + bytes) * 2);
        buffer.copy(larger, 0, 0, at);
        buffer = larger;
      }
      const { bytesRead } = await file.read(buffer, at, bytes, position);
      position += bytesRead;
      return bytesRead;
    };
    let schemaEnd = 0;
    for (;;) {
      if ((await read(schemaEnd, prefixBytes)) < prefixBytes) return;
      const metadataBytes = buffer.readInt32LE(schemaEnd + 4);
      if (metadataBytes === 0) return;
      const bodyAt = schemaEnd + prefixBytes + metadataBytes;
      await read(schemaEnd + prefixBytes, metadataBytes);
      const { bodyLength } = Message.decode(buffer.subarray(schemaEnd + prefixBytes, bodyAt));
      if (schemaEnd === 0) {
        schemaEnd = bodyAt;
        continue;
      }
      await read(bodyAt, Number(bodyLength));
      endOfStream.copy(buffer, bodyAt + Number(bodyLength));
      yield* fromIpc(buffer.subarray(0, bodyAt + Number(bodyLength) + endOfStream.length));
    }
  } finally {
    await file.close();
  }
}
