const safeNames: ReadonlySet<string> = new Set([
  "PATH",
  "HOME",
  "USER",
  "SHELL",
  "LANG",
  "LANGUAGE",
  "TZ",
  "TMPDIR",
  "TEMP",
  "TMP",
  "LD_LIBRARY_PATH",
  "CUDA_VISIBLE_DEVICES",
  "CUDA_HOME",
  "NODE_EXTRA_CA_CERTS",
  "SYSTEMROOT",
  "WINDIR",
  "COMSPEC",
  "PATHEXT",
  "USERPROFILE",
  "APPDATA",
  "LOCALAPPDATA",
  "PROGRAMDATA",
]);

const isSafe = (name: string): boolean => safeNames.has(name.toUpperCase()) || name.startsWith("LC_");

/** Of the parent's environment, the part that programs need to run at all; nothing that could be a secret. */
export function safeEnvironment(source: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) if (value !== undefined && isSafe(name)) kept[name] = value;
  return kept;
}

const secretName =
  /SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|SIGNING_?KEY|ENCRYPTION_?KEY/i;
const shortestSecret = 6;
/** Shortest beginning of a secret that is masked where a line was cut in its middle. */
const shortestBeginning = 3;

/** The secrets of an environment, longest first: values by their names, the passwords of URLs, each line of a value of several; as they are and as JSON and URLs write them. */
function secretsOf(environment: Readonly<Record<string, string>>): readonly string[] {
  const found = Object.entries(environment).flatMap(([name, value]) => {
    const [, password] = /^[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:([^\s/@]+)@/i.exec(value) ?? [];
    if (secretName.test(name)) return value.split(/\r?\n/).flatMap((line) => [line, encodeSafely(line)]);
    return password === undefined ? [] : [password, decodeSafely(password)];
  });
  const written = found.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
  return [...new Set(written)].filter(({ length }) => length >= shortestSecret).toSorted((a, b) => b.length - a.length);
}

/** A lone surrogate cannot be encoded. */
function encodeSafely(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    return text;
  }
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Replaces secrets by `***`. @param cut Whether the text goes on in what was dropped: a secret that only begins in it is masked too. */
export type Mask = (text: string, cut?: boolean) => string;

/** A mask of every secret value of the environment. Values under 6 characters are left: they would mask ordinary words. */
export function createMask(environment: Readonly<Record<string, string>>): Mask {
  const secrets = secretsOf(environment);
  if (secrets.length === 0) return (text) => text;
  return (text, cut = false) => {
    const masked = secrets.reduce((before, secret) => before.replaceAll(secret, "***"), text);
    if (!cut) return masked;
    const begun = Math.max(0, ...secrets.map((secret) => beginningLength(masked, secret)));
    return begun === 0 ? masked : `${masked.slice(0, -begun)}***`;
  };
}

/** How many of a text's last characters are the beginning of the secret. */
function beginningLength(text: string, secret: string): number {
  for (let length = secret.length - 1; length >= shortestBeginning; length -= 1)
    if (text.endsWith(secret.slice(0, length))) return length;
  return 0;
}
