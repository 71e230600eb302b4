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

const secretName = /SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY/i;
const shortestSecret = 6;

/** A function that replaces every secret value of the environment by `***`. Values under 6 characters are left: they would mask ordinary words. */
export function createMask(environment: Readonly<Record<string, string>>): (text: string) => string {
  const secrets = Object.entries(environment)
    .filter(([name, value]) => secretName.test(name) && value.length >= shortestSecret)
    .map(([, value]) => value)
    .toSorted((a, b) => b.length - a.length);
  if (secrets.length === 0) return (text) => text;
  return (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, "***"), text);
}
