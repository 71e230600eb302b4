/**
 * A string, or a number, or one of the words that Python writes for numbers that JSON has not. A string without an end matches to the end of the
 * text, so that no text is gone through twice.
 */
const tokens = /"[^"\\]*(?:\\[^]?[^"\\]*)*"?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?Infinity|NaN/g;
const longInteger = /^-?\d{16,}$/;

/**
 * Parses JSON as Python writes it: integers of sixteen digits and more, which JavaScript would round, become text, and so do NaN and
 * infinities. Throws a SyntaxError.
 */
export function parsePythonJson(text: string): unknown {
  if (!/\d{16}|NaN|Infinity/.test(text)) return JSON.parse(text);
  return JSON.parse(
    text.replaceAll(tokens, (token) =>
      token === "NaN" || token.endsWith("Infinity") || longInteger.test(token) ? `"${token}"` : token,
    ),
  );
}
