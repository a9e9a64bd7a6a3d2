// Receives what weir.js sends, as it is on the wire, and misbehaves as tests ask it to.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const script = readFileSync(new URL('../../dist/weir.js', import.meta.url))

const listen = (server, port = 0) =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server.address().port))
  })

const close = (server) =>
  new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })

const read = async (request) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** Calls check until it returns something true, and returns that. */
export async function until(what, check, within = 15_000) {
  const end = Date.now() + within
  for (;;) {
    const found = await check()
    if (found) return found
    if (Date.now() > end) assert.fail(`waited ${within} ms in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The server that weir.js is loaded from and sends to. */
export class Capture {
  requests = [] // { at, method, headers, url, items, status }
  /** Gives the answer to a request: a status, headers, whether to wait or to break the connection. */
  behave = () => ({ status: 200 })

  async start(port) {
    this.server = createServer((request, response) =>
      this.answer(request, response).catch(() => response.destroy()),
    )
    this.port = await listen(this.server, port)
    this.origin = `http://127.0.0.1:${this.port}`
    return this
  }

  stop() {
    return close(this.server)
  }

  async answer(request, response) {
    if (request.method === 'GET' && request.url === '/weir.js') {
      response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(script)
      return
    }
    const body = await read(request)
    const { method, headers, url } = request
    const envelope = body ? JSON.parse(body) : { items: [] }
    const seen = {
      at: Date.now(),
      method,
      headers,
      url,
      items: envelope.items,
      sentAt: envelope.context?.data_sent_at,
    }
    this.requests.push(seen)
    const answer = await this.behave(seen)
    seen.status = answer.status
    if (answer.broken) return void response.destroy()
    const cors = {
      'Access-Control-Allow-Origin': headers.origin ?? '*',
      'Access-Control-Expose-Headers': 'Retry-After',
      Vary: 'Origin',
    }
    response.writeHead(answer.status, { ...cors, ...answer.headers, 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ accepted: envelope.items.length, rejected: [], receipt: 'rcp_1' }))
  }

  /** The items of the requests that were answered with 200. */
  get stored() {
    return this.requests.filter((request) => request.status === 200).flatMap((request) => request.items)
  }

  /** Names of the events that a server which knows ids would have stored, in order of arrival. */
  get events() {
    const byId = new Map()
    for (const item of this.stored)
      if (item.kind === 'custom_event') byId.set(item.custom_event.external_id, item.custom_event.label)
    return [...byId.values()]
  }

  /** What is sent again must be the same item to the byte, or a newer version of it. */
  checkVersions() {
    const seen = new Map()
    for (const item of this.requests.flatMap((request) => request.items)) {
      const payload = item[item.kind]
      const version = `${item.kind} ${payload.external_id} ${payload.updated_at ?? payload.created_at}`
      const text = JSON.stringify(item)
      assert.equal(text, seen.get(version) ?? text, 'one version of an item has two contents')
      seen.set(version, text)
    }
  }
}

/** A website of another origin. Pages are added as path to HTML, or to { html, headers }. */
export class Site {
  pages = new Map()

  async start() {
    this.server = createServer((request, response) => {
      const page = this.pages.get(new URL(request.url, 'http://site').pathname)
      if (page === undefined) return void response.writeHead(204).end() // /favicon.ico
      const { html, headers } = typeof page === 'string' ? { html: page } : page
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...headers }).end(html)
    })
    this.origin = `http://127.0.0.1:${await listen(this.server)}`
    return this
  }

  stop() {
    return close(this.server)
  }
}
