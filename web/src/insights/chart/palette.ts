/** The colours of lines, told apart also by those who see red and green alike; the first is the brand's. */
const LIGHT = [
  '#0f7f9e',
  '#e08a1e',
  '#7b5fd0',
  '#d4526e',
  '#2f9e68',
  '#3f6fe0',
  '#a0673b',
  '#c45ab3',
  '#7c8a22',
  '#5f7683',
];
const DARK = [
  '#4fb8d1',
  '#f0a94a',
  '#a58ef5',
  '#f07f95',
  '#5ecb96',
  '#7fa2ff',
  '#cf9566',
  '#e38ad3',
  '#b3c24e',
  '#9db2bd',
];

export interface ChartColours {
  text: string;
  soft: string;
  line: string;
  surface: string;
}

const LIGHT_COLOURS: ChartColours = { text: '#141c21', soft: '#5a6972', line: '#e1e8eb', surface: '#ffffff' };
const DARK_COLOURS: ChartColours = { text: '#dbe4e8', soft: '#8fa0a9', line: '#222d34', surface: '#131b20' };

export type Scheme = 'light' | 'dark';

export function chartColours(scheme: Scheme): ChartColours {
  return scheme === 'dark' ? DARK_COLOURS : LIGHT_COLOURS;
}

/** The colour of the line with a rank; after the tenth they repeat. */
export function lineColour(rank: number, scheme: Scheme): string {
  const palette = scheme === 'dark' ? DARK : LIGHT;
  return palette[rank % palette.length] ?? palette[0] ?? '';
}
