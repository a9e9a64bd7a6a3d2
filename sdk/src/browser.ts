// The script that a page loads: makes `window.weir`, starts by itself if its tag has a data-key, and
// makes the calls that the page made before it was loaded.
import { guarded, home } from './client.js'
import weir, { type Call, type Weir } from './index.js'

const page = window as { weir?: Weir | Call[] }

guarded(() => {
  const before = page.weir
  if (before && !Array.isArray(before)) return // loaded twice
  page.weir = weir
  const tag = document.currentScript as HTMLScriptElement | null
  if (tag) {
    const { key, host, options } = tag.dataset
    home.host = host || new URL(tag.src).origin
    if (key) weir.init(key, JSON.parse(options || '{}'))
  }
  weir.push(...(before || []))
})()
