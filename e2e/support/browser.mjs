import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import { owner } from './server.mjs'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const args =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

export const launch = () => chromium.launch({ executablePath, args: args.split(' ') })

// Browsers report each answer of 4xx by themselves. This one is how the app learns that nobody is signed in.
const beforeSignIn = /^console: .* 401 .*\/api\/v1\/me\)$/

/**
 * A browser profile that hears every complaint: errors in the console, uncaught exceptions and violations
 * of the content security policy. `quiet` fails if there was any, but for those that a test expects.
 */
export async function newContext(browser, options) {
  const context = await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce', ...options })
  const complaints = []
  context.on('weberror', (error) => complaints.push(`uncaught: ${error.error().stack}`))
  context.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()} (${message.location().url})`)
  })
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      // biome-ignore lint/suspicious/noConsole: it is how the page reaches the listener above
      console.error(`policy: ${event.effectiveDirective} forbids ${event.blockedURI}`)
    })
  })
  return Object.assign(context, {
    quiet(expected = []) {
      const all = [...expected, beforeSignIn]
      const unexpected = complaints.filter((text) => !all.some((pattern) => pattern.test(text)))
      assert.deepEqual(unexpected, [], 'the browser complained')
    },
  })
}

export async function signIn(page, url) {
  await page.goto(url)
  await page.getByLabel('Email').fill(owner.email)
  await page.getByLabel('Password', { exact: true }).fill(owner.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation', { name: 'Main' }).waitFor()
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Fails if axe finds a serious or critical barrier on the page. */
export async function accessible(page, what) {
  // Evaluated by the debugger, which the page's policy does not bind.
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run())
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  const told = serious.map(
    ({ id, help, nodes }) => `${id}: ${help}\n    ${nodes.map((node) => node.html).join('\n    ')}`,
  )
  assert.equal(serious.length, 0, `${what} has barriers:\n  ${told.join('\n  ')}`)
}
