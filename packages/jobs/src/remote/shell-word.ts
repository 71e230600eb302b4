/** A text as a POSIX shell takes it for one word. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
