import { chromium } from 'playwright-core'
import { Capture, Site } from './capture.mjs'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'
const args =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

export const launch = () =>
  // Playwright switches the back/forward cache off unless it is kept from it.
  chromium.launch({
    executablePath,
    args: args.split(' '),
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  })

export const page = (
  capture,
  { options = '', body = '', title = 'Shop' } = {},
) => `<!doctype html><title>${title}</title>
<script async src="${capture.origin}/weir.js" data-key="wk_test" ${options}></script>
<button onclick="weir.track('Clicked', {n: this.dataset.n = +(this.dataset.n || 0) + 1})">Buy</button>${body}`

/** Runs a test with a website, a receiver and a browser profile of its own. */
export async function world(browser, run) {
  const capture = await new Capture().start()
  const site = await new Site().start()
  site.pages.set('/', page(capture))
  site.pages.set('/next', page(capture, { title: 'Next' }))
  site.pages.set('/elsewhere', '<!doctype html><title>Elsewhere</title>')
  const context = await browser.newContext()
  const errors = []
  context.on('weberror', (error) => errors.push(String(error.error())))
  const open = async (path = '/') => {
    const tab = await context.newPage()
    await tab.goto(site.origin + path)
    if (path !== '/elsewhere') await tab.waitForFunction(() => window.weir?.track)
    return tab
  }
  try {
    await run({ capture, site, context, open })
    capture.checkVersions()
    if (errors.length) throw new Error(`errors reached the page: ${errors}`)
  } finally {
    await context.close()
    await Promise.all([capture.stop(), site.stop()])
  }
}
