export type TokenKind = 'key' | 'text' | 'number' | 'word' | 'punctuation';

export interface Token {
  kind: TokenKind;
  text: string;
}

/** Beyond this many characters only plain text is shown: colouring would cost more than it helps. */
const COLOURED = 200_000;

// A string (with the colon that makes it a key), a number, a word, or anything else.
const LEXEMES =
  /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([^"\dtfn-]+|.)/gs;

/** Cuts JSON text into what is coloured alike. Joined again the tokens are the text. */
export function tokens(json: string): Token[] {
  if (json.length > COLOURED) return [{ kind: 'punctuation', text: json }];
  const found: Token[] = [];
  for (const [, text, colon, number, word, rest] of json.matchAll(LEXEMES)) {
    if (text !== undefined) {
      found.push({ kind: colon === undefined ? 'text' : 'key', text });
      if (colon !== undefined) found.push({ kind: 'punctuation', text: colon });
    } else if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (word !== undefined) found.push({ kind: 'word', text: word });
    else if (rest !== undefined) found.push({ kind: 'punctuation', text: rest });
  }
  return found;
}

/** JSON laid out for reading. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? '';
}
