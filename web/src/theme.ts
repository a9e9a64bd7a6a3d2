import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from '@mantine/core';

/** The colour of the product: deep water. */
const river: MantineColorsTuple = [
  '#e8f5f8',
  '#d0eaf0',
  '#a2d5e1',
  '#73bfd1',
  '#4fadc4',
  '#2f99b3',
  '#167b96',
  '#0f6f8a',
  '#0b5a71',
  '#084555',
];

/** Cool greys, so that neutral surfaces do not look brown beside the river. */
const gray: MantineColorsTuple = [
  '#f5f8f9',
  '#ecf1f3',
  '#e1e8eb',
  '#d0d9de',
  '#c0cad0',
  '#86959e',
  '#5a6972',
  '#414e57',
  '#2a353c',
  '#141c21',
];

/** From text (0) to the page's ground (7) in the dark scheme. */
const dark: MantineColorsTuple = [
  '#dbe4e8',
  '#b9c6cd',
  '#8fa0a9',
  '#66777f',
  '#2f3d45',
  '#243038',
  '#182227',
  '#131b20',
  '#0e1519',
  '#0a1013',
];

/** Danger: dark enough from 6 on for white text. */
const red: MantineColorsTuple = [
  '#fdecee',
  '#fad3d8',
  '#f5a6b0',
  '#f08593',
  '#e5647a',
  '#d9415a',
  '#c62f48',
  '#b4233a',
  '#921b2e',
  '#701523',
];

export const theme = createTheme({
  colors: { river, gray, dark, red },
  primaryColor: 'river',
  primaryShade: { light: 7, dark: 6 },
  black: '#141c21',
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, 'SF Mono', Menlo, monospace",
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '8px', lg: '12px', xl: '20px' },
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.875rem', lg: '1rem', xl: '1.125rem' },
  headings: {
    fontWeight: '640',
    sizes: {
      h1: { fontSize: '1.375rem', lineHeight: '1.3' },
      h2: { fontSize: '1rem', lineHeight: '1.4' },
      h3: { fontSize: '0.875rem', lineHeight: '1.4' },
    },
  },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Tooltip: {
      defaultProps: { openDelay: 250, withArrow: true, events: { hover: true, focus: true, touch: true } },
    },
    Popover: { defaultProps: { shadow: 'md', radius: 'md' } },
    Menu: { defaultProps: { shadow: 'md', radius: 'md' } },
    InputWrapper: { styles: { label: { marginBottom: 4 }, description: { marginBottom: 6 } } },
    TextInput: { defaultProps: { size: 'sm' } },
    Select: { defaultProps: { size: 'sm' } },
  },
});

/** The soft forms of colours, as in notes and quiet buttons: this app's own surfaces and text colours. */
const soft = {
  '--mantine-color-river-light': 'var(--weir-accent-soft)',
  '--mantine-color-river-light-color': 'var(--weir-accent)',
  '--mantine-color-red-light': 'var(--weir-bad-soft)',
  '--mantine-color-red-light-color': 'var(--weir-bad)',
  '--mantine-color-yellow-light': 'var(--weir-warn-soft)',
  '--mantine-color-yellow-light-color': 'var(--weir-warn)',
};

/** What Mantine's variables are beside the theme, in both schemes. */
export const variables: CSSVariablesResolver = () => ({ variables: {}, light: soft, dark: soft });
