// Loaded before the example: a bare image without network. Whoever reaches out, starts a program or loads native code fails.
import childProcess from "node:child_process";
import dns from "node:dns";
import net from "node:net";
import { syncBuiltinESMExports } from "node:module";

const refuse = (what) => () => {
  throw new Error(`${what} is not there on a bare image`);
};
net.Socket.prototype.connect = refuse("The network");
dns.lookup = refuse("The network");
for (const name of ["spawn", "spawnSync", "exec", "execFile", "execFileSync", "execSync", "fork"])
  childProcess[name] = refuse("Any other program");
process.dlopen = refuse("Native code");
syncBuiltinESMExports();
