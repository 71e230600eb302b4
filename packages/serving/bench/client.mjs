// A load generator in a process of its own: connections that ask again as soon as they are answered, over raw sockets.
import { connect } from "node:net";

const { port, connections, path, body, method } = JSON.parse(process.argv[2] ?? "{}");
const request = Buffer.from(
  `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);
let answered = 0;
let failed = 0;
for (let index = 0; index < connections; index += 1) {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  let pending = Buffer.alloc(0);
  socket.on("connect", () => socket.write(request));
  socket.on("data", (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const head = pending.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/content-length: (\d+)/i.exec(pending.subarray(0, head).toString("latin1"))?.[1] ?? 0);
    if (pending.length < head + 4 + length) return;
    if (pending.toString("latin1", 9, 12) !== "200") failed += 1;
    answered += 1;
    pending = pending.subarray(head + 4 + length);
    socket.write(request);
  });
  socket.on("error", () => (failed += 1));
}
process.on("message", () => process.send?.({ answered, failed }));
