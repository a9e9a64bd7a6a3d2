// Takes pictures of every page, at desk and phone size, light and dark, and
// checks each with axe: `npm run look -- http://127.0.0.1:8080 OUT-DIRECTORY`.
// Signs in with WEIR_EMAIL and WEIR_PASSWORD. CHROMIUM names the browser.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [base = 'http://127.0.0.1:8080', out = 'look', only] = process.argv.slice(2);
const {
  CHROMIUM = '/usr/bin/chromium',
  WEIR_EMAIL = 'ada@example.com',
  WEIR_PASSWORD = 'correct horse battery',
} = process.env;
// Evaluated, not added as an element: the content security policy stays in force.
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const series = (event, more = {}) => `series=${encodeURIComponent(JSON.stringify({ event, ...more }))}`;

/** name, address, and what to do once the page is there. */
const PAGES = [
  ['home', '/', (page) => page.waitForTimeout(2500)],
  [
    'home-open',
    '/',
    async (page) => {
      await page.waitForTimeout(1500);
      await page.locator('[aria-expanded]').filter({ hasText: /:/ }).nth(2).click();
      await page.waitForTimeout(1200);
    },
  ],
  ['insights', '/insights', (page) => page.waitForTimeout(1500)],
  [
    'insights-breakdown',
    `/insights?${series('Product Viewed')}&by=user.country&range=30d`,
    (page) => page.waitForTimeout(1500),
  ],
  [
    'insights-hover',
    `/insights?${series('pageview')}&${series('order', { measure: 'users' })}&range=7d`,
    async (page) => {
      await page.waitForTimeout(1200);
      const chart = await page.getByRole('img', { name: /by day/ }).boundingBox();
      if (chart) await page.mouse.move(chart.x + chart.width * 0.6, chart.y + chart.height / 2);
      await page.waitForTimeout(400);
    },
  ],
  [
    'insights-bar',
    `/insights?${series('Product Viewed')}&by=user.country&range=30d&view=bar`,
    (page) => page.waitForTimeout(1200),
  ],
  [
    'insights-today',
    `/insights?${series('*')}&range=today&interval=hour`,
    (page) => page.waitForTimeout(1200),
  ],
  [
    'insights-table',
    `/insights?${series('Product Viewed')}&by=user.country&range=7d&view=table`,
    (page) => page.waitForTimeout(800),
  ],
  [
    'insights-filter',
    `/insights?${series('Product Viewed')}&filter=${encodeURIComponent(JSON.stringify({ property: 'country', on: 'user', op: 'in', values: ['FR', 'DE'] }))}`,
    async (page) => {
      await page.waitForTimeout(800);
      const fold = page
        .locator('button[aria-controls][aria-expanded=false]')
        .filter({ hasText: 'where country' });
      if (await fold.isVisible()) await fold.click();
      await page.getByRole('button', { name: /^Person country/ }).click();
      await page.waitForTimeout(500);
    },
  ],
  [
    'insights-custom',
    '/insights',
    async (page) => {
      await page.waitForTimeout(800);
      await page.getByRole('button', { name: 'Custom' }).click();
      await page.waitForTimeout(500);
    },
  ],
  ['log', '/log', (page) => page.waitForTimeout(800)],
  [
    'log-receipt',
    '/log?status=rejected',
    async (page) => {
      await page.waitForTimeout(800);
      await page.locator('tbody button').first().click();
      await page.waitForTimeout(900);
    },
  ],
  [
    'log-conversion',
    '/log?kind=order&status=stored',
    async (page) => {
      await page.waitForTimeout(800);
      await page.locator('tbody button').first().click();
      await page.getByRole('heading', { name: 'Conversion' }).waitFor();
      await page.waitForTimeout(600);
      await page.getByRole('heading', { name: 'Conversion' }).evaluate((it) => it.scrollIntoView());
      await page.waitForTimeout(300);
    },
  ],
  [
    'log-replay',
    '/log?status=rejected',
    async (page) => {
      await page.waitForTimeout(800);
      await page.getByRole('button', { name: 'Replay all rejected' }).click();
      await page.waitForTimeout(600);
    },
  ],
  ['settings-keys', '/settings/keys', (page) => page.waitForTimeout(800)],
  [
    'settings-create',
    '/settings/keys',
    async (page) => {
      await page.waitForTimeout(600);
      await page.getByRole('button', { name: 'Create key' }).click();
      await page.waitForTimeout(500);
    },
  ],
  ['settings-workspace', '/settings/workspace', (page) => page.waitForTimeout(500)],
];

const SIZES = [
  ['desk', { width: 1440, height: 900 }],
  ['phone', { width: 390, height: 844 }],
];

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

async function check(page, name) {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe?.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }),
  );
  for (const violation of found?.violations ?? []) {
    console.log(`${name}: ${violation.impact} ${violation.id}: ${violation.help}`);
    for (const node of violation.nodes.slice(0, 3))
      console.log(`    ${node.target.join(' ')}  ${node.any[0]?.message ?? ''}`);
  }
}

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of SIZES) {
    const context = await browser.newContext({
      viewport,
      colorScheme,
      bypassCSP: true,
      deviceScaleFactor: 1,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(8000);
    page.on(
      'console',
      (message) =>
        message.type() === 'error' &&
        !/401/.test(message.text()) &&
        console.log(`${size}-${colorScheme}: ${message.text()}`),
    );
    page.on('pageerror', (error) => console.log(`${size}-${colorScheme}: ${error}`));
    const shoot = async (name) => {
      const file = `${name}-${size}-${colorScheme}`;
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      if (wide > 0) console.log(`${file}: ${wide}px wider than the window`);
      await page.screenshot({ path: join(out, `${file}.png`) });
      await check(page, file);
    };
    await page.goto(`${base}/`);
    await page.getByLabel('Email').waitFor();
    await page.waitForTimeout(300);
    if (!only) await shoot('sign-in');
    if (!only) {
      await page.goto(`${base}/welcome?token=abc`);
      await page.getByLabel('Email').waitFor();
      await shoot('welcome');
      await page.goto(`${base}/`);
    }
    await page.getByLabel('Email').fill(WEIR_EMAIL);
    await page.getByRole('textbox', { name: 'Password' }).fill(WEIR_PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: 'Insights' }).waitFor();
    for (const [name, path, ready] of PAGES) {
      if (only && !name.startsWith(only)) continue;
      try {
        await page.goto(base + path);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await ready(page);
      } catch (error) {
        console.log(`${name}-${size}-${colorScheme}: ${String(error).split('\n')[0]}`);
      }
      await shoot(name);
    }
    await context.close();
  }
}
await browser.close();
