import assert from 'node:assert/strict'

/** Calls check until it returns something true, and returns that. */
export async function until(what, check, within = 20_000) {
  const end = Date.now() + within
  for (;;) {
    const found = await check()
    if (found) return found
    if (Date.now() > end) assert.fail(`waited ${within} ms in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
