/** A piece of SQL: quoted texts and comments are one piece each, so that what stands in them is never taken for code. */
export interface SqlToken {
  readonly kind: "space" | "quoted" | "word" | "placeholder" | "mark";
  readonly text: string;
}

const pattern = new RegExp(
  [
    String.raw`(?<space>\s+|--[^\n]*|/\*[\s\S]*?\*/)`,
    String.raw`(?<quoted>[eE]'(?:[^'\\]|''|\\[\s\S])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>[A-Za-z_]\w*)?\$[\s\S]*?\$\k<tag>\$)`,
    String.raw`(?<word>[\p{L}_][\p{L}\p{N}_$]*)`,
    String.raw`(?<placeholder>\?\d*|\$\d+)`,
    String.raw`[\s\S]`,
  ].join("|"),
  "gu",
);

export function tokensOf(sql: string): readonly SqlToken[] {
  return Array.from(sql.matchAll(pattern), ({ 0: text, groups }) => {
    if (groups?.["space"] !== undefined) return { kind: "space", text };
    if (groups?.["quoted"] !== undefined) return { kind: "quoted", text };
    if (groups?.["word"] !== undefined) return { kind: "word", text };
    if (groups?.["placeholder"] !== undefined) return { kind: "placeholder", text };
    return { kind: "mark", text };
  });
}
