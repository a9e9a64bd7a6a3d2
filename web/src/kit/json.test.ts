import { expect, test } from 'vitest';
import { pretty, tokens } from './json';

test.each([
  ['an object', { a: 'x', 'b "c"': [1, -2.5e-7, true, null], d: {}, 'é\\': '\u2028"' }],
  ['text that looks like JSON', '{"true": 1}'],
  ['a number', 12],
])('the tokens of %s are its text', (_, value) => {
  const text = pretty(value);
  expect(
    tokens(text)
      .map((token) => token.text)
      .join(''),
  ).toBe(text);
});

test('keys, texts, numbers and words are told apart', () => {
  const kinds = tokens('{"a": "b", "n": -1.5, "t": true, "z": null}').filter(
    (token) => token.kind !== 'punctuation',
  );
  expect(kinds.map((token) => `${token.kind} ${token.text}`)).toEqual([
    'key "a"',
    'text "b"',
    'key "n"',
    'number -1.5',
    'key "t"',
    'word true',
    'key "z"',
    'word null',
  ]);
});

test('what is very long is left plain', () => {
  expect(tokens(`"${'x'.repeat(300_000)}"`)).toHaveLength(1);
});
