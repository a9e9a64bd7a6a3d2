// Runs bin/weir as an operator does: as a process, with a data directory and settings in the environment.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from './until.mjs'

const program = fileURLToPath(new URL('../../bin/weir', import.meta.url))

/** What the server is provisioned with, unless a test wants to be the first who comes. */
export const owner = { email: 'ada@example.com', password: 'a weir holds the river' }
export const workspace = 'shop'
export const writeKey = 'wk_e2eWriteKey0000000000001'
export const secretKey = 'sk_e2eSecretKey000000000000000000000000000000000000000001'

const provisioning = {
  WEIR_BOOTSTRAP_WORKSPACE: workspace,
  WEIR_BOOTSTRAP_WRITE_KEY: writeKey,
  WEIR_BOOTSTRAP_SECRET_KEY: secretKey,
  WEIR_BOOTSTRAP_TIMEZONE: 'Europe/Paris',
  WEIR_ADMIN_EMAIL: owner.email,
  WEIR_ADMIN_PASSWORD: owner.password,
}

export class Server {
  output = ''

  /** Starts on an empty data directory, and on a free port. */
  static async start(environment = provisioning) {
    if (!existsSync(program)) throw new Error(`${program} is not there: run "make build" first`)
    const server = new Server()
    server.environment = environment
    server.data = await mkdtemp(join(tmpdir(), 'weir-e2e-'))
    await server.run('127.0.0.1:0')
    return server
  }

  async run(listen) {
    const { PATH, HOME } = process.env
    const flags = [
      'serve',
      '--listen',
      listen,
      '--admin-listen',
      '',
      '--data',
      this.data,
      '--min-free',
      '64MB',
    ]
    this.process = spawn(program, flags, {
      env: { PATH, HOME, ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.ended = new Promise((resolve) =>
      this.process.once('exit', (code, signal) => resolve({ code, signal })),
    )
    const from = this.output.length
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text
      })
    }
    this.url = await until(
      'the server to be ready',
      () => {
        if (this.process.exitCode !== null) throw new Error(`the server ended:\n${this.output.slice(from)}`)
        return /Weir is ready: (\S+)/.exec(this.output.slice(from))?.[1]
      },
      30_000,
    )
    await until('readyz', async () => (await fetch(`${this.url}/readyz`)).ok)
  }

  /** Ends it in the middle of whatever it does. */
  async kill() {
    this.process.kill('SIGKILL')
    await this.ended
  }

  /** Starts it again, where it was. */
  restart() {
    return this.run(new URL(this.url).host)
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill('SIGTERM')
      const end = await this.ended
      assert.deepEqual(
        end,
        { code: 0, signal: null },
        `the server did not end as it should:\n${this.output.slice(-2000)}`,
      )
    }
    await rm(this.data, { recursive: true, force: true })
  }

  /** Calls the API with the secret key, under the workspace. */
  async call(method, path, body) {
    const response = await fetch(`${this.url}/api/v1/workspaces/${workspace}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${secretKey}`,
        ...(body ? { 'Content-Type': 'application/json' } : {}),
      },
      body: body && JSON.stringify(body),
    })
    const answer = await response.json()
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
    return answer
  }

  /** How often an event happened today; by a property, if one is named: a map from its values. */
  async count(event, property) {
    const series = [{ name: 'A', event, measure: 'total' }]
    const breakdowns = property ? [{ property, on: 'event', limit: 1000 }] : undefined
    const answer = await this.call('POST', '/query', {
      kind: 'trends',
      from: '-1d',
      to: 'today',
      interval: 'day',
      series,
      breakdowns,
    })
    if (!property) return answer.series[0]?.total ?? 0
    return new Map(answer.series.map((one) => [one.breakdown?.[0], one.total]))
  }

  /** All rows of the log that a filter leaves, newest first. */
  async log(filter) {
    const rows = []
    for (let cursor = ''; ; ) {
      const query = new URLSearchParams({ ...filter, limit: '200', ...(cursor && { cursor }) })
      const page = await this.call('GET', `/items?${query}`)
      rows.push(...page.items)
      cursor = page.next
      if (!cursor) return rows
    }
  }

  /** Sends items as a program does, and returns the answer. */
  async send(items) {
    const response = await fetch(`${this.url}/v1/items?wait=1`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${writeKey}` },
      body: JSON.stringify({ items, context: { data_sent_at: new Date().toISOString() } }),
    })
    assert.equal(response.status, 200)
    return response.json()
  }
}
